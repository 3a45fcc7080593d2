/*
 * terms_cache.c: what the rest of the extension asks of terms, and a small cache of the answers.
 *
 * A search asks the same value set for each place of each type, memberOf() for each document. An answer holds
 * as long as nothing it was read from can look different: same transaction, same snapshot, same store and
 * user. The cache is one context, emptied as a whole when that changes, when it is full, and at the end of
 * the transaction; only entry points empty it, never a step within.
 */
#include "base/base.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "terms/terms_internal.h"

#define MAX_ENTRIES 64

typedef enum EntryKind { ENTRY_VALUE_SET,
						 ENTRY_CONCEPTS,
						 ENTRY_BELOW,
						 ENTRY_ABOVE,
} EntryKind;

typedef struct Entry {
	EntryKind kind;
	const char *name, *code;
	void *value; /* TermSet or TermConcepts (NULL: not known) */
} Entry;

/* Two snapshots that agree in all of this see the same: transactions below xmax only ever end. */
typedef struct CacheKey {
	SubTransactionId subxact;
	TransactionId xmin, xmax;
	uint32 xcnt;
	int32 subxcnt;
	CommandId curcid;
	Oid user;
	int max_codes;
	uint64 caller;
	char store[NAMEDATALEN];
} CacheKey;

static MemoryContext cache = NULL; /* child of TopMemoryContext */
static CacheKey cache_key;
static Entry entries[MAX_ENTRIES];
static int nentries = 0;

static void
empty_cache(void)
{
	nentries = 0;
	if (cache)
		MemoryContextReset(cache);
}

static void
at_xact_end(XactEvent event, void *arg)
{
	if (nentries > 0 && event != XACT_EVENT_PRE_COMMIT && event != XACT_EVENT_PARALLEL_PRE_COMMIT &&
		event != XACT_EVENT_PRE_PREPARE)
		empty_cache();
}

/* At the begin of each entry point. */
static void
check_cache(const TermsSource *from)
{
	CacheKey key;
	Snapshot s = ActiveSnapshotSet() ? GetActiveSnapshot() : NULL;

	memset(&key, 0, sizeof(key));
	if (s) {
		key.xmin = s->xmin;
		key.xmax = s->xmax;
		key.xcnt = s->xcnt;
		key.subxcnt = s->subxcnt;
		key.curcid = s->curcid;
	}
	key.subxact = GetCurrentSubTransactionId();
	key.user = GetUserId();
	key.caller = from->caller;
	key.max_codes = fhir_max_value_set_codes;
	strlcpy(key.store, fhir_store, sizeof(key.store));
	if (cache == NULL)
		cache = AllocSetContextCreate(TopMemoryContext, "fhir terminology", ALLOCSET_DEFAULT_SIZES);
	if (s == NULL || memcmp(&key, &cache_key, sizeof(key)) != 0 || nentries >= MAX_ENTRIES / 2)
		empty_cache();
	cache_key = key;
}

/* Codes of the set at these positions. */
static TermSet *
chosen(const TermConcepts *c, const bool *in)
{
	TermSet *set = palloc0(sizeof(TermSet));

	for (int i = 0; i < c->codes.n; i++)
		if (in[i])
			terms_add(set, c->system, c->codes.codes[i].code);
	return set;
}

static TermSet *
hierarchy(const TermsSource *from, const char *system, const char *code, bool below)
{
	const TermConcepts *c = terms_cached_concepts(from, system);
	int at;

	if (c == NULL)
		ereport(ERROR, errcode(FH400), errmsg("code system \"%.200s\" is not known", system),
				errhint("Store it as a CodeSystem resource first."), fhir_issue("not-found", NULL));
	at = terms_find(&c->codes, c->system, code);
	if (at < 0)
		ereport(ERROR, errcode(FH400), errmsg("code system \"%.200s\" has no code \"%.100s\"", system, code),
				c->complete ? 0 : errdetail("Only some of its codes are known."),
				fhir_issue("not-found", NULL));
	return chosen(c, terms_closure(c, at, below));
}

