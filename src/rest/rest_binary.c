/*
 * rest_binary.c: the content of a Binary as it is, beside the resource (R4, "Serving Binary Resources using the RESTful API").
 *
 * A body that is no FHIR JSON becomes the content of a Binary; a client that accepts the type of a Binary's content, and no
 * JSON, gets the content. Where both would do, it is the resource.
 */
#include "base/base.h"

#include "common/base64.h"

#include "rest/rest_internal.h"

/* May the client want the content? Whether it accepts its type is known when the Binary is. */
bool
rest_wants_content(const RestRequest *req)
{
	return req->type && req->type->id == MODEL_T_Binary && (req->shape == SHAPE_INSTANCE || req->shape == SHAPE_VERSION) &&
		   (req->method & (REST_GET | REST_HEAD)) && !rest_accepts_json(req) && req->format == NULL;
}

void
rest_put_content(const RestRequest *req, RestResponse *res, JsonbContainer *doc)
{
	char *type = fhir_json_get_string(doc, "contentType");
	char *data = fhir_json_get_string(doc, "data");
	int len = data ? (int) strlen(data) : 0, room = pg_b64_dec_len(len);

	if (type == NULL || !rest_accepts_type(req, type))
		rest_not_acceptable(req);
	enlargeStringInfo(&res->body, room);
	len = data ? FhirBase64Decode(data, len, res->body.data + res->body.len, room) : 0;
	if (len < 0)
		elog(ERROR, "content of a Binary is no base64");
	res->body.len += len;
	res->content_type = type;
}

bool
rest_is_content(const RestRequest *req, const char *media)
{
	return req->type && req->type->id == MODEL_T_Binary && (req->method & (REST_POST | REST_PUT)) &&
		   (req->shape == SHAPE_TYPE || req->shape == SHAPE_INSTANCE) && strchr(media, '/') && !rest_is_json_media(media) &&
		   req->body_len > 0;
}

Jsonb *
rest_binary_of_body(const RestRequest *req)
{
	char *context = rest_header(req, "x-security-context");
	size_t room = 4 * ((req->body_len + 2) / 3);
	Build b = {0};
	char *data;

	if (room > (size_t) fhir_max_body_bytes)
		ereport(ERROR, errcode(FH413), errmsg("the content is too large"),
				errdetail("As base64 it has %zu bytes; fhir.max_body_bytes is %d.", room, fhir_max_body_bytes),
				errhint("Raise the setting, or store the content elsewhere and its URL here."), fhir_issue("too-long", NULL));
	data = palloc(room + 1);
	data[FhirBase64Encode(req->body, (int) req->body_len, data, (int) room)] = '\0';
	build_object(&b);
	build_string(&b, "resourceType", "Binary");
	if (req->id)
		build_string(&b, "id", req->id);
	build_string(&b, "contentType", rest_header(req, "content-type"));
	build_string(&b, "data", data);
	if (context) {
		build_key(&b, "securityContext");
		build_object(&b);
		build_string(&b, "reference", context);
		build_end_object(&b);
	}
	build_end_object(&b);
	return build_done(&b);
}
