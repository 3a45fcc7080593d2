/*
 * json_edit.c: members of a JSONB document replaced, added, removed; members and elements listed.
 *
 * A document is never taken apart: members are replaced by building a new object header and copying the other
 * members' bytes. JSONB's layout (jsonb.h): header, one JEntry per key, one per value, then keys and values;
 * keys are sorted by (length, bytes); containers and numerics start on 4-byte boundaries, the padding counts to their length;
 * every JB_OFFSET_STRIDE-th entry holds an end offset in place of a length.
 */
#include "base/compat.h"

#include "access/toast_compression.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/json.h"
#include "base/json_edit.h"

/* One member of the object that is being built. */
typedef struct Part {
	const char *key;
	uint32 keylen;
	uint32 kind; /* JENTRY_IS... */
	const char *data;
	uint32 len; /* without padding */
} Part;

static int
compare_keys(const char *a, int alen, const char *b, int blen)
{
	if (alen != blen)
		return alen < blen ? -1 : 1;
	return memcmp(a, b, alen);
}

static void
part_from_value(Part *p, const char *key, int keylen, const JsonbValue *v)
{
	p->key = key;
	p->keylen = keylen;
	p->data = NULL;
	p->len = 0;
	switch (v->type) {
		case jbvNull:
			p->kind = JENTRY_ISNULL;
			break;
		case jbvBool:
			p->kind = v->val.boolean ? JENTRY_ISBOOL_TRUE : JENTRY_ISBOOL_FALSE;
			break;
		case jbvString:
			p->kind = JENTRY_ISSTRING;
			p->data = v->val.string.val;
			p->len = v->val.string.len;
			break;
		case jbvNumeric:
			p->kind = JENTRY_ISNUMERIC;
			p->data = (const char *) v->val.numeric;
			p->len = VARSIZE_ANY(v->val.numeric);
			break;
		case jbvBinary:
			p->kind = JENTRY_ISCONTAINER;
			p->data = (const char *) v->val.binary.data;
			p->len = v->val.binary.len;
			break;
		default:
			elog(ERROR, "unexpected kind %d of a document's member", v->type);
	}
}

/* Reads the members of an object into parts (room for JsonContainerSize). */
static int
read_parts(JsonbContainer *c, Part *parts)
{
	int n = JsonContainerSize(c);
	const char *base = (const char *) &c->children[n * 2];
	uint32 off = 0;

	for (int i = 0; i < n; i++) {
		uint32 start = off;

		JBE_ADVANCE_OFFSET(off, c->children[i]);
		parts[i].key = base + start;
		parts[i].keylen = off - start;
	}
	for (int i = 0; i < n; i++) {
		JEntry e = c->children[n + i];
		uint32 start = off;

		JBE_ADVANCE_OFFSET(off, e);
		parts[i].kind = e & JENTRY_TYPEMASK;
		if (JBE_ISCONTAINER(e) || JBE_ISNUMERIC(e))
			start = INTALIGN(start);
		parts[i].data = base + start;
		parts[i].len = off - start;
	}
	return n;
}

static bool
is_aligned(uint32 kind)
{
	return kind == JENTRY_ISCONTAINER || kind == JENTRY_ISNUMERIC;
}

static Jsonb *
finish(Jsonb *out, const char *base, uint32 total)
{
	if (total > JENTRY_OFFLENMASK)
		ereport(ERROR, errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("document is too large"), errdetail("A document holds at most %d bytes in an array or object.", JENTRY_OFFLENMASK));
	SET_VARSIZE(out, (base - (char *) out) + total);
	return out;
}

/* Writes the parts' values as entries `first` and following; returns the end of the data. */
static uint32
write_values(JsonbContainer *c, char *base, uint32 total, const Part *parts, int n, int first)
{
	for (int i = 0; i < n; i++) {
		uint32 start = total;

		if (is_aligned(parts[i].kind))
			total = INTALIGN(total);
		if (parts[i].len > 0)
			memcpy(base + total, parts[i].data, parts[i].len);
		total += parts[i].len;
		c->children[first + i] =
			parts[i].kind | ((first + i) % JB_OFFSET_STRIDE == 0 ? total | JENTRY_HAS_OFF : total - start);
	}
	return total;
}

static Jsonb *
alloc_container(const Part *parts, int n, int nentries, uint32 flag)
{
	Size size = offsetof(JsonbContainer, children) + sizeof(JEntry) * nentries;
	Jsonb *out;

	for (int i = 0; i < n; i++)
		size += parts[i].keylen + parts[i].len + 3;
	out = palloc0(VARHDRSZ + size);
	out->root.header = (uint32) n | flag;
	return out;
}

