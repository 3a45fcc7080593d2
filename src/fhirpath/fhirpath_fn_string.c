/*
 * fhirpath_fn_string.c: string functions (FHIRPath N1 section 5.6). Positions and lengths count characters.
 */
#include "fhirpath/fhirpath_fn.h"

#include "mb/pg_wchar.h"

bool
fp_input_string(FpExec *x, const FpNode *n, const FpList *in, const char **str, int *len)
{
	const FpItem *i = fp_single(x, in, psprintf("%s()", n->fn->name));

	if (i == NULL || (i->json.type == jbvNull && i->kind != FP_QUANTITY && i->kind != FP_TYPEINFO))
		return false;
	if (i->json.type != jbvString)
		fp_error(x, i, psprintf("%s() takes a string, not %s", n->fn->name, fp_kind_name(i)),
				 "Use toString().");
	*str = i->json.val.string.val;
	*len = i->json.val.string.len;
	fp_tick(x, *len / 64);
	return true;
}

/* Byte offset of b in a at or after from, or -1. */
static int
find(const char *a, int alen, const char *b, int blen, int from)
{
	const char *p;

	if (blen == 0)
		return from <= alen ? from : -1;
	if (alen - from < blen)
		return -1;
	p = memmem(a + from, alen - from, b, blen);
	return p != NULL ? p - a : -1;
}

void
fp_fn_indexOf(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	const char *a, *b;
	int alen, blen, at;

	if (!fp_input_string(x, n, in, &a, &alen) || !fp_arg_string(x, n, s, 0, &b, &blen))
		return;
	at = find(a, alen, b, blen, 0);
	fp_push_int(x, out, at < 0 ? -1 : pg_mbstrlen_with_len(a, at));
}

void
fp_fn_lastIndexOf(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	const char *a, *b;
	int alen, blen, at = -1;

	if (!fp_input_string(x, n, in, &a, &alen) || !fp_arg_string(x, n, s, 0, &b, &blen))
		return;
	for (int i = alen - blen; i >= 0 && at < 0; i--)
		if (memcmp(a + i, b, blen) == 0)
			at = i;
	fp_push_int(x, out, at < 0 ? -1 : pg_mbstrlen_with_len(a, at));
}

/* Bytes of the first `chars` characters. */
static int
prefix(const char *s, int len, int64 chars)
{
	const char *p = s, *end = s + len;

	while (p < end && chars-- > 0)
		p += pg_mblen(p);
	return Min(p - s, len);
}

void
fp_fn_substring(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	const char *a;
	int alen, from;
	int64 start, count = PG_INT32_MAX;

	if (!fp_input_string(x, n, in, &a, &alen) || !fp_arg_int(x, n, s, 0, &start))
		return;
	if (n->nargs > 1)
		fp_arg_int(x, n, s, 1, &count);
	if (start < 0 || (from = prefix(a, alen, start)) >= alen)
		return;
	fp_push_string(x, out, a + from, count > 0 ? prefix(a + from, alen - from, count) : 0);
}

void
fp_fn_startsWith(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	const char *a, *b;
	int alen, blen;

	if (fp_input_string(x, n, in, &a, &alen) && fp_arg_string(x, n, s, 0, &b, &blen))
		fp_push_bool(x, out, blen <= alen && memcmp(a, b, blen) == 0);
}

void
fp_fn_endsWith(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	const char *a, *b;
	int alen, blen;

	if (fp_input_string(x, n, in, &a, &alen) && fp_arg_string(x, n, s, 0, &b, &blen))
		fp_push_bool(x, out, blen <= alen && memcmp(a + alen - blen, b, blen) == 0);
}

void
fp_fn_contains(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	const char *a, *b;
	int alen, blen;

	if (fp_input_string(x, n, in, &a, &alen) && fp_arg_string(x, n, s, 0, &b, &blen))
		fp_push_bool(x, out, find(a, alen, b, blen, 0) >= 0);
}

