/*
 * rest_request.c: from method and URL to what is asked: path segments to a shape, parameters to criteria and options.
 *
 * Everything a client may write here is checked once: percent-encoding, UTF-8, U+0000, ids. Behind this file,
 * criteria are still encoded text, but known to decode well.
 */
#include "base/base.h"

#include "rest/rest_internal.h"

/* ---- methods ---- */

static const struct {
	const char *name;
	RestMethod method;
} methods[] = {{"GET", REST_GET}, {"HEAD", REST_HEAD}, {"POST", REST_POST}, {"PUT", REST_PUT}, {"PATCH", REST_PATCH}, {"DELETE", REST_DELETE}};

RestMethod
rest_method(const char *name, int len)
{
	for (int i = 0; i < lengthof(methods); i++)
		if (strlen(methods[i].name) == len && pg_strncasecmp(methods[i].name, name, len) == 0)
			return methods[i].method;
	return REST_OTHER;
}

bool
rest_valid_id(const char *s, size_t len)
{
	if (len == 0 || len > FHIR_ID_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = s[i];

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || c == '-' || c == '.'))
			return false;
	}
	return true;
}

/* ---- parameters ---- */

static bool
takes(const char *name, const char *wanted, char **slot, const char *value, int len)
{
	if (strcmp(name, wanted) != 0)
		return false;
	*slot = fhir_percent_decode(value, len, true);
	return true;
}

/* Do the links of the answer lead to what was asked for in the same form? */
static bool
has_links(const RestRequest *req)
{
	switch (req->shape) {
		case SHAPE_INSTANCE:
		case SHAPE_VERSION:
		case SHAPE_METADATA:
			return false;
		case SHAPE_SYSTEM_SEARCH:
		case SHAPE_TYPE_SEARCH:
		case SHAPE_COMPARTMENT_SEARCH:
			return true;
		default:
			return (req->method & (REST_GET | REST_HEAD)) != 0;
	}
}

/* True if the parameter is an option of the exchange and no criterion, nor part of a link; stores its value. */
static bool
take_option(RestRequest *req, const char *name, const char *value, int len)
{
	char *pretty = NULL;
	bool instance = req->shape == SHAPE_INSTANCE || req->shape == SHAPE_VERSION || req->shape == SHAPE_METADATA;

	if (takes(name, "_format", (char **) &req->format, value, len))
		return !has_links(req);
	if (takes(name, "_pretty", &pretty, value, len)) {
		if (strcmp(pretty, "true") != 0 && strcmp(pretty, "false") != 0)
			ereport(ERROR, errcode(FH400), errmsg("_pretty is true or false"), errdetail("It is \"%s\".", pretty), errhint("Leave it out, or write _pretty=true."),
					fhir_issue("value", NULL));
		req->pretty = pretty[0] == 't';
		return !has_links(req);
	}
	/* searches and histories apply these themselves */
	return instance && (takes(name, "_summary", (char **) &req->summary, value, len) ||
						takes(name, "_elements", (char **) &req->elements, value, len));
}

char *
rest_take_parameters(RestRequest *req, const char *form, int len)
{
	const char *end = form + len;
	char *out = palloc(len + 1), *o = out;

	for (const char *p = form; p < end;) {
		const char *amp = memchr(p, '&', end - p);
		const char *stop = amp ? amp : end;
		const char *eq = memchr(p, '=', stop - p);
		const char *value = eq ? eq + 1 : stop;
		char *name = fhir_percent_decode(p, (int) ((eq ? eq : stop) - p), true);

		/* decoded for its checks only: what stays is handed on as written */
		pfree(fhir_percent_decode(value, (int) (stop - value), true));
		if (stop > p && !(name[0] == '_' && take_option(req, name, value, (int) (stop - value)))) {
			if (o > out)
				*o++ = '&';
			memcpy(o, p, stop - p);
			o += stop - p;
		}
		pfree(name);
		p = stop + 1;
	}
	*o = '\0';
	return out;
}

/* ---- paths ---- */

pg_noreturn static void
no_such_path(const char *what, const char *value)
{
	ereport(ERROR, errcode(FH404), errmsg("%s", what), errdetail("The path holds \"%.200s\".", value),
			errhint("GET /metadata tells what this server answers."), fhir_issue("not-supported", NULL));
}

static const ModelType *
resource_type(const char *name)
{
	const ModelType *type = model_resource(name, (int) strlen(name));

	if (type == NULL) {
		if (name[0] == '$')
			no_such_path("the operation is not supported", name);
		no_such_path("unknown resource type", name);
	}
	return type;
}

