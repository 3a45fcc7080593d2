/*
 * plan_text.c: words of _text and _content: looked up in the dictionary, found in side rows.
 */
#include "base/base.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "search/exec/exec.h"
#include "store/rows/rows.h"
#include "search/plan/plan_internal.h"

/* ---- a word in the dictionary ---- */

static char *
contains_pattern(const char *text)
{
	StringInfoData b;

	initStringInfo(&b);
	appendStringInfoChar(&b, '%');
	for (; *text; text++) {
		if (strchr("%_\\", *text) != NULL)
			appendStringInfoChar(&b, '\\');
		appendStringInfoChar(&b, *text);
	}
	appendStringInfoChar(&b, '%');
	return b.data;
}

static int
compare_groups(const void *a, const void *b)
{
	const KeyWordGroup *x = a, *y = b;

	return x->key < y->key ? -1 : x->key > y->key;
}

static int
all_groups(const Crit *c, KeyWordGroup **out)
{
	int n = 0, max = 64;
	KeyWordGroup *all = palloc(max * sizeof(KeyWordGroup));

	for (int i = 0; i < c->ntypes; i++) {
		KeyWordGroup *of_type;
		int k = keys_word_groups(c->types[i], &of_type);

		if (n + k > max)
			all = repalloc(all, (max = (n + k) * 2) * sizeof(KeyWordGroup));
		memcpy(all + n, of_type, k * sizeof(KeyWordGroup));
		n += k;
	}
	qsort(all, n, sizeof(KeyWordGroup), compare_groups);
	*out = all;
	return n;
}

typedef struct Terms {
	const char *word;
	KeyWordGroup *groups; /* sorted */
	int ngroups;
	Crit *keys;
	uint64 *with, *others; /* ordered keys of units with texts that hold the word, and with others */
	int nwith, nothers;
} Terms;

static void
add_unit(Terms *t, const KeySource *source, char *text)
{
	char *after = strchr(text, '\n');
	uint64 key;

	if (after == NULL)
		return;
	*after++ = '\0';
	key = keys_unit_text_key(source, after, strlen(after));
	if (keys_has_word(text, t->word))
		t->with[t->nwith++] = key;
	else
		t->others[t->nothers++] = key;
}

/* Rows of the dictionary under `keys`, those that hold the word or all; true if there are units among them. */
static bool
read_terms(SearchRequest *req, Terms *t, int64 *keys, int nkeys, bool all, const char *what)
{
	bool units = false, null;
	SqlText s;

	sql_init(&s);
	appendStringInfo(&s.sql, "SELECT t.key, t.hash, t.value FROM %s.term t WHERE t.key" OP("=") "ANY (", store_schema());
	sql_param(&s, INT8ARRAYOID, sql_int8_array(keys, nkeys));
	appendStringInfoChar(&s.sql, ')');
	if (!all) {
		appendStringInfoString(&s.sql, " AND t.value" OP("~~"));
		sql_param(&s, TEXTOID, CStringGetTextDatum(contains_pattern(t->word)));
	}
	search_run(req, &s, what);
	t->with = MemoryContextAllocHuge(CurrentMemoryContext, (SPI_processed + 1) * sizeof(uint64));
	t->others = MemoryContextAllocHuge(CurrentMemoryContext, (SPI_processed + 1) * sizeof(uint64));
	for (uint64 i = 0; i < SPI_processed; i++) {
		HeapTuple row = SPI_tuptable->vals[i];
		TupleDesc desc = SPI_tuptable->tupdesc;
		KeyWordGroup wanted = {.key = (uint64) DatumGetInt64(SPI_getbinval(row, desc, 1, &null))};
		const KeyWordGroup *g = bsearch(&wanted, t->groups, t->ngroups, sizeof(KeyWordGroup), compare_groups);
		char *value = TextDatumGetCString(SPI_getbinval(row, desc, 3, &null));

		if (g->units && all)
			add_unit(t, g->source, value);
		else if (g->units)
			units = true;
		else if (keys_has_word(value, t->word))
			crit_add_key(t->keys, (uint64) DatumGetInt64(SPI_getbinval(row, desc, 2, &null)));
		pfree(value);
	}
	SPI_freetuptable(SPI_tuptable);
	return units;
}

