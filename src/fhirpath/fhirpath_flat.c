/*
 * fhirpath_flat.c: expression text -> FhirPath varlena, the form that is stored.
 *
 * The varlena is a pure function of the canonical text (and of the context type): equal expressions have
 * equal bytes.
 *
 *   header | FpFlatNode[0..nnodes) | pool: canonical text, then names and literals
 *
 * Node numbers and pool offsets are relative, so that the value can be copied and stored as it is. Functions
 * and types are stored by name: their numbers change between builds.
 */
#include "fhirpath/fhirpath_int.h"

typedef struct Flattener {
	FpFlatNode *nodes;
	uint32 n, max;
	StringInfoData pool;
	uint16 flags;
	const char *text;
	int len;
} Flattener;

static uint32
add_string(Flattener *f, const char *s, int len)
{
	uint32 at = f->pool.len;

	if (len > 0)
		appendBinaryStringInfo(&f->pool, s, len);
	return at;
}

/* Functions must exist and have the right number of arguments; the program's flags come from them. */
static void
check_function(Flattener *f, const FpNode *n)
{
	const FpFunction *fn = fp_function(n->str, n->len);

	if (fn == NULL)
		fp_syntax_error(f->text, f->len, n->pos, psprintf("there is no function %.*s()", n->len, n->str));
	if (n->nargs < fn->min || n->nargs > fn->max)
		fp_syntax_error(f->text, f->len, n->pos,
						fn->min == fn->max ? psprintf("%s() takes %d argument%s, not %d", fn->name, fn->min,
													  fn->min == 1 ? "" : "s", n->nargs)
										   : psprintf("%s() takes %d to %d arguments, not %d", fn->name,
													  fn->min, fn->max, n->nargs));
	if (fn->flags & FP_FN_TIME)
		f->flags |= FP_PROG_TIME;
	if (fn->flags & FP_FN_STORE)
		f->flags |= FP_PROG_STORE;
	for (FpNode *a = n->right; a != NULL; a = a->next)
		if ((a->flags & (FP_NODE_ASC | FP_NODE_DESC)) && strcmp(fn->name, "sort") != 0)
			fp_syntax_error(f->text, f->len, a->pos, "only arguments of sort() have a direction");
}

static void
check_type(Flattener *f, const FpNode *n)
{
	FpTypeSpec spec;
	char *name;

	if (n->op == FP_OP_IS || n->op == FP_OP_AS) {
		if (!fp_type_spec(n->str, n->len, &spec))
			fp_syntax_error(f->text, f->len, n->pos, psprintf("there is no type %.*s", n->len, n->str));
	} else if (n->op == FP_OP_FUNCTION && (fp_function(n->str, n->len)->flags & FP_FN_TYPEARG)) {
		if (!fp_type_argument(n->right, &name))
			fp_syntax_error(f->text, f->len, n->right->pos, "the name of a type is expected");
		if (!fp_type_spec(name, strlen(name), &spec))
			fp_syntax_error(f->text, f->len, n->right->pos, psprintf("there is no type %s", name));
	}
}

static uint32
flatten(Flattener *f, const FpNode *n)
{
	uint32 me = f->n++, sub, last = 0;
	FpFlatNode *flat;

	check_stack_depth();
	if (me >= f->max) {
		f->max *= 2;
		f->nodes = repalloc(f->nodes, f->max * sizeof(FpFlatNode));
	}
	if (n->op == FP_OP_FUNCTION)
		check_function(f, n);
	check_type(f, n);
	flat = &f->nodes[me];
	memset(flat, 0, sizeof(FpFlatNode));
	flat->op = n->op;
	flat->flags = n->flags;
	flat->nargs = n->nargs;
	flat->pos = n->pos;
	flat->len = n->len;
	flat->len2 = n->len2;
	flat->str = add_string(f, n->str, n->len);
	flat->str2 = add_string(f, n->str2, n->len2);
	if (n->left != NULL) {
		sub = flatten(f, n->left);
		f->nodes[me].left = sub;
	}
	for (const FpNode *a = n->right; a != NULL; a = a->next) {
		sub = flatten(f, a);
		if (last == 0)
			f->nodes[me].right = sub;
		else
			f->nodes[last].next = sub;
		last = sub;
	}
	return me;
}

static FhirPath *
build(Flattener *f, ModelTypeId context)
{
	Size nodes = f->n * sizeof(FpFlatNode);
	const char *cname = context != MODEL_NONE ? model_type_by_id(context)->name : "";
	uint32 cat = add_string(f, cname, strlen(cname));
	Size size = offsetof(FhirPath, nodes) + nodes + f->pool.len;
	FhirPath *p = palloc0(size);
	uint64 hash;

	SET_VARSIZE(p, size);
	p->version = FHIRPATH_VERSION;
	p->flags = f->flags;
	p->context = cat;
	p->context_len = strlen(cname);
	p->textlen = f->len;
	p->poollen = f->pool.len;
	p->nnodes = f->n;
	memcpy(p->nodes, f->nodes, nodes);
	memcpy((char *) FP_POOL(p), f->pool.data, f->pool.len);
	hash = fhir_hash(FP_POOL(p), p->poollen, context == MODEL_NONE ? 1 : 2);
	p->hash[0] = (uint32) hash;
	p->hash[1] = (uint32) (hash >> 32);
	return p;
}

FhirPath *
fhirpath_compile(const char *text, int len, ModelTypeId context_type)
{
	MemoryContext mcxt =
		AllocSetContextCreate(CurrentMemoryContext, "fhirpath compile", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(mcxt);
	FpParse parse = {.text = text, .len = len};
	Flattener f = {0};
	StringInfoData canonical;
	FpNode *root = fp_parse(&parse);
	FhirPath *result;

	fp_check(root, context_type, text, len);
	initStringInfo(&canonical);
	f.max = 16;
	f.n = 1;
	f.nodes = palloc0(f.max * sizeof(FpFlatNode));
	/* errors of this first pass point into the text as it was given */
	f.text = text;
	f.len = len;
	initStringInfo(&f.pool);
	flatten(&f, root);
	/* the second pass has canonical positions */
	fp_print(&canonical, root);
	f.n = 1;
	f.text = canonical.data;
	f.len = canonical.len;
	resetStringInfo(&f.pool);
	appendBinaryStringInfo(&f.pool, canonical.data, canonical.len);
	flatten(&f, root);
	MemoryContextSwitchTo(old);
	result = build(&f, context_type);
	MemoryContextDelete(mcxt);
	return result;
}

const char *
fhirpath_text(const FhirPath *p, int *len)
{
	*len = p->textlen;
	return FP_POOL(p);
}
