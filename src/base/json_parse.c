/*
 * json_parse.c: JSON text -> Jsonb, stricter than PostgreSQL's jsonb_in: what FHIR calls invalid is refused, not repaired.
 *
 * One pass of recursive descent. Strings without escapes point into the text; values of the open containers wait on
 * one stack and are copied out when their container closes. All is palloc'd in a context of its own, dropped
 * at the end: only the Jsonb stays. Errors tell line, column and the path of the element.
 */
#include "base/compat.h"

#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#include "base/error.h"
#include "base/hex.h"
#include "base/json.h"
#include "base/settings.h"

#define NUMBER_MAX 1000 /* digits of a number before its point, and behind it, once its exponent is applied */

#define PATH_DEPTH_MAX 24 /* deeper places are told by line and column alone */

/*
 * A value takes 32 to 72 bytes while it is parsed: the limit keeps a text of nothing but commas from taking
 * gigabytes. The largest text of resources has some 3 million values.
 */
#define VALUES_MAX (8 * 1024 * 1024)

/* An open container, for the path in messages. */
typedef struct Level {
	struct Level *up;
	const JsonbValue *key; /* member being read; NULL in an array and between members */
	int index;			   /* element being read; -1 in an object */
} Level;

typedef struct Parser {
	const char *start, *p, *end;
	Level *level;
	int depth, maxdepth;
	int nvalues;
	JsonbPair *pairs; /* members of the open objects */
	int npairs, maxpairs;
	JsonbValue *elems; /* elements of the open arrays */
	int nelems, maxelems;
} Parser;

static void parse_value(Parser *ps, JsonbValue *out);

/* ---- errors ---- */

/* "Patient.name[0].given" style path of the open containers. */
static void
append_path(StringInfo s, const Level *l)
{
	if (l == NULL)
		return;
	append_path(s, l->up);
	if (l->key) {
		int len = Min(l->key->val.string.len, 64);

		if (s->len > 0)
			appendStringInfoChar(s, '.');
		len = pg_encoding_mbcliplen(PG_UTF8, l->key->val.string.val, l->key->val.string.len, len);
		appendBinaryStringInfo(s, l->key->val.string.val, len);
	} else if (l->index >= 0)
		appendStringInfo(s, "[%d]", l->index);
}

/* Raises FH400 for what stands at `at`. */
pg_noreturn static void
fail(Parser *ps, const char *at, const char *what)
{
	StringInfoData path;
	int line = 1;
	const char *line_start = ps->start;

	at = Min(at, ps->end); /* a backslash may have been the last character */
	for (const char *p = ps->start; p < at; p++)
		if (*p == '\n') {
			line++;
			line_start = p + 1;
		}
	initStringInfo(&path);
	if (ps->depth <= PATH_DEPTH_MAX)
		append_path(&path, ps->level);
	ereport(ERROR, errcode(FH400), errmsg("invalid JSON: %s", what),
			errdetail("Line %d, column %d%s%s.", line, (int) (at - line_start) + 1, path.len ? ", in " : "", path.data),
			fhir_issue("structure", path.len ? path.data : NULL));
}

/* ---- strings ---- */

/* The four digits of a \u escape at p. */
static uint32
hex4(Parser *ps, const char *p)
{
	uint32 v = 0;

	if (ps->end - p < 4)
		fail(ps, p, "a \\u escape needs four hexadecimal digits");
	for (int i = 0; i < 4; i++) {
		int h = fhir_hex_value(p[i]);

		if (h < 0)
			fail(ps, p, "a \\u escape needs four hexadecimal digits");
		v = v << 4 | h;
	}
	return v;
}

/* Decodes \uXXXX (and its second half) at p, which points behind the "u". Returns the place behind it. */
static const char *
unescape_unicode(Parser *ps, const char *p, char **out)
{
	uint32 c = hex4(ps, p);

	if (c == 0)
		fail(ps, p, "the character U+0000 can't be stored");
	if (c >= 0xDC00 && c <= 0xDFFF)
		fail(ps, p, "a low surrogate without a high one before it");
	p += 4;
	if (c >= 0xD800 && c <= 0xDBFF) {
		uint32 low;

		if (ps->end - p < 2 || p[0] != '\\' || p[1] != 'u')
			fail(ps, p, "a high surrogate without a low one behind it");
		low = hex4(ps, p + 2);
		if (low < 0xDC00 || low > 0xDFFF)
			fail(ps, p, "a high surrogate without a low one behind it");
		c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
		p += 6;
	}
	unicode_to_utf8(c, (unsigned char *) *out);
	*out += pg_utf_mblen((unsigned char *) *out);
	return p;
}