/* The ordered rows of units that hold the word: exact where all texts of a key do. */
static Crit *
units_criterion(const Terms *t, const char *code)
{
	Crit *sure = crit_new(CRIT_ORDERED), *perhaps = crit_new(CRIT_ORDERED), *out = NULL;

	for (int i = 0; i < t->nwith; i++) {
		bool other = false;

		for (int k = 0; k < t->nothers && !other; k++)
			other = t->others[k] == t->with[i];
		crit_add_box(other ? perhaps : sure, t->with[i], PG_INT64_MIN, PG_INT64_MAX, PG_INT64_MIN, PG_INT64_MAX);
	}
	if (sure->nboxes)
		out = sure;
	if (perhaps->nboxes)
		out = crit_join(CRIT_OR, out, crit_join(CRIT_AND, perhaps, search_text_on_document(code, t->word)));
	return out;
}

/* What of the dictionary answers the word; NULL: nothing. */
static Crit *
look_up_terms(SearchRequest *req, const Crit *c)
{
	Terms t = {c->values[0]};
	int64 *keys;
	int nunits = 0;

	t.ngroups = all_groups(c, &t.groups);
	t.keys = crit_new(CRIT_KEYS);
	keys = palloc((t.ngroups + 1) * sizeof(int64));
	for (int i = 0; i < t.ngroups; i++)
		keys[i] = (int64) t.groups[i].key;
	if (read_terms(req, &t, keys, t.ngroups, false, "criterion: texts and codes of the dictionary that hold the word")) {
		for (int i = 0; i < t.ngroups; i++)
			if (t.groups[i].units)
				keys[nunits++] = (int64) t.groups[i].key;
		read_terms(req, &t, keys, nunits, true, "criterion: units, with all their spellings");
	}
	return crit_join(CRIT_OR, t.keys->nkeys ? t.keys : NULL, units_criterion(&t, c->code));
}

/* ---- a word in side rows ---- */

/* A tsquery in its text form. Words are letters and digits only: nothing needs to be escaped. */
static char *
word_query(const Crit *c)
{
	StringInfoData b;
	char tag[KEYS_WORD_TAG];

	initStringInfo(&b);
	for (int i = 0; i < c->ntypes; i++)
		for (int narrative = 0; narrative < 2; narrative++) {
			if (!narrative && strcmp(c->code, "_text") == 0)
				continue;
			keys_word_tag(c->types[i], narrative, tag);
			appendStringInfo(&b, "%s'%.*s%s':*", b.len ? " | " : "", KEYS_WORD_TAG, tag, c->values[1]);
		}
	return b.data;
}

/* Is a match in the side rows sure? Not if the word was cut, or consists of more than letters and digits. */
static bool
exact(const Crit *c)
{
	return strcmp(c->values[0], c->values[1]) == 0 && strlen(c->values[1]) < KEYS_WORD_MAX - 3;
}

/* A word -> what it may be found by. Its side rows are left to search_run_side. */
void
search_run_word(SearchRequest *req, Crit *c)
{
	Crit *any = crit_new(CRIT_SIDE);
	const char *label = c->label;

	any->code = c->code;
	crit_add_value(any, word_query(c));
	if (!exact(c))
		any = crit_join(CRIT_AND, any, search_text_on_document(c->code, c->values[0]));
	if (strcmp(c->code, "_content") == 0)
		any = crit_join(CRIT_OR, look_up_terms(req, c), any);
	*c = *any;
	c->label = label;
}

void
sql_side(SqlText *s, const char *alias, const Crit *c)
{
	/* a count and no EXISTS, which the planner might make a join of: it is probed of the few rows that are left */
	appendStringInfo(&s->sql,
					 "(SELECT pg_catalog.count(*) FROM %s.word w WHERE w.rid" OP("=") "%s.rid AND w.words" OP("@@"),
					 store_schema(), alias);
	sql_param(s, TSQUERYOID, DirectFunctionCall1(tsqueryin, CStringGetDatum(c->values[0])));
	appendStringInfoString(&s->sql, ")" OP(">") "0");
}

/* Resources that have one of the words in a side row, if they are few. */
bool
search_run_side(SearchRequest *req, Crit *c, int few)
{
	SqlText s;

	sql_init(&s);
	s.in_order = true; /* by the index: how many rows have a word that begins so is not known */
	appendStringInfo(&s.sql, "SELECT w.rid FROM %s.word w WHERE w.words" OP("@@"), store_schema());
	sql_param(&s, TSQUERYOID, DirectFunctionCall1(tsqueryin, CStringGetDatum(c->values[0])));
	appendStringInfo(&s.sql, " LIMIT %d", few + 1);
	search_run(req, &s, "criterion: side rows with the word, as far as they are few");
	if (SPI_processed <= few)
		return true;
	SPI_freetuptable(SPI_tuptable);
	return false;
}
