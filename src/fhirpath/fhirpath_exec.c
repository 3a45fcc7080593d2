/*
 * fhirpath_exec.c: evaluates a program over a document.
 *
 * eval_node() appends the results of a node to a list. Small lists live on the C stack; items point into the
 * document. What has to be allocated (computed strings, numbers, large lists) goes to CurrentMemoryContext,
 * which the caller resets. Every node counts as a step, every item made as another: beyond
 * fhir.fhirpath_max_steps evaluation stops with an error.
 */
#include "fhirpath/fhirpath_int.h"

#include "utils/builtins.h"

static void eval_node(FpExec *x, const FpNode *n, FpScope *s, FpList *out);
static void eval_path(FpExec *x, const FpNode *n, FpScope *s, FpList *out);
static void eval_call(FpExec *x, const FpNode *n, FpScope *s, FpList *out);
static void eval_indexer(FpExec *x, const FpNode *n, FpScope *s, FpList *out);
static void eval_external(FpExec *x, const FpNode *n, FpScope *s, FpList *out);
static void eval_sign(FpExec *x, const FpNode *n, FpScope *s, FpList *out);
static void eval_is_as(FpExec *x, const FpNode *n, FpScope *s, FpList *out);
static void eval_union(FpExec *x, const FpNode *n, FpScope *s, FpList *out);
static void eval_logic(FpExec *x, const FpNode *n, FpScope *s, FpList *out);
static void eval_binary(FpExec *x, const FpNode *n, FpScope *s, FpList *out);

static void
eval_node(FpExec *x, const FpNode *n, FpScope *s, FpList *out)
{
	check_stack_depth();
	CHECK_FOR_INTERRUPTS();
	x->node = n;
	fp_tick(x, 1);
	if (n->nsteps > 0) {
		eval_path(x, n, s, out);
		return;
	}
	switch (n->op) {
		case FP_OP_EMPTY:
			break;
		case FP_OP_TRUE:
		case FP_OP_FALSE:
		case FP_OP_STRING:
		case FP_OP_INTEGER:
		case FP_OP_LONG:
		case FP_OP_DECIMAL:
		case FP_OP_DATE:
		case FP_OP_DATETIME:
		case FP_OP_TIME:
		case FP_OP_QUANTITY:
			*fp_push(x, out) = n->lit;
			break;
		case FP_OP_THIS:
			if (n->left != NULL)
				eval_node(x, n->left, s, out);
			else
				for (int i = 0; i < s->nthis; i++)
					*fp_push(x, out) = s->this[i];
			break;
		case FP_OP_INDEX:
			if (s->index >= 0)
				fp_push_int(x, out, s->index);
			break;
		case FP_OP_TOTAL:
			if (s->total != NULL)
				fp_append(x, out, s->total);
			break;
		case FP_OP_EXTERNAL:
			eval_external(x, n, s, out);
			break;
		case FP_OP_FUNCTION:
			eval_call(x, n, s, out);
			break;
		case FP_OP_INDEXER:
			eval_indexer(x, n, s, out);
			break;
		case FP_OP_NEGATE:
		case FP_OP_PLUS:
			eval_sign(x, n, s, out);
			break;
		case FP_OP_IS:
		case FP_OP_AS:
			eval_is_as(x, n, s, out);
			break;
		case FP_OP_UNION:
			eval_union(x, n, s, out);
			break;
		case FP_OP_AND:
		case FP_OP_OR:
		case FP_OP_XOR:
		case FP_OP_IMPLIES:
			eval_logic(x, n, s, out);
			break;
		default:
			eval_binary(x, n, s, out);
	}
}

static void
eval_path(FpExec *x, const FpNode *n, FpScope *s, FpList *out)
{
	FpStep *end = n->steps + n->nsteps;

	if (n->base == NULL) {
		x->strict = x->ctx->strict && s->this == x->root;
		for (int i = 0; i < s->nthis; i++)
			fp_walk(x, n->steps, end, &s->this[i], out);
		x->strict = false;
	} else {
		FP_LIST_ON_STACK(in);

		eval_node(x, n->base, s, &in);
		x->node = n;
		for (int i = 0; i < in.n; i++)
			fp_walk(x, n->steps, end, &in.items[i], out);
		FP_LIST_FREE(in);
	}
	fp_tick(x, 0);
}

