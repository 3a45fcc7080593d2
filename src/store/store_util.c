/*
 * store_util.c: ids, version tags and the errors that several interactions share.
 */
#include "base/compat.h"

#include "base/date.h"
#include "base/error.h"
#include "store/store_internal.h"

static const bool in_ids[256] = {['A' ... 'Z'] = true, ['a' ... 'z'] = true, ['0' ... '9'] = true, ['-'] = true, ['.'] = true};

/* R4 id: [A-Za-z0-9\-\.]{1,64} */
bool
store_id_valid(const char *id, int len)
{
	if (len < 1 || len > FHIR_ID_MAX)
		return false;
	for (int i = 0; i < len; i++)
		if (!in_ids[(unsigned char) id[i]])
			return false;
	return true;
}

void
store_require_id(const char *id)
{
	if (!store_id_valid(id, strlen(id)))
		ereport(ERROR,
				errcode(FH400),
				errmsg("invalid id"),
				errdetail("Id \"%.100s\".", id),
				errhint("An id has 1 to 64 of the characters A-Z, a-z, 0-9, \"-\" and \".\"."),
				fhir_issue("value", NULL));
}

int32
store_parse_etag(const char *s)
{
	const char *p = s;
	size_t len;
	int64 v = 0;

	while (*p == ' ')
		p++;
	if (strncmp(p, "W/", 2) == 0)
		p += 2;
	len = strlen(p);
	while (len > 0 && p[len - 1] == ' ')
		len--;
	if (len == 1 && *p == '*')
		return 0;
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
				errmsg("invalid version in If-Match"),
				errdetail("Value: %.100s", s),
				errhint("Write it as W/\"3\"."),
				fhir_issue("value", NULL));
	return v > PG_INT32_MAX ? PG_INT32_MAX : (int32) v;
}

const ModelType *
store_require_type(const char *name, int len)
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

int32
store_version_number(const char *s)
{
	int64 v = 0;
	const char *p = s;

	for (; *p >= '0' && *p <= '9' && v <= PG_INT32_MAX; p++)
		v = v * 10 + (*p - '0');
	return *p || p == s || *s == '0' || v > PG_INT32_MAX ? 0 : (int32) v;
}

void
store_raise_unknown(const ModelType *type, const char *id)
{
	ereport(ERROR,
			errcode(FH404),
			errmsg("%s/%s is not known", type->name, id),
			errhint("Search for it by other criteria, or ask the right store (fhir.store)."),
			fhir_issue("not-found", NULL));
	pg_unreachable();
}

void
store_raise_deleted(const ModelType *type, const char *id, int32 version, TimestampTz when)
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
