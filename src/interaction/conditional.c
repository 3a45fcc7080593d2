/*
 * conditional.c: conditional create, update, patch and delete.
 *
 * Two transactions with the same condition must not both find nothing and both create. So a transaction takes a lock on
 * the condition, (store, type, normalized query), which it holds to its end, and only then searches, in a
 * snapshot taken after that. The lock is an advisory lock in a class of its own (objsubid 61), that neither form of
 * pg_advisory_lock uses. In REPEATABLE READ and SERIALIZABLE a match that the transaction cannot see is a serialization failure.
 */
#include "base/base.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/snapmgr.h"

#include "store/store_internal.h"

int (*store_match_hook)(const ModelType *type, const char *query, StoreMatch *out, int max);

#define CONDITION_LOCK_CLASS 61

const char *
store_condition_query(const ModelType *type, const char *condition)
{
	size_t len = strcspn(condition, "?=&"); /* a question mark may also stand in a value */
	size_t start = len;

	if (condition[len] != '?')
		return condition;
	while (start > 0 && condition[start - 1] != '/')
		start--;
	if (len > 0 && (len - start != strlen(type->name) || strncmp(condition + start, type->name, len - start) != 0))
		ereport(ERROR,
				errcode(FH400),
				errmsg("the condition is about another type"),
				errdetail("It is \"%.300s\", for a %s.", condition, type->name),
				errhint("Write the criteria only, such as identifier=system|value."),
				fhir_issue("value", NULL));
	return condition + len + 1;
}

static int
compare_params(const void *a, const void *b)
{
	const QueryParam *x = a, *y = b;
	int cmp = strcmp(x->name, y->name);

	return cmp ? cmp : strcmp(x->value, y->value);
}

/* The same condition in other words has the same hash: parameters decoded and in order. */
uint64
store_condition_hash(const ModelType *type, const char *query)
{
	QueryParam *params;
	int n = store_query_parse(query, &params);
	Oid nsp = store_catalog()->namespace;
	uint64 h = fhir_hash(&nsp, sizeof(nsp), 0);

	qsort(params, n, sizeof(QueryParam), compare_params);
	h = fhir_hash(type->name, strlen(type->name), h);
	for (int i = 0; i < n; i++) {
		h = fhir_hash(params[i].name, strlen(params[i].name) + 1, h);
		h = fhir_hash(params[i].value, strlen(params[i].value) + 1, h);
	}
	return h;
}

void
store_condition_lock(uint64 hash)
{
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) (hash >> 32), (uint32) hash, CONDITION_LOCK_CLASS);
	LockAcquire(&tag, ExclusiveLock, false, false);
}

pg_noreturn static void
raise_many(const ModelType *type, const char *query)
{
	ereport(ERROR,
			errcode(FH412),
			errmsg("the condition matches more than one %s", type->name),
			errdetail("Condition: %.500s", query), errhint("Patch a resource that exists: by its id, or by criteria that select one."),
			errhint("Make the condition select one, for example by identifier with its system."),
			fhir_issue("multiple-matches", NULL));
}

/* Is the match visible to the transaction itself? It is not when it came after a snapshot that is kept. */
static void
require_visible(const ModelType *type, const StoreMatch *m)
{
	StoreResult r;
	bool seen;

	if (!IsolationUsesXactSnapshot())
		return;
	PushActiveSnapshot(GetTransactionSnapshot());
	seen = store_read(type, m->id, &r);
	PopActiveSnapshot();
	if (!seen)
		ereport(ERROR,
				errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				errmsg("could not serialize access: a concurrent transaction created the match of a condition"),
				errhint("Retry the transaction."));
}

bool
store_match_one(const ModelType *type, const char *query, StoreMatch *match)
{
	StoreMatch m[2];
	int n;

	if (*query == '?')
		query++;
	if (strspn(query, " &") == strlen(query))
		ereport(ERROR,
				errcode(FH412),
				errmsg("the condition is empty"),
				errhint("Give search parameters, such as identifier=system|value."),
				fhir_issue("required", NULL));
	if (!store_match_hook)
		elog(ERROR, "conditional interactions need search");
	PushActiveSnapshot(GetLatestSnapshot());
	n = store_match_hook(type, query, m, 1);
	PopActiveSnapshot();
	if (n > 1)
		raise_many(type, query);
	if (n == 1) {
		require_visible(type, &m[0]);
		*match = m[0];
	}
	return n == 1;
}

