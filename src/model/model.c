/*
 * model.c: lookup in the generated tables of FHIR R4.
 *
 * All of it is constant data: nothing here allocates, raises or keeps state. Property names are in JSONB's key
 * order (length, then bytes); parameters of a type in order of their code; all parameters in order of their URL.
 */
#include "postgres.h"

#include "model/model.h"
#include "model/model_tables.h"

/* FNV-1a, as script/generate-model computes it. */
static inline uint32
name_slot(const char *name, int len)
{
	uint32 h = 0x811c9dc5;

	for (int i = 0; i < len; i++)
		h = (h ^ (unsigned char) name[i]) * 0x01000193;
	return (h ^ (h >> 15)) & (MODEL_NAME_SLOTS - 1);
}

const ModelType *
model_type(const char *name, int len)
{
	uint32 slot;

	if (len <= 0 || len > PG_UINT8_MAX)
		return NULL;
	for (slot = name_slot(name, len); model_type_names[slot] != MODEL_NONE; slot = (slot + 1) & (MODEL_NAME_SLOTS - 1)) {
		const ModelType *t = &model_types[model_type_names[slot]];

		if (t->name_len == len && memcmp(t->name, name, len) == 0)
			return t;
	}
	return NULL;
}

const ModelType *
model_resource(const char *name, int len)
{
	const ModelType *t = model_type(name, len);

	return t != NULL && t->kind == MODEL_RESOURCE && !t->abstract ? t : NULL;
}

/* (length, bytes) order, JSONB's own. */
static inline int
compare_names(const char *a, int alen, const char *b, int blen)
{
	return alen != blen ? alen - blen : memcmp(a, b, alen);
}

const ModelProperty *
model_property(const ModelType *t, const char *name, int len)
{
	int lo = 0, hi = t->nproperties;

	while (lo < hi) {
		int mid = (lo + hi) / 2;
		const ModelProperty *p = &t->properties[mid];
		int cmp = compare_names(p->name, p->name_len, name, len);

		if (cmp == 0)
			return p;
		if (cmp < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

int
model_element(const ModelType *t, const char *name, int len, const ModelProperty **out, int max)
{
	const ModelProperty *p;

	for (int i = 0; i < t->nchoices; i++) {
		const ModelChoice *c = &t->choices[i];

		if (c->name_len != len || memcmp(c->name, name, len) != 0)
			continue;
		for (int k = 0; k < c->n && k < max; k++)
			out[k] = &t->properties[model_choice_properties[c->first + k]];
		return c->n;
	}
	p = model_property(t, name, len);
	if (p == NULL || p->is_choice)
		return 0;
	if (max > 0)
		out[0] = p;
	return 1;
}

bool
model_is_a(ModelTypeId t, ModelTypeId base)
{
	for (; t != MODEL_NONE; t = model_types[t].base)
		if (t == base)
			return true;
	return false;
}

/* ---- code lists: each code as its length (one byte) and its bytes, in (length, bytes) order, then a NUL ---- */

bool
model_code_known(uint16 codes, const char *code, int len)
{
	const unsigned char *p = (const unsigned char *) model_code_lists[codes];

	for (; *p != 0 && *p <= len; p += 1 + *p)
		if (*p == len && memcmp(p + 1, code, len) == 0)
			return true;
	return false;
}

const char *
model_code_list_url(uint16 codes)
{
	return model_code_list_urls[codes];
}

void
model_code_each(uint16 codes, void (*fn)(const char *code, int len, void *arg), void *arg)
{
	const unsigned char *p = (const unsigned char *) model_code_lists[codes];

	for (; *p != 0; p += 1 + *p)
		fn((const char *) p + 1, *p, arg);
}

/* ---- search parameters ---- */

static const ModelRange *
param_range(const ModelType *t)
{
	if (t->id < model_first_resource || t->id > model_last_resource)
		return NULL;
	return &model_param_ranges[t->id - model_first_resource];
}

const ModelParam *
model_param(const ModelType *t, const char *code, int len)
{
	const ModelRange *r = param_range(t);
	int lo, hi;

	if (r == NULL)
		return NULL;
	lo = r->first;
	hi = r->first + r->n;
	while (lo < hi) {
		int mid = (lo + hi) / 2;
		const ModelParam *p = &model_params[model_type_params[mid]];
		int cmp = strncmp(p->code, code, len);

		if (cmp == 0 && p->code[len] != '\0')
			cmp = 1;
		if (cmp == 0)
			return p;
		if (cmp < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

const ModelParam *
model_param_by_url(const char *url)
{
	int lo = 0, hi = model_nparams;

	while (lo < hi) {
		int mid = (lo + hi) / 2;
		int cmp = strcmp(model_params[mid].url, url);

		if (cmp == 0)
			return &model_params[mid];
		if (cmp < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

void
model_params_each(const ModelType *t, void (*fn)(const ModelParam *, void *), void *arg)
{
	const ModelRange *r = param_range(t);

	for (int i = 0; r != NULL && i < r->n; i++)
		fn(&model_params[model_type_params[r->first + i]], arg);
}

/* ---- compartments ---- */

const char *const *
model_compartment(const char *c, const ModelType *t)
{
	int lo = 0, hi = model_ncompartments;

	while (lo < hi) {
		int mid = (lo + hi) / 2;
		const ModelCompartment *m = &model_compartments[mid];
		int cmp = strcmp(m->code, c);

		if (cmp == 0)
			cmp = (int) m->type - (int) t->id;
		if (cmp == 0)
			return m->params;
		if (cmp < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}
