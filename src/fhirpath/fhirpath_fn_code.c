/*
 * fhirpath_fn_code.c: encode, decode, escape, unescape (FHIRPath 3.0, additional string functions).
 */
#include "fhirpath/fhirpath_fn.h"

#include "common/base64.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

static bool
is(const char *s, int len, const char *word)
{
	return strlen(word) == len && memcmp(s, word, len) == 0;
}

static void
unknown_format(FpExec *x, const FpNode *n, const char *s, int len, const char *known)
{
	fp_error(x, NULL, psprintf("%s() does not know the format '%.*s'", n->fn->name, len, s), known);
}

static void
swap_alphabet(char *s, int len, const char *from, const char *to)
{
	for (int i = 0; i < len; i++)
		for (int k = 0; k < 2; k++)
			if (s[i] == from[k]) {
				s[i] = to[k];
				break;
			}
}

void
fp_fn_encode(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	const char *a, *f;
	int alen, flen, rlen;
	char *r;

	if (!fp_input_string(x, n, in, &a, &alen) || !fp_arg_string(x, n, s, 0, &f, &flen))
		return;
	if (is(f, flen, "hex")) {
		r = palloc(alen * 2 + 1);
		rlen = hex_encode(a, alen, r);
	} else if (is(f, flen, "base64") || is(f, flen, "urlbase64")) {
		r = palloc(pg_b64_enc_len(alen) + 1);
		rlen = FhirBase64Encode(a, alen, r, pg_b64_enc_len(alen));
		if (is(f, flen, "urlbase64"))
			swap_alphabet(r, rlen, "+/", "-_");
	} else {
		unknown_format(x, n, f, flen, "Known: hex, base64, urlbase64.");
		return;
	}
	fp_push_string(x, out, r, rlen);
}

/* -1: no hex */
static int
decode_hex(const char *a, int alen, char *r)
{
	if (alen % 2 != 0)
		return -1;
	for (int i = 0; i < alen; i += 2) {
		int hi = fhir_hex_value(a[i]), lo = fhir_hex_value(a[i + 1]);

		if (hi < 0 || lo < 0)
			return -1;
		r[i / 2] = hi * 16 + lo;
	}
	return alen / 2;
}

/* Empty when the text is not in the format, or does not decode to text. */
void
fp_fn_decode(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	const char *a, *f;
	int alen, flen, rlen;
	char *r, *copy;

	if (!fp_input_string(x, n, in, &a, &alen) || !fp_arg_string(x, n, s, 0, &f, &flen))
		return;
	r = palloc(alen + 4);
	if (is(f, flen, "hex"))
		rlen = decode_hex(a, alen, r);
	else if (is(f, flen, "base64") || is(f, flen, "urlbase64")) {
		copy = pnstrdup(a, alen);
		if (is(f, flen, "urlbase64"))
			swap_alphabet(copy, alen, "-_", "+/");
		rlen = FhirBase64Decode(copy, alen, r, alen + 4);
	} else {
		unknown_format(x, n, f, flen, "Known: hex, base64, urlbase64.");
		return;
	}
	if (rlen >= 0 && memchr(r, '\0', rlen) == NULL && pg_verify_mbstr(GetDatabaseEncoding(), r, rlen, true))
		fp_push_string(x, out, r, rlen);
}

static const struct {
	const char *name, *text;
} entities[] = {{"&lt;", "<"}, {"&gt;", ">"}, {"&amp;", "&"}, {"&quot;", "\""}, {"&#39;", "'"}, {"&apos;", "'"}};

static void
escape_html(StringInfo r, const char *a, int alen)
{
	for (int i = 0; i < alen; i++) {
		int k = 0;

		while (k < 5 && entities[k].text[0] != a[i])
			k++;
		if (k < 5)
			appendStringInfoString(r, entities[k].name);
		else
			appendStringInfoChar(r, a[i]);
	}
}

static void
escape_json(StringInfo r, const char *a, int alen)
{
	for (int i = 0; i < alen; i++) {
		unsigned char c = a[i];
		static const char plain[] = "\"\\\b\f\n\r\t", letter[] = "\"\\bfnrt";
		const char *p = memchr(plain, c, sizeof(plain) - 1);

		if (p != NULL)
			appendStringInfo(r, "\\%c", letter[p - plain]);
		else if (c < 0x20)
			appendStringInfo(r, "\\u%04x", c);
		else
			appendStringInfoChar(r, c);
	}
}