static Jsonb *
write_object(const Part *parts, int n)
{
	Jsonb *out = alloc_container(parts, n, n * 2, JB_FOBJECT);
	JsonbContainer *c = &out->root;
	char *base = (char *) &c->children[n * 2];
	uint32 total = 0;

	for (int i = 0; i < n; i++) {
		memcpy(base + total, parts[i].key, parts[i].keylen);
		total += parts[i].keylen;
		c->children[i] = i % JB_OFFSET_STRIDE == 0 ? total | JENTRY_HAS_OFF : parts[i].keylen;
	}
	return finish(out, base, write_values(c, base, total, parts, n, n));
}

Jsonb *
json_array(const JsonbValue *elems, int n)
{
	Part *parts = palloc0(sizeof(Part) * (n + 1));
	Jsonb *out;

	for (int i = 0; i < n; i++)
		part_from_value(&parts[i], NULL, 0, &elems[i]);
	out = alloc_container(parts, n, n, JB_FARRAY);
	finish(out, (char *) &out->root.children[n],
		   write_values(&out->root, (char *) &out->root.children[n], 0, parts, n, 0));
	pfree(parts);
	return out;
}

/* A value from its entry and data. */
static void
value_from_entry(uint32 kind, char *data, uint32 len, JsonbValue *v)
{
	switch (kind) {
		case JENTRY_ISSTRING:
			v->type = jbvString;
			v->val.string.val = data;
			v->val.string.len = len;
			break;
		case JENTRY_ISNUMERIC:
			v->type = jbvNumeric;
			v->val.numeric = (Numeric) data;
			break;
		case JENTRY_ISBOOL_TRUE:
		case JENTRY_ISBOOL_FALSE:
			v->type = jbvBool;
			v->val.boolean = kind == JENTRY_ISBOOL_TRUE;
			break;
		case JENTRY_ISNULL:
			v->type = jbvNull;
			break;
		default:
			v->type = jbvBinary;
			v->val.binary.data = (JsonbContainer *) data;
			v->val.binary.len = len;
	}
}

int
json_members(JsonbContainer *c, JsonMember **out)
{
	int n = JsonContainerSize(c);
	Part *parts = palloc(sizeof(Part) * (n + 1));

	*out = palloc0(sizeof(JsonMember) * (n + 1));
	read_parts(c, parts);
	for (int i = 0; i < n; i++) {
		(*out)[i].key = parts[i].key;
		(*out)[i].keylen = parts[i].keylen;
		value_from_entry(parts[i].kind, (char *) parts[i].data, parts[i].len, &(*out)[i].value);
	}
	pfree(parts);
	return n;
}

int
json_elements(JsonbContainer *c, JsonbValue **out)
{
	int n = JsonContainerSize(c);
	char *base = (char *) &c->children[n];
	uint32 off = 0;

	*out = palloc(sizeof(JsonbValue) * (n + 1));
	for (int i = 0; i < n; i++) {
		JEntry e = c->children[i];
		uint32 start = off;

		JBE_ADVANCE_OFFSET(off, e);
		if (JBE_ISCONTAINER(e) || JBE_ISNUMERIC(e))
			start = INTALIGN(start);
		value_from_entry(e & JENTRY_TYPEMASK, base + start, off - start, &(*out)[i]);
	}
	return n;
}

void
json_set_binary(JsonbValue *v, Jsonb *j)
{
	v->type = jbvBinary;
	v->val.binary.data = &j->root;
	v->val.binary.len = VARSIZE(j) - VARHDRSZ;
}

Jsonb *
json_splice(JsonbContainer *src, const JsonMember *m, int n)
{
	int nold = src ? JsonContainerSize(src) : 0;
	Part *old = palloc(sizeof(Part) * (nold + 1));
	Part *parts = palloc(sizeof(Part) * (nold + n + 1));
	int i = 0, j = 0, count = 0;
	Jsonb *out;

	if (src)
		read_parts(src, old);
	while (i < nold || j < n) {
		int cmp = i >= nold ? 1 : j >= n ? -1
										 : compare_keys(old[i].key, old[i].keylen, m[j].key, m[j].keylen);

		if (cmp < 0) {
			parts[count++] = old[i++];
			continue;
		}
		if (cmp == 0)
			i++;
		if (!m[j].remove)
			part_from_value(&parts[count++], m[j].key, m[j].keylen, &m[j].value);
		j++;
	}
	out = write_object(parts, count);
	pfree(old);
	pfree(parts);
	return out;
}
