/*
 * terms_set.c: sets of codes: an array in order of addition, and a hash table of positions with linear
 * probing.
 */
#include "base/base.h"

#include "terms/terms_internal.h"

static uint64
hash_code(const char *system, const char *code)
{
	uint64 h = fhir_hash(system, strlen(system), 0);

	return code ? fhir_hash(code, strlen(code), h) : h;
}

static bool
same(const TermCode *c, const char *system, const char *code)
{
	if (c->code == NULL || code == NULL)
		return c->code == code && strcmp(c->system, system) == 0;
	return strcmp(c->code, code) == 0 && strcmp(c->system, system) == 0;
}

/* The slot that holds the code, or the free one where it belongs. */
static int
slot_of(const TermSet *set, const char *system, const char *code)
{
	int at = hash_code(system, code) & (set->nslots - 1);

	while (set->slots[at] && !same(&set->codes[set->slots[at] - 1], system, code))
		at = (at + 1) & (set->nslots - 1);
	return at;
}

int
terms_find(const TermSet *set, const char *system, const char *code)
{
	return set->n ? set->slots[slot_of(set, system, code)] - 1 : -1;
}

static void
grow(TermSet *set)
{
	set->max = set->max ? set->max * 2 : 64;
	set->codes = set->codes ? repalloc_huge(set->codes, set->max * sizeof(TermCode))
							: palloc(set->max * sizeof(TermCode));
	set->nslots = set->max * 2;
	set->slots = MemoryContextAllocHuge(CurrentMemoryContext, set->nslots * sizeof(int));
	memset(set->slots, 0, set->nslots * sizeof(int));
	for (int i = 0; i < set->n; i++)
		set->slots[slot_of(set, set->codes[i].system, set->codes[i].code)] = i + 1;
}

int
terms_put(TermSet *set, const char *system, const char *code)
{
	int at;

	if (set->n == set->max)
		grow(set);
	at = slot_of(set, system, code);
	if (set->slots[at] == 0) {
		set->codes[set->n++] = (TermCode){system, code};
		set->slots[at] = set->n;
	}
	return set->slots[at] - 1;
}

void
terms_add(TermSet *set, const char *system, const char *code)
{
	terms_put(set, system, code);
	if (set->n > fhir_max_value_set_codes)
		ereport(ERROR, errcode(FH400), errmsg("the value set has too many codes"),
				errdetail("More than fhir.max_value_set_codes, which is %d; the last is of \"%.200s\".",
						  fhir_max_value_set_codes, system),
				errhint("Raise the setting, or ask for a smaller value set."),
				fhir_issue("too-costly", NULL));
}

bool
terms_covers(const TermSet *set, const char *system, const char *code)
{
	return terms_find(set, system, NULL) >= 0 || (code && terms_find(set, system, code) >= 0);
}

void
terms_lacks(TermSet *set, const char *fmt, ...)
{
	StringInfoData s;
	int more;

	if (set->unknown)
		return;
	initStringInfo(&s);
	do {
		va_list args;

		va_start(args, fmt);
		more = appendStringInfoVA(&s, fmt, args);
		va_end(args);
		if (more)
			enlargeStringInfo(&s, more);
	} while (more);
	set->unknown = s.data;
}
