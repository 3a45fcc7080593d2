/*
 * parsers.c: the parsers of hostile text outside of PostgreSQL, under AddressSanitizer: JSON, dates, decimals, URLs and forms,
 * and stored documents.
 *
 *   make fuzz                                   gcc: random mutations of the corpus (FUZZ_COUNT=1000000, FUZZ_SEED)
 *   clang -fsanitize=fuzzer,address -DLIBFUZZER ...     the same as a libFuzzer target
 *
 * The files under test are included as they are; what they call of PostgreSQL is replaced below. Every allocation and
 * the input itself is a malloc of its exact size, so that one byte read or written beyond is found; ereport is a longjmp.
 */
#include "../../src/base/json_parse.c"
#define Item LoadedItem /* PostgreSQL has a type of that name, too */
#include "../../src/base/json_load.c"
#undef Item
#include "../../src/base/date.c"
#define parse_exponent decimal_exponent /* the same name in two files */
#include "../../src/base/decimal.c"
#include "../../src/base/percent.c"
#include "../../src/rest/rest_request.c"
#define put_digits pack_put_digits
#define digits pack_digits
#include "../../src/store/pack/pack_text.c"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#undef printf
#undef malloc
#undef free

/* ---- what PostgreSQL gives ---- */

static jmp_buf on_error;
static void **allocated = NULL;
static size_t nallocated = 0, max_allocated = 0;
static char nothing[64];

MemoryContext CurrentMemoryContext = (MemoryContext) nothing;
volatile sig_atomic_t InterruptPending = 0;
int fhir_max_depth = 100;
int fhir_max_body_bytes = 1 << 20;

static void *
remember(void *p)
{
	if (nallocated == max_allocated) {
		max_allocated = max_allocated ? 2 * max_allocated : 1024;
		allocated = (realloc) (allocated, max_allocated * sizeof(void *));
	}
	return allocated[nallocated++] = p;
}

static void
forget_all(void)
{
	for (size_t i = 0; i < nallocated; i++)
		(free) (allocated[i]);
	nallocated = 0;
}

void *palloc(Size size) { return remember((malloc) (size ? size : 1)); }
void *palloc0(Size size) { return memset(palloc(size), 0, size); }
void *palloc_mul(Size s, Size n) { return palloc(s * n); }
void pfree(void *p) { (void) p; }
void *
repalloc(void *old, Size size)
{
	for (size_t i = nallocated; i-- > 0;)
		if (allocated[i] == old)
			return allocated[i] = (realloc) (old, size);
	abort();
}
void *repalloc_mul(void *old, Size s, Size n) { return repalloc(old, s * n); }
void *repalloc_huge(void *old, Size size) { return repalloc(old, size); }
void qsort_arg(void *base, size_t n, size_t size, qsort_arg_comparator cmp, void *arg) { qsort_r(base, n, size, cmp, arg); }
char *
pnstrdup(const char *s, Size n)
{
	char *out = palloc(strnlen(s, n) + 1);

	memcpy(out, s, strnlen(s, n));
	out[strnlen(s, n)] = '\0';
	return out;
}
char *pstrdup(const char *s) { return pnstrdup(s, strlen(s)); }
MemoryContext AllocSetContextCreateInternal(MemoryContext parent, const char *name, Size a, Size b, Size c) { return parent; }
void MemoryContextDelete(MemoryContext context) { (void) context; }
void check_stack_depth(void) {}
void ProcessInterrupts(void) {}

bool errstart(int elevel, const char *domain) { return true; }
bool errstart_cold(int elevel, const char *domain) { return true; }
void errfinish(const char *f, int l, const char *fn) { longjmp(on_error, 1); }
int errcode(int c) { return 0; }
int errmsg(const char *fmt, ...) { return 0; }
int errmsg_internal(const char *fmt, ...) { return 0; }
int errdetail(const char *fmt, ...) { return 0; }
int errhint(const char *fmt, ...) { return 0; }
int fhir_issue(const char *code, const char *expression) { return 0; }
char *psprintf(const char *fmt, ...) { return pstrdup(fmt); }
int pg_snprintf(char *s, size_t n, const char *fmt, ...) { return s[0] = '\0'; }

