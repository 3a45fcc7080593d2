/*
 * bundle_search.c: a search by POST as an entry of a Bundle (R4, 3.1.1.1): "Patient/_search", perhaps with a query; a
 * Parameters resource, where there is one, holds further parameters as a form would.
 */
#include "base/base.h"

#include "utils/builtins.h"

#include "interaction/bundle.h"
#include "interaction/interaction_internal.h"

bool
bundle_is_search(const char *url)
{
	size_t len = strcspn(url, "?"), last = len;

	while (last > 0 && url[last - 1] != '/')
		last--;
	return len - last == strlen("_search") && strncmp(url + last, "_search", len - last) == 0;
}

pg_noreturn static void
raise_parameter(const char *what, const char *name)
{
	ereport(ERROR, errcode(FH400), errmsg("%s", what), name ? errdetail("Parameter: \"%.100s\".", name) : 0,
			errhint("A search in a Bundle takes a Parameters resource whose parameters have a name and a value of a primitive type."),
			fhir_issue("value", "Bundle.resource"));
}

/* valueString, valueCode, valueDecimal ...: as it would stand in a query. */
static char *
value_text(JsonbContainer *parameter, const char *name)
{
	JsonMember *members;
	int n = json_members(parameter, &members);

	for (int i = 0; i < n; i++) {
		const JsonbValue *v = &members[i].value;

		if (members[i].keylen <= 5 || strncmp(members[i].key, "value", 5) != 0)
			continue;
		if (v->type == jbvString)
			return pnstrdup(v->val.string.val, v->val.string.len);
		if (v->type == jbvNumeric)
			return DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(v->val.numeric)));
		if (v->type == jbvBool)
			return pstrdup(v->val.boolean ? "true" : "false");
	}
	raise_parameter("a parameter of a search has no value", name);
}

char *
bundle_form(JsonbContainer *resource)
{
	StringInfoData form;
	JsonbValue list;
	JsonbValue *elems;
	char *type = resource ? fhir_json_get_string(resource, "resourceType") : NULL;
	int n;

	initStringInfo(&form);
	if (resource == NULL)
		return form.data;
	if (type == NULL || strcmp(type, "Parameters") != 0)
		raise_parameter("the resource of a search is no Parameters", NULL);
	if (!fhir_json_get_lit(resource, "parameter", &list))
		return form.data;
	if (list.type != jbvBinary || !JsonContainerIsArray(list.val.binary.data))
		raise_parameter("parameter is no array", NULL);
	n = json_elements(list.val.binary.data, &elems);
	for (int i = 0; i < n; i++) {
		JsonbContainer *p = elems[i].type == jbvBinary && JsonContainerIsObject(elems[i].val.binary.data) ? elems[i].val.binary.data : NULL;
		char *name = p ? fhir_json_get_string(p, "name") : NULL;

		if (p == NULL || name == NULL || *name == '\0')
			raise_parameter("a parameter of a search has no name", NULL);
		if (form.len > 0)
			appendStringInfoChar(&form, '&');
		fhir_percent_encode(&form, name, ":");
		appendStringInfoChar(&form, '=');
		fhir_percent_encode(&form, value_text(p, name), ":");
	}
	return form.data;
}
