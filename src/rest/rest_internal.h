/*
 * rest_internal.h: what the files of the REST family share: a request, a response, and the stages between them.
 */
#ifndef FHIR_REST_INTERNAL_H
#define FHIR_REST_INTERNAL_H

#include "postgres.h"
#include "base/base.h"

#include "datatype/timestamp.h"
#include "lib/stringinfo.h"
#include "utils/jsonb.h"

#include "model/model.h"
#include "rest/rest.h"
#include "search/search.h"
#include "interaction/interaction.h"

typedef enum RestMethod {
	REST_GET = 1 << 0,
	REST_HEAD = 1 << 1,
	REST_POST = 1 << 2,
	REST_PUT = 1 << 3,
	REST_PATCH = 1 << 4,
	REST_DELETE = 1 << 5,
	REST_OTHER = 1 << 6
} RestMethod;

/* What a path names. */
typedef enum RestShape {
	SHAPE_SYSTEM,			 /* / */
	SHAPE_METADATA,			 /* /metadata */
	SHAPE_SYSTEM_HISTORY,	 /* /_history */
	SHAPE_SYSTEM_SEARCH,	 /* /_search */
	SHAPE_TYPE,				 /* /Patient */
	SHAPE_TYPE_HISTORY,		 /* /Patient/_history */
	SHAPE_TYPE_SEARCH,		 /* /Patient/_search */
	SHAPE_INSTANCE,			 /* /Patient/1 */
	SHAPE_INSTANCE_HISTORY,	 /* /Patient/1/_history */
	SHAPE_VERSION,			 /* /Patient/1/_history/2 */
	SHAPE_COMPARTMENT,		 /* /Patient/1/Observation, /Patient/1/ * */
	SHAPE_COMPARTMENT_SEARCH /* /Patient/1/Observation/_search */
} RestShape;

/* Prefer: return=... */
typedef enum RestReturn { RETURN_REPRESENTATION,
						  RETURN_MINIMAL,
						  RETURN_OUTCOME,
} RestReturn;

#define REST_MAX_SEGMENTS 5
#define REST_MAX_URL 65536

typedef struct RestRequest {
	RestMethod method;
	JsonbContainer *headers; /* lower-cased names; NULL none */
	Caller caller;			 /* its base is the absolute base URL, "" if unknown */
	const char *body;
	size_t body_len;

	RestShape shape;
	const ModelType *type; /* NULL at system level */
	const char *id;
	const char *version;		  /* SHAPE_VERSION: as written */
	const ModelType *compartment; /* SHAPE_COMPARTMENT: Patient in /Patient/1/Observation; type NULL for "*" */

	const char *query;	/* the URL's parameters without those below, "" none; still encoded */
	const char *format; /* _format, NULL */
	bool pretty;
	const char *summary;  /* _summary of a read, NULL */
	const char *elements; /* _elements of a read, NULL */
} RestRequest;

/* The body starts behind room for a varlena header, so that it becomes the bytea without a copy. */
typedef struct RestResponse {
	int status;
	StringInfoData body;
	int32 version;			   /* ETag; 0 none */
	TimestampTz last_modified; /* valid when version > 0 */
	char *location;			   /* NULL none */
	char *allow;			   /* 405: the methods that are allowed */
	bool retry;				   /* Retry-After */
	char *content_type;		   /* of the content of a Binary; NULL: FHIR JSON */
} RestResponse;

/* ---- rest_request.c ---- */
extern RestMethod rest_method(const char *name, int len);
/* Path, query and base of `url` into req; req->headers and req->method are set. Raises FH400, FH404, FH414. */
extern void rest_parse_url(RestRequest *req, const char *url, int len);
/* Takes the parameters that are no criteria out of form text; returns the rest. */
extern char *rest_take_parameters(RestRequest *req, const char *form, int len);
extern bool rest_valid_id(const char *s, size_t len);

