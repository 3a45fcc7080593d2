/*
 * fhirpath_type.c: SQL type fhirpath and the IMMUTABLE functions over it.
 *
 * fhirpath_exists, fhirpath_first and the operator @~ are IMMUTABLE, so that they may stand in indexes and generated
 * columns, and refuse expressions whose result does not follow from their arguments alone. The STABLE functions, which take those too,
 * are in interaction/: they look into the store and its terminology.
 */
#include "fhirpath/fhirpath_int.h"

#include "libpq/pqformat.h"
#include "utils/builtins.h"

#define FHIRPATH_SEND_VERSION 1
#define PG_GETARG_FHIRPATH(n) ((FhirPath *) PG_DETOAST_DATUM(PG_GETARG_DATUM(n)))

/* ---- the type ---- */

PG_FUNCTION_INFO_V1(fhirpath_in);
Datum
fhirpath_in(PG_FUNCTION_ARGS)
{
	char *text = PG_GETARG_CSTRING(0);

	PG_RETURN_POINTER(fp_compile_cached(text, strlen(text)));
}

PG_FUNCTION_INFO_V1(fhirpath_out);
Datum
fhirpath_out(PG_FUNCTION_ARGS)
{
	int len;
	const char *text = fhirpath_text(PG_GETARG_FHIRPATH(0), &len);

	PG_RETURN_CSTRING(pnstrdup(text, len));
}

PG_FUNCTION_INFO_V1(fhirpath_recv);
Datum
fhirpath_recv(PG_FUNCTION_ARGS)
{
	StringInfo buf = (StringInfo) PG_GETARG_POINTER(0);
	int version = pq_getmsgint(buf, 1), len;
	char *text;

	if (version != FHIRPATH_SEND_VERSION)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("unsupported fhirpath version number %d", version)));
	text = pq_getmsgtext(buf, buf->len - buf->cursor, &len);
	PG_RETURN_POINTER(fp_compile_cached(text, len));
}

PG_FUNCTION_INFO_V1(fhirpath_send);
Datum
fhirpath_send(PG_FUNCTION_ARGS)
{
	StringInfoData buf;
	int len;
	const char *text = fhirpath_text(PG_GETARG_FHIRPATH(0), &len);

	pq_begintypsend(&buf);
	pq_sendint8(&buf, FHIRPATH_SEND_VERSION);
	pq_sendtext(&buf, text, len);
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

PG_FUNCTION_INFO_V1(fhirpath_from_text);
Datum
fhirpath_from_text(PG_FUNCTION_ARGS)
{
	text *t = PG_GETARG_TEXT_PP(0);

	PG_RETURN_POINTER(fp_compile_cached(VARDATA_ANY(t), VARSIZE_ANY_EXHDR(t)));
}

PG_FUNCTION_INFO_V1(fhirpath_to_text);
Datum
fhirpath_to_text(PG_FUNCTION_ARGS)
{
	int len;
	const char *text = fhirpath_text(PG_GETARG_FHIRPATH(0), &len);

	PG_RETURN_TEXT_P(cstring_to_text_with_len(text, len));
}

/* Equal expressions have equal canonical text. */
PG_FUNCTION_INFO_V1(fhirpath_eq);
Datum
fhirpath_eq(PG_FUNCTION_ARGS)
{
	int la, lb;
	const char *a = fhirpath_text(PG_GETARG_FHIRPATH(0), &la), *b = fhirpath_text(PG_GETARG_FHIRPATH(1), &lb);

	PG_RETURN_BOOL(la == lb && memcmp(a, b, la) == 0);
}

PG_FUNCTION_INFO_V1(fhirpath_ne);
Datum
fhirpath_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(!DatumGetBool(fhirpath_eq(fcinfo)));
}

PG_FUNCTION_INFO_V1(fhirpath_hash);
Datum
fhirpath_hash(PG_FUNCTION_ARGS)
{
	int len;
	const char *text = fhirpath_text(PG_GETARG_FHIRPATH(0), &len);

	PG_RETURN_INT32((int32) fhir_hash(text, len, 0));
}

PG_FUNCTION_INFO_V1(fhirpath_hash_extended);
Datum
fhirpath_hash_extended(PG_FUNCTION_ARGS)
{
	int len;
	const char *text = fhirpath_text(PG_GETARG_FHIRPATH(0), &len);

	PG_RETURN_INT64((int64) fhir_hash(text, len, PG_GETARG_INT64(1)));
}

/* ---- results as JSON ---- */

static void
push_pair(JsonbParseState **ps, const char *key, const char *s, int len)
{
	JsonbValue v = {.type = jbvString};

	v.val.string.val = (char *) key;
	v.val.string.len = strlen(key);
	pushJsonbValue(ps, WJB_KEY, &v);
	v.val.string.val = (char *) s;
	v.val.string.len = len;
	pushJsonbValue(ps, WJB_VALUE, &v);
}

