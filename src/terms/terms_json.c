/*
 * terms_json.c: looking into documents and into the generated tables.
 */
#include "base/base.h"

#include "terms/terms_internal.h"

JsonbContainer *
terms_array(JsonbContainer *c, const char *name)
{
	JsonbValue v;

	if (!fhir_json_get(c, name, strlen(name), &v) || v.type != jbvBinary ||
		!JsonContainerIsArray(v.val.binary.data))
		return NULL;
	return v.val.binary.data;
}

JsonbContainer *
terms_object(JsonbContainer *c, const char *name)
{
	JsonbValue v;

	if (!fhir_json_get(c, name, strlen(name), &v) || v.type != jbvBinary ||
		!JsonContainerIsObject(v.val.binary.data))
		return NULL;
	return v.val.binary.data;
}

JsonbContainer *
terms_object_at(JsonbContainer *array, int i)
{
	JsonbValue *v = getIthJsonbValueFromContainer(array, i);

	return v && v->type == jbvBinary && JsonContainerIsObject(v->val.binary.data) ? v->val.binary.data : NULL;
}

/* Both kinds of rows begin with url and version, and are in order of URL. */
static const void *
find_row(const void *rows, int n, size_t size, const char *url)
{
	const char *bar = strchr(url, '|');
	size_t len = bar ? (size_t) (bar - url) : strlen(url);
	int lo = 0, hi = n - 1;

	while (lo <= hi) {
		int mid = (lo + hi) / 2;
		const uint32 *row = (const uint32 *) ((const char *) rows + mid * size);
		const char *have = terms_pool + row[0];
		int cmp = strncmp(url, have, len);

		if (cmp == 0 && have[len] != '\0')
			cmp = -1;
		if (cmp == 0)
			return bar == NULL || strcmp(bar + 1, terms_pool + row[1]) == 0 ? row : NULL;
		if (cmp < 0)
			hi = mid - 1;
		else
			lo = mid + 1;
	}
	return NULL;
}

const TermsSystem *
terms_builtin_system(const char *url)
{
	return find_row(terms_systems, terms_nsystems, sizeof(TermsSystem), url);
}

const TermsValueSet *
terms_builtin_value_set(const char *url)
{
	return find_row(terms_value_sets, terms_nvalue_sets, sizeof(TermsValueSet), url);
}