/* Splits the path into decoded segments. A slash at its end is nothing. */
static int
split_path(const char *p, const char *end, char **segments)
{
	int n = 0;

	if (p < end && *p == '/')
		p++;
	while (p < end) {
		const char *slash = memchr(p, '/', end - p);
		const char *stop = slash ? slash : end;

		if (n == REST_MAX_SEGMENTS || stop == p)
			no_such_path("no such path", pnstrdup(p, end - p));
		segments[n++] = fhir_percent_decode(p, (int) (stop - p), false);
		p = stop + 1;
	}
	return n;
}

static void
parse_id(RestRequest *req, const char *s)
{
	if (s[0] == '$')
		no_such_path("the operation is not supported", s);
	if (s[0] == '_')
		no_such_path("no such path", s);
	if (!rest_valid_id(s, strlen(s)))
		ereport(ERROR, errcode(FH400), errmsg("invalid id"), errdetail("The path holds \"%.200s\".", s),
				errhint("An id has 1 to 64 letters, digits, hyphens and dots."), fhir_issue("value", NULL));
	req->id = s;
}

/* What follows /Type/id. */
static void
parse_below_instance(RestRequest *req, char **seg, int n)
{
	if (strcmp(seg[2], "_history") == 0) {
		if (n > 4)
			no_such_path("no such path", seg[4]);
		req->shape = n == 3 ? SHAPE_INSTANCE_HISTORY : SHAPE_VERSION;
		req->version = n == 4 ? seg[3] : NULL;
		return;
	}
	if (n > 4 || (n == 4 && strcmp(seg[3], "_search") != 0))
		no_such_path("no such path", seg[n - 1]);
	req->compartment = req->type;
	req->type = strcmp(seg[2], "*") == 0 ? NULL : resource_type(seg[2]);
	req->shape = n == 3 ? SHAPE_COMPARTMENT : SHAPE_COMPARTMENT_SEARCH;
}

static void
parse_path(RestRequest *req, char **seg, int n)
{
	static const struct {
		const char *name;
		RestShape shape;
	} system[] = {
		{"metadata", SHAPE_METADATA}, {"_history", SHAPE_SYSTEM_HISTORY}, {"_search", SHAPE_SYSTEM_SEARCH}};

	if (n == 0) {
		req->shape = SHAPE_SYSTEM;
		return;
	}
	for (int i = 0; i < lengthof(system); i++)
		if (n == 1 && strcmp(seg[0], system[i].name) == 0) {
			req->shape = system[i].shape;
			return;
		}
	req->type = resource_type(seg[0]);
	req->shape = SHAPE_TYPE;
	if (n == 1)
		return;
	if (n == 2 && strcmp(seg[1], "_history") == 0)
		req->shape = SHAPE_TYPE_HISTORY;
	else if (n == 2 && strcmp(seg[1], "_search") == 0)
		req->shape = SHAPE_TYPE_SEARCH;
	else {
		parse_id(req, seg[1]);
		req->shape = SHAPE_INSTANCE;
		if (n > 2)
			parse_below_instance(req, seg, n);
	}
}

/* Absolute URLs (in Bundle entries) are taken when they lie below the own base. */
static const char *
skip_base(const RestRequest *req, const char *url, const char *end)
{
	size_t len = strlen(req->caller.base);

	if (end - url < 7 || (strncmp(url, "http://", 7) != 0 && strncmp(url, "https:/", 7) != 0))
		return url;
	if (len == 0 || end - url < len || strncmp(url, req->caller.base, len) != 0 || (end - url > len && url[len] != '/' && url[len] != '?'))
		ereport(ERROR, errcode(FH400), errmsg("the URL is not one of this server"),
				errdetail("It is \"%.*s\".", (int) Min(end - url, 200), url), req->caller.base[0] ? errhint("URLs of this server begin with %s; relative ones do, too.", req->caller.base) : errhint("Write it relative to the base: Patient/1."));
	return url + len;
}

void
rest_parse_url(RestRequest *req, const char *url, int len)
{
	char *segments[REST_MAX_SEGMENTS];
	const char *end = url + len, *question, *path_end;
	int n;

	req->query = "";
	if (len > REST_MAX_URL)
		ereport(ERROR, errcode(FH414), errmsg("the URL is too long"),
				errdetail("It has %d bytes; the limit is %d bytes.", len, REST_MAX_URL),
				errhint("Send long searches by POST to _search."));
	url = skip_base(req, url, end);
	question = memchr(url, '?', end - url);
	path_end = question ? question : end;
	n = split_path(url, path_end, segments);
	parse_path(req, segments, n);
	if (question)
		req->query = rest_take_parameters(req, question + 1, (int) (end - question - 1));
}
