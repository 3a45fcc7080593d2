/*
 * answer_bundle.c: the searchset Bundle, written as JSON text straight from the stored documents.
 */
#include "base/base.h"

#include "utils/memutils.h"

#include "search/answer/answer.h"
#include "model/model.h"

typedef struct BundleWriter {
	SearchRequest *req;
	const char *base;
	StringInfo out;
	SearchRow *rows;
	bool first;
	char **texts; /* matches get a score by these */
	int ntexts;
} BundleWriter;

/* "Patient?name=x&" or, within a compartment, "Patient/1/Observation?": ready for more parameters. */
static void
write_query(StringInfo url, const SearchRequest *req, const char *base, bool with_cursor)
{
	bool any = false;

	if (*base) {
		appendStringInfoString(url, base);
		appendStringInfoChar(url, '/');
	}
	if (req->compartment)
		appendStringInfo(url, "%s/%s/%s", req->compartment->name, req->compartment_id,
						 req->type ? req->type->name : "*");
	else if (req->type)
		appendStringInfoString(url, req->type->name);
	for (int i = 0; i < req->npairs; i++) {
		const SearchPair *p = &req->pairs[i];

		if (!p->used || (!with_cursor && strcmp(p->name, "_cursor") == 0))
			continue;
		appendStringInfoChar(url, any ? '&' : '?');
		fhir_percent_encode(url, p->name, ":");
		appendStringInfoChar(url, '=');
		fhir_percent_encode(url, p->value, ":/,$@"); /* what RFC 3986 lets stand in a query: clients refuse other links, "|" too */
		any = true;
	}
	appendStringInfoChar(url, any ? '&' : '?');
}

static void
write_link(BundleWriter *w, const char *relation, const char *url)
{
	appendStringInfo(w->out, "%s{\"relation\":\"%s\",\"url\":", w->first ? "" : ",", relation);
	fhir_json_write_string(w->out, url, strlen(url));
	appendStringInfoChar(w->out, '}');
	w->first = false;
}

static void
write_links(BundleWriter *w, const SearchPage *page)
{
	StringInfoData url;
	int len;

	initStringInfo(&url);
	appendStringInfoString(w->out, ",\"link\":[");
	w->first = true;
	write_query(&url, w->req, w->base, true);
	url.data[url.len - 1] = '\0';
	write_link(w, "self", url.data);
	resetStringInfo(&url);
	write_query(&url, w->req, w->base, false);
	len = url.len;
	if (page && (page->has_next || page->has_previous)) {
		url.data[len - 1] = '\0';
		write_link(w, "first", url.data);
		url.data[len - 1] = strchr(url.data, '?') ? '&' : '?';
	}
	/* an empty page, when what followed has been deleted, has all before it, or behind it */
	if (page && page->has_previous && (page->nrows > 0 || !w->req->contained)) {
		appendStringInfo(&url, "_cursor=%s", search_cursor_write(w->req, page->nrows > 0 ? &page->rows[0] : NULL, true));
		write_link(w, "previous", url.data);
		url.data[url.len = len] = '\0';
	}
	if (page && page->has_next && page->nrows > 0) {
		appendStringInfo(&url, "_cursor=%s",
						 search_cursor_write(w->req, &page->rows[page->nrows - 1], false));
		write_link(w, "next", url.data);
	} else if (page && page->has_next) {
		url.data[len - 1] = '\0';
		write_link(w, "next", url.data);
	}
	appendStringInfoChar(w->out, ']');
}

static void
begin_entry(BundleWriter *w)
{
	appendStringInfoString(w->out, w->first ? ",\"entry\":[{" : ",{");
	w->first = false;
}

/* What _elements names of a resource: all that it names of its type, and of a match also what it names of no type. 0: nothing, it stays whole. */
static int
elements_of(const SearchRequest *req, const ModelType *type, bool match, const char ***names)
{
	int n = 0;

	*names = palloc((req->nelements + 1) * sizeof(char *));
	for (int i = 0; i < req->nelements; i++) {
		const SearchElement *e = &req->elements[i];

		if (e->type ? e->type == type : match)
			(*names)[n++] = e->name;
	}
	return n;
}

bool
search_shows_whole(const SearchRequest *req)
{
	return !req->nelements && req->summary != SUMMARY_TRUE && req->summary != SUMMARY_TEXT && req->summary != SUMMARY_DATA;
}

Jsonb *
search_shown(const SearchRequest *req, const SearchRow *row, Jsonb *doc)
{
	const char *name = row->contained ? fhir_json_get_string(&doc->root, "resourceType") : row->type;
	const ModelType *type = model_resource(name, strlen(name));
	const char **names;
	int n;

	if (search_shows_whole(req))
		return doc;
	n = elements_of(req, type, strcmp(row->mode, "match") == 0, &names);
	if (n > 0)
		return model_subset(type, &doc->root, SUBSET_ELEMENTS, names, n);
	if (req->summary == SUMMARY_TRUE)
		return model_subset(type, &doc->root, SUBSET_SUMMARY, NULL, 0);
	if (req->summary == SUMMARY_TEXT)
		return model_subset(type, &doc->root, SUBSET_TEXT, NULL, 0);
	if (req->summary == SUMMARY_DATA)
		return model_subset(type, &doc->root, SUBSET_DATA, NULL, 0);
	return doc;
}