static void
eval_call(FpExec *x, const FpNode *n, FpScope *s, FpList *out)
{
	FP_LIST_ON_STACK(in);

	if (n->left != NULL) {
		eval_node(x, n->left, s, &in);
		x->node = n;
		n->fn->fn(x, n, s, &in, out);
		FP_LIST_FREE(in);
	} else {
		FpList this = {(FpItem *) s->this, s->nthis, s->nthis};

		n->fn->fn(x, n, s, &this, out);
	}
}

/* Variables that an operand defines are not seen outside of it. */
static void
eval_operand(FpExec *x, const FpNode *n, FpScope *s, FpList *out)
{
	FpVar *vars = s->vars;

	eval_node(x, n, s, out);
	s->vars = vars;
}

static void
eval_indexer(FpExec *x, const FpNode *n, FpScope *s, FpList *out)
{
	FpScope outer = *s;
	const FpItem *at;
	int64 i;
	FP_LIST_ON_STACK(in);
	FP_LIST_ON_STACK(index);

	eval_node(x, n->left, s, &in);
	eval_node(x, n->right, &outer, &index);
	x->node = n;
	at = fp_single(x, &index, "an index");
	if (at != NULL) {
		i = fp_int64(x, at, "an index");
		if (i >= 0 && i < in.n)
			*fp_push(x, out) = in.items[i];
	}
	FP_LIST_FREE(in);
	FP_LIST_FREE(index);
}

static void
eval_sign(FpExec *x, const FpNode *n, FpScope *s, FpList *out)
{
	const FpItem *i;
	FP_LIST_ON_STACK(in);

	eval_node(x, n->left, s, &in);
	x->node = n;
	i = fp_single(x, &in, n->op == FP_OP_NEGATE ? "-" : "+");
	if (i == NULL)
		return;
	if (fp_is_number(i)) {
		Numeric v = i->json.val.numeric;

		if (n->op == FP_OP_NEGATE)
			v = DatumGetNumeric(DirectFunctionCall1(numeric_uminus, NumericGetDatum(v)));
		fp_push_numeric(x, out, i->kind, v);
	} else {
		FpQuantity q;

		if (i->json.type == jbvNull && i->kind != FP_QUANTITY)
			return;
		if (i->kind == FP_STRING || !fp_to_quantity(i, &q))
			fp_error(
				x, i, psprintf("the sign takes a number or a quantity, not %s", fp_kind_name(i)),
				"The sign applies after the functions behind it: write (-1).abs() rather than -1.abs().");
		if (n->op == FP_OP_NEGATE)
			q.value = DatumGetNumeric(DirectFunctionCall1(numeric_uminus, NumericGetDatum(q.value)));
		fp_push_quantity(x, out, &q);
	}
}

static void
eval_is_as(FpExec *x, const FpNode *n, FpScope *s, FpList *out)
{
	FP_LIST_ON_STACK(in);

	eval_node(x, n->left, s, &in);
	x->node = n;
	if (n->op == FP_OP_IS)
		fp_is(x, &n->type, &in, out);
	else
		fp_as(x, &n->type, &in, out);
	FP_LIST_FREE(in);
}

static void
eval_union(FpExec *x, const FpNode *n, FpScope *s, FpList *out)
{
	FP_LIST_ON_STACK(l);

	eval_operand(x, n->left, s, &l);
	eval_operand(x, n->right, s, &l);
	x->node = n;
	fp_distinct(x, &l, out);
	FP_LIST_FREE(l);
}