/* A string with escapes: `q` is its closing quote, [ps->p, q) its text. */
static void
unescape(Parser *ps, const char *q, JsonbValue *out)
{
	/* no escape is longer than its text */
	char *buf = palloc(q - ps->p + 4), *b = buf;

	for (const char *p = ps->p; p < q;) {
		const char *esc = memchr(p, '\\', q - p);
		size_t run = (esc ? esc : q) - p;

		memcpy(b, p, run);
		b += run;
		if (!esc)
			break;
		p = esc + 2;
		switch (esc[1]) {
			case '"':
			case '\\':
			case '/':
				*b++ = esc[1];
				break;
			case 'b':
				*b++ = '\b';
				break;
			case 'f':
				*b++ = '\f';
				break;
			case 'n':
				*b++ = '\n';
				break;
			case 'r':
				*b++ = '\r';
				break;
			case 't':
				*b++ = '\t';
				break;
			case 'u':
				p = unescape_unicode(ps, p, &b);
				break;
			default:
				fail(ps, esc, "unknown escape sequence in a string");
		}
	}
	out->val.string.val = buf;
	out->val.string.len = (int) (b - buf);
}

/* True if one of the eight bytes is below 0x20, a quote or a backslash. */
static inline bool
has_special(uint64 w)
{
	const uint64 ones = UINT64CONST(0x0101010101010101), high = UINT64CONST(0x8080808080808080);
	uint64 quote = w ^ (ones * '"'), slash = w ^ (ones * '\\');

	return ((((w - ones * 0x20) & ~w) | ((quote - ones) & ~quote) | ((slash - ones) & ~slash)) & high) != 0;
}

/* ps->p points behind the opening quote. */
static void
parse_string(Parser *ps, JsonbValue *out)
{
	const char *p = ps->p;
	bool escaped = false;

	for (;;) {
		uint64 w;

		while (ps->end - p >= 8) {
			memcpy(&w, p, 8);
			if (has_special(w))
				break;
			p += 8;
		}
		while (p < ps->end && (unsigned char) *p >= 0x20 && *p != '"' && *p != '\\')
			p++;
		if (p >= ps->end)
			fail(ps, p, "the text ends within a string");
		if (*p == '"')
			break;
		if (*p != '\\')
			fail(ps, p, "a control character in a string must be escaped");
		escaped = true;
		p += 2;
	}
	out->type = jbvString;
	if (escaped)
		unescape(ps, p, out);
	else {
		out->val.string.val = unconstify(char *, ps->p);
		out->val.string.len = (int) (p - ps->p);
	}
	ps->p = p + 1;
}

/* ---- numbers ---- */

/* Returns how many. */
static int
skip_digits(Parser *ps)
{
	const char *p = ps->p;
	int n;

	while (p < ps->end && *p >= '0' && *p <= '9')
		p++;
	n = (int) (p - ps->p);
	if (n == 0)
		fail(ps, p, p < ps->end ? "a digit is missing in a number" : "the text ends within a number");
	ps->p = p;
	return n;
}

/* The exponent behind the "e"; one beyond NUMBER_MAX stands for all larger ones. */
static int
parse_exponent(Parser *ps)
{
	bool negative = false;
	const char *digits;
	int v = 0;

	if (ps->p < ps->end && (*ps->p == '+' || *ps->p == '-'))
		negative = *ps->p++ == '-';
	digits = ps->p;
	skip_digits(ps);
	for (; digits < ps->p && v <= NUMBER_MAX; digits++)
		v = v * 10 + (*digits - '0');
	v = Min(v, 2 * NUMBER_MAX);
	return negative ? -v : v;
}

