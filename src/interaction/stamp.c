/*
 * stamp.c: what the server sets in a resource that is written: id, meta.versionId, meta.lastUpdated (R4, resource.html#Meta).
 */
#include "base/base.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "interaction/interaction_internal.h"

static void
set_string(JsonbValue *v, const char *s, int len)
{
	v->type = jbvString;
	v->val.string.val = (char *) s;
	v->val.string.len = len;
}

Jsonb *
interaction_stamp(JsonbContainer *doc, const char *id, int32 version, TimestampTz updated)
{
	char vbuf[12], tbuf[48];
	int vlen = pg_ltoa(version, vbuf);
	int tlen = fhir_date_format_instant(updated + (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY, tbuf);
	JsonMember meta[2] = {{.key = "versionId", .keylen = 9}, {.key = "lastUpdated", .keylen = 11}};
	JsonMember top[2] = {{.key = "id", .keylen = 2}, {.key = "meta", .keylen = 4}};
	JsonbValue old;
	JsonbContainer *oldmeta = NULL;
	Jsonb *newmeta, *out;

	if (fhir_json_get_lit(doc, "meta", &old) && old.type == jbvBinary && JsonContainerIsObject(old.val.binary.data))
		oldmeta = old.val.binary.data;
	set_string(&meta[0].value, vbuf, vlen);
	set_string(&meta[1].value, tbuf, tlen);
	newmeta = json_splice(oldmeta, meta, 2);

	set_string(&top[0].value, id, strlen(id));
	json_set_binary(&top[1].value, newmeta);
	out = json_splice(doc, top, 2);
	pfree(newmeta);
	return out;
}

/* Now, at least one millisecond after the previous change of the same resource; milliseconds, as documents show them. */
TimestampTz
interaction_now(TimestampTz previous)
{
	TimestampTz now = GetCurrentTimestamp();

	now -= now % 1000;
	if (now <= previous)
		now = previous - previous % 1000 + 1000;
	return now;
}