static void *
build(const TermsSource *from, EntryKind kind, const char *name, const char *code)
{
	TermSet *set;

	switch (kind) {
		case ENTRY_VALUE_SET:
			set = palloc0(sizeof(TermSet));
			terms_resolve(from, set, name, NIL);
			return set;
		case ENTRY_CONCEPTS:
			return terms_concepts(from, name);
		default:
			return hierarchy(from, name, code, kind == ENTRY_BELOW);
	}
}

/* code: of a hierarchy, else NULL */
static void *
cached(const TermsSource *from, EntryKind kind, const char *name, const char *code)
{
	MemoryContext cxt, old;
	Entry e = {kind};

	for (int i = 0; i < nentries; i++)
		if (entries[i].kind == kind && strcmp(entries[i].name, name) == 0 &&
			(code == NULL || strcmp(entries[i].code, code) == 0))
			return entries[i].value;
	cxt = AllocSetContextCreate(CurrentMemoryContext, "fhir terminology answer", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(cxt);
	e.name = pstrdup(name);
	e.code = code ? pstrdup(code) : NULL;
	e.value = build(from, kind, e.name, e.code);
	MemoryContextSwitchTo(old);
	/* full: it lives as long as the caller's context */
	if (nentries < MAX_ENTRIES) {
		MemoryContextSetParent(cxt, cache);
		entries[nentries++] = e;
	}
	return e.value;
}

const TermConcepts *
terms_cached_concepts(const TermsSource *from, const char *system)
{
	return cached(from, ENTRY_CONCEPTS, system, NULL);
}

const TermSet *
terms_value_set(const TermsSource *from, const char *url)
{
	const TermSet *set;

	check_cache(from);
	set = cached(from, ENTRY_VALUE_SET, url, NULL);
	if (set->missing)
		ereport(ERROR, errcode(FH400), errmsg("value set \"%.200s\" is not known", url),
				errhint("Store it as a ValueSet resource first."), fhir_issue("not-found", NULL));
	if (set->unknown)
		ereport(ERROR, errcode(FH400), errmsg("members of value set \"%.200s\" are not known", url),
				errdetail("%s", set->unknown),
				errhint("Store what it needs, or the ValueSet with its whole expansion."),
				fhir_issue("not-supported", NULL));
	return set;
}

const TermSet *
terms_hierarchy(const TermsSource *from, const char *system, const char *code, bool below)
{
	check_cache(from);
	return cached(from, below ? ENTRY_BELOW : ENTRY_ABOVE, system, code);
}

/* ---- memberOf() ---- */

/* Is the code one of the system, all of which is in a value set? */
static int
system_member(const TermsSource *from, const char *system, const char *code)
{
	const TermConcepts *c = terms_cached_concepts(from, system);

	if (c && terms_find(&c->codes, c->system, code) >= 0)
		return 1;
	return c && c->complete ? 0 : -1;
}

/* Of one entry of a value set: is it the code, or a system that has it? */
static int
entry_member(const TermsSource *from, const TermCode *c, const char *code)
{
	return c->code ? strcmp(c->code, code) == 0 : system_member(from, c->system, code);
}

/* Of whatever system. */
static int
code_member(const TermsSource *from, const TermSet *set, const char *code)
{
	int answer = 0;

	for (int i = 0; i < set->n && answer != 1; i++) {
		int one = entry_member(from, &set->codes[i], code);

		if (one != 0)
			answer = one;
	}
	return answer;
}

int
terms_member_of(void *source, const char *valueset, int vslen, const char *system, int slen, const char *code, int clen)
{
	const TermsSource *from = source;
	const TermSet *set;
	char *sys = system ? pnstrdup(system, slen) : NULL, *c = pnstrdup(code, clen);
	int answer = 0;

	check_cache(from);
	set = cached(from, ENTRY_VALUE_SET, pnstrdup(valueset, vslen), NULL);
	if (sys == NULL)
		answer = code_member(from, set, c);
	else if (terms_find(set, sys, c) >= 0)
		answer = 1;
	else if (terms_find(set, sys, NULL) >= 0)
		answer = system_member(from, sys, c);
	if (answer == 1)
		return set->uncertain ? -1 : 1;
	return set->unknown ? -1 : answer;
}

void
terms_init(void)
{
	RegisterXactCallback(at_xact_end, NULL);
}
