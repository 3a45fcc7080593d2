/*
 * interaction_util.c: ids, version tags and the errors that several interactions share.
 */
#include "base/base.h"

#include "interaction/interaction_internal.h"

void
interaction_require_id(const char *id)
{
	if (!store_id_valid(id, strlen(id)))
		ereport(ERROR,
				errcode(FH400),
				errmsg("invalid id"),
				errdetail("Id \"%.100s\".", id),
				errhint("An id has 1 to 64 of the characters A-Z, a-z, 0-9, \"-\" and \".\"."),
				fhir_issue("value", NULL));
}

/* The version that one entity tag names: W/"3", "3" or 3; 0: "*", any. Raises FH400 for what names none. */
static int32
parse_etag(const char *p, size_t len, const char *list, const char *header)
{
	int64 v = 0;

	if (len == 1 && *p == '*')
		return 0;
	if (len > 2 && strncmp(p, "W/", 2) == 0) {
		p += 2;
		len -= 2;
	}
	if (len >= 2 && p[0] == '"' && p[len - 1] == '"') {
		p++;
		len -= 2;
	}
	for (size_t i = 0; i < len; i++) {
		if (p[i] < '0' || p[i] > '9' || v > PG_INT32_MAX)
			len = 0;
		else
			v = v * 10 + (p[i] - '0');
	}
	if (len == 0)
		ereport(ERROR,
				errcode(FH400),
				errmsg("invalid version in %s", header),
				errdetail("Value: %.100s", list),
				errhint("Write it as W/\"3\"."),
				fhir_issue("value", NULL));
	return v > PG_INT32_MAX ? PG_INT32_MAX : (int32) v;
}

bool
interaction_etags_name(const char *list, int32 version, const char *header)
{
	bool found = false;

	for (const char *p = list; p; p = strchr(p, ',')) {
		size_t len;
		int32 v;

		p += strspn(p, p == list ? " \t" : ", \t");
		len = strcspn(p, ",");
		while (len > 0 && (p[len - 1] == ' ' || p[len - 1] == '\t'))
			len--;
		v = parse_etag(p, len, list, header);
		found |= v == 0 || v == version;
	}
	return found;
}

const ModelType *
interaction_require_type(const char *name, int len)
{
	const ModelType *type = model_resource(name, len);

	if (!type)
		ereport(ERROR,
				errcode(FH404),
				errmsg("unknown resource type"),
				errdetail("Type \"%.*s\".", Min(len, 100), name),
				errhint("Types are those of FHIR R4, such as Patient; upper and lower case matter."),
				fhir_issue("not-supported", NULL));
	return type;
}

void
interaction_raise_unknown(const ModelType *type, const char *id)
{
	ereport(ERROR,
			errcode(FH404),
			errmsg("%s/%s is not known", type->name, id),
			errhint("Search for it by other criteria, or ask the right store (fhir.store)."),
			fhir_issue("not-found", NULL));
	pg_unreachable();
}

void
interaction_raise_deleted(const ModelType *type, const char *id, int32 version, TimestampTz when)
{
	char buf[48];

	fhir_date_format_instant(when + (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY, buf);
	ereport(ERROR,
			errcode(FH410),
			errmsg("%s/%s was deleted", type->name, id),
			errdetail("Deleted at %s by version %d.", buf, version),
			errhint("Earlier versions are in its history; an update brings it back."),
			fhir_issue("deleted", NULL));
	pg_unreachable();
}
