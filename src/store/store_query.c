/*
 * store_query.c: parsing of query strings, for conditions and history.
 */
#include "base/compat.h"

#include "store/store_query.h"

static int
hex_digit(char c)
{
	return c >= '0' && c <= '9'	  ? c - '0'
		   : c >= 'a' && c <= 'f' ? c - 'a' + 10
		   : c >= 'A' && c <= 'F' ? c - 'A' + 10
								  : -1;
}

/* Percent-decoded copy; "+" is a space; %00 stays as it is, since no text holds a NUL. */
static char *
decode(const char *s, int len)
{
	char *out = palloc(len + 1);
	int n = 0;

	for (int i = 0; i < len; i++) {
		if (s[i] == '%' && i + 2 < len && hex_digit(s[i + 1]) >= 0 && hex_digit(s[i + 2]) >= 0 &&
			(s[i + 1] != '0' || s[i + 2] != '0')) {
			out[n++] = hex_digit(s[i + 1]) << 4 | hex_digit(s[i + 2]);
			i += 2;
		} else
			out[n++] = s[i] == '+' ? ' ' : s[i];
	}
	out[n] = '\0';
	return out;
}

int
store_query_parse(const char *query, QueryParam **out)
{
	const char *p = *query == '?' ? query + 1 : query;
	int n = 0, max = 1;

	for (const char *c = p; *c; c++)
		max += *c == '&';
	*out = palloc(sizeof(QueryParam) * max);
	while (*p) {
		int len = strcspn(p, "&");
		const char *eq = memchr(p, '=', len);
		int nlen = eq ? eq - p : len;

		if (len > 0) {
			(*out)[n].name = decode(p, nlen);
			(*out)[n].value = eq ? decode(eq + 1, len - nlen - 1) : pstrdup("");
			n++;
		}
		p += len;
		if (*p == '&')
			p++;
	}
	return n;
}

void
store_query_encode(StringInfo out, const char *s)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char) *s;

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-._~:", c))
			appendStringInfoChar(out, c);
		else
			appendStringInfo(out, "%%%02X", c);
	}
}