static void
write_entry(int i, Jsonb *doc, void *arg)
{
	BundleWriter *w = arg;
	const SearchRow *row = &w->rows[i];
	int64 score = -1;

	/* of the whole document, whatever is shown of it */
	if (w->ntexts > 0 && doc && strcmp(row->mode, "match") == 0)
		score = search_score(&doc->root, w->texts, w->ntexts);
	begin_entry(w);
	if (*w->base) {
		appendStringInfoString(w->out, "\"fullUrl\":");
		fhir_json_write_string(w->out, w->base, strlen(w->base));
		w->out->len--; /* the closing quote */
		appendStringInfo(w->out, "/%s/%s\",", row->type, row->id);
	}
	appendStringInfoString(w->out, "\"resource\":");
	if (doc)
		doc = search_shown(w->req, row, doc);
	if (doc)
		fhir_json_write(w->out, &doc->root, -1);
	else
		appendBinaryStringInfo(w->out, row->text->data, row->text->len);
	appendStringInfo(w->out, ",\"search\":{\"mode\":\"%s\"", row->mode);
	if (score >= 0)
		appendStringInfo(w->out, ",\"score\":%.6g", score / 1e6);
	appendStringInfoString(w->out, "}}");
}

/* Whole documents go from their stored text into the Bundle, without being parsed. */
static void
write_entries(BundleWriter *w, SearchRow *rows, int n)
{
	bool whole = w->ntexts == 0 && search_shows_whole(w->req);

	w->rows = rows;
	(whole ? search_document_texts : search_documents)(w->req, rows, n, write_entry, w);
}

/* What handling=lenient left out: an OperationOutcome among the entries. */
static void
write_outcome(BundleWriter *w)
{
	FhirIssue *issues = palloc0(list_length(w->req->ignored) * sizeof(FhirIssue) + 1);
	ListCell *c;
	int n = 0;

	if (w->req->ignored == NIL)
		return;
	foreach(c, w->req->ignored)
		issues[n++] = (FhirIssue){"warning", "not-supported", psprintf("ignored: %s", (char *) lfirst(c))};
	begin_entry(w);
	appendStringInfoString(w->out, "\"resource\":");
	fhir_outcome_write(w->out, NULL, issues, n);
	appendStringInfoString(w->out, ",\"search\":{\"mode\":\"outcome\"}}");
}

static void
write_bundle(BundleWriter *w)
{
	SearchRequest *req = w->req;
	SearchPage page;
	SearchRow *included;
	int nincluded;
	bool count_only = req->summary == SUMMARY_COUNT || req->count == 0;
	char now[48];

	fhir_date_format_instant(search_now_micros(), now);
	appendStringInfo(
		w->out, "{\"resourceType\":\"Bundle\",\"meta\":{\"lastUpdated\":\"%s\"},\"type\":\"searchset\"", now);
	if (count_only) {
		if (req->total != TOTAL_NONE || req->summary == SUMMARY_COUNT)
			appendStringInfo(w->out, ",\"total\":" INT64_FORMAT,
							 search_matches_total(req, req->total == TOTAL_ESTIMATE));
		write_links(w, NULL);
		w->first = true;
		write_outcome(w);
		appendStringInfoString(w->out, w->first ? "}" : "]}");
		return;
	}
	search_matches(req, &page);
	if (req->total != TOTAL_NONE && page.whole)
		appendStringInfo(w->out, ",\"total\":%d", page.nrows);
	else if (req->total == TOTAL_ESTIMATE || req->total == TOTAL_ACCURATE)
		appendStringInfo(w->out, ",\"total\":" INT64_FORMAT, search_matches_total(req, req->total == TOTAL_ESTIMATE));
	write_links(w, &page);
	if (req->nincludes)
		search_keep_documents(req, page.rows, page.nrows);
	search_includes(req, page.rows, page.nrows, &included, &nincluded);
	w->first = true;
	if (req->contained == CONTAINED_FALSE)
		w->ntexts = search_score_texts(req, &w->texts);
	write_entries(w, page.rows, page.nrows);
	w->ntexts = 0;
	write_entries(w, included, nincluded);
	write_outcome(w);
	appendStringInfoString(w->out, w->first ? "}" : "]}");
}

typedef struct BundleQuery {
	const ModelType *compartment;
	const char *id;
	const ModelType *type;
	const char *query;
	SearchHandling handling;
	const char *base;
	StringInfo out;
} BundleQuery;

static void
answer(SearchRequest *req, void *arg)
{
	const BundleQuery *a = arg;
	BundleWriter w = {req, a->base ? a->base : "", a->out};

	req->compartment = a->compartment;
	req->compartment_id = a->id;
	search_prepare(req, a->type, a->query, a->handling, false);
	write_bundle(&w);
}

static void
bundle(const ModelType *compartment, const char *id, const ModelType *type, const char *query,
	   SearchHandling handling, const char *base, StringInfo out)
{
	BundleQuery a = {compartment, id, type, query, handling, base, out};

	search_session(answer, &a);
}

void
search_bundle(const ModelType *type, const char *query, SearchHandling handling, const char *base,
			  StringInfo out)
{
	bundle(NULL, NULL, type, query, handling, base, out);
}

void
search_compartment_bundle(const ModelType *compartment, const char *id, const ModelType *type,
						  const char *query, SearchHandling handling, const char *base, StringInfo out)
{
	bundle(compartment, id, type, query, handling, base, out);
}
