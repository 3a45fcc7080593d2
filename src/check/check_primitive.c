/*
 * check_primitive.c: the formats of R4's primitives (http://hl7.org/fhir/R4/datatypes.html), by hand instead of by
 * regular expressions, since each write checks dozens of them.
 *
 * Text is valid UTF-8 already. Deliberately not refused, as the specification says SHOULD: control characters in
 * strings, white space at their ends.
 */
#include "base/base.h"

#include "mb/pg_wchar.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

#include "check/check_internal.h"

#define STRING_MAX (1024 * 1024) /* characters */

static inline bool
is_digit(char ch)
{
	return ch >= '0' && ch <= '9';
}

static inline bool
is_space(unsigned char ch)
{
	return ch == ' ' || (ch >= '\t' && ch <= '\r');
}

static bool
has_space(const char *s, int len)
{
	for (int i = 0; i < len; i++)
		if (is_space(s[i]))
			return true;
	return false;
}

static bool
valid_string(const char *s, int len)
{
	return len > 0 && (len <= STRING_MAX || pg_mbstrlen_with_len(s, len) <= STRING_MAX);
}

/* No white space at the ends, single spaces within. */
static bool
valid_code(const char *s, int len)
{
	if (len == 0 || is_space(s[0]) || is_space(s[len - 1]))
		return false;
	for (int i = 1; i < len; i++)
		if (is_space(s[i]) && is_space(s[i - 1]))
			return false;
	return true;
}

static bool
valid_id(const char *s, int len)
{
	if (len == 0 || len > 64)
		return false;
	for (int i = 0; i < len; i++)
		if (!(is_digit(s[i]) || ((s[i] | 0x20) >= 'a' && (s[i] | 0x20) <= 'z') || s[i] == '-' || s[i] == '.'))
			return false;
	return true;
}

/* urn:oid: and arcs without leading zeros, the first 0, 1 or 2, at least two. */
static bool
valid_oid(const char *s, int len)
{
	int i = 9;

	if (len < 11 || memcmp(s, "urn:oid:", 8) != 0 || s[8] < '0' || s[8] > '2')
		return false;
	while (i < len) {
		int start = i + 1;

		if (s[i] != '.')
			return false;
		for (i = start; i < len && is_digit(s[i]); i++)
			;
		if (i == start || (s[start] == '0' && i > start + 1))
			return false;
	}
	return true;
}

static bool
valid_uuid(const char *s, int len)
{
	if (len != 45 || memcmp(s, "urn:uuid:", 9) != 0)
		return false;
	for (int i = 0; i < 36; i++) {
		char ch = s[9 + i];

		if (i == 8 || i == 13 || i == 18 || i == 23 ? ch != '-' : !(is_digit(ch) || (ch >= 'a' && ch <= 'f')))
			return false;
	}
	return true;
}

/* Whole groups of four, white space between them, padding only at the end. */
static bool
valid_base64(const char *s, int len)
{
	int n = 0, pad = 0;

	for (int i = 0; i < len; i++) {
		unsigned char ch = s[i];

		if (is_space(ch))
			continue;
		if (ch == '=')
			pad++;
		else if (pad > 0 || !(is_digit(ch) || ((ch | 0x20) >= 'a' && (ch | 0x20) <= 'z') || ch == '+' || ch == '/'))
			return false;
		n++;
	}
	return n > 0 && n % 4 == 0 && pad <= 2;
}

/* A div element, from its start tag to the end. What is inside is not looked at. */
static bool
valid_xhtml(const char *s, int len)
{
	while (len > 0 && is_space(s[0]))
		s++, len--;
	while (len > 0 && is_space(s[len - 1]))
		len--;
	if (len < 6 || memcmp(s, "<div", 4) != 0 || !(is_space(s[4]) || s[4] == '>' || s[4] == '/'))
		return false;
	return memcmp(s + len - 2, "/>", 2) == 0 || (len >= 11 && memcmp(s + len - 6, "</div>", 6) == 0);
}

static bool
valid_date(const char *s, int len, FhirDateKind kind)
{
	FhirDateTime d;

	return fhir_date_parse(s, len, kind, &d);
}

/* A whole number in [min, 2^31 - 1]. A fraction of zeros (1.0) is no integer in FHIR. */
static bool
valid_integer(Numeric n, int32 min)
{
	bool error = false;
	int32 i;

	if (DatumGetInt32(DirectFunctionCall1(numeric_scale, NumericGetDatum(n))) != 0)
		return false;
	i = numeric_int4_opt_error(n, &error);
	return !error && i >= min;
}