/* Three-valued logic. The right side is left alone when the left side decides. */
static void
eval_logic(FpExec *x, const FpNode *n, FpScope *s, FpList *out)
{
	int a = fp_eval_boolean(x, n->left, s), b;
	int r = -1;

	if ((n->op == FP_OP_AND && a == 0) || (n->op == FP_OP_OR && a == 1) ||
		(n->op == FP_OP_IMPLIES && a == 0)) {
		fp_push_bool(x, out, n->op != FP_OP_AND);
		return;
	}
	b = fp_eval_boolean(x, n->right, s);
	switch (n->op) {
		case FP_OP_AND:
			r = b == 0 ? 0 : (a == 1 && b == 1) ? 1
												: -1;
			break;
		case FP_OP_OR:
			r = b == 1 ? 1 : (a == 0 && b == 0) ? 0
												: -1;
			break;
		case FP_OP_XOR:
			r = a < 0 || b < 0 ? -1 : a != b;
			break;
		case FP_OP_IMPLIES:
			r = b == 1 ? 1 : (a == 1 && b == 0) ? 0
												: -1;
			break;
		default:
			break;
	}
	if (r >= 0)
		fp_push_bool(x, out, r);
}

static void
compare_lists(FpExec *x, const FpNode *n, const FpList *a, const FpList *b, FpList *out)
{
	const FpItem *l = fp_single(x, a, "a comparison"), *r = fp_single(x, b, "a comparison");
	int cmp;

	if (l == NULL || r == NULL || !fp_compare(x, l, r, &cmp))
		return;
	fp_push_bool(x, out,
				 n->op == FP_OP_LT	 ? cmp < 0
				 : n->op == FP_OP_LE ? cmp <= 0
				 : n->op == FP_OP_GT ? cmp > 0
									 : cmp >= 0);
}

static void
member_of_list(FpExec *x, const FpList *items, const FpList *item, FpList *out)
{
	const FpItem *i = fp_single(x, item, "in and contains");

	if (i != NULL)
		fp_push_bool(x, out, fp_contains(x, items, i));
}

static void
eval_binary(FpExec *x, const FpNode *n, FpScope *s, FpList *out)
{
	int r;
	FP_LIST_ON_STACK(a);
	FP_LIST_ON_STACK(b);

	eval_operand(x, n->left, s, &a);
	eval_operand(x, n->right, s, &b);
	x->node = n;
	switch (n->op) {
		case FP_OP_EQ:
		case FP_OP_NE:
			r = fp_equal_lists(x, &a, &b);
			if (r >= 0)
				fp_push_bool(x, out, n->op == FP_OP_EQ ? r : !r);
			break;
		case FP_OP_EQUIV:
			fp_push_bool(x, out, fp_equivalent_lists(x, &a, &b));
			break;
		case FP_OP_NEQUIV:
			fp_push_bool(x, out, !fp_equivalent_lists(x, &a, &b));
			break;
		case FP_OP_LT:
		case FP_OP_LE:
		case FP_OP_GT:
		case FP_OP_GE:
			compare_lists(x, n, &a, &b, out);
			break;
		case FP_OP_IN:
			member_of_list(x, &b, &a, out);
			break;
		case FP_OP_CONTAINS:
			member_of_list(x, &a, &b, out);
			break;
		default:
			fp_arith(x, n, &a, &b, out);
	}
	FP_LIST_FREE(a);
	FP_LIST_FREE(b);
}

