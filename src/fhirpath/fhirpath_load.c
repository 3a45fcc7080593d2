/*
 * fhirpath_load.c: FhirPath varlena -> FpProgram: pointers instead of numbers, functions and types looked up,
 * literals made into items, and chains of plain steps fused into paths.
 *
 * A fused path walks from its base straight to the results, depth first, without a list per step: the same
 * order as step-by-step evaluation gives. Members and ofType() fuse; so does `as` behind a choice element
 * (elsewhere `as` must count its input first).
 */
#include "fhirpath/fhirpath_int.h"

#include "utils/fmgrprotos.h"

#define MAX_TYPED_PATH 32 /* steps that are followed through the model for `as` */

static FpNode *load_node(const FhirPath *p, uint32 i, bool top);
static void resolve(FpNode *n);

static void
check_flat(const FhirPath *p)
{
	if (p->version != FHIRPATH_VERSION)
		ereport(ERROR,
				(errcode(FH500), errmsg("unsupported version %d of a stored FHIRPath expression", p->version),
				 errhint("Install the version of the extension that wrote it, or a newer one.")));
	if (p->nnodes < 2 ||
		VARSIZE(p) != offsetof(FhirPath, nodes) + p->nnodes * sizeof(FpFlatNode) + p->poollen)
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("stored FHIRPath expression is corrupted")));
}

/* Lays the steps of the chain that ends at n out in a row. */
static void
make_path(FpNode *n)
{
	FpNode *at = n;

	n->steps = palloc0((Size) n->chain * sizeof(FpStep));
	n->nsteps = n->chain;
	for (int i = n->chain - 1; i >= 0; i--) {
		Assert(at != NULL && at->step != NULL);
		n->steps[i] = *at->step;
		n->base = at->left;
		at = at->left;
	}
	if (n->base != NULL && n->base->op == FP_OP_THIS && n->base->left == NULL)
		n->base = NULL;
}

static bool
may_extend(const FpFlatNode *f)
{
	return f->op == FP_OP_MEMBER || f->op == FP_OP_AS || f->op == FP_OP_FUNCTION;
}

/* top: no node above goes on with the path that may end here. */
static FpNode *
load_node(const FhirPath *p, uint32 i, bool top)
{
	const FpFlatNode *f = &p->nodes[i];
	FpNode *n = palloc0(sizeof(FpNode)), **tail = &n->right;

	check_stack_depth();
	n->op = f->op;
	n->flags = f->flags;
	n->nargs = f->nargs;
	n->pos = f->pos;
	n->str = FP_POOL(p) + f->str;
	n->len = f->len;
	n->str2 = FP_POOL(p) + f->str2;
	n->len2 = f->len2;
	if (f->left != 0)
		n->left = load_node(p, f->left, !may_extend(f));
	for (uint32 a = f->right; a != 0; a = p->nodes[a].next) {
		*tail = load_node(p, a, true);
		tail = &(*tail)->next;
	}
	resolve(n);
	if (n->left != NULL && n->left->chain > 0 && n->left->nsteps == 0 && n->chain == 0)
		make_path(n->left);
	if (top && n->chain > 0)
		make_path(n);
	return n;
}

static void
literal_string(FpNode *n, FpKind kind)
{
	n->lit.kind = kind;
	n->lit.json.type = jbvString;
	n->lit.json.val.string.val = (char *) n->str;
	n->lit.json.val.string.len = n->len;
}

static Numeric
parse_number(const FpNode *n)
{
	Numeric v = fp_numeric_parse(n->str, n->len);

	if (v == NULL)
		elog(ERROR, "invalid number in a FHIRPath program");
	return v;
}

static void
literal_number(FpNode *n, FpKind kind)
{
	n->lit.kind = kind;
	n->lit.json.type = jbvNumeric;
	n->lit.json.val.numeric = parse_number(n);
}

static void
literal_quantity(FpNode *n)
{
	FpQuantity *q = palloc0(sizeof(FpQuantity));

	q->value = parse_number(n);
	q->calendar = (n->flags & FP_NODE_CALENDAR) != 0;
	q->unit = n->str2;
	q->len = n->len2;
	n->lit.kind = FP_QUANTITY;
	n->lit.json.type = jbvNull;
	n->lit.priv = q;
}

/* Does the path, followed from a leading type name through the model, end at a choice element? */
static bool
ends_at_choice(const FpNode *n)
{
	const ModelProperty *p[64];
	const FpNode *chain[MAX_TYPED_PATH];
	ModelTypeId t;
	int count = n->chain, found;

	if (count < 2 || count > MAX_TYPED_PATH)
		return false;
	for (int i = count - 1; i >= 0; i--, n = n->left)
		chain[i] = n;
	if (n != NULL || chain[0]->step->kind != FP_STEP_ROOT)
		return false;
	t = chain[0]->step->type.fhir;
	for (int i = 1; i < count; i++) {
		if (chain[i]->step->kind != FP_STEP_MEMBER)
			return false;
		found = model_element(model_type_by_id(t), chain[i]->str, chain[i]->len, p, lengthof(p));
		if (found == 0 || p[0]->is_choice)
			return found > 0 && i == count - 1;
		t = p[0]->type;
	}
	return false;
}

