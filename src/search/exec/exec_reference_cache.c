/*
 * exec_reference_cache.c: what is known of a chain from a resource, remembered while its statement runs.
 *
 * Rows that a walk meets one after the other mostly refer to the same few: the Observations of a patient, of an encounter. A reference is
 * known by its hash in resource.keys, identity ^ salt of the place, so no document is read for an answer that is known:
 *
 *     COALESCE(fhir_search_known(keys, refs, salts, question), fhir_search_learn(keys, refs, salts, question, EXISTS (...)))
 *
 * An answer holds for one question, a chain in one run of a statement: its number is never given twice in a session. What is
 * remembered is bounded, and forgotten when the next search begins.
 */
#include "base/base.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "search/exec/exec.h"
#include "store/catalog/catalog.h"

typedef struct ReferenceKey {
	int64 question;
	int64 hash; /* of the reference, as in resource.keys */
} ReferenceKey;

typedef struct KnownReference {
	ReferenceKey key;
	bool answer;
} KnownReference;

static int64 questions = 0;
static MemoryContext reference_context = NULL; /* of the table; child of TopMemoryContext, emptied by each search */
static HTAB *known_references = NULL;

void
reference_cache_forget(void)
{
	if (known_references)
		MemoryContextReset(reference_context);
	known_references = NULL;
}

static void
remember(int64 question, int64 hash, bool answer)
{
	ReferenceKey key = {question, hash};
	bool found;

	if (known_references && hash_get_num_entries(known_references) >= SEARCH_REMEMBERED)
		reference_cache_forget();
	if (reference_context == NULL)
		reference_context = AllocSetContextCreate(TopMemoryContext, "fhir search answers", ALLOCSET_DEFAULT_SIZES);
	if (known_references == NULL) {
		HASHCTL ctl = {0};

		ctl.keysize = sizeof(ReferenceKey);
		ctl.entrysize = sizeof(KnownReference);
		ctl.hcxt = reference_context;
		known_references = hash_create("fhir search answers", 256, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	((KnownReference *) hash_search(known_references, &key, HASH_ENTER, &found))->answer = answer;
}

/* Hashes that a row has of what it refers to at the places: at most max of them. Returns how many there are. */
static int
references(FunctionCallInfo fcinfo, int64 *out, int max)
{
	ArrayType *arrays[3];
	int64 *v[3];
	int count[3], n = 0;

	for (int i = 0; i < 3; i++) {
		arrays[i] = PG_GETARG_ARRAYTYPE_P(i);
		count[i] = ARR_NDIM(arrays[i]) == 0 ? 0 : ARR_DIMS(arrays[i])[0];
		v[i] = (int64 *) ARR_DATA_PTR(arrays[i]);
	}
	for (int r = 0; r < count[1]; r++)
		for (int s = 0; s < count[2]; s++)
			for (int k = 0; k < count[0]; k++)
				if (v[0][k] == (v[1][r] ^ v[2][s])) {
					if (n < max)
						out[n] = v[0][k];
					n++;
					break;
				}
	return n;
}

/* A row that refers to more is probed. */
#define MAX_REFERENCES 32

PG_FUNCTION_INFO_V1(fhir_search_known);
Datum
fhir_search_known(PG_FUNCTION_ARGS)
{
	int64 hashes[MAX_REFERENCES];
	int n = known_references ? references(fcinfo, hashes, MAX_REFERENCES) : 0;
	bool all = n > 0 && n <= MAX_REFERENCES;

	for (int i = 0; i < n && i < MAX_REFERENCES; i++) {
		ReferenceKey key = {PG_GETARG_INT64(3), hashes[i]};
		KnownReference *a = hash_search(known_references, &key, HASH_FIND, NULL);

		if (a && a->answer)
			PG_RETURN_BOOL(true);
		all = all && a;
	}
	if (all)
		PG_RETURN_BOOL(false);
	PG_RETURN_NULL();
}

/* Of several that it refers to, one that satisfies the chain is enough: then it is not known which. */
PG_FUNCTION_INFO_V1(fhir_search_learn);
Datum
fhir_search_learn(PG_FUNCTION_ARGS)
{
	int64 hashes[MAX_REFERENCES];
	int n = references(fcinfo, hashes, MAX_REFERENCES);
	bool answer = PG_GETARG_BOOL(4);

	if (n <= MAX_REFERENCES && (n == 1 || !answer))
		for (int i = 0; i < n; i++)
			remember(PG_GETARG_INT64(3), hashes[i], answer);
	PG_RETURN_BOOL(answer);
}

static void
sql_reference_arguments(SqlText *s, const char *alias, Datum salts, int64 question)
{
	appendStringInfo(&s->sql, "(%s.keys, %s.refs, ", alias, alias);
	sql_param(s, INT8ARRAYOID, salts);
	appendStringInfoString(&s->sql, ", ");
	sql_param(s, INT8OID, Int64GetDatum(question));
}

void
sql_reference_cache(SqlText *s, const char *alias, const Crit *c)
{
	int64 *salts = palloc(c->nlinks * sizeof(int64)), question = ++questions;
	int n = 0;

	for (int i = 0; i < c->nlinks; i++) {
		int64 salt = (int64) keys_reference_salt(c->links[i].source);
		int k = 0;

		while (k < n && salts[k] != salt)
			k++;
		if (k == n)
			salts[n++] = salt;
	}
	appendStringInfo(&s->sql, "COALESCE(%s.fhir_search_known", store_extension_schema());
	sql_reference_arguments(s, alias, sql_int8_array(salts, n), question);
	appendStringInfo(&s->sql, "), %s.fhir_search_learn", store_extension_schema());
	sql_reference_arguments(s, alias, sql_int8_array(salts, n), question);
	appendStringInfoString(&s->sql, ", ");
}
