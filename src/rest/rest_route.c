/*
 * rest_route.c: the one table of what is served: shape of path x method -> handler, with the interaction's FHIR code.
 *
 * Allow headers and the CapabilityStatement's interactions are read from it, so they can't disagree with it.
 */
#include "base/base.h"

#include "rest/rest_internal.h"

typedef struct Route {
	RestShape shape;
	int methods; /* set of RestMethod */
	RestHandler handler;
	const char *interaction; /* code in CapabilityStatement.rest..interaction, NULL: not listed there */
	const char *more;		 /* a second code of the same route */
} Route;

#define READING (REST_GET | REST_HEAD)

static const Route routes[] = {
	{SHAPE_INSTANCE, READING, rest_read, "read"},
	{SHAPE_VERSION, READING, rest_vread, "vread"},
	{SHAPE_INSTANCE, REST_PUT, rest_update, "update"},
	{SHAPE_INSTANCE, REST_PATCH, rest_patch, "patch"},
	{SHAPE_INSTANCE, REST_DELETE, rest_delete, "delete"},
	{SHAPE_INSTANCE_HISTORY, READING, rest_history, "history-instance"},
	{SHAPE_TYPE_HISTORY, READING, rest_history, "history-type"},
	{SHAPE_TYPE, REST_POST, rest_create, "create"},
	{SHAPE_TYPE, READING, rest_search, "search-type"},
	{SHAPE_TYPE, REST_PUT, rest_update_conditional, NULL},
	{SHAPE_TYPE, REST_PATCH, rest_patch_conditional, NULL},
	{SHAPE_TYPE, REST_DELETE, rest_delete_conditional, NULL},
	{SHAPE_TYPE_SEARCH, REST_POST, rest_search_post, NULL},
	{SHAPE_COMPARTMENT, READING, rest_search, NULL},
	{SHAPE_COMPARTMENT_SEARCH, REST_POST, rest_search_post, NULL},
	{SHAPE_SYSTEM, REST_POST, rest_bundle, "transaction", "batch"},
	{SHAPE_SYSTEM, READING, rest_search, "search-system"},
	{SHAPE_SYSTEM_SEARCH, REST_POST, rest_search_post, NULL},
	{SHAPE_SYSTEM_HISTORY, READING, rest_history, "history-system"},
	{SHAPE_METADATA, READING, rest_capabilities, NULL},
};

static bool
is_system(RestShape shape)
{
	return shape == SHAPE_SYSTEM || shape == SHAPE_SYSTEM_HISTORY;
}

static char *
allowed_methods(RestShape shape)
{
	static const char *const names[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"};
	StringInfoData s;
	int methods = 0;

	for (int i = 0; i < lengthof(routes); i++)
		if (routes[i].shape == shape)
			methods |= routes[i].methods;
	initStringInfo(&s);
	for (int i = 0; i < lengthof(names); i++)
		if (methods & (1 << i))
			appendStringInfo(&s, "%s%s", s.len ? ", " : "", names[i]);
	return s.data;
}

void
rest_dispatch(RestRequest *req, RestResponse *res)
{
	for (int i = 0; i < lengthof(routes); i++)
		if (routes[i].shape == req->shape && (routes[i].methods & req->method)) {
			if (!rest_wants_content(req))
				rest_check_accept(req);
			routes[i].handler(req, res);
			return;
		}
	res->allow = allowed_methods(req->shape);
	ereport(ERROR, errcode(FH405), errmsg("the method is not allowed here"), errdetail("Allowed are: %s.", res->allow),
			errhint("GET /metadata tells what this server answers."));
}

void
rest_interactions(bool system, void (*fn)(const char *code, void *arg), void *arg)
{
	for (int i = 0; i < lengthof(routes); i++) {
		if (routes[i].interaction == NULL || is_system(routes[i].shape) != system)
			continue;
		fn(routes[i].interaction, arg);
		if (routes[i].more)
			fn(routes[i].more, arg);
	}
}