/* Makes n the end of a path: the path of its input, if that is one, and one more step. */
static FpStep *
extend(FpNode *n, FpStepKind kind)
{
	FpStep *s = palloc0(sizeof(FpStep));

	n->step = s;
	n->chain = 1 + (n->left != NULL ? n->left->chain : 0);
	s->kind = kind;
	s->name = n->str;
	s->len = n->len;
	s->pos = n->pos;
	return s;
}

static void
fuse_member(FpNode *n)
{
	FpStep *s = extend(n, FP_STEP_MEMBER);
	const ModelType *t;

	if (n->left == NULL && (t = model_type(n->str, n->len)) != NULL) {
		s->kind = FP_STEP_ROOT;
		s->type.fhir = t->id;
	}
	if (n->len < (int) sizeof(s->ext)) {
		s->ext[0] = '_';
		memcpy(s->ext + 1, n->str, n->len);
	}
}

static void
fuse_type(FpNode *n, bool as)
{
	if (n->left == NULL || n->left->chain == 0 || (as && !ends_at_choice(n->left)))
		return;
	extend(n, FP_STEP_TYPE)->type = n->type;
}

static void
resolve_type(FpNode *n, const char *name, int len)
{
	if (!fp_type_spec(name, len, &n->type))
		ereport(ERROR, (errcode(FH422), errmsg("there is no type %.*s", len, name)));
}

static void
resolve_call(FpNode *n)
{
	char *name;

	n->fn = fp_function(n->str, n->len);
	if (n->fn == NULL)
		ereport(ERROR, (errcode(FH422), errmsg("there is no function %.*s()", n->len, n->str)));
	if ((n->fn->flags & FP_FN_TYPEARG) && fp_type_argument(n->right, &name)) {
		resolve_type(n, name, strlen(name));
		if (strcmp(n->fn->name, "is") != 0)
			fuse_type(n, strcmp(n->fn->name, "as") == 0);
	}
}

static void
resolve(FpNode *n)
{
	switch (n->op) {
		case FP_OP_TRUE:
		case FP_OP_FALSE:
			n->lit.kind = FP_BOOLEAN;
			n->lit.json.type = jbvBool;
			n->lit.json.val.boolean = n->op == FP_OP_TRUE;
			break;
		case FP_OP_STRING:
			literal_string(n, FP_STRING);
			break;
		case FP_OP_DATE:
			literal_string(n, FP_DATE);
			break;
		case FP_OP_DATETIME:
			literal_string(n, FP_DATETIME);
			break;
		case FP_OP_TIME:
			literal_string(n, FP_TIME);
			break;
		case FP_OP_INTEGER:
			literal_number(n, FP_INTEGER);
			break;
		case FP_OP_LONG:
			literal_number(n, FP_LONG);
			break;
		case FP_OP_DECIMAL:
			literal_number(n, FP_DECIMAL);
			break;
		case FP_OP_QUANTITY:
			literal_quantity(n);
			break;
		case FP_OP_MEMBER:
			fuse_member(n);
			break;
		case FP_OP_FUNCTION:
			resolve_call(n);
			break;
		case FP_OP_IS:
			resolve_type(n, n->str, n->len);
			break;
		case FP_OP_AS:
			resolve_type(n, n->str, n->len);
			fuse_type(n, true);
			break;
		default:
			if (n->op == 0 || n->op > FP_OP_LAST)
				elog(ERROR, "unrecognized FHIRPath operation %d", n->op);
	}
}

/* Everything is palloc'd in a context of the program's own, a child of parent. */
FpProgram *
fp_program_build(const FhirPath *flat, MemoryContext parent)
{
	MemoryContext mcxt, old;
	FpProgram *prog;
	FhirPath *copy;
	const ModelType *t;

	check_flat(flat);
	mcxt = AllocSetContextCreate(CurrentMemoryContext, "fhirpath program", ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(mcxt);
	copy = palloc(VARSIZE(flat));
	memcpy(copy, flat, VARSIZE(flat));
	prog = palloc0(sizeof(FpProgram));
	prog->flat = copy;
	prog->mcxt = mcxt;
	prog->text = FP_POOL(copy);
	prog->textlen = copy->textlen;
	if (copy->context_len > 0 && (t = model_type(FP_POOL(copy) + copy->context, copy->context_len)) != NULL)
		prog->context = t->id;
	prog->root = load_node(copy, 1, true);
	MemoryContextSwitchTo(old);
	/* an error above leaves the context to the caller's; from here on the cache owns it */
	MemoryContextSetParent(mcxt, parent);
	return prog;
}
