/*
 * fhirpath_regex.c: matches, matchesFull, replaceMatches on PostgreSQL's regular expressions.
 *
 * FHIRPath recommends PCRE; patterns are translated: \b \B \z, named groups, \p{L} and the like. PostgreSQL
 * caches the compiled forms (32 per backend) and its engine heeds cancel and statement_timeout; its automata
 * are bounded in size. The collation is "C": no locale changes a result.
 */
#include "fhirpath/fhirpath_fn.h"

#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "regex/regex.h"
#include "utils/builtins.h"
#include "utils/varlena.h"

#define MAX_PATTERN 4000
#define MAX_GROUPS 50

typedef struct Groups {
	int n; /* capturing groups so far */
	const char *name[MAX_GROUPS];
	int len[MAX_GROUPS];
} Groups;

/* Classes that \p{...} may name, as far as the "C" collation can tell them. */
static const struct {
	const char *name, *inside;
} properties[] = {
	{"L", "[:alpha:]"},
	{"Lu", "[:upper:]"},
	{"Ll", "[:lower:]"},
	{"N", "[:digit:]"},
	{"Nd", "[:digit:]"},
	{"P", "[:punct:]"},
	{"Z", "[:space:]"},
	{"Zs", "[:blank:]"},
};

/* \p{L} at p: bytes used. */
static int
property(FpExec *x, const char *p, int left, bool bracket, StringInfo out)
{
	const char *close = left > 3 && p[2] == '{' ? memchr(p, '}', left) : NULL;

	for (int i = 0; close != NULL && i < lengthof(properties); i++)
		if (strlen(properties[i].name) == close - p - 3 &&
			memcmp(properties[i].name, p + 3, close - p - 3) == 0) {
			if (bracket && p[1] == 'p')
				appendStringInfoString(out, properties[i].inside);
			else if (!bracket)
				appendStringInfo(out, "[%s%s]", p[1] == 'P' ? "^" : "", properties[i].inside);
			else
				break;
			return close - p + 1;
		}
	fp_error(x, NULL, "the regular expression uses a Unicode property that is not supported",
			 "Supported: \\p{L} \\p{Lu} \\p{Ll} \\p{N} \\p{Nd} \\p{P} \\p{Z} \\p{Zs}.");
}

static int
escape(FpExec *x, const char *p, int left, bool bracket, StringInfo out)
{
	char c = left > 1 ? p[1] : '\0';

	if (c == 'p' || c == 'P')
		return property(x, p, left, bracket, out);
	if (c == 'b' && !bracket)
		appendStringInfoString(out, "\\y");
	else if (c == 'B' && !bracket)
		appendStringInfoString(out, "\\Y");
	else if (c == 'z')
		appendStringInfoString(out, "\\Z");
	else if (c == 'h')
		appendStringInfoString(out, bracket ? " \\t" : "[ \\t]");
	else
		appendBinaryStringInfo(out, p, Min(left, 2));
	return Min(left, 2);
}

/* "(?<name>" and "(?P<name>" become plain groups. Bytes used. */
static int
group(const char *p, int left, Groups *g, StringInfo out)
{
	int skip = left > 4 && p[1] == '?' && p[2] == 'P' && p[3] == '<' ? 4 : 3;
	const char *close;

	if (left > 1 && p[1] == '?' &&
		!(left > 3 && (p[2] == '<' || (p[2] == 'P' && p[3] == '<')) && p[skip] != '=' && p[skip] != '!')) {
		appendStringInfoChar(out, '(');
		return 1;
	}
	appendStringInfoChar(out, '(');
	g->n++;
	if (left <= 1 || p[1] != '?')
		return 1;
	close = memchr(p, '>', left);
	if (close == NULL)
		return 1;
	if (g->n < MAX_GROUPS) {
		g->name[g->n] = p + skip;
		g->len[g->n] = close - p - skip;
	}
	return close - p + 1;
}

static char *
translate_pattern(FpExec *x, const char *p, int len, bool full, Groups *g)
{
	StringInfoData out;
	int bracket = -1; /* offset behind "[" or "[^" */

	if (len > MAX_PATTERN)
		fp_error(x, NULL, psprintf("the regular expression is longer than %d bytes", MAX_PATTERN), NULL);
	memset(g, 0, sizeof(*g));
	initStringInfo(&out);
	/* at the start *** would switch PostgreSQL's dialect */
	appendStringInfoString(&out, full ? "^(?:" : "(?:");
	for (int i = 0; i < len;) {
		if (p[i] == '\\')
			i += escape(x, p + i, len - i, bracket >= 0, &out);
		else if (bracket < 0 && p[i] == '(')
			i += group(p + i, len - i, g, &out);
		else {
			if (bracket < 0 && p[i] == '[')
				bracket = i + 1 + (i + 1 < len && p[i + 1] == '^');
			else if (bracket >= 0 && p[i] == ']' && i > bracket)
				bracket = -1;
			else if (bracket >= 0 && p[i] == '[' && !(i + 1 < len && p[i + 1] == ':'))
				appendStringInfoChar(&out, '\\'); /* a literal [ inside of brackets */
			appendStringInfoChar(&out, p[i++]);
		}
	}
	appendStringInfoString(&out, full ? ")$" : ")");
	return out.data;
}