static void
format_finding(Check *c, const CheckPath *path, const ModelProperty *p, const CheckValue *v, const char *rule)
{
	check_finding(c, "value", path, NULL, 0, "element \"%s\": %s is no valid %s: %s", p->name, check_describe(v),
				  model_type_by_id(p->type)->name, rule);
}

static const char *
text_rule(ModelPrimitive primitive, const char *s, int len)
{
	if (len == 0)
		return "text must not be empty";
	switch (primitive) {
		case PRIM_STRING:
		case PRIM_MARKDOWN:
			return valid_string(s, len) ? NULL : "at most 1048576 characters";
		case PRIM_URI:
		case PRIM_URL:
		case PRIM_CANONICAL:
			return has_space(s, len) ? "white space is not allowed" : NULL;
		case PRIM_OID:
			return valid_oid(s, len) ? NULL : "must be like urn:oid:1.2.3";
		case PRIM_UUID:
			return valid_uuid(s, len) ? NULL : "must be like urn:uuid:c757873d-ec9a-4326-a141-556f43239520";
		case PRIM_CODE:
			return valid_code(s, len) ? NULL : "no white space at the ends, single spaces within";
		case PRIM_ID:
			return valid_id(s, len) ? NULL : "1 to 64 of A-Z a-z 0-9 - .";
		case PRIM_BASE64:
			return valid_base64(s, len) ? NULL : "groups of four of A-Z a-z 0-9 + / and = at the end";
		case PRIM_DATE:
			return valid_date(s, len, FHIR_KIND_DATE) ? NULL : "must be YYYY, YYYY-MM or YYYY-MM-DD, a day of the calendar";
		case PRIM_DATETIME:
			return valid_date(s, len, FHIR_KIND_DATETIME)
					   ? NULL
					   : "must be YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss with Z or +hh:mm";
		case PRIM_INSTANT:
			return valid_date(s, len, FHIR_KIND_INSTANT) ? NULL : "must be YYYY-MM-DDThh:mm:ss with Z or +hh:mm";
		case PRIM_TIME:
			return valid_date(s, len, FHIR_KIND_TIME) ? NULL : "must be hh:mm:ss";
		case PRIM_XHTML:
			return valid_xhtml(s, len) ? NULL : "must be one <div> element";
		default:
			elog(ERROR, "unexpected primitive %d", (int) primitive);
	}
	return NULL;
}

static void
check_text(Check *c, const CheckPath *path, const ModelProperty *p, const CheckValue *v, ModelPrimitive primitive)
{
	const char *rule = text_rule(primitive, v->data, v->len);

	if (rule != NULL)
		format_finding(c, path, p, v, rule);
	else if (p->codes != 0 && !model_code_known(p->codes, v->data, v->len))
		check_finding(c, "code-invalid", path, NULL, 0, "element \"%s\": code %s is not in the value set %s%s", p->name,
					  check_quote(v->data, v->len), model_code_list_url(p->codes), check_suggest_code(p->codes, v->data, v->len));
}

void
check_primitive(Check *c, const CheckPath *path, const ModelProperty *p, const CheckValue *v)
{
	const ModelType *t = model_type_by_id(p->type);
	const char *want = "a string";

	switch (t->primitive) {
		case PRIM_BOOLEAN:
			if (JBE_ISBOOL(v->entry))
				return;
			want = "true or false";
			break;
		case PRIM_INTEGER:
		case PRIM_POSITIVEINT:
		case PRIM_UNSIGNEDINT:
			if (!JBE_ISNUMERIC(v->entry)) {
				want = "a number";
				break;
			}
			if (!valid_integer((Numeric) v->data, t->primitive == PRIM_INTEGER ? PG_INT32_MIN : t->primitive == PRIM_POSITIVEINT))
				format_finding(c, path, p, v,
							   t->primitive == PRIM_INTEGER		  ? "a whole number from -2147483648 to 2147483647"
							   : t->primitive == PRIM_POSITIVEINT ? "a whole number from 1 to 2147483647"
																  : "a whole number from 0 to 2147483647");
			return;
		case PRIM_DECIMAL:
			if (JBE_ISNUMERIC(v->entry))
				return;
			want = "a number";
			break;
		default:
			if (JBE_ISSTRING(v->entry)) {
				check_text(c, path, p, v, t->primitive);
				return;
			}
			break;
	}
	check_finding(c, "structure", path, NULL, 0, "element \"%s\" must be %s (%s), found %s", p->name, want, t->name, check_describe(v));
}
