/*
 * query_internal.h: between the files of this folder.
 */
#ifndef FHIR_SEARCH_QUERY_INTERNAL_H
#define FHIR_SEARCH_QUERY_INTERNAL_H

#include "search/query/query.h"

/* In PG_CATCH under handling=lenient: notes an FH400 as ignored, re-throws anything else. */
extern void search_ignore(SearchRequest *req, MemoryContext cxt);
/* A hint with the name of a resource type, NULL if none is near. */
extern const char *search_nearest_type(const char *name);
/* One criterion on resources of `types`. */
extern Crit *search_resolve_criterion(SearchRequest *req, const ModelType *const *types, int ntypes,
									  const char *name, const char *value, int depth);
/* Where all types are searched: refuses a parameter that only some have. */
extern void search_require_for_all(const SearchRequest *req, const char *code);
/* Raises FH503 while the store's keys are made anew. */
extern void search_require_keys(void);
pg_noreturn extern void search_unknown_param(const ModelType *t, const char *code);
extern void search_note_user_param(void);
/* rest: of _has:rest */
extern Crit *search_has(SearchRequest *req, const ModelType *const *types, int ntypes, const char *rest,
						const char *value, int depth);
/* Adds to a chain (NULL: a new one) that p leads to a resource of that type which satisfies arg. */
extern Crit *search_chain_link(Crit *c, const KeyParam *p, const ModelType *target, Crit *arg);
/* The types that reference parameter p may lead to, of that name if one is given. Returns how many. */
extern int search_chain_targets(const KeyParam *p, const char *type_name, const ModelType ***out);
extern bool search_reference_allows(const KeyParam *p, const ModelType *t);
/* Does type t know the first part of a name? */
extern bool search_knows(const ModelType *t, const char *name);
extern Crit *crit_not(Crit *a);
extern void crit_add_arg(Crit *c, Crit *arg);
/* FH400 if n values are more than fhir.max_search_values. */
extern void search_limit_values(const char *code, int n);
/* The values of one parameter of one type: an OR. :missing and the negation of :not are the caller's. */
extern Crit *search_values(const KeyParam *p, const char *modifier, const char *value);
extern Crit *search_updated_values(const char *code, const char *value);
pg_noreturn extern void search_bad_value(const char *code, const char *value, const char *why, const char *hint);
pg_noreturn extern void search_bad_modifier(const char *code, const char *modifier, const char *allowed);
/* A value without prefix, of a composite's part or of _filter. */
extern Crit *search_one_value(const KeyParam *p, const KeyLeg *leg, const char *modifier, const char *value);
/* Cuts a prefix off *value. */
extern SearchPrefix search_prefix(const char **value);
extern void search_date_boxes(Crit *c, const char *code, uint64 key, const char *value);
extern void search_number_boxes(Crit *c, const char *code, uint64 key, const char *value);
/* value: [prefix]number[|system|code]; source: whose keys, composite: 0 or the token hash of a composite.
 * True: needs a recheck. */
extern int search_units(const KeySource *source, const uint64 *token, KeyUnit **units);
extern bool search_quantity_boxes(Crit *c, const char *code, const KeySource *source,
								  const uint64 *composite_hash, const char *value);
/* ---- query_composite.c ---- */
extern Crit *search_composite(const KeyParam *p, const KeyLeg *leg, const char *value);
/* ---- query_terminology.c ---- */
extern Crit *search_in_value_set(const KeyParam *p, const KeyLeg *leg, const char *url);
extern Crit *search_code_hierarchy(const KeyParam *p, const KeyLeg *leg, const char *value, bool below);
/* :below and :above of a reference "id" or "Type/id"; NULL where there is no hierarchy to follow. */
extern Crit *search_reference_hierarchy(const KeyParam *p, const KeyLeg *leg, const char *ref, bool below);
extern Crit *search_near(const KeyParam *p, const KeyLeg *leg, const char *value);
extern Crit *search_text_criterion(const ModelType *const *types, int ntypes, const char *code,
								   const char *value);
/* Every word of a text: a superset for other searches of texts. NULL: there is no word in it. */
extern Crit *search_text_words(const ModelType *const *types, int ntypes, const char *code, const char *text);
/* A comparison of _filter with the values of a parameter. */
extern Crit *search_filter_values(const KeyParam *p, const char *op, const char *value);
/* ... ew value, for what is decided on the document anyway: a superset. */
extern Crit *search_filter_suffix(const KeyParam *p, const char *value);
/* text: [filter].path op value, on the elements at the place of a parameter (match_filter.c). */
extern Crit *search_filter_elements(const KeyParam *p, const char *text);
/* What the same implies that an index knows: a superset; CRIT_TRUE: nothing. The text has been checked. */
extern Crit *search_filter_implied(const KeyParam *p, const char *text);
/* ---- query_filter.c ---- */
extern Crit *search_filter(SearchRequest *req, const ModelType *const *types, int ntypes, const char *text);
extern void search_resolve_sort(SearchRequest *req, const char *value);

#endif
