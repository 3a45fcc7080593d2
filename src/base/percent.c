/*
 * percent.c: the one reading of percent-encoded text: of URLs, of forms, of searches.
 */
#include "base/compat.h"

#include "mb/pg_wchar.h"

#include "base/error.h"
#include "base/hex.h"
#include "base/percent.h"

pg_noreturn static void
bad_encoding(const char *detail)
{
	ereport(ERROR, errcode(FH400), errmsg("malformed percent-encoding"), errdetail("%s", detail),
			errhint("Write reserved characters as %% and two hexadecimal digits of their UTF-8 bytes."));
}

char *
fhir_percent_decode(const char *s, int len, bool form)
{
	char *out = palloc(len + 1), *o = out;

	for (int i = 0; i < len; i++) {
		if (s[i] == '%') {
			int hi = len - i > 2 ? fhir_hex_value(s[i + 1]) : -1;
			int lo = len - i > 2 ? fhir_hex_value(s[i + 2]) : -1;

			if (hi < 0 || lo < 0)
				bad_encoding("A percent sign is not followed by two hexadecimal digits.");
			*o = (char) (hi << 4 | lo);
			if (*o++ == '\0')
				bad_encoding("It holds the character U+0000.");
			i += 2;
		} else if (s[i] == '+' && form)
			*o++ = ' ';
		else
			*o++ = s[i];
	}
	*o = '\0';
	if (!pg_verify_mbstr(PG_UTF8, out, (int) (o - out), true))
		bad_encoding("It decodes to bytes that are no UTF-8.");
	return out;
}

void
fhir_percent_encode(StringInfo out, const char *s, const char *keep)
{
	static const char hex[] = "0123456789ABCDEF";

	for (; *s; s++) {
		unsigned char c = (unsigned char) *s;

		if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			strchr("-_.~", c) != NULL || strchr(keep, c) != NULL)
			appendStringInfoCharMacro(out, (char) c);
		else {
			appendStringInfoCharMacro(out, '%');
			appendStringInfoCharMacro(out, hex[c >> 4]);
			appendStringInfoCharMacro(out, hex[c & 15]);
		}
	}
}
