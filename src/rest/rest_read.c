/*
 * rest_read.c: read, vread, history, and entries of Bundles that read. Nothing here writes.
 */
#include "base/base.h"

#include "rest/rest_internal.h"
#include "model/model.h"

/* What _summary and _elements of a read leave of doc; doc itself without them. */
static JsonbContainer *
subset(const RestRequest *req, JsonbContainer *doc)
{
	static const struct {
		const char *code;
		ModelSubset what;
	} codes[] = {{"true", SUBSET_SUMMARY}, {"text", SUBSET_TEXT}, {"data", SUBSET_DATA}};
	const char *names[64];
	int n = 0;

	if (req->summary && strcmp(req->summary, "false") != 0) {
		for (int i = 0; i < lengthof(codes); i++)
			if (strcmp(req->summary, codes[i].code) == 0)
				return &model_subset(req->type, doc, codes[i].what, NULL, 0)->root;
		ereport(ERROR, errcode(FH400), errmsg("invalid _summary"), errdetail("It is \"%.100s\".", req->summary),
				errhint("A read takes true, text, data or false."), fhir_issue("value", NULL));
	}
	if (req->elements == NULL)
		return doc;
	for (char *name = strtok(pstrdup(req->elements), ","); name && n < lengthof(names); name = strtok(NULL, ","))
		names[n++] = name;
	return &model_subset(req->type, doc, SUBSET_ELEMENTS, names, n)->root;
}

void
rest_put_resource(const RestRequest *req, RestResponse *res, JsonbContainer *doc)
{
	if (rest_wants_content(req)) {
		rest_put_content(req, res, doc);
		return;
	}
	if (req->summary || req->elements)
		doc = subset(req, doc);
	fhir_json_write(&res->body, doc, req->pretty ? 0 : -1);
}

char *
rest_location(const RestRequest *req, const StoreResult *r)
{
	return psprintf("%s%s%s/%s/_history/%d", req->caller.base, req->caller.base[0] ? "/" : "", r->type->name, r->id, r->version);
}

static void
set_version(RestResponse *res, const StoreResult *r)
{
	res->version = r->version;
	res->last_modified = r->last_updated;
}

pg_noreturn static void
not_found(const RestRequest *req)
{
	ereport(ERROR, errcode(FH404), errmsg("the resource is not known"),
			errdetail("There is no %s/%s%s%s.", req->type->name, req->id, req->version ? "/_history/" : "",
					  req->version ? req->version : ""),
			errhint("Search for it by other criteria; a history lists the versions that there are."));
}

pg_noreturn static void
gone(const RestRequest *req, const StoreResult *r)
{
	ereport(ERROR, errcode(FH410), errmsg("the resource is deleted"),
			errdetail("%s/%s was deleted by version %d.", req->type->name, req->id, r->version),
			errhint("Earlier versions are in its history."));
}

void
rest_read_current(const RestRequest *req, RestResponse *res, StoreResult *out)
{
	if (!interaction_read(&req->caller, req->type, req->id, out))
		not_found(req);
	set_version(res, out);
	if (out->deleted)
		gone(req, out);
}

static void
answer(RestRequest *req, RestResponse *res, const StoreResult *r)
{
	if (rest_not_modified(req, r->version, r->last_updated)) {
		res->status = 304;
		return;
	}
	res->status = 200;
	rest_put_resource(req, res, &r->resource->root);
}

/* A whole resource goes from its stored text into the body, without being parsed. */
static void
answer_whole(RestRequest *req, RestResponse *res)
{
	int start = res->body.len;
	StoreResult r;

	if (!interaction_read_text(&req->caller, req->type, req->id, &r, &res->body))
		not_found(req);
	set_version(res, &r);
	if (r.deleted)
		gone(req, &r);
	res->status = 200;
	if (rest_not_modified(req, r.version, r.last_updated)) {
		res->status = 304;
		res->body.len = start;
	}
}

void
rest_read(RestRequest *req, RestResponse *res)
{
	StoreResult r;

	if (!req->summary && !req->elements && !req->pretty && !rest_wants_content(req)) {
		answer_whole(req, res);
		return;
	}
	rest_read_current(req, res, &r);
	answer(req, res, &r);
}

void
rest_vread(RestRequest *req, RestResponse *res)
{
	StoreResult r;

	if (!interaction_vread(&req->caller, req->type, req->id, store_version_number(req->version), &r))
		not_found(req);
	set_version(res, &r);
	if (r.deleted)
		gone(req, &r);
	answer(req, res, &r);
}

void
rest_history(RestRequest *req, RestResponse *res)
{
	Jsonb *bundle = interaction_history(&req->caller, req->type, req->id, req->query, rest_prefer_handling(req) == SEARCH_LENIENT);

	res->status = 200;
	fhir_json_write(&res->body, &bundle->root, req->pretty ? 0 : -1);
}

#define FORM_HEADERS "{\"content-type\": \"application/x-www-form-urlencoded\"}"

Jsonb *
rest_batch_get(const Caller *caller, const BundleGet *get, StoreResult *meta)
{
	RestRequest req = {.method = REST_GET, .caller = *caller};
	RestResponse res = {0};

	memset(meta, 0, sizeof(*meta));
	if (get->form) {
		req.method = REST_POST;
		req.headers = &fhir_json_parse_own(FORM_HEADERS, (int) strlen(FORM_HEADERS))->root;
		req.body = get->form;
		req.body_len = strlen(get->form);
	}
	rest_parse_url(&req, get->url, (int) strlen(get->url));
	rest_check_accept(&req);
	if (req.shape == SHAPE_INSTANCE && !req.summary && !req.elements) {
		rest_read_current(&req, &res, meta);
		return rest_entry_not_modified(get, meta->version, meta->last_updated) ? NULL : meta->resource;
	}
	initStringInfo(&res.body);
	rest_dispatch(&req, &res);
	meta->version = res.version;
	meta->last_updated = res.last_modified;
	if (res.version > 0 && rest_entry_not_modified(get, res.version, res.last_modified))
		return NULL;
	return fhir_json_parse_own(res.body.data, res.body.len);
}