static Jsonb *
quantity_json(const FpQuantity *q)
{
	JsonbParseState *ps = NULL;
	JsonbValue v = {.type = jbvString};

	pushJsonbValue(&ps, WJB_BEGIN_OBJECT, NULL);
	v.val.string.val = "value";
	v.val.string.len = 5;
	pushJsonbValue(&ps, WJB_KEY, &v);
	v.type = jbvNumeric;
	v.val.numeric = q->value;
	pushJsonbValue(&ps, WJB_VALUE, &v);
	push_pair(&ps, q->calendar ? "unit" : "code", q->unit, q->len);
	return JsonbValueToJsonb(pushJsonbValue(&ps, WJB_END_OBJECT, NULL));
}

static Jsonb *
container_json(JsonbContainer *c)
{
	FpItem item;
	Jsonb *r;

	fhirpath_root(c, MODEL_NONE, &item);
	r = palloc(VARHDRSZ + item.json.val.binary.len);
	SET_VARSIZE(r, VARHDRSZ + item.json.val.binary.len);
	memcpy(&r->root, c, item.json.val.binary.len);
	return r;
}

/* An item as SQL sees it. A primitive that has only extensions answers the object that holds them. */
Jsonb *
fhirpath_item_jsonb(const FpItem *item)
{
	if (item->kind == FP_QUANTITY)
		return quantity_json(item->priv);
	if (item->kind == FP_TYPEINFO) {
		FpTypeInfo *t = item->priv;
		JsonbParseState *ps = NULL;

		pushJsonbValue(&ps, WJB_BEGIN_OBJECT, NULL);
		push_pair(&ps, "namespace", t->ns, strlen(t->ns));
		push_pair(&ps, "name", t->name, strlen(t->name));
		return JsonbValueToJsonb(pushJsonbValue(&ps, WJB_END_OBJECT, NULL));
	}
	if (item->json.type == jbvNull && item->ext != NULL)
		return container_json(item->ext);
	if (item->json.type == jbvBinary)
		return container_json(item->json.val.binary.data);
	return JsonbValueToJsonb(unconstify(JsonbValue *, &item->json));
}

/* ---- evaluation ---- */

static void
refuse_stable(const FhirPath *p, const char *function)
{
	if (!fhirpath_is_stable(p))
		return;
	ereport(
		ERROR,
		(errcode(FH422),
		 errmsg("%s cannot evaluate an expression that %s", function,
				p->flags & FP_PROG_TIME ? "depends on the current time" : "looks outside of its resource"),
		 errdetail("%.*s", (int) p->textlen, FP_POOL(p)),
		 errhint("Use fhirpath(), fhirpath_exists_stable() or fhirpath_first_stable(), which are STABLE."),
		 fhir_issue("not-supported", NULL)));
}

void
fhirpath_arguments(FunctionCallInfo fcinfo, FpContext *ctx, FpItem *root)
{
	Jsonb *doc = PG_GETARG_JSONB_P(0);

	memset(ctx, 0, sizeof(*ctx));
	ctx->resolve = FP_RESOLVE_DOCUMENT;
	ctx->root = &doc->root;
	ctx->env = PG_NARGS() > 2 && !PG_ARGISNULL(2) ? PG_GETARG_JSONB_P(2) : NULL;
	ctx->strict = fhirpath_strict;
	if (ctx->env != NULL && !JB_ROOT_IS_OBJECT(ctx->env))
		ereport(ERROR, (errcode(FH400), errmsg("env must be a JSON object of variables")));
	fhirpath_root(&doc->root, MODEL_NONE, root);
}

PG_FUNCTION_INFO_V1(fhirpath_first);
Datum
fhirpath_first(PG_FUNCTION_ARGS)
{
	FhirPath *p;
	FpContext ctx;
	FpItem root;
	FP_LIST_ON_STACK(l);

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	p = PG_GETARG_FHIRPATH(1);
	refuse_stable(p, "fhirpath_first()");
	fhirpath_arguments(fcinfo, &ctx, &root);
	fhirpath_eval(p, &ctx, &root, &l);
	if (l.n == 0)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(fhirpath_item_jsonb(&l.items[0]));
}

PG_FUNCTION_INFO_V1(fhirpath_exists);
Datum
fhirpath_exists(PG_FUNCTION_ARGS)
{
	FhirPath *p;
	FpContext ctx;
	FpItem root;
	FP_LIST_ON_STACK(l);

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	p = PG_GETARG_FHIRPATH(1);
	refuse_stable(p, "fhirpath_exists()");
	fhirpath_arguments(fcinfo, &ctx, &root);
	fhirpath_eval(p, &ctx, &root, &l);
	PG_RETURN_BOOL(l.n > 0);
}

/* resource @~ path: the result as a criterion: true, false, NULL when empty. */
PG_FUNCTION_INFO_V1(fhirpath_matches);
Datum
fhirpath_matches(PG_FUNCTION_ARGS)
{
	FhirPath *p = PG_GETARG_FHIRPATH(1);
	FpContext ctx;
	FpItem root;
	int r;

	refuse_stable(p, "the operator @~");
	fhirpath_arguments(fcinfo, &ctx, &root);
	r = fhirpath_eval_boolean(p, &ctx, &root);
	if (r < 0)
		PG_RETURN_NULL();
	PG_RETURN_BOOL(r);
}
