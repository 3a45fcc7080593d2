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
#include "interaction/interaction_internal.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/snapmgr.h"

#define CONDITION_LOCK_CLASS 61

const char *
interaction_condition_query(const ModelType *type, const char *condition)
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
	const FormParam *x = a, *y = b;
	int cmp = strcmp(x->name, y->name);

	return cmp ? cmp : strcmp(x->value, y->value);
}

/* The same condition in other words has the same hash: parameters decoded and in order. */
uint64
condition_key(const ModelType *type, const char *query)
{
	FormParam *params;
	int n = form_parse(query, &params);
	Oid nsp = store_catalog()->namespace;
	uint64 h = fhir_hash(&nsp, sizeof(nsp), 0);

	qsort(params, n, sizeof(FormParam), compare_params);
	h = fhir_hash(type->name, strlen(type->name), h);
	for (int i = 0; i < n; i++) {
		h = fhir_hash(params[i].name, strlen(params[i].name) + 1, h);
		h = fhir_hash(params[i].value, strlen(params[i].value) + 1, h);
	}
	return h;
}

void
condition_lock(uint64 hash)
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
require_visible(const ModelType *type, const SearchMatch *m)
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
condition_match(const Caller *caller, const ModelType *type, const char *query, SearchMatch *match)
{
	SearchMatch m[2];
	int n;

	if (*query == '?')
		query++;
	if (strspn(query, " &") == strlen(query))
		ereport(ERROR,
				errcode(FH412),
				errmsg("the condition is empty"),
				errhint("Give search parameters, such as identifier=system|value."),
				fhir_issue("required", NULL));
	PushActiveSnapshot(GetLatestSnapshot());
	n = search_match(caller, type, query, m, 1);
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
lock_and_match(const Caller *caller, const ModelType *type, const char *query, SearchMatch *match, const char *function)
{
	PreventCommandIfReadOnly(function);
	condition_lock(condition_key(type, query));
	return condition_match(caller, type, query, match);
}

/* Creates under a new id, without further conditions; the document is checked. */
void
interaction_create_plain(const Caller *caller, Jsonb *doc, const ModelType *type, StoreResult *out)
{
	char id[37];
	InteractionState new = {.type = type, .id = id, .doc = &doc->root, .checked = true};
	KeySet keys;
	Writing w;

	keys_extract(store_key_context(), type, &doc->root, &keys);
	fhir_uuid_new(id);
	writing_begin(&w, caller, "fhir_create()");
	write_new(&w, &new, &keys, 'C', true, out);
	writing_end(&w);
}

void
interaction_create_conditional(const Caller *caller, Jsonb *doc, const ModelType *type, const char *query, StoreResult *out)
{
	SearchMatch m;

	if (!lock_and_match(caller, type, query, &m, "fhir_create()")) {
		interaction_create_plain(caller, doc, type, out);
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
	JsonMember m = {.key = "id", .keylen = 2};

	m.value.type = jbvString;
	m.value.val.string.val = (char *) id;
	m.value.val.string.len = strlen(id);
	return json_splice(&doc->root, &m, 1);
}

void
condition_require_no_version(const ModelType *type, const char *query, const char *if_match)
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
interaction_update_conditional(const Caller *caller, Jsonb *doc, const char *query, const char *if_match, const char *if_none_match, StoreResult *out)
{
	InteractionState new = {.doc = &doc->root};
	char *id = fhir_json_get_string(&doc->root, "id");
	const ModelType *type;
	SearchMatch m;

	interaction_admit(NULL, NULL, &new);
	type = new.type;
	if (lock_and_match(caller, type, query, &m, "fhir_update()")) {
		if (id && strcmp(id, m.id) != 0)
			ereport(ERROR,
					errcode(FH400),
					errmsg("the resource's id is not that of the match"),
					errdetail("The condition selects %s/%s, the resource has id \"%.64s\".", type->name, m.id, id),
					errhint("Leave the id out, or update that resource by its id."),
					fhir_issue("value", "id"));
		interaction_update(caller, id ? doc : with_id(doc, m.id), if_match, if_none_match, out);
		return;
	}
	condition_require_no_version(type, query, if_match);
	if (id)
		interaction_update(caller, doc, NULL, "*", out); /* a match by id alone is another resource: not to be overwritten */
	else
		interaction_create_plain(caller, doc, type, out);
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
interaction_patch_conditional(const Caller *caller, const ModelType *type, const char *query, Jsonb *patch, const char *if_match, StoreResult *out)
{
	SearchMatch m;

	if (!lock_and_match(caller, type, query, &m, "fhir_patch()"))
		raise_none(type, query);
	interaction_patch(caller, type, m.id, patch, if_match, out);
}

void
interaction_delete_conditional(const Caller *caller, const ModelType *type, const char *query, const char *if_match, StoreResult *out)
{
	SearchMatch m;

	if (lock_and_match(caller, type, query, &m, "fhir_delete()")) {
		interaction_delete(caller, type, m.id, if_match, out);
		return;
	}
	condition_require_no_version(type, query, if_match);
	memset(out, 0, sizeof(*out));
	out->type = type;
	out->deleted = out->unchanged = true;
}
