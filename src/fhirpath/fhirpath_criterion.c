/*
 * fhirpath_criterion.c: an argument of a function evaluated with $this at an item, and the rule of singletons for criteria
 * (FHIRPath N1 section 4.5).
 *
 * What evaluates is in the FpExec: so the functions know no executor, which knows them through its program.
 */
#include "fhirpath/fhirpath_int.h"

void
fp_eval_item(FpExec *x, const FpNode *n, FpScope *s, const FpItem *item, int index, FpList *out)
{
	FpScope inner = {item, item != NULL ? 1 : 0, index, s->total, s->vars};

	fp_eval(x, n, &inner, out);
}

/* A list as a Boolean by the rule of singletons: -1 empty; an item that is no Boolean is true. */
int
fp_boolean(FpExec *x, const FpList *l, const char *what)
{
	const FpItem *i = fp_single(x, l, what);

	if (i == NULL)
		return -1;
	if (i->kind == FP_BOOLEAN && i->json.type == jbvBool)
		return i->json.val.boolean;
	return i->json.type == jbvNull && i->kind != FP_QUANTITY && i->kind != FP_TYPEINFO ? -1 : 1;
}

int
fp_eval_boolean(FpExec *x, const FpNode *n, FpScope *s)
{
	FpVar *vars = s->vars;
	int r;
	FP_LIST_ON_STACK(l);

	fp_eval(x, n, s, &l);
	s->vars = vars;
	x->node = n;
	r = fp_boolean(x, &l, "a criterion");
	FP_LIST_FREE(l);
	return r;
}

int
fp_eval_item_boolean(FpExec *x, const FpNode *n, FpScope *s, const FpItem *item, int index)
{
	FpScope inner = {item, item != NULL ? 1 : 0, index, s->total, s->vars};

	return fp_eval_boolean(x, n, &inner);
}
