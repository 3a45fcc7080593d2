/*
 * rest_write.c: create, update, patch, delete, plain and conditional, and batch/transaction.
 *
 * Checks here are those of the exchange: media type, the body's type and id against the path. All that concerns
 * the resource itself is the store's.
 */
#include "base/base.h"

#include "access/xact.h"
#include "fmgr.h"

#include "rest/rest_internal.h"

/* A replica's own error would come late and speak of SQL. */
static void
check_writable(void)
{
	if (XactReadOnly)
		ereport(ERROR, errcode(FH405), errmsg("this server can't be written to"),
				errdetail("It is a read-only replica, or the transaction is read-only."),
				errhint("Send writes to the primary."));
}

pg_noreturn static void
unsupported_media(const char *media, const char *hint)
{
	ereport(ERROR, errcode(FH415), errmsg("the media type of the body is not supported"),
			errdetail("Content-Type is \"%.200s\".", media), errhint("%s", hint));
}

/* Parameters that the write would not heed are refused: a condition that is left out makes duplicates, or changes another resource. */
static void
check_no_parameters(const RestRequest *req, const char *hint)
{
	int len = (int) strcspn(req->query, "=&");

	if (len == 0 || rest_prefer_handling(req) == SEARCH_LENIENT)
		return;
	ereport(ERROR,
			errcode(FH400),
			errmsg("unknown parameter \"%.100s\"", fhir_percent_decode(req->query, len, true)),
			errdetail("This interaction takes no parameters but _format and _pretty."),
			errhint("%s", hint),
			fhir_issue("not-supported", NULL));
}

static Jsonb *
parse_json_body(const RestRequest *req)
{
	if (req->body_len == 0)
		ereport(ERROR, errcode(FH400), errmsg("the request has no body"), errhint("Send a resource as JSON."),
				fhir_issue("required", NULL));
	return fhir_json_parse(req->body, req->body_len);
}

bool
rest_is_json_media(const char *media)
{
	return media[0] == '\0' || strcmp(media, "application/fhir+json") == 0 || strcmp(media, "application/json") == 0 ||
		   strcmp(media, "text/json") == 0 || strcmp(media, "application/json+fhir") == 0;
}

/* The body as a resource of the type `type`. */
static Jsonb *
parse_resource(const RestRequest *req, const char *type)
{
	char *media = rest_content_type(req), *name;
	Jsonb *doc;

	if (!rest_is_json_media(media)) {
		if (rest_is_content(req, media))
			return rest_binary_of_body(req);
		unsupported_media(media, "Send application/fhir+json.");
	}
	doc = parse_json_body(req);
	name = fhir_json_get_string(&doc->root, "resourceType");
	if (name == NULL)
		ereport(ERROR, errcode(FH400), errmsg("the body is no resource"),
				errdetail("It is no JSON object with a resourceType."), errhint("Send the resource itself, such as {\"resourceType\": \"Patient\"}."), fhir_issue("structure", NULL));
	if (strcmp(name, type) != 0)
		ereport(ERROR, errcode(FH400), errmsg("the body's resourceType is not that of the URL"),
				errdetail("The body is a \"%.64s\", the URL wants a \"%s\".", name, type), errhint("Send it to the URL of its own type."), fhir_issue("invalid", "resourceType"));
	return doc;
}

/* If-Match as sent. An empty one is refused: it was meant to protect, and names nothing. */
static char *
if_match(const RestRequest *req)
{
	char *value = rest_header(req, "if-match");

	if (value && value[0] == '\0')
		ereport(ERROR, errcode(FH400), errmsg("If-Match is empty"), errhint("Write it as W/\"3\"."),
				fhir_issue("value", NULL));
	return value;
}

