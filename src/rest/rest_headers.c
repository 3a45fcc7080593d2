/*
 * rest_headers.c: HTTP headers in and out: negotiation, preferences, conditions (RFC 9110, RFC 7240).
 */
#include "base/base.h"

#include <ctype.h>

#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "rest/rest_internal.h"

#define CONTENT_TYPE "application/fhir+json; charset=utf-8"
#define UNIX_EPOCH_SECS ((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY)

char *
rest_header(const RestRequest *req, const char *name)
{
	return req->headers ? fhir_json_get_string(req->headers, name) : NULL;
}

/* ---- media types ---- */

/* One element of a comma-separated list, blanks trimmed; NULL at the end. Quoted strings are kept whole. */
static char *
next_element(char **list, char separator)
{
	char *start = *list, *p;
	bool quoted = false;

	if (start == NULL)
		return NULL;
	for (p = start; *p && (quoted || *p != separator); p++) {
		if (*p == '"')
			quoted = !quoted;
		else if (quoted && *p == '\\' && p[1])
			p++;
	}
	*list = *p ? p + 1 : NULL;
	*p = '\0';
	while (*start == ' ' || *start == '\t')
		start++;
	for (p = start + strlen(start); p > start && (p[-1] == ' ' || p[-1] == '\t'); p--)
		p[-1] = '\0';
	return start;
}

static void
lower(char *s)
{
	for (; *s; s++)
		*s = pg_ascii_tolower((unsigned char) *s);
}

static bool
is_json(const char *media)
{
	static const char *const names[] = {"application/fhir+json", "application/json", "application/*", "*/*", "json",
										"text/json", "application/json+fhir"};

	for (int i = 0; i < lengthof(names); i++)
		if (strcmp(media, names[i]) == 0)
			return true;
	return false;
}

/* R4 is written "4.0" in the fhirVersion parameter; a server of one version refuses the others. */
static bool
other_version(const char *parameter)
{
	if (strncmp(parameter, "fhirversion=", 12) != 0)
		return false;
	parameter += 12;
	if (*parameter == '"')
		parameter++;
	return strncmp(parameter, "4.0", 3) != 0;
}

/* Is this element of Accept ("application/json;q=0.5") one that we can send? */
static bool
acceptable(char *element)
{
	char *rest = element;
	char *media = next_element(&rest, ';'), *parameter;

	lower(media);
	if (!is_json(media))
		return false;
	while ((parameter = next_element(&rest, ';')) != NULL) {
		lower(parameter);
		if (other_version(parameter) || (strncmp(parameter, "q=", 2) == 0 && strtod(parameter + 2, NULL) == 0.0))
			return false;
	}
	return true;
}

void
rest_not_acceptable(const RestRequest *req)
{
	ereport(ERROR, errcode(FH406), errmsg("the format is not supported"),
			req->format ? errdetail("_format is \"%.200s\".", req->format)
						: errdetail("Accept is \"%.200s\".", rest_header(req, "accept")),
			errhint("This server speaks application/fhir+json of FHIR 4.0."));
}

/* _format stands above Accept. */
bool
rest_accepts_json(const RestRequest *req)
{
	char *list, *element;

	if (req->format) {
		char *format = pstrdup(req->format);

		for (char *p = format; *p; p++)
			if (*p == ' ')
				*p = '+'; /* an unencoded plus of application/fhir+json */
		return acceptable(format);
	}
	list = rest_header(req, "accept");
	if (list == NULL || list[0] == '\0')
		return true;
	while ((element = next_element(&list, ',')) != NULL)
		if (acceptable(element))
			return true;
	return false;
}

void
rest_check_accept(const RestRequest *req)
{
	if (!rest_accepts_json(req))
		rest_not_acceptable(req);
}

bool
rest_accepts_type(const RestRequest *req, const char *type)
{
	char *list = rest_header(req, "accept"), *element;
	size_t len = strcspn(type, "; "), kind = strcspn(type, "/");

	while ((element = next_element(&list, ',')) != NULL) {
		char *media = next_element(&element, ';');

		if ((strlen(media) == len && pg_strncasecmp(media, type, len) == 0) ||
			(strlen(media) == kind + 2 && pg_strncasecmp(media, type, kind) == 0 && strcmp(media + kind, "/*") == 0))
			return true;
	}
	return false;
}

