/*
 * json_write.c: Jsonb -> FHIR JSON text, and look-ups in Jsonb that copy nothing.
 *
 * JSONB keeps members in order of length and bytes; FHIR readers expect resourceType, id and meta first, and id and
 * extension first in elements. The writer walks the container itself: no iterator, no copies.
 */
#include "base/compat.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "base/json.h"

#define INDENT_WIDTH 2
#define MAX_LEADING 3

/* ---- strings ---- */

/* 0: as it is; else the letter behind the backslash, 'u' for \u00XX. */
static inline char
escape_of(unsigned char c)
{
	if (c >= 0x20)
		return c == '"' || c == '\\' ? (char) c : 0;
	switch (c) {
		case '\b':
			return 'b';
		case '\f':
			return 'f';
		case '\n':
			return 'n';
		case '\r':
			return 'r';
		case '\t':
			return 't';
	}
	return 'u';
}

void
fhir_json_write_string(StringInfo out, const char *s, int len)
{
	static const char hex[] = "0123456789abcdef";
	const char *end = s + len;
	char *o;

	/* room for the text and one escape; each escape below makes room for the next */
	enlargeStringInfo(out, len + 8);
	o = out->data + out->len;
	*o++ = '"';
	for (; s < end; s++) {
		char e = escape_of((unsigned char) *s);

		if (likely(e == 0)) {
			*o++ = *s;
			continue;
		}
		*o++ = '\\';
		*o++ = e;
		if (e == 'u') {
			*o++ = '0';
			*o++ = '0';
			*o++ = hex[(unsigned char) *s >> 4];
			*o++ = hex[*s & 15];
		}
		out->len = (int) (o - out->data);
		enlargeStringInfo(out, (int) (end - s) + 8);
		o = out->data + out->len;
	}
	*o++ = '"';
	*o = '\0';
	out->len = (int) (o - out->data);
}

/* ---- values ---- */

static void
new_line(StringInfo out, int indent)
{
	enlargeStringInfo(out, indent + 2);
	out->data[out->len++] = '\n';
	memset(out->data + out->len, ' ', indent);
	out->len += indent;
	out->data[out->len] = '\0';
}

static inline void
put(StringInfo out, char c)
{
	if (unlikely(out->len + 1 >= out->maxlen))
		enlargeStringInfo(out, 1);
	out->data[out->len++] = c;
	out->data[out->len] = '\0';
}

static void
write_numeric(StringInfo out, Numeric n)
{
	char *s = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(n)));

	appendStringInfoString(out, s);
	pfree(s);
}

/* The child with entry `je` whose data start at `base + offset`. */
static void
write_child(StringInfo out, JEntry je, const char *base, uint32 offset, uint32 len, int indent)
{
	if (JBE_ISSTRING(je))
		fhir_json_write_string(out, base + offset, (int) len);
	else if (JBE_ISCONTAINER(je))
		fhir_json_write(out, (JsonbContainer *) (base + INTALIGN(offset)), indent);
	else if (JBE_ISNUMERIC(je))
		write_numeric(out, (Numeric) (base + INTALIGN(offset)));
	else if (JBE_ISBOOL_TRUE(je))
		appendBinaryStringInfo(out, "true", 4);
	else if (JBE_ISBOOL_FALSE(je))
		appendBinaryStringInfo(out, "false", 5);
	else
		appendBinaryStringInfo(out, "null", 4);
}

static inline uint32
entry_end(uint32 start, JEntry je)
{
	return JBE_HAS_OFF(je) ? JBE_OFFLENFLD(je) : start + JBE_OFFLENFLD(je);
}

static void
write_array(StringInfo out, JsonbContainer *c, int indent)
{
	int n = JsonContainerSize(c);
	const char *base = (const char *) &c->children[n];
	bool scalar = JsonContainerIsScalar(c);
	int inner = indent < 0 ? -1 : indent + INDENT_WIDTH;
	uint32 start = 0;

	if (!scalar)
		put(out, '[');
	for (int i = 0; i < n; i++) {
		uint32 end = entry_end(start, c->children[i]);

		if (i > 0)
			put(out, ',');
		if (indent >= 0 && !scalar)
			new_line(out, inner);
		write_child(out, c->children[i], base, start, end - start, scalar ? indent : inner);
		start = end;
	}
	if (scalar)
		return;
	if (indent >= 0 && n > 0)
		new_line(out, indent);
	put(out, ']');
}

/*
 * Finds the members that are written first: their indexes in order into lead[]. One pass over the keys, which
 * are sorted by length.
 */
static int
leading_members(const JsonbContainer *c, int n, const char *base, int *lead)
{
	int id = -1, meta = -1, extension = -1, type = -1, count = 0;
	uint32 start = 0;

	for (int i = 0; i < n; i++) {
		uint32 end = entry_end(start, c->children[i]);
		uint32 len = end - start;
		const char *key = base + start;

		if (len == 2 && memcmp(key, "id", 2) == 0)
			id = i;
		else if (len == 4 && memcmp(key, "meta", 4) == 0)
			meta = i;
		else if (len == 9 && memcmp(key, "extension", 9) == 0)
			extension = i;
		else if (len == 12 && memcmp(key, "resourceType", 12) == 0)
			type = i;
		else if (len > 12)
			break;
		start = end;
	}
	if (type >= 0)
		lead[count++] = type;
	if (id >= 0)
		lead[count++] = id;
	if (type >= 0 && meta >= 0)
		lead[count++] = meta;
	if (type < 0 && extension >= 0)
		lead[count++] = extension;
	return count;
}

