/*
 * fhirpath_types.c: type names and the types of items (FHIRPath N1 sections 6.3 and 10; FHIR R4
 * fhirpath.html, "Use of FHIR types").
 *
 * An unqualified name means the FHIR type, or else the System type; where both have the name (Quantity)
 * either fits.
 */
#include "fhirpath/fhirpath_int.h"

static const struct {
	const char *name;
	FpKind kind;
} system_types[] = {
	{"Boolean", FP_BOOLEAN},
	{"String", FP_STRING},
	{"Integer", FP_INTEGER},
	{"Long", FP_LONG},
	{"Decimal", FP_DECIMAL},
	{"Date", FP_DATE},
	{"DateTime", FP_DATETIME},
	{"Time", FP_TIME},
	{"Quantity", FP_QUANTITY},
};

static bool
starts(const char *s, int len, const char *prefix)
{
	int n = strlen(prefix);

	return len > n && memcmp(s, prefix, n) == 0;
}

/* False if no model has a type of this name. */
bool
fp_type_spec(const char *name, int len, FpTypeSpec *out)
{
	bool fhir = starts(name, len, "FHIR."), sys = starts(name, len, "System.");
	const ModelType *t;

	if (fhir || sys) {
		int skip = fhir ? 5 : 7;

		name += skip;
		len -= skip;
	}
	memset(out, 0, sizeof(*out));
	out->sys = -1;
	if (!sys && (t = model_type(name, len)) != NULL)
		out->fhir = t->id;
	if (!fhir) {
		for (int i = 0; i < lengthof(system_types); i++)
			if (strlen(system_types[i].name) == len && memcmp(system_types[i].name, name, len) == 0)
				out->sys = system_types[i].kind;
		out->any = len == 3 && memcmp(name, "Any", 3) == 0;
	}
	return out->fhir != MODEL_NONE || out->sys >= 0 || out->any;
}

/* The type name that `n`, an argument such as FHIR.Patient, spells; false if it is something else. */
bool
fp_type_argument(const FpNode *n, char **name)
{
	if (n->op != FP_OP_MEMBER)
		return false;
	if (n->left == NULL)
		*name = pnstrdup(n->str, n->len);
	else if (n->left->op == FP_OP_MEMBER && n->left->left == NULL)
		*name = psprintf("%.*s.%.*s", n->left->len, n->left->str, n->len, n->str);
	else
		return false;
	return true;
}

/* `is`: a FHIR element is of its FHIR type and that type's ancestors, a computed value of its System type. */
bool
fp_item_is(const FpItem *item, const FpTypeSpec *t)
{
	if (t->any)
		return true;
	if (item->type != MODEL_NONE)
		return t->fhir != MODEL_NONE && model_is_a(item->type, t->fhir);
	return t->sys >= 0 && item->kind == (FpKind) t->sys;
}

/* `as` and ofType(): also a FHIR primitive by its System type: published search parameters say as(DateTime).
 */
bool
fp_item_as(const FpItem *item, const FpTypeSpec *t)
{
	if (fp_item_is(item, t))
		return true;
	return item->type != MODEL_NONE && t->fhir == MODEL_NONE && t->sys >= 0 && item->kind == (FpKind) t->sys;
}

/* The kind of a value of type t (NULL: no type known). JSON that does not fit its type keeps the kind that it
 * looks like. */
FpKind
fp_kind_of(const ModelType *t, const JsonbValue *v)
{
	switch (v->type) {
		case jbvBool:
			return FP_BOOLEAN;
		case jbvNumeric:
			if (t == NULL)
				return fp_numeric_scale(v->val.numeric) == 0 ? FP_INTEGER : FP_DECIMAL;
			return t->primitive == PRIM_DECIMAL ? FP_DECIMAL : FP_INTEGER;
		case jbvString:
			break;
		case jbvNull:
			break;
		default:
			return FP_ELEMENT;
	}
	switch (t == NULL ? PRIM_NONE : t->primitive) {
		case PRIM_DATE:
			return FP_DATE;
		case PRIM_DATETIME:
		case PRIM_INSTANT:
			return FP_DATETIME;
		case PRIM_TIME:
			return FP_TIME;
		default:
			return FP_STRING;
	}
}

static const char *
system_name(FpKind kind)
{
	for (int i = 0; i < lengthof(system_types); i++)
		if (system_types[i].kind == kind)
			return system_types[i].name;
	return "Any";
}

/* What type() answers. */
FpTypeInfo
fp_item_typeinfo(const FpItem *item)
{
	FpTypeInfo t = {"System", system_name(item->kind)};

	if (item->kind == FP_TYPEINFO)
		t.name = "SimpleTypeInfo";
	else if (item->type != MODEL_NONE) {
		t.ns = "FHIR";
		t.name = model_type_by_id(item->type)->name;
	}
	return t;
}

/* For messages: "FHIR.Patient", "System.Integer". palloc'd. */
char *
fp_kind_name(const FpItem *item)
{
	FpTypeInfo t = fp_item_typeinfo(item);

	if (item->type == MODEL_NONE && item->kind == FP_ELEMENT)
		return pstrdup("object");
	return psprintf("%s.%s", t.ns, t.name);
}