/* What every successful write answers. */
static void
answer(RestRequest *req, RestResponse *res, const StoreResult *r, bool created)
{
	const char *done = created ? "created" : r->unchanged ? "unchanged"
														  : "updated";

	res->status = created ? 201 : 200;
	res->version = r->version;
	res->last_modified = r->last_updated;
	res->location = rest_location(req, r);
	switch (rest_prefer_return(req, RETURN_REPRESENTATION)) {
		case RETURN_MINIMAL:
			break;
		case RETURN_REPRESENTATION:
			rest_put_resource(req, res, &r->resource->root);
			break;
		case RETURN_OUTCOME: {
			FhirIssue issue = {"information", "informational",
							   psprintf("%s %s/%s, version %d", done, r->type->name, r->id, r->version)};

			rest_write_outcome(&res->body, NULL, &issue, 1, req->pretty);
		}
	}
}

/* Criteria of If-None-Exist: "identifier=..." with or without "?" or "Type?" or the whole URL before it. */
static const char *
if_none_exist(RestRequest *req)
{
	const char *value = rest_header(req, "if-none-exist");

	if (value == NULL)
		return NULL;
	value = interaction_condition_query(req->type, value);
	value = rest_take_parameters(req, value, (int) strlen(value));
	if (value[0] == '\0')
		ereport(ERROR, errcode(FH400), errmsg("If-None-Exist has no criteria"),
				errhint("For example identifier=system|value."), fhir_issue("required", NULL));
	return value;
}

static const char no_condition[] = "Name the resource by its id, or, without an id in the path, by criteria.";

void
rest_create(RestRequest *req, RestResponse *res)
{
	StoreResult r;
	Jsonb *doc;

	check_writable();
	check_no_parameters(req, "To create on a condition, send its criteria in the header If-None-Exist.");
	doc = parse_resource(req, req->type->name);
	interaction_create(&req->caller, doc, if_none_exist(req), &r);
	answer(req, res, &r, r.created);
}

void
rest_update(RestRequest *req, RestResponse *res)
{
	StoreResult r;
	Jsonb *doc;
	char *id;

	check_writable();
	check_no_parameters(req, no_condition);
	doc = parse_resource(req, req->type->name);
	id = fhir_json_get_string(&doc->root, "id");
	if (id == NULL || strcmp(id, req->id) != 0)
		ereport(ERROR, errcode(FH400), errmsg("the body's id is not that of the URL"),
				id ? errdetail("The body has \"%.100s\", the URL \"%s\".", id, req->id)
				   : errdetail("The body has none, the URL \"%s\".", req->id),
				errhint("Put the id of the URL into the resource, or create it by POST without one."),
				fhir_issue("invalid", psprintf("%s.id", req->type->name)));
	interaction_update(&req->caller, doc, if_match(req), rest_header(req, "if-none-match"), &r);
	answer(req, res, &r, r.created);
}

static const char *
criteria(const RestRequest *req)
{
	if (req->query[0] == '\0')
		ereport(ERROR, errcode(FH400), errmsg("criteria are required"),
				errdetail("Without an id in the path, the URL's parameters must tell which %s is meant.", req->type->name),
				errhint("For example %s?identifier=system|value.", req->type->name), fhir_issue("required", NULL));
	return req->query;
}

void
rest_update_conditional(RestRequest *req, RestResponse *res)
{
	const char *query = criteria(req);
	StoreResult r;

	check_writable();
	interaction_update_conditional(&req->caller, parse_resource(req, req->type->name), query, if_match(req), rest_header(req, "if-none-match"), &r);
	answer(req, res, &r, r.created);
}