/* messages are made of the text under test: read what they would read */
void initStringInfo(StringInfo s) { *s = (StringInfoData) {.data = palloc0(1)}; }
#if PG_VERSION_NUM < 160000
#define BYTES const char *
#else
#define BYTES const void *
#endif
void
appendBinaryStringInfo(StringInfo s, BYTES data, int len)
{
	s->data = repalloc(s->data, s->len + len + 1);
	memcpy(s->data + s->len, data, len);
	s->data[s->len += len] = '\0';
}
void
enlargeStringInfo(StringInfo s, int needed)
{
	s->data = repalloc(s->data, s->len + needed + 1);
}
void appendStringInfoChar(StringInfo s, char c) { appendBinaryStringInfo(s, &c, 1); }
void appendStringInfo(StringInfo s, const char *fmt, ...) { appendBinaryStringInfo(s, "x", 1); }

Datum DirectFunctionCall1Coll(PGFunction f, Oid c, Datum a) { return CStringGetDatum("0"); }
Datum DirectFunctionCall2Coll(PGFunction f, Oid c, Datum a, Datum b) { return PointerGetDatum(nothing); }
Datum
DirectFunctionCall3Coll(PGFunction f, Oid c, Datum a, Datum b, Datum d)
{
	if (strlen(DatumGetCString(a)) > 2100)
		abort(); /* numeric_in never gets more than the limits let through */
	return PointerGetDatum(nothing);
}
struct varlena *pg_detoast_datum(struct varlena *v) { return v; }
Numeric int64_to_numeric(int64 v) { return (Numeric) nothing; }
Datum numeric_in(PG_FUNCTION_ARGS) { abort(); }
Datum numeric_out(PG_FUNCTION_ARGS) { abort(); }
Datum numeric_add(PG_FUNCTION_ARGS) { abort(); }
Datum numeric_sub(PG_FUNCTION_ARGS) { abort(); }

#if PG_VERSION_NUM < 160000 /* later ones have it in a header */
unsigned char *
unicode_to_utf8(pg_wchar c, unsigned char *s)
{
	if (c < 0x80)
		s[0] = c;
	else if (c < 0x800) {
		s[0] = 0xc0 | c >> 6;
		s[1] = 0x80 | (c & 0x3f);
	} else if (c < 0x10000) {
		s[0] = 0xe0 | c >> 12;
		s[1] = 0x80 | (c >> 6 & 0x3f);
		s[2] = 0x80 | (c & 0x3f);
	} else {
		s[0] = 0xf0 | c >> 18;
		s[1] = 0x80 | (c >> 12 & 0x3f);
		s[2] = 0x80 | (c >> 6 & 0x3f);
		s[3] = 0x80 | (c & 0x3f);
	}
	return s;
}
#endif
int GetDatabaseEncoding(void) { return PG_UTF8; }
int pg_utf_mblen(const unsigned char *s) { return *s < 0x80 ? 1 : *s < 0xe0 ? 2 : *s < 0xf0 ? 3 : 4; }
int
pg_encoding_verifymbstr(int encoding, const char *text, int len)
{
	const unsigned char *s = (const unsigned char *) text;
	int i = 0;

	while (i < len) {
		int n = s[i] < 0x80 ? 1 : s[i] < 0xc2 ? 0 : s[i] < 0xe0 ? 2 : s[i] < 0xf0 ? 3 : s[i] < 0xf5 ? 4 : 0;

		if (n == 0 || s[i] == 0 || i + n > len)
			break;
		for (int k = 1; k < n; k++)
			if ((s[i + k] & 0xc0) != 0x80)
				return i;
		i += n;
	}
	return i;
}
bool pg_verify_mbstr(int e, const char *s, int len, bool noError) { return pg_encoding_verifymbstr(e, s, len) == len; }
int pg_encoding_mbcliplen(int encoding, const char *s, int len, int limit) { return Min(len, limit); }
void pg_qsort(void *base, size_t n, size_t size, int (*cmp)(const void *, const void *)) { (qsort) (base, n, size, cmp); }
int
pg_strncasecmp(const char *a, const char *b, size_t n)
{
	return strncmp(a, b, n);
}
const ModelType *
model_resource(const char *name, int len)
{
	static const ModelType patient = {.name = "Patient"};

	return len == 7 && memcmp(name, "Patient", 7) == 0 ? &patient : NULL;
}

