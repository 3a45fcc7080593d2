/*
 * fhirpath_check.c: unknown elements found at parse time, where the model tells the type.
 *
 * The type of a path is followed from the context type, or from a leading type name. Wherever the type is not
 * one known type (choices, Resource, computed values, extensions) the check falls silent. Only in strict mode
 * (fhir.fhirpath_strict): in lenient mode an unknown element is empty.
 */
#include "fhirpath/fhirpath_fn.h"

typedef struct Check {
	const char *text;
	int len;
} Check;

static ModelTypeId infer(Check *c, const FpNode *n, ModelTypeId this);

/* The type of element `name` of t, MODEL_NONE if it is not one type. */
static ModelTypeId
element_type(Check *c, ModelTypeId t, const FpNode *n)
{
	const ModelProperty *p[64];
	int found;

	if (t == MODEL_NONE)
		return MODEL_NONE;
	if (model_type_by_id(t)->abstract)
		return MODEL_NONE;
	found = model_element(model_type_by_id(t), n->str, n->len, p, lengthof(p));
	if (found == 0)
		fp_syntax_error(c->text, c->len, n->pos,
						psprintf("%s has no element \"%.*s\"", model_type_by_id(t)->name, n->len, n->str));
	return found == 1 && !p[0]->is_choice && !model_type_by_id(p[0]->type)->abstract ? p[0]->type
																					 : MODEL_NONE;
}

static ModelTypeId
infer_member(Check *c, const FpNode *n, ModelTypeId this)
{
	const ModelType *t;

	if (n->left != NULL)
		return element_type(c, infer(c, n->left, this), n);
	t = model_type(n->str, n->len);
	/* a type name at the start: nothing but that type passes */
	if (t != NULL && t->kind != MODEL_PRIMITIVE && t->kind != MODEL_BACKBONE &&
		(this == MODEL_NONE || model_is_a(this, t->id) || model_is_a(t->id, this)))
		return this != MODEL_NONE && model_is_a(this, t->id) ? this : t->abstract ? MODEL_NONE
																				  : t->id;
	return element_type(c, this, n);
}

static ModelTypeId
infer_call(Check *c, const FpNode *n, ModelTypeId this)
{
	const FpFunction *fn = fp_function(n->str, n->len);
	ModelTypeId input = n->left != NULL ? infer(c, n->left, this) : this;
	FpTypeSpec spec;
	char *name;

	if (fn == NULL)
		return MODEL_NONE;
	if (fn->flags & FP_FN_TYPEARG) {
		if (strcmp(fn->name, "is") != 0 && n->right != NULL && fp_type_argument(n->right, &name) &&
			fp_type_spec(name, strlen(name), &spec))
			return spec.fhir;
		return MODEL_NONE;
	}
	/* arguments are evaluated on the input's items, or on the same $this: known in both cases */
	for (const FpNode *a = n->right; a != NULL; a = a->next) {
		bool scoped = fn->fn == fp_fn_where || fn->fn == fp_fn_select || fn->fn == fp_fn_exists ||
					  fn->fn == fp_fn_all || fn->fn == fp_fn_sort;
		ModelTypeId r =
			infer(c, a,
				  scoped ? input
				  : (fn->flags & FP_FN_KEEPS) && fn->fn != fp_fn_trace && fn->fn != fp_fn_defineVariable
					  ? this
					  : MODEL_NONE);

		if (fn->fn == fp_fn_select)
			return r;
	}
	return (fn->flags & FP_FN_KEEPS) ? input : MODEL_NONE;
}

static ModelTypeId
infer(Check *c, const FpNode *n, ModelTypeId this)
{
	FpTypeSpec spec;
	ModelTypeId left;

	check_stack_depth();
	switch (n->op) {
		case FP_OP_THIS:
			return n->left != NULL ? infer(c, n->left, this) : this;
		case FP_OP_MEMBER:
			return infer_member(c, n, this);
		case FP_OP_FUNCTION:
			return infer_call(c, n, this);
		case FP_OP_INDEXER:
			infer(c, n->right, this);
			return infer(c, n->left, this);
		case FP_OP_AS:
			infer(c, n->left, this);
			return fp_type_spec(n->str, n->len, &spec) ? spec.fhir : MODEL_NONE;
		case FP_OP_UNION:
			left = infer(c, n->left, this);
			return left == infer(c, n->right, this) ? left : MODEL_NONE;
		default:
			if (n->left != NULL)
				infer(c, n->left, this);
			for (const FpNode *a = n->right; a != NULL; a = a->next)
				infer(c, a, this);
			return MODEL_NONE;
	}
}

void
fp_check(FpNode *root, ModelTypeId context, const char *text, int len)
{
	Check c = {text, len};

	if (fhirpath_strict)
		infer(&c, root, context);
}
