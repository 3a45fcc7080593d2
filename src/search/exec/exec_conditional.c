/*
 * exec_conditional.c: the searches of conditional interactions, and what search offers to the families below it.
 */
#include "base/base.h"

#include "access/xact.h"
#include "utils/snapmgr.h"

#include "search/exec/exec.h"
#include "terms/terms.h"
#include "store/rows/rows.h"

typedef struct Match {
	const ModelType *type;
	const char *query;
	SearchMatch *out;
	int n, max;
} Match;

static void
find_matches(SearchRequest *req, void *arg)
{
	Match *m = arg;
	SearchPage page;

	search_prepare(req, m->type, m->query, SEARCH_STRICT, false);
	for (int i = 0; i < req->npairs; i++)
		if (req->pairs[i].control && strcmp(req->pairs[i].name, "_type") != 0)
			ereport(ERROR, errcode(FH400), errmsg("\"%s\" is no criterion", req->pairs[i].name),
					errdetail("The query of a conditional interaction has criteria only."), errhint("Leave it out."),
					fhir_issue("invalid", NULL));
	if (req->nwhere == 0)
		ereport(ERROR, errcode(FH412), errmsg("the query of a conditional interaction has no criterion"),
				errhint("Name what identifies the resource, for example identifier=system|value."),
				fhir_issue("invalid", NULL));
	req->count = m->max;
	search_page(req, &page);
	for (int i = 0; i < page.nrows; i++) {
		m->out[i].rid = page.rows[i].rid;
		strlcpy(m->out[i].id, page.rows[i].id, sizeof(m->out[i].id));
	}
	m->n = page.nrows + (page.has_next ? 1 : 0);
}

/* In a snapshot of now, whatever the isolation level: what this transaction wrote and what others committed
 * meanwhile is seen. */
int
search_match(const Caller *caller, const ModelType *type, const char *query, SearchMatch *out, int max)
{
	Match m = {type, query, out, 0, max};

	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
	search_session(find_matches, &m);
	PopActiveSnapshot();
	return m.n;
}
