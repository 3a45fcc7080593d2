/*
 * fhirpath_parser.c: the FHIRPath parser, printer, flattener, loader and XHTML check outside of PostgreSQL, under
 * AddressSanitizer and UBSan.
 *
 *   make fuzz-fhirpath                          gcc: random mutations of fhirpath.corpus (FUZZ_COUNT=1000000, FUZZ_SEED)
 *   clang -fsanitize=fuzzer -DLIBFUZZER ...     the same as a libFuzzer target
 *
 * The sources are linked as they are; what they call of PostgreSQL is replaced below. Every allocation and the input itself is
 * a malloc of its exact size; ereport is a longjmp. What parses must be written as a text that parses to the same bytes.
 */
#include "postgres.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "mb/pg_wchar.h"

#include "fhirpath/fhirpath_int.h"

#undef printf
#undef vsnprintf
#undef snprintf
#undef fprintf

static jmp_buf on_error;
static void **allocated;
static size_t nallocated, max_allocated;
static char nothing[64];
static char *stack_base;

MemoryContext CurrentMemoryContext = (MemoryContext) nothing;
volatile sig_atomic_t InterruptPending = 0;
bool fhirpath_strict = false;
int fhirpath_max_steps = 1000000;

static void *
remember(void *p)
{
	if (nallocated == max_allocated) {
		max_allocated = max_allocated ? 2 * max_allocated : 1024;
		allocated = realloc(allocated, max_allocated * sizeof(void *));
	}
	return allocated[nallocated++] = p;
}

void *palloc(Size size) { return remember(malloc(size ? size : 1)); }
void *palloc0(Size size) { return memset(palloc(size), 0, size); }
void pfree(void *p) { (void) p; }
void *
repalloc(void *old, Size size)
{
	for (size_t i = nallocated; i-- > 0;)
		if (allocated[i] == old)
			return allocated[i] = realloc(old, size);
	abort();
}
char *
pnstrdup(const char *s, Size n)
{
	size_t len = strnlen(s, n);
	char *out = palloc(len + 1);

	memcpy(out, s, len);
	out[len] = '\0';
	return out;
}
char *pstrdup(const char *s) { return pnstrdup(s, strlen(s)); }
MemoryContext AllocSetContextCreateInternal(MemoryContext parent, const char *name, Size a, Size b, Size c) { return parent; }
void MemoryContextDelete(MemoryContext context) {}
void MemoryContextSetParent(MemoryContext context, MemoryContext parent) {}
void ProcessInterrupts(void) {}

void
check_stack_depth(void)
{
	char here;

	if (stack_base - &here > 4 * 1024 * 1024)
		longjmp(on_error, 1);
}

bool errstart(int elevel, const char *domain) { return true; }
bool errstart_cold(int elevel, const char *domain) { return true; }
void errfinish(const char *f, int l, const char *fn) { longjmp(on_error, 1); }
int errcode(int c) { return 0; }
/* messages read all that they are given */
int
errmsg(const char *fmt, ...)
{
	char buf[4096];
	va_list args;

	va_start(args, fmt);
	vsnprintf(buf, sizeof(buf), fmt, args);
	va_end(args);
	return 0;
}
int errmsg_internal(const char *fmt, ...) { abort(); /* "cannot happen" */ }
int errdetail(const char *fmt, ...) { return 0; }
int errhint(const char *fmt, ...) { return 0; }
int fhir_issue(const char *code, const char *expression) { return 0; }

void
initStringInfo(StringInfo s)
{
	*s = (StringInfoData){.data = palloc0(1)};
}
void
resetStringInfo(StringInfo s)
{
	s->data[s->len = 0] = '\0';
}
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
#undef appendStringInfoChar
#undef appendStringInfoString
void appendStringInfoChar(StringInfo s, char c) { appendBinaryStringInfo(s, &c, 1); }
void appendStringInfoString(StringInfo s, const char *t) { appendBinaryStringInfo(s, t, strlen(t)); }
void
appendStringInfoSpaces(StringInfo s, int n)
{
	while (n-- > 0)
		appendStringInfoChar(s, ' ');
}
static char *
format(const char *fmt, va_list args)
{
	va_list again;
	char *out;
	int n;

	va_copy(again, args);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	out = palloc(n + 1);
	vsnprintf(out, n + 1, fmt, args);
	return out;
}
void
appendStringInfo(StringInfo s, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	appendStringInfoString(s, format(fmt, args));
	va_end(args);
}
char *
psprintf(const char *fmt, ...)
{
	va_list args;
	char *out;

	va_start(args, fmt);
	out = format(fmt, args);
	va_end(args);
	return out;
}

