/*
 * answer.h: rows to a Bundle.
 */
#ifndef FHIR_SEARCH_ANSWER_H
#define FHIR_SEARCH_ANSWER_H

#include "search/exec/exec.h"

/* ---- answer_bundle.c ---- */
/* Do _summary and _elements leave out nothing? */
extern bool search_shows_whole(const SearchRequest *req);
/* What they leave of a row's document; doc itself where they leave all. */
extern Jsonb *search_shown(const SearchRequest *req, const SearchRow *row, Jsonb *doc);

/* ---- answer_include.c ---- */
extern void search_includes(SearchRequest *req, SearchRow *matches, int nmatches, SearchRow **out, int *nout);
/* Lowest or highest text at a place, into *best (NULL: none yet). */
extern void search_texts(const KeyLeg *leg, JsonbContainer *doc, bool highest, char **best);
/* Texts that are strings at a place: urls, canonicals. */
extern void search_plain_texts(const KeySource *source, JsonbContainer *doc,
							   void (*fn)(const char *text, int len, void *arg), void *arg);
/* References held by `source` in doc, as "Type/id" of this store. version: of "Type/id/_history/version"; 0: none
 * is named; -1: not one that can be. */
typedef void (*SearchRefFn)(const char *type, int tlen, const char *id, int ilen, int32 version, void *arg);
/* The resources that stand in a place themselves (KeySource.resources). */
extern void search_resources_inside(const KeySource *source, JsonbContainer *doc,
									void (*fn)(const JsonbValue *resource, void *arg), void *arg);
/* Literal references at a place, whatever they lead to. */
extern void search_plain_references(const KeySource *source, JsonbContainer *doc,
									void (*fn)(const char *ref, int len, void *arg), void *arg);
extern void search_local_reference(const char *ref, int len, const ModelTypeId *targets, SearchRefFn fn,
								   void *arg);
extern void search_references(const KeySource *source, const ModelTypeId *targets, JsonbContainer *doc,
							  SearchRefFn fn, void *arg);

#endif