/* ---- the results are read to the last byte ---- */

static volatile uint64 sum;

static void
read_bytes(const char *s, int len)
{
	for (int i = 0; i < len; i++)
		sum += (unsigned char) s[i];
}

static void
read_value(const JsonbValue *v)
{
	switch (v->type) {
		case jbvString:
			read_bytes(v->val.string.val, v->val.string.len);
			if (pg_encoding_verifymbstr(PG_UTF8, v->val.string.val, v->val.string.len) != v->val.string.len)
				abort();
			break;
		case jbvObject:
			for (int i = 0; i < v->val.object.nPairs; i++) {
				if (i > 0 && compare_keys(&v->val.object.pairs[i - 1], &v->val.object.pairs[i]) >= 0)
					abort(); /* JSONB wants its members sorted and single */
				read_value(&v->val.object.pairs[i].key);
				read_value(&v->val.object.pairs[i].value);
			}
			break;
		case jbvArray:
			for (int i = 0; i < v->val.array.nElems; i++)
				read_value(&v->val.array.elems[i]);
			break;
		default:
			break;
	}
}

Jsonb *
fhir_json_from_value(JsonbValue *v)
{
	read_value(v);
	return NULL;
}

static void
try_dates_and_decimals(const char *s, int len)
{
	FhirDateTime d;
	Numeric n, lo64, hi64;
	int64 lo, hi;
	char text[48];

	for (int kind = FHIR_KIND_DATE; kind <= FHIR_KIND_FHIRPATH; kind++)
		if (fhir_date_parse(s, len, (FhirDateKind) kind, &d)) {
			fhir_date_interval(&d, &lo, &hi);
			if (lo > hi || fhir_date_format_instant(lo, text) > 40 || fhir_date_format_instant(hi, text) > 40)
				abort();
		}
	if (fhir_dec64_parse(s, len, FHIR_ROUND_DOWN, &lo) && fhir_dec64_parse(s, len, FHIR_ROUND_UP, &hi) && lo > hi)
		abort();
	fhir_decimal_parse(s, len, &n, &lo64, &hi64);
}

/* What is loaded the quick way is JSON, and lies within what was allocated for it. */
static void
try_load(const char *text, size_t len)
{
	Jsonb *j;

	fhir_max_depth = PG_INT32_MAX;
	j = len < 1000 ? fhir_json_load(text, len) : NULL; /* the parser limits the digits of numbers */
	if (j) {
		read_bytes((char *) j, VARSIZE(j));
		fhir_json_parse(text, len);
	}
	fhir_max_depth = 100;
}

/* What is split comes back letter by letter; any bytes for the two parts give an error or some text. */
static void
try_stored_text(const char *text, size_t len)
{
	StringInfoData rest, values, again;

	initStringInfo(&rest);
	initStringInfo(&values);
	initStringInfo(&again);
	if (pack_text_split(text, len, &rest, &values)) {
		if (!pack_text_join(rest.data, rest.len, (unsigned char *) values.data, values.len, &again) ||
			(size_t) again.len != len || memcmp(again.data, text, len) != 0)
			abort();
		for (int i = 0; i < rest.len; i++) /* other marks for the same values */
			if ((unsigned char) rest.data[i] < PART_END)
				rest.data[i] = (char) (i % PART_END);
		again.len = 0;
		if (pack_text_join(rest.data, rest.len, (unsigned char *) values.data, values.len, &again))
			read_bytes(again.data, again.len);
	}
	again.len = 0;
	if (pack_text_join(text, len / 2, (const unsigned char *) text + len / 2, len - len / 2, &again))
		read_bytes(again.data, again.len);
}

int LLVMFuzzerTestOneInput(const uint8 *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t len)
{
	char *text = (malloc) (len ? len : 1);

	memcpy(text, data, len);
	if (setjmp(on_error) == 0)
		fhir_json_parse(text, len);
	forget_all();
	if (setjmp(on_error) == 0)
		try_load(text, len);
	else
		abort(); /* neither may object to what the other takes */
	forget_all();
	if (setjmp(on_error) == 0) {
		RestRequest req = {.caller.base = "http://x/fhir"};

		rest_parse_url(&req, text, (int) len);
		read_bytes(req.query, (int) strlen(req.query));
	}
	forget_all();
	if (setjmp(on_error) == 0) {
		RestRequest req = {.caller.base = ""};

		rest_take_parameters(&req, text, (int) len);
	}
	forget_all();
	if (setjmp(on_error) == 0)
		try_dates_and_decimals(text, (int) len);
	forget_all();
	if (setjmp(on_error) == 0)
		try_stored_text(text, len);
	forget_all();
	(free) (text);
	return 0;
}

