/*
 * fhirpath_arith.c: + - * / div mod & on single items (FHIRPath N1 section 6.6 and 6.7).
 *
 * Overflow of an Integer (32 bits) or a Long (64 bits), and division by zero, make the result empty.
 */
#include "fhirpath/fhirpath_int.h"

#include "utils/builtins.h"

#define MAX_STRING (100 * 1024 * 1024)
#define MAX_NUMBER 2000 /* bytes of an operand: some 4,000 digits */

static const char *
op_name(FpOp op)
{
	switch (op) {
		case FP_OP_ADD:
			return "+";
		case FP_OP_SUB:
			return "-";
		case FP_OP_MUL:
			return "*";
		case FP_OP_DIV:
			return "/";
		case FP_OP_IDIV:
			return "div";
		case FP_OP_MOD:
			return "mod";
		default:
			return "&";
	}
}

/* A decimal as div and mod of others leave it: only as many digits as the operands have. */
static Numeric
modulo(Numeric a, Numeric b)
{
	return DatumGetNumeric(DirectFunctionCall2(numeric_mod, NumericGetDatum(a), NumericGetDatum(b)));
}

/* Overflow makes the result empty. */
static void
push_integer(FpExec *x, FpList *out, FpKind kind, Numeric n)
{
	bool is_long = kind == FP_LONG;

	if (fp_numeric_cmp(n, fp_numeric(is_long ? PG_INT64_MAX : PG_INT32_MAX)) <= 0 &&
		fp_numeric_cmp(n, fp_numeric(is_long ? PG_INT64_MIN : PG_INT32_MIN)) >= 0)
		fp_push_numeric(x, out, kind, n);
}

static void
numbers(FpExec *x, FpOp op, const FpItem *a, const FpItem *b, FpList *out)
{
	Numeric l = a->json.val.numeric, r = b->json.val.numeric, n;
	FpKind kind = a->kind == FP_DECIMAL || b->kind == FP_DECIMAL ? FP_DECIMAL
				  : a->kind == FP_LONG || b->kind == FP_LONG	 ? FP_LONG
																 : FP_INTEGER;

	if (op != FP_OP_ADD && op != FP_OP_SUB && op != FP_OP_MUL && fp_numeric_is_zero(r))
		return;
	if (VARSIZE_ANY(l) > MAX_NUMBER || VARSIZE_ANY(r) > MAX_NUMBER)
		fp_error(x, VARSIZE_ANY(l) > MAX_NUMBER ? a : b, "a number has too many digits", NULL);
	switch (op) {
		case FP_OP_ADD:
			n = fp_add(l, r);
			break;
		case FP_OP_SUB:
			n = fp_sub(l, r);
			break;
		case FP_OP_MUL:
			n = fp_mul(l, r);
			break;
		case FP_OP_DIV:
			fp_push_numeric(x, out, FP_DECIMAL, fp_div(l, r));
			return;
		case FP_OP_IDIV:
			n = DatumGetNumeric(
				DirectFunctionCall2(numeric_div_trunc, NumericGetDatum(l), NumericGetDatum(r)));
			push_integer(x, out, kind == FP_DECIMAL ? FP_INTEGER : kind, n);
			return;
		default:
			n = modulo(l, r);
	}
	if (kind == FP_DECIMAL)
		fp_push_numeric(x, out, kind, n);
	else
		push_integer(x, out, kind, n);
}

static void
dates(FpExec *x, FpOp op, const FpItem *a, const FpItem *b, FpList *out)
{
	FpQuantity q;
	FhirDateTime d;
	StringInfoData s;

	if (b->kind == FP_STRING || fp_is_number(b) || !fp_to_quantity(b, &q))
		fp_error(x, b,
				 psprintf("a date or time can be moved by a quantity of time, not by %s", fp_kind_name(b)),
				 "Write, for example, @2020-01-01 + 7 days.");
	if (!fhirpath_item_date(a, &d) || !fp_date_add(x, a->kind, &d, &q, op == FP_OP_SUB))
		return;
	initStringInfo(&s);
	fp_date_text(a->kind, &d, &s);
	fp_push_date(x, out, a->kind, s.data, s.len);
}

static void
concat(FpExec *x, const FpItem *a, const FpItem *b, FpList *out)
{
	int la = a != NULL ? a->json.val.string.len : 0, lb = b != NULL ? b->json.val.string.len : 0;
	char *s;

	if (la + lb > MAX_STRING)
		fp_error(x, a, psprintf("a string would be longer than %d bytes", MAX_STRING), NULL);
	s = palloc(la + lb + 1);
	if (la > 0)
		memcpy(s, a->json.val.string.val, la);
	if (lb > 0)
		memcpy(s + la, b->json.val.string.val, lb);
	fp_tick(x, (la + lb) / 64);
	fp_push_string(x, out, s, la + lb);
}

static void
no_such_operator(FpExec *x, FpOp op, const FpItem *a, const FpItem *b)
{
	fp_error(x, a,
			 psprintf("there is no operator %s for %s and %s", op_name(op), fp_kind_name(a), fp_kind_name(b)),
			 NULL);
}

static bool
no_value(const FpItem *i)
{
	return i != NULL && i->json.type == jbvNull && i->kind != FP_QUANTITY && i->kind != FP_TYPEINFO;
}

void
fp_arith(FpExec *x, const FpNode *n, const FpList *l, const FpList *r, FpList *out)
{
	const FpItem *a = fp_single(x, l, psprintf("the left side of %s", op_name(n->op)));
	const FpItem *b = fp_single(x, r, psprintf("the right side of %s", op_name(n->op)));
	FpQuantity qa, qb, q;

	if (no_value(a))
		a = NULL;
	if (no_value(b))
		b = NULL;
	if (n->op == FP_OP_CONCAT) {
		if ((a != NULL && a->json.type != jbvString) || (b != NULL && b->json.type != jbvString))
			fp_error(x, a != NULL && a->json.type != jbvString ? a : b, "& joins strings",
					 "Use toString() on other values.");
		concat(x, a, b, out);
		return;
	}
	if (a == NULL || b == NULL)
		return;
	if (fp_is_number(a) && fp_is_number(b))
		numbers(x, n->op, a, b, out);
	else if (fp_is_string(a) && fp_is_string(b) && n->op == FP_OP_ADD)
		concat(x, a, b, out);
	else if (fp_is_temporal(a) && (n->op == FP_OP_ADD || n->op == FP_OP_SUB))
		dates(x, n->op, a, b, out);
	else if (n->op != FP_OP_IDIV && n->op != FP_OP_MOD && fp_to_quantity(a, &qa) && fp_to_quantity(b, &qb)) {
		if (fp_quantity_arith(n->op, &qa, &qb, &q))
			fp_push_quantity(x, out, &q);
	} else
		no_such_operator(x, n->op, a, b);
}