static void
change_case(FpExec *x, const FpNode *n, FpList *in, FpList *out, bool upper)
{
	const char *a;
	char *r;
	int alen, rlen;

	if (!fp_input_string(x, n, in, &a, &alen))
		return;
	r = fp_case_string(a, alen, upper, &rlen);
	fp_push_string(x, out, r, rlen);
}

void
fp_fn_upper(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	change_case(x, n, in, out, true);
}

void
fp_fn_lower(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	change_case(x, n, in, out, false);
}

/* An empty pattern stands before each character and at the end. */
void
fp_fn_replace(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	const char *a, *b, *c;
	int alen, blen, clen, at = 0, hit;
	StringInfoData r;

	if (!fp_input_string(x, n, in, &a, &alen) || !fp_arg_string(x, n, s, 0, &b, &blen) ||
		!fp_arg_string(x, n, s, 1, &c, &clen))
		return;
	initStringInfo(&r);
	while (at < alen && (hit = find(a, alen, b, blen, at)) >= 0) {
		int step = blen > 0 ? 0 : Min(pg_mblen(a + at), alen - at);

		appendBinaryStringInfo(&r, a + at, hit - at);
		appendBinaryStringInfo(&r, c, clen);
		appendBinaryStringInfo(&r, a + hit, step);
		at = hit + blen + step;
		fp_tick(x, 1 + clen / 64);
	}
	appendBinaryStringInfo(&r, a + at, alen - at);
	if (blen == 0)
		appendBinaryStringInfo(&r, c, clen);
	fp_push_string(x, out, r.data, r.len);
}

void
fp_fn_length(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	const char *a;
	int alen;

	if (fp_input_string(x, n, in, &a, &alen))
		fp_push_int(x, out, pg_mbstrlen_with_len(a, alen));
}

void
fp_fn_toChars(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	const char *a;
	int alen;

	if (!fp_input_string(x, n, in, &a, &alen))
		return;
	for (int i = 0; i < alen;) {
		int w = Min(pg_mblen(a + i), alen - i);

		fp_push_string(x, out, a + i, w);
		i += w;
	}
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

void
fp_fn_trim(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	const char *a;
	int alen;

	if (!fp_input_string(x, n, in, &a, &alen))
		return;
	while (alen > 0 && is_space(a[alen - 1]))
		alen--;
	while (alen > 0 && is_space(*a)) {
		a++;
		alen--;
	}
	fp_push_string(x, out, a, alen);
}

void
fp_fn_split(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	const char *a, *b;
	int alen, blen, at = 0, hit;

	if (!fp_input_string(x, n, in, &a, &alen) || !fp_arg_string(x, n, s, 0, &b, &blen))
		return;
	if (blen == 0) {
		fp_fn_toChars(x, n, s, in, out);
		return;
	}
	while ((hit = find(a, alen, b, blen, at)) >= 0) {
		fp_push_string(x, out, a + at, hit - at);
		at = hit + blen;
	}
	fp_push_string(x, out, a + at, alen - at);
}

void
fp_fn_join(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	const char *sep = "";
	int len = 0, count = 0;
	StringInfoData r;

	if (n->nargs > 0)
		fp_arg_string(x, n, s, 0, &sep, &len);
	initStringInfo(&r);
	for (int i = 0; i < in->n; i++) {
		const FpItem *item = &in->items[i];

		if (item->json.type == jbvNull && item->kind == FP_STRING)
			continue;
		if (item->json.type != jbvString)
			fp_error(x, item, psprintf("join() takes strings, not %s", fp_kind_name(item)),
					 "Use select(toString()).join().");
		if (count++ > 0)
			appendBinaryStringInfo(&r, sep, len);
		appendBinaryStringInfo(&r, item->json.val.string.val, item->json.val.string.len);
	}
	fp_tick(x, r.len / 64);
	if (count > 0)
		fp_push_string(x, out, r.data, r.len);
}