static void
append_code_point(StringInfo r, uint32 code)
{
	unsigned char utf8[MAX_UNICODE_EQUIVALENT_STRING + 1];

	if (code == 0 || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
		code = 0xFFFD;
	pg_unicode_to_server(code, utf8);
	appendStringInfoString(r, (char *) utf8);
}

/* &#65; or &#x41; at a: bytes used, 0 if it is neither. */
static int
numeric_entity(const char *a, int alen, uint32 *code)
{
	int i = 2, hex = alen > 2 && (a[2] == 'x' || a[2] == 'X');
	uint32 v = 0;

	if (alen < 4 || a[0] != '&' || a[1] != '#')
		return 0;
	for (i += hex; i < alen && i < 12 && a[i] != ';'; i++) {
		int d = fhir_hex_value(a[i]);

		if (d < 0 || (!hex && d > 9))
			return 0;
		v = v * (hex ? 16 : 10) + d;
	}
	if (i >= alen || a[i] != ';' || i == 2 + hex)
		return 0;
	*code = v;
	return i + 1;
}

static void
unescape_html(StringInfo r, const char *a, int alen)
{
	for (int i = 0; i < alen;) {
		int used = 0;
		uint32 code;

		for (int k = 0; k < lengthof(entities) && used == 0; k++) {
			int n = strlen(entities[k].name);

			if (alen - i >= n && memcmp(a + i, entities[k].name, n) == 0) {
				appendStringInfoString(r, entities[k].text);
				used = n;
			}
		}
		if (used == 0 && (used = numeric_entity(a + i, alen - i, &code)) > 0)
			append_code_point(r, code);
		if (used == 0) {
			appendStringInfoChar(r, a[i]);
			used = 1;
		}
		i += used;
	}
}

static int
hex4(const char *a, int alen)
{
	int v = 0;

	if (alen < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		int d = fhir_hex_value(a[i]);

		if (d < 0)
			return -1;
		v = v * 16 + d;
	}
	return v;
}

static void
unescape_json(StringInfo r, const char *a, int alen)
{
	static const char letter[] = "\"\\/bfnrt", plain[] = "\"\\/\b\f\n\r\t";

	for (int i = 0; i < alen; i++) {
		const char *p = NULL;
		int code, low;

		if (a[i] == '\\' && i + 1 < alen) {
			p = memchr(letter, a[i + 1], sizeof(letter) - 1);
			if (a[i + 1] == 'u' && (code = hex4(a + i + 2, alen - i - 2)) >= 0) {
				i += 5;
				if (code >= 0xD800 && code <= 0xDBFF && i + 2 < alen && a[i + 1] == '\\' && a[i + 2] == 'u' &&
					(low = hex4(a + i + 3, alen - i - 3)) >= 0xDC00 && low <= 0xDFFF) {
					code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
					i += 6;
				}
				append_code_point(r, code);
				continue;
			}
		}
		if (p != NULL) {
			appendStringInfoChar(r, plain[p - letter]);
			i++;
		} else
			appendStringInfoChar(r, a[i]);
	}
}

/* escape and unescape: the input's text rewritten by the function of the format that the argument names. */
static void
rewrite(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out, void (*html)(StringInfo, const char *, int),
		void (*json)(StringInfo, const char *, int))
{
	const char *a, *f;
	int alen, flen;
	StringInfoData r;

	if (!fp_input_string(x, n, in, &a, &alen) || !fp_arg_string(x, n, s, 0, &f, &flen))
		return;
	initStringInfo(&r);
	if (is(f, flen, "html"))
		html(&r, a, alen);
	else if (is(f, flen, "json"))
		json(&r, a, alen);
	else
		unknown_format(x, n, f, flen, "Known: html, json.");
	fp_push_string(x, out, r.data, r.len);
}

void
fp_fn_escape(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	rewrite(x, n, s, in, out, escape_html, escape_json);
}

void
fp_fn_unescape(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	rewrite(x, n, s, in, out, unescape_html, unescape_json);
}