static Numeric
parse_decimal(const char *start, int len)
{
	char *s = pnstrdup(start, len);

	return DatumGetNumeric(
		DirectFunctionCall3(numeric_in, CStringGetDatum(s), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
}

static void
parse_number(Parser *ps, JsonbValue *out)
{
	const char *start = ps->p;
	int before, behind = 0, exponent = 0;
	bool negative = *ps->p == '-', integer = true;

	if (negative)
		ps->p++;
	if (ps->end - ps->p > 1 && *ps->p == '0' && ps->p[1] >= '0' && ps->p[1] <= '9')
		fail(ps, ps->p, "a number has no leading zeros");
	before = skip_digits(ps);
	if (ps->p < ps->end && *ps->p == '.') {
		integer = false;
		ps->p++;
		behind = skip_digits(ps);
	}
	if (ps->p < ps->end && (*ps->p == 'e' || *ps->p == 'E')) {
		integer = false;
		ps->p++;
		exponent = parse_exponent(ps);
	}
	if (before + Max(exponent, 0) > NUMBER_MAX || behind + Max(-exponent, 0) > NUMBER_MAX)
		fail(ps, start, "a number has more than 1000 digits before or behind its point");
	out->type = jbvNumeric;
	if (integer && before <= 18) {
		int64 v = 0;

		for (const char *p = ps->p - before; p < ps->p; p++)
			v = v * 10 + (*p - '0');
		out->val.numeric = int64_to_numeric(negative ? -v : v);
	} else
		out->val.numeric = parse_decimal(start, (int) (ps->p - start));
}

/* ---- containers ---- */

static inline char
next_token(Parser *ps)
{
	while (ps->p < ps->end) {
		char c = *ps->p;

		if (c != ' ' && c != '\n' && c != '\r' && c != '\t')
			return c;
		ps->p++;
	}
	return '\0';
}

static void
enter(Parser *ps, Level *level, int index)
{
	check_stack_depth();
	if (++ps->depth > ps->maxdepth)
		fail(ps, ps->p, psprintf("objects and arrays nest deeper than %d levels", ps->maxdepth));
	level->up = ps->level;
	level->key = NULL;
	level->index = index;
	ps->level = level;
	ps->p++;
}

static void
leave(Parser *ps, Level *level)
{
	ps->p++;
	ps->depth--;
	ps->level = level->up;
}

/* JSONB's order of keys: by length, then by bytes. */
static inline int
compare_keys(const JsonbPair *a, const JsonbPair *b)
{
	if (a->key.val.string.len != b->key.val.string.len)
		return a->key.val.string.len < b->key.val.string.len ? -1 : 1;
	return memcmp(a->key.val.string.val, b->key.val.string.val, a->key.val.string.len);
}

static int
compare_keys_qsort(const void *a, const void *b)
{
	return compare_keys(a, b);
}

/* Copies the n members on top of the stack into JSONB's order; refuses duplicates. */
static JsonbPair *
sorted_pairs(Parser *ps, const JsonbPair *in, int n)
{
	JsonbPair *out = palloc_array(JsonbPair, n);

	if (n > 48) {
		CHECK_FOR_INTERRUPTS();
		memcpy(out, in, n * sizeof(JsonbPair));
		qsort(out, n, sizeof(JsonbPair), compare_keys_qsort);
	} else
		for (int i = 0; i < n; i++) {
			int j = i;

			for (; j > 0 && compare_keys(&in[i], &out[j - 1]) < 0; j--)
				out[j] = out[j - 1];
			out[j] = in[i];
		}
	for (int i = 1; i < n; i++)
		if (compare_keys(&out[i - 1], &out[i]) == 0) {
			ps->level->key = &out[i].key;
			fail(ps, ps->p, "an object has two members of the same name");
		}
	return out;
}

static void
parse_object(Parser *ps, JsonbValue *out)
{
	Level level;
	int first = ps->npairs;
	char c;

	enter(ps, &level, -1);
	c = next_token(ps);
	while (c != '}' || ps->npairs > first) {
		JsonbPair pair;

		if (c != '"')
			fail(ps, ps->p, ps->p < ps->end ? "a member name in quotes is expected" : "the text ends within an object");
		ps->p++;
		parse_string(ps, &pair.key);
		if (next_token(ps) != ':')
			fail(ps, ps->p, "a colon is expected behind a member name");
		ps->p++;
		level.key = &pair.key;
		pair.order = 0;
		parse_value(ps, &pair.value);
		level.key = NULL;
		if (ps->npairs == ps->maxpairs) {
			ps->maxpairs *= 2;
			ps->pairs = repalloc_array(ps->pairs, JsonbPair, ps->maxpairs);
		}
		ps->pairs[ps->npairs++] = pair;
		c = next_token(ps);
		if (c == '}')
			break;
		if (c != ',')
			fail(ps, ps->p, ps->p < ps->end ? "a comma or } is expected" : "the text ends within an object");
		ps->p++;
		c = next_token(ps);
	}
	out->type = jbvObject;
	out->val.object.nPairs = ps->npairs - first;
	out->val.object.pairs = sorted_pairs(ps, ps->pairs + first, ps->npairs - first);
	ps->npairs = first;
	leave(ps, &level);
}

static void
parse_array(Parser *ps, JsonbValue *out)
{
	Level level;
	int first = ps->nelems, n;
	char c;

	enter(ps, &level, 0);
	c = next_token(ps);
	while (c != ']' || ps->nelems > first) {
		JsonbValue v;

		parse_value(ps, &v);
		if (ps->nelems == ps->maxelems) {
			ps->maxelems *= 2;
			ps->elems = repalloc_array(ps->elems, JsonbValue, ps->maxelems);
		}
		ps->elems[ps->nelems++] = v;
		level.index++;
		c = next_token(ps);
		if (c == ']')
			break;
		if (c != ',')
			fail(ps, ps->p, ps->p < ps->end ? "a comma or ] is expected" : "the text ends within an array");
		ps->p++;
	}
	n = ps->nelems - first;
	out->type = jbvArray;
	out->val.array.nElems = n;
	out->val.array.rawScalar = false;
	out->val.array.elems = palloc_array(JsonbValue, n);
	memcpy(out->val.array.elems, ps->elems + first, n * sizeof(JsonbValue));
	ps->nelems = first;
	leave(ps, &level);
}

static void
parse_literal(Parser *ps, JsonbValue *out)
{
	size_t left = ps->end - ps->p;

	if (left >= 4 && memcmp(ps->p, "true", 4) == 0) {
		out->type = jbvBool;
		out->val.boolean = true;
		ps->p += 4;
	} else if (left >= 5 && memcmp(ps->p, "false", 5) == 0) {
		out->type = jbvBool;
		out->val.boolean = false;
		ps->p += 5;
	} else if (left >= 4 && memcmp(ps->p, "null", 4) == 0) {
		out->type = jbvNull;
		ps->p += 4;
	} else
		fail(ps, ps->p, left ? "a value is expected" : "the text ends where a value is expected");
}

pg_noreturn static void
too_many_values(void)
{
	ereport(ERROR, errcode(FH413), errmsg("the JSON text has too many values"),
			errdetail("The limit is %d values.", VALUES_MAX), errhint("Send smaller resources or Bundles."));
}

static void
parse_value(Parser *ps, JsonbValue *out)
{
	if (++ps->nvalues > VALUES_MAX)
		too_many_values();
	switch (next_token(ps)) {
		case '{':
			parse_object(ps, out);
			break;
		case '[':
			parse_array(ps, out);
			break;
		case '"':
			ps->p++;
			parse_string(ps, out);
			break;
		case '-':
		case '0' ... '9':
			parse_number(ps, out);
			break;
		default:
			parse_literal(ps, out);
	}
}

static void
check_text(Parser *ps, size_t maxlen)
{
	size_t len = ps->end - ps->p;
	int valid;

	if (GetDatabaseEncoding() != PG_UTF8)
		ereport(ERROR, errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("FHIR needs a database with encoding UTF8"));
	if (len > maxlen)
		ereport(ERROR, errcode(FH413), errmsg("the JSON text is too large"),
				errdetail("It has %zu bytes; the limit is %zu bytes.", len, maxlen),
				errhint("Send smaller resources or Bundles, or raise fhir.max_body_bytes."));
	valid = pg_encoding_verifymbstr(PG_UTF8, ps->p, (int) len);
	if (valid < len)
		fail(ps, ps->p + valid, ps->p[valid] == '\0' ? "the character U+0000 can't be stored" : "the text is not valid UTF-8");
}

static Jsonb *
parse_text(const char *text, size_t len, int maxdepth, size_t maxlen)
{
	Parser ps = {.start = text, .p = text, .end = text + len, .maxdepth = maxdepth, .maxpairs = 32, .maxelems = 16};
	MemoryContext work, caller = CurrentMemoryContext;
	JsonbValue value;
	Jsonb *out;

	if (len >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
		ps.p += 3;
	check_text(&ps, maxlen);
	work = AllocSetContextCreate(caller, "fhir json parse", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(work);
	ps.pairs = palloc_array(JsonbPair, ps.maxpairs);
	ps.elems = palloc_array(JsonbValue, ps.maxelems);
	parse_value(&ps, &value);
	if (next_token(&ps) != '\0' || ps.p < ps.end)
		fail(&ps, ps.p, "text behind the end of the JSON value");
	MemoryContextSwitchTo(caller);
	out = fhir_json_from_value(&value);
	MemoryContextDelete(work);
	return out;
}

Jsonb *
fhir_json_parse(const char *text, size_t len)
{
	return parse_text(text, len, fhir_max_depth, fhir_max_body_bytes);
}

Jsonb *
fhir_json_parse_own(const char *text, size_t len)
{
	Jsonb *loaded = fhir_json_load(text, len);

	return loaded ? loaded : parse_text(text, len, PG_INT32_MAX, MaxAllocSize);
}
