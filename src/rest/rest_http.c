/*
 * rest_http.c: fhir_http, the one function that the gateway calls: a request in, a response out, never an error.
 *
 * The work runs in an internal subtransaction: what fails leaves nothing written and becomes an OperationOutcome,
 * while the caller's transaction goes on. A subtransaction takes no XID until something is written, so reads stay reads.
 */
#include "base/base.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "rest/rest_internal.h"

PGDLLEXPORT Datum fhir_http(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum fhir_capabilities(PG_FUNCTION_ARGS);
PG_FUNCTION_INFO_V1(fhir_http);
PG_FUNCTION_INFO_V1(fhir_capabilities);

/* The base that the gateway gives with the request; it ends without a slash. */
static void
take_base(RestRequest *req)
{
	char *base = rest_header(req, "x-fhir-base");
	size_t len = base ? strlen(base) : 0;

	if (len == 0)
		return;
	while (len > 0 && base[len - 1] == '/')
		base[--len] = '\0';
	if ((strncmp(base, "http://", 7) != 0 && strncmp(base, "https://", 8) != 0) || strpbrk(base, " \"<>\\^`{|}?#\t\r\n"))
		ereport(ERROR, errcode(FH400), errmsg("the header X-FHIR-Base is no base URL"), errhint("It is absolute, such as https://example.org/fhir."), fhir_issue("value", NULL));
	req->caller.base = base;
}

static void
serve(RestRequest *req, RestResponse *res, text *url)
{
	take_base(req);
	fhir_base_url = unconstify(char *, req->caller.base); /* references to it are our own; the caller restores it */
	rest_parse_url(req, VARDATA_ANY(url), (int) VARSIZE_ANY_EXHDR(url));
	rest_dispatch(req, res);
}

static void
run(RestRequest *req, RestResponse *res, text *url)
{
	MemoryContext caller = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	char *base = fhir_base_url;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(caller);
	PG_TRY();
	{
		serve(req, res, url);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(caller);
		CurrentResourceOwner = owner;
		fhir_base_url = base;
	}
	PG_CATCH();
	{
		ErrorData *edata;

		fhir_base_url = base;
		MemoryContextSwitchTo(caller);
		edata = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(caller);
		CurrentResourceOwner = owner;
		rest_error_response(req, edata, res);
		FreeErrorData(edata);
	}
	PG_END_TRY();
}

/* (status int, headers jsonb, body bytea): always the same, so it is made once. */
static TupleDesc
result_desc(void)
{
	static TupleDesc desc = NULL;

	if (desc == NULL) {
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
		TupleDesc d = CreateTemplateTupleDesc(3);

		TupleDescInitEntry(d, 1, "status", INT4OID, -1, 0);
		TupleDescInitEntry(d, 2, "headers", JSONBOID, -1, 0);
		TupleDescInitEntry(d, 3, "body", BYTEAOID, -1, 0);
		desc = BlessTupleDesc(d);
		MemoryContextSwitchTo(old);
	}
	return desc;
}

static Datum
result_tuple(RestResponse *res)
{
	Datum values[3];
	bool nulls[3] = {false};

	values[0] = Int32GetDatum(res->status);
	values[1] = JsonbPGetDatum(rest_response_headers(res));
	/* HEAD answers as GET does: the HTTP server needs the body's length, and leaves the body out */
	SET_VARSIZE(res->body.data, res->body.len);
	values[2] = PointerGetDatum(res->body.data);
	return HeapTupleGetDatum(heap_form_tuple(result_desc(), values, nulls));
}

Datum
fhir_http(PG_FUNCTION_ARGS)
{
	RestRequest req = {.caller = caller_session()};
	RestResponse res = {0};
	text *method, *url;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR, errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("fhir_http needs a method and a URL"), errhint("For example fhir_http('GET', '/metadata', NULL, NULL)."));
	method = PG_GETARG_TEXT_PP(0);
	url = PG_GETARG_TEXT_PP(1);
	if (!PG_ARGISNULL(2))
		req.headers = &PG_GETARG_JSONB_P(2)->root;
	if (!PG_ARGISNULL(3)) {
		bytea *body = PG_GETARG_BYTEA_PP(3);

		req.body = VARDATA_ANY(body);
		req.body_len = VARSIZE_ANY_EXHDR(body);
	}
	req.method = rest_method(VARDATA_ANY(method), (int) VARSIZE_ANY_EXHDR(method));
	initStringInfo(&res.body);
	appendStringInfoSpaces(&res.body, VARHDRSZ);
	fhir_issues_reset();
	run(&req, &res, url);
	PG_RETURN_DATUM(result_tuple(&res));
}

Datum
fhir_capabilities(PG_FUNCTION_ARGS)
{
	int len;
	const char *text = rest_capability_text(fhir_base_url ? fhir_base_url : "", &len);

	PG_RETURN_JSONB_P(fhir_json_parse_own(text, len));
}