char *
rest_content_type(const RestRequest *req)
{
	char *type = rest_header(req, "content-type"), *rest, *media, *parameter;

	if (type == NULL)
		return "";
	rest = pstrdup(type);
	media = next_element(&rest, ';');
	lower(media);
	if (rest_is_content(req, media))
		return media; /* its parameters are the content's */
	while ((parameter = next_element(&rest, ';')) != NULL) {
		lower(parameter);
		if (other_version(parameter))
			ereport(ERROR, errcode(FH415), errmsg("the FHIR version of the body is not supported"),
					errdetail("Content-Type is \"%.200s\".", type), errhint("This server speaks FHIR 4.0."));
		if (strncmp(parameter, "charset=", 8) == 0 && strcmp(parameter + 8, "utf-8") != 0 &&
			strcmp(parameter + 8, "\"utf-8\"") != 0 && strcmp(parameter + 8, "utf8") != 0)
			ereport(ERROR, errcode(FH415), errmsg("the character set of the body is not supported"),
					errdetail("Content-Type is \"%.200s\".", type), errhint("Send UTF-8."));
	}
	return media;
}

/* ---- preferences ---- */

/* name = "value" -> value, in place: blanks around the sign and quotes are allowed (RFC 7240, 2). */
static char *
preference_value(char *v)
{
	size_t len;

	v += strspn(v, " \t");
	if (*v != '=')
		return NULL;
	v++;
	v += strspn(v, " \t");
	len = strlen(v);
	if (len > 1 && *v == '"' && v[len - 1] == '"') {
		v[len - 1] = '\0';
		v++;
	}
	return v;
}

/* Value of the first preference `name` in Prefer, lower-cased; NULL if absent. */
static char *
preference(const RestRequest *req, const char *name)
{
	char *list = rest_header(req, "prefer"), *element;
	size_t len = strlen(name);

	/* preferences are separated by commas; a semicolon adds parameters, but clients use it as a comma */
	for (char *p = list; p && *p; p++)
		if (*p == ';')
			*p = ',';
	while ((element = next_element(&list, ',')) != NULL) {
		char *value;

		lower(element);
		if (strncmp(element, name, len) == 0 && (value = preference_value(element + len)) != NULL)
			return value;
	}
	return NULL;
}

RestReturn
rest_prefer_return(const RestRequest *req, RestReturn otherwise)
{
	char *v = preference(req, "return");

	if (v && strcmp(v, "minimal") == 0)
		return RETURN_MINIMAL;
	if (v && strcmp(v, "operationoutcome") == 0)
		return RETURN_OUTCOME;
	if (v && strcmp(v, "representation") == 0)
		return RETURN_REPRESENTATION;
	return otherwise;
}

SearchHandling
rest_prefer_handling(const RestRequest *req)
{
	char *v = preference(req, "handling");

	return v && strcmp(v, "lenient") == 0 ? SEARCH_LENIENT : SEARCH_STRICT;
}

/* ---- dates ---- */

static const char day_names[] = "SunMonTueWedThuFriSat";
static const char month_names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

