/*
 * check_report.c: the findings of the structural check: their words, FHIRPath locations, suggestions, and how they
 * reach the caller, as one error (check_resource) or as rows (fhir_check).
 */
#include "base/base.h"

#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/varlena.h"

#include "check/check_internal.h"

#define QUOTE_MAX 60		 /* bytes of a value that a finding repeats */
#define SUGGEST_DISTANCE 3	 /* edits up to which a name is taken for a misspelling */
#define SUGGEST_NAME_MAX 100 /* longer names get no suggestion */

/* ---- words ---- */

char *
check_quote(const char *s, int len)
{
	int clip = len > QUOTE_MAX ? pg_mbcliplen(s, len, QUOTE_MAX) : len;

	return psprintf("\"%.*s%s\"", clip, s, clip < len ? "..." : "");
}

char *
check_describe(const CheckValue *v)
{
	if (JBE_ISSTRING(v->entry))
		return psprintf("string %s", check_quote(v->data, v->len));
	if (JBE_ISNUMERIC(v->entry)) {
		char *digits = DatumGetCString(DirectFunctionCall1(numeric_out, PointerGetDatum(v->data)));

		return psprintf("number %.*s%s", QUOTE_MAX, digits, strlen(digits) > QUOTE_MAX ? "..." : "");
	}
	if (JBE_ISBOOL(v->entry))
		return JBE_ISBOOL_TRUE(v->entry) ? pstrdup("true") : pstrdup("false");
	if (JBE_ISNULL(v->entry))
		return pstrdup("null");
	return pstrdup(JsonContainerIsObject((JsonbContainer *) v->data) ? "an object" : "an array");
}

typedef struct Suggest {
	const char *name, *best;
	int len, best_len, distance;
} Suggest;

static void
suggest_one(const char *candidate, int len, void *arg)
{
	Suggest *s = arg;
	/* better than the best so far, and sharing at least half of the letters */
	int limit = Min(s->distance - 1, Max(len, s->len) / 2);
	int d;

	if (limit < 0 || len > SUGGEST_NAME_MAX)
		return;
	d = varstr_levenshtein_less_equal(s->name, s->len, candidate, len, 1, 1, 1, limit, true);
	if (d <= limit) {
		s->best = candidate;
		s->best_len = len;
		s->distance = d;
	}
}

static char *
suggestion(const Suggest *s)
{
	return s->best == NULL ? "" : psprintf(", did you mean \"%.*s\"?", s->best_len, s->best);
}

char *
check_suggest_property(const ModelType *t, const char *name, int len)
{
	Suggest s = {name, NULL, len, 0, SUGGEST_DISTANCE + 1};

	for (int i = 0; len <= SUGGEST_NAME_MAX && i < t->nproperties; i++) {
		const ModelProperty *p = &t->properties[i];

		/* "value" for "valueQuantity" is the most common mistake of all */
		if (p->is_choice && p->element_len == len && memcmp(p->element, name, len) == 0)
			return psprintf(", \"%s[x]\" is written with its type, such as \"%s\"", p->element, p->name);
		suggest_one(p->name, p->name_len, &s);
	}
	return suggestion(&s);
}

char *
check_suggest_code(uint16 codes, const char *code, int len)
{
	Suggest s = {code, NULL, len, 0, SUGGEST_DISTANCE + 1};

	if (len <= SUGGEST_NAME_MAX)
		model_code_each(codes, suggest_one, &s);
	return suggestion(&s);
}

/* ---- locations ---- */

/* FHIRPath names that are no plain identifiers are delimited by backticks. */
static void
append_name(StringInfo out, const char *name, int len)
{
	bool plain = len > 0 && !(name[0] >= '0' && name[0] <= '9');
	int clip = len > QUOTE_MAX ? pg_mbcliplen(name, len, QUOTE_MAX) : len;

	for (int i = 0; plain && i < clip; i++)
		plain = name[i] == '_' || (name[i] >= '0' && name[i] <= '9') || ((name[i] | 0x20) >= 'a' && (name[i] | 0x20) <= 'z');
	if (!plain)
		appendStringInfoChar(out, '`');
	for (int i = 0; i < clip; i++) {
		if (!plain && (name[i] == '`' || name[i] == '\\'))
			appendStringInfoChar(out, '\\');
		appendStringInfoChar(out, name[i]);
	}
	if (!plain)
		appendStringInfoChar(out, '`');
}

static void
append_path(StringInfo out, const CheckPath *path)
{
	check_stack_depth();
	if (path->up != NULL) {
		append_path(out, path->up);
		appendStringInfoChar(out, '.');
	}
	append_name(out, path->name, path->len);
	if (path->index >= 0)
		appendStringInfo(out, "[%d]", path->index);
}