/* %name: the variables that FHIRPath and FHIR define, then defineVariable()'s, then the caller's. */
static void
eval_external(FpExec *x, const FpNode *n, FpScope *s, FpList *out)
{
	const FpContext *ctx = x->ctx;
	FpItem root;
	JsonbValue v;

#define IS(lit) (n->len == sizeof(lit) - 1 && memcmp(n->str, lit, n->len) == 0)
#define STARTS(lit) (n->len > sizeof(lit) - 1 && memcmp(n->str, lit, sizeof(lit) - 1) == 0)
	for (FpVar *var = s->vars; var != NULL; var = var->next)
		if (var->len == n->len && memcmp(var->name, n->str, n->len) == 0) {
			fp_append(x, out, &var->value);
			return;
		}
	if (IS("context"))
		*fp_push(x, out) = *x->root;
	else if (IS("resource") &&
			 (ctx->root == NULL ||
			  (x->root->type != MODEL_NONE && model_type_by_id(x->root->type)->kind == MODEL_RESOURCE)))
		*fp_push(x, out) = *x->root;
	else if (IS("rootResource") || IS("resource")) {
		if (ctx->root != NULL)
			fhirpath_root(ctx->root, MODEL_NONE, &root);
		else
			root = *x->root;
		*fp_push(x, out) = root;
	} else if (ctx->env != NULL && fp_get(&ctx->env->root, n->str, n->len, &v))
		fp_env_value(x, &v, out);
	else if (IS("sct"))
		fp_push_string(x, out, "http://snomed.info/sct", 22);
	else if (IS("loinc"))
		fp_push_string(x, out, "http://loinc.org", 16);
	else if (IS("ucum"))
		fp_push_string(x, out, "http://unitsofmeasure.org", 25);
	else if (STARTS("vs-")) {
		char *url = psprintf("http://hl7.org/fhir/ValueSet/%.*s", n->len - 3, n->str + 3);

		fp_push_string(x, out, url, strlen(url));
	} else if (STARTS("ext-")) {
		char *url = psprintf("http://hl7.org/fhir/StructureDefinition/%.*s", n->len - 4, n->str + 4);

		fp_push_string(x, out, url, strlen(url));
	} else
		fp_error(x, NULL, psprintf("there is no variable %%%.*s", n->len, n->str),
				 "Pass variables as an object in the argument env.");
#undef IS
#undef STARTS
}

/* A variable of the caller's: resources by their resourceType, "@2020-01-01" as a date, other JSON as what it
 * looks like. */
void
fp_env_value(FpExec *x, const JsonbValue *v, FpList *out)
{
	const char *str = v->val.string.val;
	int len = v->type == jbvString ? v->val.string.len : 0;
	FhirDateTime d;

	if (v->type == jbvString && len > 1 && str[0] == '@') {
		if (str[1] == 'T' && fp_date_parse(FP_TIME, str + 2, len - 2, &d))
			fp_push_date(x, out, FP_TIME, str + 2, len - 2);
		else if (fp_date_parse(FP_DATE, str + 1, len - 1, &d))
			fp_push_date(x, out, FP_DATE, str + 1, len - 1);
		else if (fp_date_parse(FP_DATETIME, str + 1, len - 1, &d))
			fp_push_date(x, out, FP_DATETIME, str + 1, len - 1);
		else
			fp_push_string(x, out, str, len);
	} else
		fp_from_json(x, v, MODEL_NONE, out);
}

/* ---- entry points ---- */

static void
start(FpExec *x, const FhirPath *prog, const FpContext *ctx, const FpItem *root, FpScope *s)
{
	memset(x, 0, sizeof(*x));
	x->eval = eval_node;
	x->prog = fp_load(prog);
	x->ctx = ctx;
	x->root = root;
	x->max_steps = fhirpath_max_steps;
	memset(s, 0, sizeof(*s));
	s->this = root;
	s->nthis = 1;
	s->index = -1;
}

void
fhirpath_eval(const FhirPath *prog, const FpContext *ctx, const FpItem *root, FpList *out)
{
	FpExec x;
	FpScope s;

	start(&x, prog, ctx, root, &s);
	fp_programs_enter();
	eval_node(&x, x.prog->root, &s, out);
	fp_programs_leave();
}

int
fhirpath_eval_boolean(const FhirPath *prog, const FpContext *ctx, const FpItem *root)
{
	FpExec x;
	FpScope s;
	int r;

	start(&x, prog, ctx, root, &s);
	fp_programs_enter();
	r = fp_eval_boolean(&x, x.prog->root, &s);
	fp_programs_leave();
	return r;
}

bool
fhirpath_is_stable(const FhirPath *p)
{
	return (p->flags & (FP_PROG_TIME | FP_PROG_STORE)) != 0;
}