/* JSON Patch is an array, FHIRPath Patch a Parameters resource; the media type has to agree. */
static Jsonb *
parse_patch(const RestRequest *req)
{
	static const char hint[] =
		"Send application/json-patch+json, or application/fhir+json with a Parameters resource (FHIRPath Patch).";
	char *media = rest_content_type(req);
	bool json_patch = strcmp(media, "application/json-patch+json") == 0;
	Jsonb *patch;
	char *type;

	if (!json_patch && !rest_is_json_media(media))
		unsupported_media(media, hint);
	patch = parse_json_body(req);
	type = fhir_json_get_string(&patch->root, "resourceType");
	if (JB_ROOT_IS_ARRAY(patch) && !JB_ROOT_IS_SCALAR(patch) && (json_patch || strcmp(media, "application/fhir+json") != 0))
		return patch;
	if (!json_patch && type && strcmp(type, "Parameters") == 0)
		return patch;
	ereport(ERROR, errcode(FH400), errmsg("the body is no patch"),
			errdetail(json_patch ? "A JSON Patch is an array of operations."
								 : "A FHIRPath Patch is a resource of type Parameters."),
			errhint("%s", hint), fhir_issue("structure", NULL));
}

void
rest_patch(RestRequest *req, RestResponse *res)
{
	StoreResult r;

	check_writable();
	check_no_parameters(req, no_condition);
	interaction_patch(&req->caller, req->type, req->id, parse_patch(req), if_match(req), &r);
	answer(req, res, &r, false);
}

void
rest_patch_conditional(RestRequest *req, RestResponse *res)
{
	const char *query = criteria(req);
	StoreResult r;

	check_writable();
	interaction_patch_conditional(&req->caller, req->type, query, parse_patch(req), if_match(req), &r);
	answer(req, res, &r, false);
}

static void
answer_delete(RestRequest *req, RestResponse *res, const StoreResult *r, const char *what)
{
	FhirIssue issue = {"information", "informational", psprintf("deleted %s", what)};

	if (r->version > 0) {
		res->version = r->version;
		res->last_modified = r->last_updated;
	}
	if (rest_prefer_return(req, RETURN_REPRESENTATION) != RETURN_OUTCOME) {
		res->status = 204;
		return;
	}
	res->status = 200;
	rest_write_outcome(&res->body, NULL, &issue, 1, req->pretty);
}

void
rest_delete(RestRequest *req, RestResponse *res)
{
	StoreResult r;

	check_writable();
	check_no_parameters(req, no_condition);
	interaction_delete(&req->caller, req->type, req->id, if_match(req), &r);
	answer_delete(req, res, &r, psprintf("%s/%s", req->type->name, req->id));
}

void
rest_delete_conditional(RestRequest *req, RestResponse *res)
{
	const char *query = criteria(req);
	StoreResult r;

	check_writable();
	interaction_delete_conditional(&req->caller, req->type, query, if_match(req), &r);
	answer_delete(req, res, &r, r.id[0] ? psprintf("%s/%s", req->type->name, r.id) : "nothing: there was no match");
}

/*
 * A batch of reads is answered by a replica, too: the store refuses entries that write. The preference is for every entry that
 * writes (R4 3.1.0.1.8); without one a Bundle's answer has no resources but those that were asked for.
 */
void
rest_bundle(RestRequest *req, RestResponse *res)
{
	RestReturn prefer = rest_prefer_return(req, RETURN_MINIMAL);
	Jsonb *response;

	check_no_parameters(req, "Put what is asked for into the Bundle's entries.");
	response = interaction_bundle(&req->caller, parse_resource(req, "Bundle"), prefer == RETURN_REPRESENTATION ? INTERACTION_RETURN_RESOURCE : prefer == RETURN_OUTCOME ? INTERACTION_RETURN_OUTCOME
																																										: INTERACTION_RETURN_MINIMAL,
								  rest_batch_get);

	res->status = 200;
	fhir_json_write(&res->body, &response->root, req->pretty ? 0 : -1);
}

PG_FUNCTION_INFO_V1(fhir_transaction);
PGDLLEXPORT Datum fhir_transaction(PG_FUNCTION_ARGS);

Datum
fhir_transaction(PG_FUNCTION_ARGS)
{
	Caller caller = caller_session();

	PG_RETURN_JSONB_P(interaction_bundle(&caller, PG_GETARG_JSONB_P(0), INTERACTION_RETURN_MINIMAL, rest_batch_get));
}
