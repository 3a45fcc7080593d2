/*
 * fhirpath_item.c: lists, making items, reading arguments, text of values, errors with locations.
 */
#include "fhirpath/fhirpath_int.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"

/* Moves a list that started on the stack (its buffer is not palloc'd) or grows one that did not. */
void
fp_list_grow(FpList *l, int more)
{
	int max = Max(l->max * 2, Max(l->n + more, 2 * FP_STACK_ITEMS));
	FpItem *items;

	if ((Size) max * sizeof(FpItem) > MaxAllocSize)
		ereport(ERROR, (errcode(FH422), errmsg("a FHIRPath collection has more than %d items", l->n),
						fhir_issue("too-costly", NULL)));
	items = palloc(max * sizeof(FpItem));
	if (l->n > 0)
		memcpy(items, l->items, l->n * sizeof(FpItem));
	/* the old block is the stack's or is freed with the caller's context */
	l->items = items;
	l->max = max;
}

void
fp_append(FpExec *x, FpList *out, const FpList *in)
{
	if (in->n == 0)
		return;
	if (out->n + in->n > out->max)
		fp_list_grow(out, in->n);
	memcpy(&out->items[out->n], in->items, in->n * sizeof(FpItem));
	out->n += in->n;
	fp_tick(x, in->n);
}

static FpItem *
push_value(FpExec *x, FpList *out, FpKind kind, enum jbvType type)
{
	FpItem *i = fp_push(x, out);

	memset(i, 0, sizeof(FpItem));
	i->kind = kind;
	i->json.type = type;
	return i;
}

void
fp_push_bool(FpExec *x, FpList *out, bool b)
{
	push_value(x, out, FP_BOOLEAN, jbvBool)->json.val.boolean = b;
}

void
fp_push_int(FpExec *x, FpList *out, int64 v)
{
	bool fits = v >= PG_INT32_MIN && v <= PG_INT32_MAX;

	push_value(x, out, fits ? FP_INTEGER : FP_LONG, jbvNumeric)->json.val.numeric = fp_numeric(v);
}

void
fp_push_numeric(FpExec *x, FpList *out, FpKind kind, Numeric n)
{
	push_value(x, out, kind, jbvNumeric)->json.val.numeric = n;
}

static void
push_text(FpExec *x, FpList *out, FpKind kind, const char *s, int len)
{
	FpItem *i = push_value(x, out, kind, jbvString);

	i->json.val.string.val = (char *) s;
	i->json.val.string.len = len;
}

/* s is not copied. */
void
fp_push_string(FpExec *x, FpList *out, const char *s, int len)
{
	push_text(x, out, FP_STRING, s, len);
}

void
fp_push_date(FpExec *x, FpList *out, FpKind kind, const char *s, int len)
{
	push_text(x, out, kind, s, len);
}

void
fp_push_quantity(FpExec *x, FpList *out, const FpQuantity *q)
{
	FpQuantity *copy = palloc(sizeof(FpQuantity));

	*copy = *q;
	push_value(x, out, FP_QUANTITY, jbvNull)->priv = copy;
}

const FpItem *
fp_single(FpExec *x, const FpList *l, const char *what)
{
	if (l->n == 0)
		return NULL;
	if (l->n > 1)
		fp_error(x, &l->items[1], psprintf("%s takes one item, not %d", what, l->n),
				 "Use first(), where() or select() to pick the items one by one.");
	return &l->items[0];
}

int64
fp_int64(FpExec *x, const FpItem *i, const char *what)
{
	if (!fp_is_number(i) || fp_numeric_scale(i->json.val.numeric) > 0 ||
		fp_numeric_cmp(i->json.val.numeric, fp_numeric(PG_INT64_MAX)) > 0 ||
		fp_numeric_cmp(i->json.val.numeric, fp_numeric(PG_INT64_MIN)) < 0)
		fp_error(x, i, psprintf("%s must be an integer, not %s", what, fp_kind_name(i)), NULL);
	return DatumGetInt64(DirectFunctionCall1(numeric_int8, NumericGetDatum(i->json.val.numeric)));
}

const FpNode *
fp_argn(const FpNode *n, int k)
{
	const FpNode *a = n->right;

	while (a != NULL && k-- > 0)
		a = a->next;
	return a;
}

bool
fp_arg(FpExec *x, const FpNode *n, FpScope *s, int k, FpItem *out)
{
	const FpNode *a = fp_argn(n, k);
	const FpItem *i;
	FpScope inner = *s;
	FP_LIST_ON_STACK(l);

	if (a == NULL)
		return false;
	fp_eval(x, a, &inner, &l);
	x->node = n;
	i = fp_single(x, &l, psprintf("argument %d of %s()", k + 1, n->fn->name));
	if (i == NULL || (i->json.type == jbvNull && i->priv == NULL))
		return false;
	*out = *i;
	return true;
}

bool
fp_arg_string(FpExec *x, const FpNode *n, FpScope *s, int k, const char **str, int *len)
{
	FpItem i;

	if (!fp_arg(x, n, s, k, &i))
		return false;
	if (!fp_is_string(&i))
		fp_error(
			x, &i,
			psprintf("argument %d of %s() must be a string, not %s", k + 1, n->fn->name, fp_kind_name(&i)),
			NULL);
	*str = i.json.val.string.val;
	*len = i.json.val.string.len;
	return true;
}

