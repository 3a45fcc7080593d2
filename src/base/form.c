/*
 * form.c: parsing of query strings, for conditions and history.
 */
#include "base/compat.h"

#include "base/percent.h"
#include "base/form.h"

int
form_parse(const char *query, FormParam **out)
{
	const char *p = *query == '?' ? query + 1 : query;
	int n = 0, max = 1;

	for (const char *c = p; *c; c++)
		max += *c == '&';
	*out = palloc(sizeof(FormParam) * max);
	while (*p) {
		int len = strcspn(p, "&");
		const char *eq = memchr(p, '=', len);
		int nlen = eq ? eq - p : len;

		if (len > 0) {
			(*out)[n].name = fhir_percent_decode(p, nlen, true);
			(*out)[n].value = eq ? fhir_percent_decode(eq + 1, len - nlen - 1, true) : pstrdup("");
			n++;
		}
		p += len;
		if (*p == '&')
			p++;
	}
	return n;
}
