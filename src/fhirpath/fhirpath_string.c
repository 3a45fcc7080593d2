/*
 * fhirpath_string.c: case mapping and folding that does not depend on the database's locale.
 *
 * Code points are mapped by the C library's C.UTF-8 tables, which follow Unicode; where the system has no
 * such locale, or the database is not in UTF-8, only ASCII letters are mapped.
 */
#include "fhirpath/fhirpath_int.h"

#include <locale.h>
#include <wctype.h>

#include "mb/pg_wchar.h"

static locale_t
unicode_locale(void)
{
	static locale_t loc = (locale_t) 0;
	static bool tried = false;

	if (!tried) {
		loc = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t) 0);
		tried = true;
	}
	return loc;
}

char *
fp_case_string(const char *s, int len, bool upper, int *outlen)
{
	bool unicode = GetDatabaseEncoding() == PG_UTF8 && unicode_locale() != (locale_t) 0;
	char *out = palloc(len * 2 + 8), *o = out;

	for (const char *p = s; p < s + len;) {
		if ((unsigned char) *p < 0x80) {
			*o++ = upper ? pg_ascii_toupper(*p) : pg_ascii_tolower(*p);
			p++;
		} else {
			int n = Min(pg_mblen(p), (int) (s + len - p));

			if (unicode) {
				wint_t c = utf8_to_unicode((unsigned char *) p);

				c = upper ? towupper_l(c, unicode_locale()) : towlower_l(c, unicode_locale());
				unicode_to_utf8(c, (unsigned char *) o);
				o += pg_utf_mblen((unsigned char *) o);
			} else {
				memcpy(o, p, n);
				o += n;
			}
			p += n;
		}
		/* a mapped character may be longer than the one it came from */
		if (o - out > len * 2)
			ereport(ERROR, (errcode(FH422), errmsg("FHIRPath: string grew too long in case conversion")));
	}
	*outlen = o - out;
	return out;
}

char *
fp_fold_string(const char *s, int len, int *outlen)
{
	char *t = fp_case_string(s, len, false, &len), *o = t;
	bool space = false;

	for (int i = 0; i < len; i++) {
		if (t[i] == ' ' || t[i] == '\t' || t[i] == '\n' || t[i] == '\r' || t[i] == '\f')
			space = true;
		else {
			if (space && o > t)
				*o++ = ' ';
			space = false;
			*o++ = t[i];
		}
	}
	*outlen = o - t;
	return t;
}