static bool
is_warning(const char *code)
{
	return fhir_check_mode == FHIR_CHECK_STRUCTURE &&
		   (strcmp(code, "required") == 0 || strcmp(code, "invariant") == 0 || strcmp(code, "code-invalid") == 0);
}

void
check_finding(Check *c, const char *code, const CheckPath *path, const char *name, int len, const char *fmt, ...)
{
	StringInfoData text;
	CheckFinding *f;
	bool warning = is_warning(code);

	if (c->full || (warning && (!c->keep_warnings || c->n - c->nerrors >= fhir_max_issues)))
		return;
	if (c->n == c->allocated) {
		c->allocated = c->n == 0 ? 8 : c->n * 2;
		c->findings = c->n == 0 ? palloc(c->allocated * sizeof(CheckFinding))
								: repalloc(c->findings, c->allocated * sizeof(CheckFinding));
	}
	f = &c->findings[c->n++];
	f->severity = warning ? "warning" : "error";
	f->code = code;
	initStringInfo(&text);
	for (;;) {
		va_list args;
		int needed;

		va_start(args, fmt);
		needed = appendStringInfoVA(&text, fmt, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&text, needed);
	}
	f->diagnostics = text.data;
	f->expression = NULL;
	if (path != NULL) {
		initStringInfo(&text);
		append_path(&text, path);
		if (name != NULL) {
			appendStringInfoChar(&text, '.');
			append_name(&text, name, len);
		}
		f->expression = text.data;
	}
	if (!warning)
		c->full = ++c->nerrors >= fhir_max_issues;
}

/* ---- callers ---- */

pg_noreturn static void
raise_no_resource(const CheckFinding *f)
{
	ereport(ERROR,
			(errcode(FH400), errmsg("not a FHIR resource: %s", f->diagnostics),
			 errhint("A resource is a JSON object with \"resourceType\" naming one of R4's resource types."),
			 fhir_issue(f->code, f->expression)));
}

static void
raise_findings(const Check *c, const ModelType *t)
{
	StringInfoData detail;

	fhir_issues_reset();
	initStringInfo(&detail);
	for (int i = 0; i < c->n; i++) {
		const CheckFinding *f = &c->findings[i];

		fhir_issue_add(f->severity, f->code, f->expression, f->diagnostics);
		appendStringInfo(&detail, "%s%s: %s", i > 0 ? "\n" : "", f->expression, f->diagnostics);
	}
	if (c->full)
		appendStringInfo(&detail, "\nStopped at %d findings (fhir.max_issues).", c->n);
	ereport(ERROR,
			(errcode(FH422), errmsg_plural("%s is not valid: %d finding", "%s is not valid: %d findings", c->n, t->name, c->n),
			 errdetail_internal("%s", detail.data),
			 errhint("Correct what is listed; fhir_check(resource) lists it without storing.")));
}

const ModelType *
check_resource(JsonbContainer *doc)
{
	Check c = {0};
	const ModelType *t = check_document(&c, doc);

	if (t == NULL)
		raise_no_resource(&c.findings[0]);
	if (c.n > 0)
		raise_findings(&c, t);
	return t;
}

PG_FUNCTION_INFO_V1(fhir_check);

/* fhir_check(resource jsonb) -> setof (severity, code, expression, diagnostics): a dry run of check_resource(). */
PGDLLEXPORT Datum
fhir_check(PG_FUNCTION_ARGS)
{
	FuncCallContext *fn;
	Check *c;

	if (SRF_IS_FIRSTCALL()) {
		MemoryContext old;
		Jsonb *doc;

		fn = SRF_FIRSTCALL_INIT();
		old = MemoryContextSwitchTo(fn->multi_call_memory_ctx);
		doc = PG_GETARG_JSONB_P(0);
		c = palloc0(sizeof(Check));
		c->keep_warnings = true;
		check_document(c, &doc->root);
		fn->user_fctx = c;
		if (get_call_result_type(fcinfo, NULL, &fn->tuple_desc) != TYPEFUNC_COMPOSITE)
			elog(ERROR, "return type must be a row type");
		BlessTupleDesc(fn->tuple_desc);
		MemoryContextSwitchTo(old);
	}
	fn = SRF_PERCALL_SETUP();
	c = fn->user_fctx;
	if (fn->call_cntr < (uint64) c->n) {
		const CheckFinding *f = &c->findings[fn->call_cntr];
		bool nulls[4] = {false, false, f->expression == NULL, false};
		Datum values[4] = {CStringGetTextDatum(f->severity), CStringGetTextDatum(f->code),
						   f->expression != NULL ? CStringGetTextDatum(f->expression) : (Datum) 0,
						   CStringGetTextDatum(f->diagnostics)};

		SRF_RETURN_NEXT(fn, HeapTupleGetDatum(heap_form_tuple(fn->tuple_desc, values, nulls)));
	}
	SRF_RETURN_DONE(fn);
}
