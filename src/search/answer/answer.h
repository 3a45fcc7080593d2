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

#endif