int
pg_mbstrlen_with_len(const char *s, int limit)
{
	int n = 0;

	for (int i = 0; i < limit && s[i]; i++)
		n += (s[i] & 0xC0) != 0x80;
	return n;
}
void
pg_unicode_to_server(pg_wchar c, unsigned char *s)
{
	int n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	static const unsigned char lead[] = {0, 0, 0xC0, 0xE0, 0xF0};

	s[n] = '\0';
	for (int i = n - 1; i > 0; i--, c >>= 6)
		s[i] = 0x80 | (c & 0x3F);
	s[0] = lead[n] | c;
}
int pg_strncasecmp(const char *a, const char *b, size_t n) { return strncasecmp(a, b, n); }
struct varlena *pg_detoast_datum(struct varlena *v) { return v; }
Datum
DirectFunctionCall3Coll(PGFunction f, Oid c, Datum a, Datum b, Datum d)
{
	return PointerGetDatum(strlen(DatumGetCString(a)) < 2000 ? nothing : NULL);
}

/* ---- the target ---- */

static void
target(const char *text, int len)
{
	FhirPath *volatile first = NULL;

	if (setjmp(on_error) == 0) {
		FhirPath *second;
		const char *canonical;
		int clen;

		first = fhirpath_compile(text, len, MODEL_NONE);
		canonical = fhirpath_text(first, &clen);
		/* a text that is a prefix of a larger one: the exact bytes */
		second = fhirpath_compile(memcpy(palloc(clen + 1), canonical, clen), clen, MODEL_NONE);
		if (VARSIZE(first) != VARSIZE(second) || memcmp(first, second, VARSIZE(first)) != 0) {
			fprintf(stderr, "written differently: %.*s\n", clen, canonical);
			abort();
		}
		fp_program_build(first, CurrentMemoryContext);
	}
	if (setjmp(on_error) == 0)
		fp_html_ok(text, len);
	for (size_t i = 0; i < nallocated; i++)
		free(allocated[i]);
	nallocated = 0;
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	char *exact = malloc(size ? size : 1), here;

	stack_base = &here;
	memcpy(exact, data, size);
	/* no NUL comes from SQL */
	for (size_t i = 0; i < size; i++)
		if (exact[i] == '\0')
			exact[i] = ' ';
	target(exact, size);
	free(exact);
	return 0;
}

#ifndef LIBFUZZER
static uint64 state;
static unsigned
rnd(unsigned n)
{
	state = state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (state >> 33) % n;
}

int
main(int argc, char **argv)
{
	long count = argc > 1 ? atol(argv[1]) : 100000;
	static char corpus[200][512], buf[8192];
	static const char *const bits[] = {"(", ")", "[0]", ".", "'", "`", "\\", "\\u12", "\\ud83d\\ude00", "/*", "*/", "//", "@2015", "T", "1 day", "%`", "<div>", "</div>", "<a href='", "\xC3\xA9", " is ", " as Patient", "{}", "$this", ".where(", "-", "99999999999", "L"};
	FILE *f = fopen(argc > 3 ? argv[3] : "test/fuzz/fhirpath.corpus", "r");
	int n = 0;

	state = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
	while (f != NULL && n < 199 && fgets(corpus[n], sizeof(corpus[n]), f))
		corpus[n][strcspn(corpus[n], "\n")] = '\0', n++;
	if (n == 0)
		return 1;
	strcpy(corpus[n++], "<div xmlns=\"http://www.w3.org/1999/xhtml\"><p class='x'>text <b>bold</b><br/></p><!-- c --></div>");
	for (long i = 0; i < count; i++) {
		int len = strlen(strcpy(buf, corpus[rnd(n)]));

		for (int k = rnd(6); k > 0; k--) {
			int at = rnd(len + 1), cut = rnd(4) == 0 ? rnd(len - at + 1) : 0;
			const char *add = rnd(3) ? bits[rnd(lengthof(bits))] : corpus[rnd(n)];
			int alen = rnd(5) == 0 ? 0 : rnd(strlen(add)) + 1, times = rnd(40) == 0 ? 100 : 1;

			memmove(buf + at, buf + at + cut, len - at - cut + 1);
			len -= cut;
			for (; times > 0 && len + alen < (int) sizeof(buf) - 1; times--) {
				memmove(buf + at + alen, buf + at, len - at + 1);
				memcpy(buf + at, add, alen);
				len += alen;
			}
		}
		LLVMFuzzerTestOneInput((uint8 *) buf, len);
	}
	printf("%ld texts under the sanitizers\n1 passed, 0 failed\n", count);
	return 0;
}
#endif