bool
fp_arg_int(FpExec *x, const FpNode *n, FpScope *s, int k, int64 *v)
{
	FpItem i;

	if (!fp_arg(x, n, s, k, &i))
		return false;
	*v = fp_int64(x, &i, psprintf("argument %d of %s()", k + 1, n->fn->name));
	return true;
}

/* toString(): false for what has no text (elements, a primitive without value). */
bool
fp_item_text(const FpItem *item, StringInfo out)
{
	if (item->kind == FP_QUANTITY) {
		fp_quantity_text(item->priv, out);
		return true;
	}
	switch (item->json.type) {
		case jbvBool:
			appendStringInfoString(out, item->json.val.boolean ? "true" : "false");
			return true;
		case jbvNumeric:
			appendStringInfoString(out, DatumGetCString(DirectFunctionCall1(
											numeric_out, NumericGetDatum(item->json.val.numeric))));
			return true;
		case jbvString:
			appendBinaryStringInfo(out, item->json.val.string.val, item->json.val.string.len);
			return true;
		default:
			return false;
	}
}

/* ---- errors ---- */

/* Where inside c the value of item is stored: its path is appended to out. */
static bool
locate(JsonbContainer *c, const ModelType *t, const FpItem *item, StringInfo out)
{
	bool object = JsonContainerIsObject(c);
	int n = JsonContainerSize(c), at = out->len;
	JsonbIterator *it = JsonbIteratorInit(c);
	JsonbIteratorToken tok;
	JsonbValue v, key;
	int i = 0;

	check_stack_depth();
	if (item->json.type == jbvBinary && item->json.val.binary.data == c)
		return true;
	if (n == 0 || JsonContainerIsScalar(c))
		return false;
	JsonbIteratorNext(&it, &v, true);
	while ((tok = JsonbIteratorNext(&it, &v, true)) == WJB_KEY || tok == WJB_ELEM) {
		const ModelProperty *p = NULL;
		bool found = false;

		if (tok == WJB_KEY) {
			key = v;
			JsonbIteratorNext(&it, &v, true);
			p = t != NULL ? model_property(t, key.val.string.val, key.val.string.len) : NULL;
			appendStringInfo(out, ".%.*s", p != NULL ? p->element_len : key.val.string.len,
							 p != NULL ? p->element : key.val.string.val);
		} else
			appendStringInfo(out, "[%d]", i);
		if (v.type == jbvBinary)
			found = locate(v.val.binary.data, object ? (p != NULL ? model_type_by_id(p->type) : NULL) : t,
						   item, out);
		else if (v.type == jbvString && item->json.type == jbvString)
			found = v.val.string.val == item->json.val.string.val;
		else if (v.type == jbvNumeric && item->json.type == jbvNumeric)
			found = v.val.numeric == item->json.val.numeric;
		if (found)
			return true;
		out->len = at;
		out->data[at] = '\0';
		i++;
	}
	return false;
}

/*
 * The FHIRPath location of an item ("Patient.name[0].given[1]"), found by its address in the document; NULL
 * for computed values and for null and boolean ones. Slow: for errors and traces.
 */
char *
fp_locate(JsonbContainer *root, const FpItem *root_item, const FpItem *item)
{
	StringInfoData s;
	const ModelType *t = NULL;

	if (root == NULL || item == NULL || item->json.type == jbvNull || item->json.type == jbvBool ||
		item->priv != NULL)
		return NULL;
	if (root_item->type != MODEL_NONE)
		t = model_type_by_id(root_item->type);
	initStringInfo(&s);
	appendStringInfoString(&s, t != NULL ? t->name : "%resource");
	return locate(root, t, item, &s) ? s.data : NULL;
}

/*
 * Raises FH422: what is wrong, where in the expression (with a caret), and where in the resource. focus may
 * be NULL.
 */
void
fp_error(FpExec *x, const FpItem *focus, const char *msg, const char *hint)
{
	const FpProgram *p = x->prog;
	int32 pos = x->node != NULL ? x->node->pos : 0;
	char *at = NULL;

	if (x->root != NULL && x->root->json.type == jbvBinary)
		at = fp_locate(x->root->json.val.binary.data, x->root, focus);
	ereport(ERROR,
			(errcode(FH422), errmsg("FHIRPath: %s", msg),
			 at != NULL ? errdetail("At %s, character %d of the expression:\n%s", at,
									fp_char_position(p->text, pos), fp_caret(p->text, p->textlen, pos))
						: errdetail("At character %d of the expression:\n%s", fp_char_position(p->text, pos),
									fp_caret(p->text, p->textlen, pos)),
			 hint != NULL ? errhint("%s", hint) : 0, fhir_issue("processing", at)));
}

void
fp_too_many_steps(FpExec *x)
{
	const FpProgram *p = x->prog;

	ereport(ERROR,
			(errcode(FH422), errmsg("FHIRPath: the expression took more than %d steps", fhirpath_max_steps),
			 errdetail("Stopped at character %d of the expression:\n%s",
					   fp_char_position(p->text, x->node ? x->node->pos : 0),
					   fp_caret(p->text, p->textlen, x->node ? x->node->pos : 0)),
			 errhint("Simplify the expression, or raise fhir.fhirpath_max_steps."),
			 fhir_issue("too-costly", NULL)));
}
