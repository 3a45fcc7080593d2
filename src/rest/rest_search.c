/*
 * rest_search.c: searches by GET and by POST of a form: at system level, of a type, of a compartment.
 */
#include "base/base.h"

#include "rest/rest_internal.h"

#define FORM "application/x-www-form-urlencoded"
#define FORM_MAX (1024 * 1024)

static void
run(RestRequest *req, RestResponse *res, const char *query)
{
	SearchHandling handling = rest_prefer_handling(req);
	StringInfoData text;
	StringInfo out = &res->body;

	if (req->pretty) {
		initStringInfo(&text);
		out = &text;
	}
	if (req->compartment)
		search_compartment_bundle(req->compartment, req->id, req->type, query, handling, req->caller.base, out);
	else
		search_bundle(req->type, query, handling, req->caller.base, out);
	if (req->pretty)
		fhir_json_indent_text(&res->body, text.data, text.len);
	res->status = 200;
}

void
rest_search(RestRequest *req, RestResponse *res)
{
	run(req, res, req->query);
}

/* Parameters of the URL and of the form count alike. */
void
rest_search_post(RestRequest *req, RestResponse *res)
{
	char *media = rest_content_type(req), *form;

	if (strcmp(media, FORM) != 0 && (media[0] != '\0' || req->body_len > 0))
		ereport(ERROR, errcode(FH415), errmsg("the media type of the body is not supported"),
				errdetail("Content-Type is \"%.200s\".", media), errhint("Send the parameters as " FORM "."));
	if (req->body_len > FORM_MAX)
		ereport(ERROR, errcode(FH413), errmsg("the form is too large"),
				errdetail("It has %zu bytes; the limit is %d bytes.", req->body_len, FORM_MAX), errhint("Split the search."));
	form = rest_take_parameters(req, req->body, (int) req->body_len);
	if (req->format)
		rest_check_accept(req); /* _format may stand in the form */
	if (req->query[0] && form[0])
		form = psprintf("%s&%s", req->query, form);
	run(req, res, form[0] ? form : req->query);
}