static void
write_member(StringInfo out, const char *base, uint32 key, uint32 keylen, JEntry je, uint32 value, uint32 len,
			 bool first, int inner)
{
	if (!first)
		put(out, ',');
	if (inner >= 0)
		new_line(out, inner);
	fhir_json_write_string(out, base + key, (int) keylen);
	put(out, ':');
	if (inner >= 0)
		put(out, ' ');
	write_child(out, je, base, value, len, inner);
}

static void
write_object(StringInfo out, JsonbContainer *c, int indent)
{
	int n = JsonContainerSize(c);
	const char *base = (const char *) &c->children[2 * n];
	int inner = indent < 0 ? -1 : indent + INDENT_WIDTH;
	int lead[MAX_LEADING + 1];
	int nlead = leading_members(c, n, base, lead);
	uint32 key = 0, value;

	put(out, '{');
	for (int i = 0; i < nlead; i++)
		write_member(out, base, getJsonbOffset(c, lead[i]), getJsonbLength(c, lead[i]), c->children[n + lead[i]],
					 getJsonbOffset(c, n + lead[i]), getJsonbLength(c, n + lead[i]), i == 0, inner);
	value = n > 0 ? getJsonbOffset(c, n) : 0;
	for (int i = 0, written = nlead; i < n; i++) {
		uint32 key_end = entry_end(key, c->children[i]);
		uint32 value_end = entry_end(value, c->children[n + i]);
		bool done = false;

		for (int j = 0; j < nlead; j++)
			done |= lead[j] == i;
		if (!done)
			write_member(out, base, key, key_end - key, c->children[n + i], value, value_end - value, written++ == 0,
						 inner);
		key = key_end;
		value = value_end;
	}
	if (indent >= 0 && n > 0)
		new_line(out, indent);
	put(out, '}');
}

void
fhir_json_write(StringInfo out, JsonbContainer *c, int indent)
{
	check_stack_depth();
	if (JsonContainerIsObject(c))
		write_object(out, c, indent);
	else
		write_array(out, c, indent);
}

/* Copies a string literal at p; returns the place behind its closing quote. */
static const char *
copy_literal(StringInfo out, const char *p, const char *end)
{
	const char *q = p + 1;

	while (q < end && *q != '"')
		q += *q == '\\' ? 2 : 1;
	q = Min(q + 1, end);
	appendBinaryStringInfo(out, p, (int) (q - p));
	return q;
}

void
fhir_json_indent_text(StringInfo out, const char *text, size_t len)
{
	const char *end = text + len;
	int indent = 0;

	for (const char *p = text; p < end;) {
		switch (*p) {
			case '"':
				p = copy_literal(out, p, end);
				continue;
			case '{':
			case '[':
				put(out, *p);
				if (p + 1 < end && p[1] == *p + 2) {
					put(out, *++p); /* empty */
					break;
				}
				indent += INDENT_WIDTH;
				new_line(out, indent);
				break;
			case '}':
			case ']':
				indent = Max(indent - INDENT_WIDTH, 0);
				new_line(out, indent);
				put(out, *p);
				break;
			case ',':
				put(out, ',');
				new_line(out, indent);
				break;
			case ':':
				appendBinaryStringInfo(out, ": ", 2);
				break;
			default:
				put(out, *p);
		}
		p++;
	}
}

static void
write_tree(StringInfo out, JsonbValue *v, int indent)
{
	Jsonb *j = JsonbValueToJsonb(v);

	fhir_json_write(out, &j->root, indent);
	pfree(j);
}

void
fhir_json_write_value(StringInfo out, JsonbValue *v, int indent)
{
	switch (v->type) {
		case jbvNull:
			appendBinaryStringInfo(out, "null", 4);
			break;
		case jbvBool:
			appendStringInfoString(out, v->val.boolean ? "true" : "false");
			break;
		case jbvString:
			fhir_json_write_string(out, v->val.string.val, v->val.string.len);
			break;
		case jbvNumeric:
			write_numeric(out, v->val.numeric);
			break;
		case jbvBinary:
			fhir_json_write(out, v->val.binary.data, indent);
			break;
		default:
			write_tree(out, v, indent);
	}
}

/* ---- look-ups ---- */

bool
fhir_json_get(JsonbContainer *c, const char *key, int keylen, JsonbValue *out)
{
	return JsonContainerIsObject(c) && getKeyJsonValueFromContainer(c, key, keylen, out) != NULL;
}

char *
fhir_json_get_string(JsonbContainer *c, const char *key)
{
	JsonbValue v;

	if (!fhir_json_get(c, key, strlen(key), &v) || v.type != jbvString)
		return NULL;
	return pnstrdup(v.val.string.val, v.val.string.len);
}

Jsonb *
fhir_json_from_value(JsonbValue *v)
{
	return JsonbValueToJsonb(v);
}
