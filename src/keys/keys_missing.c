/*
 * keys_missing.c: which documents have no value for a parameter.
 *
 * Each leg of a parameter has one missing key. Where documents of the type usually have a value, those without it
 * carry the key; elsewhere those with one do. So a document carries few of them, and the rare case, the one that
 * an index can find, is the one that is marked.
 */
#include "postgres.h"
#include "base/base.h"

#include "nodes/pg_list.h"

#include "keys/keys_internal.h"

/* Elements that documents usually fill, wherever they stand, and places of some types. Part of the key format. */
static const char *const usual_names[] = {
	"address",
	"authoredOn",
	"birthDate",
	"city",
	"class",
	"clinicalStatus",
	"code",
	"country",
	"created",
	"date",
	"effective",
	"encounter",
	"family",
	"gender",
	"given",
	"intent",
	"issued",
	"meta",
	"name",
	"patient",
	"period",
	"postalCode",
	"provider",
	"publisher",
	"recordedDate",
	"requester",
	"state",
	"status",
	"subject",
	"telecom",
	"type",
	"url",
	"verificationStatus",
	"version",
};
static const char *const usual_places[] = {
	"Claim.item.encounter",
	"Condition.category",
	"Condition.onset.ofType(dateTime)",
	"DiagnosticReport.category",
	"DiagnosticReport.result",
	"Encounter.participant.individual",
	"Encounter.participant.type",
	"Encounter.serviceProvider",
	"ExplanationOfBenefit.careTeam.provider",
	"ExplanationOfBenefit.claim",
	"ExplanationOfBenefit.identifier",
	"ExplanationOfBenefit.item.encounter",
	"ImagingStudy.started",
	"MedicationRequest.medication.ofType(CodeableConcept)",
	"Observation.category",
	"Observation.value.ofType(Quantity)",
	"Organization.active",
	"Organization.identifier",
	"Patient.identifier",
	"Practitioner.active",
	"Practitioner.identifier",
	"Procedure.performed",
};

/* Is every element on the way one that documents usually fill? */
bool
keys_usually_present(const char *canonical)
{
	List *steps = keys_expr_steps(canonical);
	ListCell *cell;

	for (int i = 0; i < lengthof(usual_places); i++)
		if (strcmp(canonical, usual_places[i]) == 0)
			return true;
	if (list_length(steps) < 2)
		return false;
	foreach(cell, steps) {
		const char *step = lfirst(cell);
		bool usual = foreach_current_index(cell) == 0;

		for (int k = 0; k < lengthof(usual_names) && !usual; k++)
			usual = strcmp(step, usual_names[k]) == 0;
		if (!usual)
			return false;
	}
	return true;
}

uint64
keys_missing_key(const KeySource *s)
{
	return fhir_hash("missing", 7, s->id);
}

static bool
same_targets(const ModelTypeId *a, const ModelTypeId *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	for (; *a != MODEL_NONE && *a == *b; a++, b++)
		;
	return *a == *b;
}

/* Gives the leg its missing key, and the registry the rule to extract it. */
void
keys_missing_define(KeyRegistry *r, KeyLeg *leg)
{
	const KeySource *s = leg->source;
	KeyMissingRule *rule;
	uint64 key;

	for (int i = 0; i < r->nrules; i++)
		if (r->rules[i].source == s && same_targets(r->rules[i].targets, leg->targets)) {
			leg->missing = r->rules[i].key;
			leg->absence = r->rules[i].absence;
			return;
		}
	key = keys_missing_key(s);
	for (const ModelTypeId *t = leg->targets; t != NULL && *t != MODEL_NONE; t++) {
		const char *name = model_type_by_id(*t)->name;

		key = fhir_hash(name, strlen(name), key);
	}
	if (r->nrules == r->maxrules) {
		r->maxrules = r->maxrules > 0 ? r->maxrules * 2 : 64;
		r->rules = r->rules == NULL ? palloc(r->maxrules * sizeof(KeyMissingRule)) : repalloc(r->rules, r->maxrules * sizeof(KeyMissingRule));
	}
	rule = &r->rules[r->nrules++];
	rule->source = s;
	rule->targets = leg->targets;
	rule->key = leg->missing = key;
	rule->absence = leg->absence;
}

/* ---- what search asks ---- */

/* A composite on the resource itself is missing when any part is: OR over parts of (AND over the part's sources), as an AND of ORs. */
static int
root_composite(const KeyComposite *c, int group, KeyMissing **out)
{
	int ngroups = 1, n = 0;
	KeyMissing *list;

	for (int i = 0; i < c->nparts; i++)
		ngroups *= c->parts[i].nsources;
	list = palloc(ngroups * c->nparts * sizeof(KeyMissing));
	for (int g = 0; g < ngroups; g++) {
		int rest = g;

		for (int i = 0; i < c->nparts; i++) {
			const KeySource *s = c->parts[i].sources[rest % c->parts[i].nsources];

			rest /= c->parts[i].nsources;
			list[n].key = keys_missing_key(s);
			list[n].absence = s->usual;
			list[n++].group = group + g;
		}
	}
	*out = list;
	return n;
}

int
keys_missing_leg(const KeyLeg *leg, KeyMissing **out)
{
	if (leg->source->klass == KEYS_COMPOSITE && leg->source->composite->root)
		return root_composite(leg->source->composite, 0, out);
	*out = palloc(sizeof(KeyMissing));
	(*out)->key = leg->missing;
	(*out)->absence = leg->absence;
	(*out)->group = 0;
	return 1;
}

int
keys_missing(const KeyParam *p, KeyMissing **out)
{
	KeyMissing *all = NULL;
	int n = 0, group = 0;

	for (int i = 0; i < p->nlegs; i++) {
		KeyMissing *leg;
		int k = keys_missing_leg(&p->legs[i], &leg);

		all = all == NULL ? palloc(k * sizeof(KeyMissing)) : repalloc(all, (n + k) * sizeof(KeyMissing));
		for (int j = 0; j < k; j++) {
			all[n] = leg[j];
			all[n++].group += group;
		}
		group = all[n - 1].group + 1;
	}
	*out = all;
	return n;
}

/* ---- places with few codes ---- */

uint64
keys_other_code(const KeySource *s)
{
	return fhir_hash("other code", 10, s->id);
}

typedef struct AllCodes {
	const KeySource *source;
	uint64 *keys;
	int n;
} AllCodes;

static void
count_code(const char *code, int len, void *arg)
{
	((AllCodes *) arg)->n++;
}

static void
add_code(const char *code, int len, void *arg)
{
	AllCodes *a = arg;

	a->keys[a->n++] = keys_code(a->source, code, len);
}

int
keys_all_codes(const KeyLeg *leg, uint64 **out)
{
	const KeySource *s = leg->source;
	AllCodes a = {s};

	if (s->klass != KEYS_TOKEN || !leg->absence || (s->codes == 0 && !s->booleans))
		return 0;
	if (s->codes != 0)
		model_code_each(s->codes, count_code, &a);
	a.keys = palloc((a.n + 4) * sizeof(uint64));
	a.n = 0;
	if (s->codes != 0)
		model_code_each(s->codes, add_code, &a);
	else {
		add_code("true", 4, &a);
		add_code("false", 5, &a);
	}
	a.keys[a.n++] = keys_other_code(s);
	a.keys[a.n++] = leg->missing;
	*out = a.keys;
	return a.n;
}