static bool
lock_and_match(const ModelType *type, const char *query, StoreMatch *match, const char *function)
{
	PreventCommandIfReadOnly(function);
	store_condition_lock(store_condition_hash(type, query));
	return store_match_one(type, query, match);
}

/* Creates under a new id, without further conditions. */
void
store_create_plain(Jsonb *doc, const ModelType *type, StoreResult *out)
{
	char id[37];
	KeySet keys;
	StoreWriter *w;

	keys_extract(type, &doc->root, &keys);
	fhir_uuid_new(id);
	w = store_writer_begin("fhir_create()");
	store_write_new(w, type, id, &doc->root, &keys, 'C', true, out);
	store_writer_end(w);
}

void
store_create_conditional(Jsonb *doc, const ModelType *type, const char *query, StoreResult *out)
{
	StoreMatch m;

	if (!lock_and_match(type, query, &m, "fhir_create()")) {
		store_create_plain(doc, type, out);
		return;
	}
	PushActiveSnapshot(GetTransactionSnapshot());
	if (!store_read(type, m.id, out) || out->deleted)
		ereport(ERROR,
				errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				errmsg("%s/%s was deleted meanwhile", type->name, m.id),
				errhint("Retry the transaction."));
	PopActiveSnapshot();
	out->unchanged = true;
}

static Jsonb *
with_id(Jsonb *doc, const char *id)
{
	DocMember m = {.key = "id", .keylen = 2};

	m.value.type = jbvString;
	m.value.val.string.val = (char *) id;
	m.value.val.string.len = strlen(id);
	return store_doc_splice(&doc->root, &m, 1);
}

void
store_require_no_version(const ModelType *type, const char *query, const char *if_match)
{
	if (if_match && *if_match)
		ereport(ERROR,
				errcode(FH412),
				errmsg("the condition matches no %s whose version If-Match could name", type->name),
				errdetail("Condition: %.500s; If-Match is %.100s.", query, if_match),
				errhint("Leave If-Match out to go on without a match."),
				fhir_issue("conflict", NULL));
}

void
store_update_conditional(Jsonb *doc, const char *query, const char *if_match, const char *if_none_match, StoreResult *out)
{
	const ModelType *type = store_check(&doc->root);
	char *id = fhir_json_get_string(&doc->root, "id");
	StoreMatch m;

	if (lock_and_match(type, query, &m, "fhir_update()")) {
		if (id && strcmp(id, m.id) != 0)
			ereport(ERROR,
					errcode(FH400),
					errmsg("the resource's id is not that of the match"),
					errdetail("The condition selects %s/%s, the resource has id \"%.64s\".", type->name, m.id, id),
					errhint("Leave the id out, or update that resource by its id."),
					fhir_issue("value", "id"));
		store_update(id ? doc : with_id(doc, m.id), if_match, if_none_match, out);
		return;
	}
	store_require_no_version(type, query, if_match);
	if (id)
		store_update(doc, NULL, "*", out); /* a match by id alone is another resource: not to be overwritten */
	else
		store_create_plain(doc, type, out);
}

pg_noreturn static void
raise_none(const ModelType *type, const char *query)
{
	ereport(ERROR,
			errcode(FH404),
			errmsg("the condition matches no %s", type->name),
			errdetail("Condition: %.500s", query),
			fhir_issue("not-found", NULL));
}

void
store_patch_conditional(const ModelType *type, const char *query, Jsonb *patch, const char *if_match, StoreResult *out)
{
	StoreMatch m;

	if (!lock_and_match(type, query, &m, "fhir_patch()"))
		raise_none(type, query);
	store_patch(type, m.id, patch, if_match, out);
}

void
store_delete_conditional(const ModelType *type, const char *query, const char *if_match, StoreResult *out)
{
	StoreMatch m;

	if (lock_and_match(type, query, &m, "fhir_delete()")) {
		store_delete(type, m.id, if_match, out);
		return;
	}
	store_require_no_version(type, query, if_match);
	memset(out, 0, sizeof(*out));
	out->type = type;
	out->deleted = out->unchanged = true;
}