int
rest_http_date(TimestampTz t, char *buf)
{
	struct pg_tm tm;
	fsec_t fsec;
	int dow;

	if (timestamp2tm(t, NULL, &tm, &fsec, NULL, NULL) != 0)
		elog(ERROR, "timestamp out of range");
	dow = j2day(date2j(tm.tm_year, tm.tm_mon, tm.tm_mday));
	return snprintf(buf, 30, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT", day_names + 3 * dow, tm.tm_mday,
					month_names + 3 * (tm.tm_mon - 1), tm.tm_year, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/*
 * The three forms of date that recipients must understand (RFC 9110 5.6.7): "Sun, 06 Nov 1994 08:49:37 GMT",
 * "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994". False: none of them.
 */
static bool
scan_http_date(const char *s, struct pg_tm *tm, char month[4])
{
	int end = 0, n;

	/* NOLINTBEGIN(cert-err34-c): the widths keep each number in its range */
	n = sscanf(s, "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d GMT%n", &tm->tm_mday, month, &tm->tm_year, &tm->tm_hour,
			   &tm->tm_min, &tm->tm_sec, &end);
	if (n == 6 && end > 0)
		return true;
	n = sscanf(s, "%*9[A-Za-z], %2d-%3[A-Za-z]-%2d %2d:%2d:%2d GMT%n", &tm->tm_mday, month, &tm->tm_year, &tm->tm_hour,
			   &tm->tm_min, &tm->tm_sec, &end);
	if (n == 6 && end > 0) {
		tm->tm_year += tm->tm_year < 70 ? 2000 : 1900; /* HTTP is younger than 1970 */
		return true;
	}
	n = sscanf(s, "%*3[A-Za-z] %3[A-Za-z] %2d %2d:%2d:%2d %4d%n", month, &tm->tm_mday, &tm->tm_hour, &tm->tm_min,
			   &tm->tm_sec, &tm->tm_year, &end);
	/* NOLINTEND(cert-err34-c) */
	return n == 6 && end > 0;
}

/* Anything else than a date counts as no condition (RFC 9110 13.1.3). */
static bool
parse_http_date(const char *s, TimestampTz *out)
{
	struct pg_tm tm = {0};
	char month[4];
	const char *found;

	if (!scan_http_date(s, &tm, month))
		return false;
	found = strstr(month_names, month);
	if (strlen(month) != 3 || found == NULL || (found - month_names) % 3 != 0 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 ||
		tm.tm_min > 59 || tm.tm_sec > 60 || tm.tm_year < 1900)
		return false;
	tm.tm_mon = (int) (found - month_names) / 3 + 1;
	return tm2timestamp(&tm, 0, NULL, out) == 0;
}

/* ---- conditions ---- */

/* Does one of the entity tags in `list` name this version? Weak comparison; clients also send bare numbers. */
static bool
etag_matches(char *list, int32 version)
{
	char *element, tag[16];

	snprintf(tag, sizeof(tag), "%d", version);
	while ((element = next_element(&list, ',')) != NULL) {
		size_t len;

		if (strcmp(element, "*") == 0)
			return true;
		if (strncmp(element, "W/", 2) == 0)
			element += 2;
		len = strlen(element);
		if (len >= 2 && element[0] == '"' && element[len - 1] == '"') {
			element[len - 1] = '\0';
			element++;
		}
		if (strcmp(element, tag) == 0)
			return true;
	}
	return false;
}

bool
rest_not_modified(const RestRequest *req, int32 version, TimestampTz last_updated)
{
	char *tags, *date;
	TimestampTz since;

	if (req->headers == NULL)
		return false;
	tags = rest_header(req, "if-none-match");
	if (tags)
		return etag_matches(tags, version); /* If-Modified-Since is then ignored (RFC 9110 13.2.2) */
	date = rest_header(req, "if-modified-since");
	return date && parse_http_date(date, &since) && last_updated / USECS_PER_SEC <= since / USECS_PER_SEC;
}

bool
rest_entry_not_modified(const BundleGet *get, int32 version, TimestampTz last_updated)
{
	const char *since = get->if_modified_since;
	FhirDateTime date;
	int64 lo, hi;

	if (get->if_none_match)
		return etag_matches(pstrdup(get->if_none_match), version);
	if (since == NULL)
		return false;
	if (!fhir_date_parse(since, (int) strlen(since), FHIR_KIND_INSTANT, &date))
		ereport(ERROR, errcode(FH400), errmsg("ifModifiedSince is no instant"), errdetail("It is \"%.100s\".", since),
				errhint("Write it as 2024-05-01T10:00:00Z."), fhir_issue("value", "Bundle.request.ifModifiedSince"));
	fhir_date_interval(&date, &lo, &hi);
	return last_updated + UNIX_EPOCH_SECS * USECS_PER_SEC <= hi;
}

/* ---- response ---- */

static void
set_header(JsonbPair *pair, char *name, char *value)
{
	pair->key.type = pair->value.type = jbvString;
	pair->key.val.string.val = name;
	pair->key.val.string.len = strlen(name);
	pair->value.val.string.val = value;
	pair->value.val.string.len = strlen(value);
}

/* The object is built as JSONB wants it: names in order of length, then bytes. */
Jsonb *
rest_response_headers(const RestResponse *res)
{
	JsonbPair pairs[8];
	JsonbValue object = {.type = jbvObject};
	char etag[24], date[32];
	int n = 0;

	if (res->version > 0) {
		snprintf(etag, sizeof(etag), "W/\"%d\"", res->version);
		set_header(&pairs[n++], "ETag", etag);
	}
	if (res->allow)
		set_header(&pairs[n++], "Allow", res->allow);
	if (res->location)
		set_header(&pairs[n++], "Location", res->location);
	if (res->retry)
		set_header(&pairs[n++], "Retry-After", "1");
	if (res->body.len > VARHDRSZ)
		set_header(&pairs[n++], "Content-Type", res->content_type ? res->content_type : CONTENT_TYPE);
	if (res->version > 0) {
		rest_http_date(res->last_modified, date);
		set_header(&pairs[n++], "Last-Modified", date);
	}
	if (res->content_type) { /* what a client has stored must not run as a page of this server */
		set_header(&pairs[n++], "X-Content-Type-Options", "nosniff");
		set_header(&pairs[n++], "Content-Security-Policy", "sandbox");
	}
	object.val.object.pairs = pairs;
	object.val.object.nPairs = n;
	return JsonbValueToJsonb(&object);
}