/* ---- rest_headers.c ---- */
/* Header by lower-case name as palloc'd string, NULL if absent. */
extern char *rest_header(const RestRequest *req, const char *name);
/* Raises FH406 unless the answer may be JSON. */
extern void rest_check_accept(const RestRequest *req);
pg_noreturn extern void rest_not_acceptable(const RestRequest *req);
extern bool rest_accepts_json(const RestRequest *req);
/* Does Accept name this media type, or all of its kind ("image/ *")? */
extern bool rest_accepts_type(const RestRequest *req, const char *type);
/* The media type of the body in lower case, "" without one; raises FH415 for charsets but UTF-8 and FHIR versions but 4.0. */
extern char *rest_content_type(const RestRequest *req);
extern RestReturn rest_prefer_return(const RestRequest *req, RestReturn otherwise);
extern SearchHandling rest_prefer_handling(const RestRequest *req);
/* If-None-Match / If-Modified-Since against the current version: true means 304. */
extern bool rest_not_modified(const RestRequest *req, int32 version, TimestampTz last_updated);
/* The same for an entry of a Bundle, whose ifModifiedSince is an instant. */
extern bool rest_entry_not_modified(const BundleGet *get, int32 version, TimestampTz last_updated);
/* "Sun, 06 Nov 1994 08:49:37 GMT"; buf >= 30 bytes. */
extern int rest_http_date(TimestampTz t, char *buf);
extern Jsonb *rest_response_headers(const RestResponse *res);

/* Is it FHIR's JSON, by any of its names, or none? (rest_write.c) */
extern bool rest_is_json_media(const char *media);

/* ---- rest_binary.c ---- */
/* Is this a read of a Binary whose client wants no JSON? */
extern bool rest_wants_content(const RestRequest *req);
/* The content of the Binary `doc` as the response; raises FH406 if the client does not accept its type. */
extern void rest_put_content(const RestRequest *req, RestResponse *res, JsonbContainer *doc);
/* Is a body of this media type the content of a Binary? */
extern bool rest_is_content(const RestRequest *req, const char *media);
/* A Binary whose content is the body. */
extern Jsonb *rest_binary_of_body(const RestRequest *req);

/* ---- rest_outcome.c ---- */
extern void rest_write_outcome(StringInfo out, const char *id, const FhirIssue *issues, int n, bool pretty);
/* Turns a caught error into the whole response. */
extern void rest_error_response(const RestRequest *req, const ErrorData *edata, RestResponse *res);

/* ---- rest_route.c ---- */
typedef void (*RestHandler)(RestRequest *req, RestResponse *res);
extern void rest_dispatch(RestRequest *req, RestResponse *res);
/* Calls fn with the FHIR interaction codes that are served at system level, or for types. */
extern void rest_interactions(bool system, void (*fn)(const char *code, void *arg), void *arg);

/* ---- the interactions ---- */
extern void rest_read(RestRequest *req, RestResponse *res);
extern void rest_vread(RestRequest *req, RestResponse *res);
extern void rest_history(RestRequest *req, RestResponse *res);
extern void rest_create(RestRequest *req, RestResponse *res);
extern void rest_update(RestRequest *req, RestResponse *res);
extern void rest_update_conditional(RestRequest *req, RestResponse *res);
extern void rest_patch(RestRequest *req, RestResponse *res);
extern void rest_patch_conditional(RestRequest *req, RestResponse *res);
extern void rest_delete(RestRequest *req, RestResponse *res);
extern void rest_delete_conditional(RestRequest *req, RestResponse *res);
extern void rest_bundle(RestRequest *req, RestResponse *res);
extern void rest_search(RestRequest *req, RestResponse *res);
extern void rest_search_post(RestRequest *req, RestResponse *res);
extern void rest_capabilities(RestRequest *req, RestResponse *res);

/* The current version of what the path names; raises FH404 and FH410. */
extern void rest_read_current(const RestRequest *req, RestResponse *res, StoreResult *out);
/* "fhirBase/Type/id/_history/version", relative without a base. palloc'd. */
extern char *rest_location(const RestRequest *req, const StoreResult *r);
/* Answers a GET entry of a batch or transaction. */
extern Jsonb *rest_batch_get(const Caller *caller, const BundleGet *get, StoreResult *meta);
/* Appends a resource to the response's body as the request wants it. */
extern void rest_put_resource(const RestRequest *req, RestResponse *res, JsonbContainer *doc);

/* ---- capabilities.c ---- */
/* The CapabilityStatement as compact JSON text, cached in the backend. */
extern const char *rest_capability_text(const char *base, int *len);

#endif
