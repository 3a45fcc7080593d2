/*
 * json_build.c: short words for building Jsonb values.
 */
#include "base/compat.h"

#include "utils/numeric.h"

#include "base/json_build.h"

static void
push(Build *b, JsonbIteratorToken token, JsonbValue *v)
{
	b->result = pushJsonbValue(&b->state, token, v);
}

void
build_object(Build *b)
{
	push(b, WJB_BEGIN_OBJECT, NULL);
}

void
build_array(Build *b)
{
	push(b, WJB_BEGIN_ARRAY, NULL);
}

void
build_end_object(Build *b)
{
	push(b, WJB_END_OBJECT, NULL);
}

void
build_end_array(Build *b)
{
	push(b, WJB_END_ARRAY, NULL);
}

static JsonbValue
string_value(const char *s)
{
	JsonbValue v = {.type = jbvString};

	v.val.string.val = (char *) s;
	v.val.string.len = strlen(s);
	return v;
}

void
build_key(Build *b, const char *key)
{
	JsonbValue v = string_value(key);

	push(b, WJB_KEY, &v);
}

static void
push_value(Build *b, const char *key, JsonbValue *v)
{
	if (key)
		build_key(b, key);
	push(b, key ? WJB_VALUE : WJB_ELEM, v);
}

void
build_string(Build *b, const char *key, const char *value)
{
	JsonbValue v = string_value(value);

	push_value(b, key, &v);
}

void
build_integer(Build *b, const char *key, int64 value)
{
	JsonbValue v = {.type = jbvNumeric};

	v.val.numeric = int64_to_numeric(value);
	push_value(b, key, &v);
}

void
build_jsonb(Build *b, const char *key, JsonbContainer *value)
{
	JsonbValue v = {.type = jbvBinary};

	v.val.binary.data = value;
	v.val.binary.len = 0; /* unused when pushed */
	push_value(b, key, &v);
}

Jsonb *
build_done(Build *b)
{
	return JsonbValueToJsonb(b->result);
}