/* A leading (?i) must stay in front. */
static int
flags(FpExec *x, const FpNode *n, FpScope *s, int k, const char **pattern, int *len)
{
	int cflags = REG_ADVANCED, flen = 0;
	const char *f = "";

	if (n->nargs > k)
		fp_arg_string(x, n, s, k, &f, &flen);
	for (int i = 0; i < flen; i++) {
		if (f[i] == 'i')
			cflags |= REG_ICASE;
		else if (f[i] == 'm')
			cflags |= REG_NLANCH;
		else
			fp_error(x, NULL, psprintf("%s() does not know the flag '%c'", n->fn->name, f[i]),
					 "Known: i, m.");
	}
	if (*len >= 4 && memcmp(*pattern, "(?i)", 4) == 0) {
		cflags |= REG_ICASE;
		*pattern += 4;
		*len -= 4;
	}
	return cflags;
}

/* Compiles (PostgreSQL keeps it): a pattern that is wrong is an error of the expression, at its place. */
static void
check_pattern(FpExec *x, const char *pattern, int cflags)
{
	MemoryContext mcxt = CurrentMemoryContext;
	ErrorData *volatile edata = NULL;

	PG_TRY();
	{
		RE_compile_and_cache(cstring_to_text(pattern), cflags, C_COLLATION_OID);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(mcxt);
		edata = CopyErrorData();
		if (edata->sqlerrcode != ERRCODE_INVALID_REGULAR_EXPRESSION)
			PG_RE_THROW();
		FlushErrorState();
	}
	PG_END_TRY();
	if (edata != NULL)
		fp_error(x, NULL, edata->message, NULL);
}

static void
match(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out, bool full)
{
	const char *a, *p;
	int alen, plen, cflags;
	Groups g;
	char *pattern;

	if (!fp_input_string(x, n, in, &a, &alen) || !fp_arg_string(x, n, s, 0, &p, &plen))
		return;
	cflags = flags(x, n, s, 1, &p, &plen);
	pattern = translate_pattern(x, p, plen, full, &g);
	fp_tick(x, alen / 16 + plen);
	check_pattern(x, pattern, cflags | REG_NOSUB);
	fp_push_bool(x, out,
				 RE_compile_and_execute(cstring_to_text(pattern), (char *) a, alen, cflags | REG_NOSUB,
										C_COLLATION_OID, 0, NULL));
}

void
fp_fn_matches(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	match(x, n, s, in, out, false);
}

void
fp_fn_matchesFull(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	match(x, n, s, in, out, true);
}

static int
named_group(const Groups *g, const char *name, int len)
{
	for (int i = 1; i <= g->n && i < MAX_GROUPS; i++)
		if (len > 0 && g->len[i] == len && memcmp(g->name[i], name, len) == 0)
			return i;
	return len == 1 && name[0] >= '0' && name[0] <= '9' ? name[0] - '0' : -1;
}

/* $1 and ${name} become \1; backslashes are literal. */
static char *
substitution(FpExec *x, const char *c, int len, const Groups *g)
{
	StringInfoData out;

	initStringInfo(&out);
	for (int i = 0; i < len; i++) {
		const char *close;

		if (c[i] == '\\')
			appendStringInfoString(&out, "\\\\");
		else if (c[i] == '$' && i + 1 < len && c[i + 1] == '$') {
			appendStringInfoChar(&out, '$');
			i++;
		} else if (c[i] == '$' && i + 1 < len && c[i + 1] >= '0' && c[i + 1] <= '9') {
			appendStringInfo(&out, c[i + 1] == '0' ? "\\&" : "\\%c", c[i + 1]);
			i++;
		} else if (c[i] == '$' && i + 1 < len && c[i + 1] == '{' &&
				   (close = memchr(c + i, '}', len - i)) != NULL) {
			int k = named_group(g, c + i + 2, close - c - i - 2);

			if (k < 0 || k > 9)
				fp_error(x, NULL,
						 psprintf("there is no group %.*s among the first nine of the regular expression",
								  (int) (close - c - i - 2), c + i + 2),
						 NULL);
			appendStringInfo(&out, k == 0 ? "\\&" : "\\%d", k);
			i = close - c;
		} else
			appendStringInfoChar(&out, c[i]);
	}
	return out.data;
}

/* Every match is replaced; an empty pattern replaces nothing. */
void
fp_fn_replaceMatches(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	const char *a, *p, *c;
	int alen, plen, clen, cflags;
	Groups g;
	char *pattern;
	text *result;

	if (!fp_input_string(x, n, in, &a, &alen) || !fp_arg_string(x, n, s, 0, &p, &plen) ||
		!fp_arg_string(x, n, s, 1, &c, &clen))
		return;
	cflags = flags(x, n, s, 2, &p, &plen);
	if (plen == 0) {
		fp_push_string(x, out, a, alen);
		return;
	}
	pattern = translate_pattern(x, p, plen, false, &g);
	fp_tick(x, alen / 16 + plen);
	check_pattern(x, pattern, cflags);
	result = DatumGetTextPP(DirectFunctionCall4Coll(
		textregexreplace, C_COLLATION_OID, PointerGetDatum(cstring_to_text_with_len(a, alen)),
		PointerGetDatum(cstring_to_text(pattern)),
		PointerGetDatum(cstring_to_text(substitution(x, c, clen, &g))),
		PointerGetDatum(cstring_to_text(
			psprintf("g%s%s", cflags & REG_ICASE ? "i" : "", cflags & REG_NLANCH ? "w" : "")))));
	fp_tick(x, VARSIZE_ANY_EXHDR(result) / 64);
	fp_push_string(x, out, VARDATA_ANY(result), VARSIZE_ANY_EXHDR(result));
}