#ifndef LIBFUZZER

static const char *const corpus[] = {
	"{\"resourceType\":\"Patient\",\"id\":\"p1\",\"name\":[{\"family\":\"Chalmers\",\"given\":[\"Peter\",\"\\u00e9\\ud83d\\ude00\"]}],\"x\":[1.10,-0,1e2,null,true]}",
	"[[[[{\"a\":{\"b\":[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]}}]]]]",
	"{\"a\":1,\"bb\":2,\"ccc\":3,\"dd\":4,\"aa\":5,\"b\":6,\"c\":7,\"d\":8,\"e\":9}",
	"\"é😀\\ud83d\\ude00 abcdefghijklmnopqrstuvwxyz0123456789\"", "-12345678901234567890.50e-300", "0.00", "1e999", "[\"\\ud800\"]",
	"/Patient/p1/_history/2?_format=json&_pretty=true&_elements=a%2Cb", "http://x/fhir/Patient?name=peter+j&birthdate=ge1970&_summary=text",
	"/Patient/1/Patient/_search?%F0%9F%98%80=%41", "name=%C3%A9&&=&a=b=c&_pretty=", "2024-02-29T23:59:60.123456789+14:00", "2024-02", "T14:30:15.5",
	"23:59:59", "9999-12-31", "0.000000000000000123456789012345678", "\xef\xbb\xbf{}",
	"{\"id\":\"0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9\",\"a\":\"2026-11-21T01:02:03.004+05:30\",\"b\":\"1600-02-29T00:00:00Z\"}",
	"9999-12-31T23:59:59.999-12:45 2024-02-29T12:00:00Z", "\x01\x02\x03\x04\x05 0123456789abcdef01234567890123456789"};

static uint64 state;

static uint32
rnd(uint32 n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32) ((state >> 16) % n);
}

static size_t
mutate(uint8 *buf, size_t len, size_t max)
{
	static const char bits[] = "{}[]\",:\\/0123456789eE+-.ud%&=?T Z\n";

	for (uint32 n = rnd(6); n > 0; n--) {
		size_t at = len ? rnd((uint32) len) : 0, k;

		switch (rnd(5)) {
			case 0: /* another byte */
				if (len)
					buf[at] = (uint8) rnd(256);
				break;
			case 1: /* another character of the grammars */
				if (len)
					buf[at] = (uint8) bits[rnd(sizeof(bits) - 1)];
				break;
			case 2: /* a byte less, or the end cut off */
				if (len && rnd(4) == 0)
					len = at;
				else if (len)
					memmove(buf + at, buf + at + 1, --len - at);
				break;
			case 3: /* a byte more */
				if (len < max) {
					memmove(buf + at + 1, buf + at, len++ - at);
					buf[at] = (uint8) bits[rnd(sizeof(bits) - 1)];
				}
				break;
			default: /* a piece twice */
				k = len > at ? rnd((uint32) Min(len - at, 64)) : 0;
				if (len + k <= max) {
					memmove(buf + at + k, buf + at, len - at);
					len += k;
				}
		}
	}
	return len;
}

int
main(int argc, char **argv)
{
	long count = argc > 1 ? atol(argv[1]) : 1000000;
	uint8 buf[4096];

	state = argc > 2 ? strtoull(argv[2], NULL, 10) : 88172645463325252ULL;
	state += state == 0;
	for (long i = 0; i < count; i++) {
		const char *seed = corpus[rnd(lengthof(corpus))];
		size_t len = strlen(seed);

		memcpy(buf, seed, len);
		len = mutate(buf, len, sizeof(buf));
		LLVMFuzzerTestOneInput(buf, len);
	}
	printf("passed: %ld texts\n", count);
	return 0;
}
#endif
