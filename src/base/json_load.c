/*
 * json_load.c: JSON text as fhir_json_write makes it -> Jsonb, in two passes without a tree of values.
 *
 * The first pass notes each value in a flat list (where its text is, how many members it has, where it ends) and how many
 * bytes the result has at most; the second writes JSONB's layout from it, each byte once. What it makes is byte by byte
 * what JsonbValueToJsonb makes of the same text. It knows only what this server writes: no white space, no exponents, the escapes of
 * fhir_json_write_string. For anything else, also for what is wrong, it answers NULL, and json_parse.c has its say.
 *
 * JSONB's layout (jsonb.h): a container is a header, one JEntry a key and one a value, then keys and values; keys stand in order of
 * length and bytes; containers and numerics start at multiples of 4, the padding counts to their length; every
 * JB_OFFSET_STRIDE-th entry holds its end in place of its length.
 */
#include "base/compat.h"

#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#include "base/hex.h"
#include "base/json.h"

typedef enum ItemKind {
	ITEM_OBJECT,
	ITEM_ARRAY,
	ITEM_STRING,
	ITEM_ESCAPED,
	ITEM_NUMBER,
	ITEM_TRUE,
	ITEM_FALSE,
	ITEM_NULL
} ItemKind;

/* A value, or a key. In an object each key stands before its value. */
typedef struct Item {
	uint32 start; /* of a string or number in the text */
	uint32 len;	  /* its bytes; of an object how many members, of an array how many elements */
	uint32 next;  /* the item behind this one and all within it */
	ItemKind kind;
} Item;

#define FIRST_ITEMS 192 /* an ordinary resource has some hundred */
#define SORT_BY_HAND 48
#define SLACK 8			 /* bytes that may be written behind the end */
#define NUMBER_DIGITS 16 /* on either side of the point; longer numbers go to numeric_in */

typedef struct Loader {
	const char *text, *p, *end;
	Item *items;
	uint32 n, max;
	uint64 bytes;	 /* of the result, at most */
	char *base, *to; /* the result, and where its next byte goes */
} Loader;

/* ---- first pass ---- */

static uint32
add_item(Loader *l, ItemKind kind)
{
	if (l->n == l->max) {
		CHECK_FOR_INTERRUPTS();
		l->max *= 2;
		l->items = repalloc_huge(l->items, (Size) l->max * sizeof(Item));
	}
	l->items[l->n].kind = kind;
	l->items[l->n].next = l->n + 1;
	return l->n++;
}

/* The first character from p on that is below 0x20, a quote or a backslash; end if there is none. */
static inline const char *
find_special(const char *p, const char *end)
{
	const uint64 ones = UINT64CONST(0x0101010101010101), high = UINT64CONST(0x8080808080808080);

	for (; end - p >= 8; p += 8) {
		uint64 w, quote, slash, hit;

		memcpy(&w, p, 8);
		quote = w ^ (ones * '"');
		slash = w ^ (ones * '\\');
		hit = (((w - ones * 0x20) & ~w) | ((quote - ones) & ~quote) | ((slash - ones) & ~slash)) & high;
		if (hit == 0)
			continue;
#ifdef WORDS_BIGENDIAN
		break;
#else
		return p + pg_rightmost_one_pos64(hit) / 8; /* a borrow spoils only the bytes behind the first hit */
#endif
	}
	while (p < end && (unsigned char) *p >= 0x20 && *p != '"' && *p != '\\')
		p++;
	return p;
}

/* l->p stands at the opening quote. */
static bool
scan_string(Loader *l)
{
	const char *p = l->p + 1, *start = p;
	ItemKind kind = ITEM_STRING;
	uint32 at;

	for (;;) {
		p = find_special(p, l->end);
		if (p >= l->end || (unsigned char) *p < 0x20)
			return false;
		if (*p == '"')
			break;
		if (l->end - p < 2)
			return false;
		kind = ITEM_ESCAPED;
		p += 2;
	}
	at = add_item(l, kind);
	l->items[at].start = start - l->text;
	l->items[at].len = p - start;
	l->bytes += 4 + (p - start);
	l->p = p + 1;
	return true;
}

static bool
scan_digits(Loader *l)
{
	const char *p = l->p;

	while (p < l->end && *p >= '0' && *p <= '9')
		p++;
	if (p == l->p)
		return false;
	l->p = p;
	return true;
}

static bool
scan_number(Loader *l)
{
	uint32 at = add_item(l, ITEM_NUMBER), len;
	const char *start = l->p;

	if (*l->p == '-')
		l->p++;
	if (l->end - l->p > 1 && *l->p == '0' && l->p[1] >= '0' && l->p[1] <= '9')
		return false;
	if (!scan_digits(l))
		return false;
	if (l->p < l->end && *l->p == '.') {
		l->p++;
		if (!scan_digits(l))
			return false;
	}
	if (l->p < l->end && (*l->p == 'e' || *l->p == 'E'))
		return false;
	len = l->p - start;
	l->items[at].start = start - l->text;
	l->items[at].len = len;
	l->bytes += 4 + 3 + VARHDRSZ + 4 + (len / 4 + 3) * 2;
	return true;
}

static bool
scan_literal(Loader *l, const char *word, int len, ItemKind kind)
{
	if (l->end - l->p < len || memcmp(l->p, word, len) != 0)
		return false;
	l->p += len;
	l->bytes += 4;
	add_item(l, kind);
	return true;
}

static bool scan_value(Loader *l);

/* Members or elements up to the closing character. */
static bool
scan_container(Loader *l, ItemKind kind, char close)
{
	uint32 at = add_item(l, kind), count = 0;

	check_stack_depth();
	l->bytes += 4 + 3 + 4;
	l->p++;
	if (l->p < l->end && *l->p == close)
		l->p++;
	else
		for (;;) {
			if (kind == ITEM_OBJECT) {
				if (l->p >= l->end || *l->p != '"' || !scan_string(l) || l->items[l->n - 1].kind != ITEM_STRING ||
					l->p >= l->end || *l->p++ != ':')
					return false;
			}
			if (!scan_value(l) || l->p >= l->end)
				return false;
			count++;
			if (*l->p == close) {
				l->p++;
				break;
			}
			if (*l->p++ != ',')
				return false;
		}
	l->items[at].len = count;
	l->items[at].next = l->n;
	return true;
}

static bool
scan_value(Loader *l)
{
	if (l->p >= l->end)
		return false;
	switch (*l->p) {
		case '"':
			return scan_string(l);
		case '{':
			return scan_container(l, ITEM_OBJECT, '}');
		case '[':
			return scan_container(l, ITEM_ARRAY, ']');
		case 't':
			return scan_literal(l, "true", 4, ITEM_TRUE);
		case 'f':
			return scan_literal(l, "false", 5, ITEM_FALSE);
		case 'n':
			return scan_literal(l, "null", 4, ITEM_NULL);
		case '-':
		case '0' ... '9':
			return scan_number(l);
		default:
			return false;
	}
}

/* ---- second pass ---- */

static bool write_value(Loader *l, const Item *v, JEntry *entry);

static inline void
align(Loader *l)
{
	while ((l->to - l->base) % sizeof(int32) != 0)
		*l->to++ = '\0';
}

/* Short texts by whole words, where no more is read than there is; the result has room for them. */
static inline void
put_text(Loader *l, const Item *v)
{
	const char *from = l->text + v->start;

	if (likely(l->end - from >= (ptrdiff_t) v->len + SLACK))
		for (uint32 i = 0; i < v->len; i += SLACK)
			memcpy(l->to + i, from + i, SLACK);
	else
		memcpy(l->to, from, v->len);
	l->to += v->len;
}

/*
 * A number of at most NUMBER_DIGITS digits on either side in numeric's short form: header of sign, scale and weight,
 * then digits of base 10000 without zeros at either end (numeric.c, make_result). The form is that of stored data: it doesn't change.
 */
static void
write_short_numeric(Loader *l, const char *s, int before, int behind, bool negative)
{
	int16 digits[2 * NUMBER_DIGITS / 4 + 2];
	int n = 0, first = 0, weight = (before + 3) / 4 - 1;
	uint16 header;

	for (int i = 0, left = before; left > 0; left = left / 4 * 4 - (left % 4 == 0 ? 4 : 0)) {
		int d = 0;

		for (int take = left % 4 == 0 ? 4 : left % 4; take > 0; take--)
			d = d * 10 + (s[i++] - '0');
		digits[n++] = d;
	}
	s += before + 1;
	for (int i = 0; i < behind; i += 4) {
		int d = 0;

		for (int k = i; k < i + 4; k++)
			d = d * 10 + (k < behind ? s[k] - '0' : 0);
		digits[n++] = d;
	}
	while (first < n && digits[first] == 0) {
		first++;
		weight--;
	}
	while (n > first && digits[n - 1] == 0)
		n--;
	if (n == first) {
		weight = 0;
		negative = false;
	}
	header = 0x8000 | (negative ? 0x2000 : 0) | behind << 7 | (weight & 0x7F);
	SET_VARSIZE(l->to, VARHDRSZ + sizeof(header) + (n - first) * sizeof(int16));
	memcpy(l->to + VARHDRSZ, &header, sizeof(header));
	memcpy(l->to + VARHDRSZ + sizeof(header), digits + first, (n - first) * sizeof(int16));
	l->to += VARSIZE(l->to);
}

static void
write_number(Loader *l, const Item *v)
{
	const char *s = l->text + v->start, *end = s + v->len, *point = memchr(s, '.', v->len);
	bool negative = *s == '-';
	int before, behind = point ? end - point - 1 : 0;

	align(l);
	before = (point ? point : end) - s - negative;
	if (before <= NUMBER_DIGITS && behind <= NUMBER_DIGITS)
		write_short_numeric(l, s + negative, before, behind, negative);
	else {
		char *copy = pnstrdup(s, v->len);
		Numeric n = DatumGetNumeric(
			DirectFunctionCall3(numeric_in, CStringGetDatum(copy), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));

		memcpy(l->to, n, VARSIZE_ANY(n));
		l->to += VARSIZE_ANY(n);
		pfree(n);
		pfree(copy);
	}
}

static bool
write_escaped(Loader *l, const Item *v)
{
	const char *p = l->text + v->start, *end = p + v->len;

	while (p < end) {
		if (*p != '\\') {
			*l->to++ = *p++;
			continue;
		}
		p += 2;
		switch (p[-1]) {
			case '"':
			case '\\':
				*l->to++ = p[-1];
				break;
			case 'b':
				*l->to++ = '\b';
				break;
			case 'f':
				*l->to++ = '\f';
				break;
			case 'n':
				*l->to++ = '\n';
				break;
			case 'r':
				*l->to++ = '\r';
				break;
			case 't':
				*l->to++ = '\t';
				break;
			case 'u': {
				int high, low;

				if (end - p < 4 || p[0] != '0' || p[1] != '0' || (high = fhir_hex_value(p[2])) < 0 || high > 1 ||
					(low = fhir_hex_value(p[3])) < 0 || high + low == 0)
					return false;
				*l->to++ = high << 4 | low;
				p += 4;
				break;
			}
			default:
				return false;
		}
	}
	return true;
}

/* JSONB's order of keys: by length, then by bytes. */
static inline int
compare_items(const Loader *l, const Item *a, const Item *b)
{
	const unsigned char *x = (const unsigned char *) l->text + a->start, *y = (const unsigned char *) l->text + b->start;

	if (a->len != b->len)
		return a->len < b->len ? -1 : 1;
	if (a->len > 0 && *x != *y)
		return *x < *y ? -1 : 1;
	return memcmp(x, y, a->len);
}

static int
compare_order(const void *a, const void *b, void *l)
{
	const Item *items = ((Loader *) l)->items;

	return compare_items(l, &items[*(const uint32 *) a], &items[*(const uint32 *) b]);
}

/* The keys' items in JSONB's order: the text has them in that order but for those that lead. False: two are the same. */
static bool
order_keys(Loader *l, const Item *object, uint32 *order)
{
	uint32 key = object - l->items + 1, n = object->len;

	for (uint32 i = 0; i < n; i++) {
		uint32 j = i;

		if (n <= SORT_BY_HAND)
			for (; j > 0 && compare_items(l, &l->items[key], &l->items[order[j - 1]]) < 0; j--)
				order[j] = order[j - 1];
		order[j] = key;
		key = l->items[key + 1].next;
	}
	if (n > SORT_BY_HAND)
		qsort_arg(order, n, sizeof(uint32), compare_order, l);
	for (uint32 i = 1; i < n; i++)
		if (compare_items(l, &l->items[order[i - 1]], &l->items[order[i]]) == 0)
			return false;
	return true;
}

/* Entry number i, of something that ends at `end` behind the container's entries. */
static inline void
set_entry(JsonbContainer *c, uint32 i, JEntry entry, uint32 end)
{
	c->children[i] = i % JB_OFFSET_STRIDE == 0 ? (entry & JENTRY_TYPEMASK) | JENTRY_HAS_OFF | end : entry;
}

static bool
write_object(Loader *l, const Item *v)
{
	uint32 n = v->len, few[SORT_BY_HAND], *order = n <= SORT_BY_HAND ? few : palloc((Size) n * sizeof(uint32));
	JsonbContainer *c = (JsonbContainer *) l->to;
	char *data = l->to + offsetof(JsonbContainer, children) + (Size) n * 2 * sizeof(JEntry);
	JEntry entry;

	if (!order_keys(l, v, order))
		return false;
	c->header = n | JB_FOBJECT;
	l->to = data;
	for (uint32 i = 0; i < n; i++) {
		const Item *key = &l->items[order[i]];

		put_text(l, key);
		set_entry(c, i, JENTRY_ISSTRING | key->len, l->to - data);
	}
	for (uint32 i = 0; i < n; i++) {
		if (!write_value(l, &l->items[order[i] + 1], &entry))
			return false;
		set_entry(c, n + i, entry, l->to - data);
	}
	if (order != few)
		pfree(order);
	return true;
}

static bool
write_array(Loader *l, const Item *v)
{
	uint32 n = v->len;
	JsonbContainer *c = (JsonbContainer *) l->to;
	char *data = l->to + offsetof(JsonbContainer, children) + (Size) n * sizeof(JEntry);
	const Item *element = v + 1;
	JEntry entry;

	c->header = n | JB_FARRAY;
	l->to = data;
	for (uint32 i = 0; i < n; i++) {
		if (!write_value(l, element, &entry))
			return false;
		set_entry(c, i, entry, l->to - data);
		element = &l->items[element->next];
	}
	return true;
}

/* Writes a value, with its padding; *entry: its kind and length. */
static bool
write_value(Loader *l, const Item *v, JEntry *entry)
{
	char *start = l->to;
	bool ok = true;
	JEntry kind = JENTRY_ISSTRING;

	switch (v->kind) {
		case ITEM_STRING:
			put_text(l, v);
			break;
		case ITEM_ESCAPED:
			ok = write_escaped(l, v);
			break;
		case ITEM_NUMBER:
			kind = JENTRY_ISNUMERIC;
			write_number(l, v);
			break;
		case ITEM_OBJECT:
		case ITEM_ARRAY:
			kind = JENTRY_ISCONTAINER;
			check_stack_depth();
			align(l);
			ok = v->kind == ITEM_OBJECT ? write_object(l, v) : write_array(l, v);
			break;
		case ITEM_TRUE:
			kind = JENTRY_ISBOOL_TRUE;
			break;
		case ITEM_FALSE:
			kind = JENTRY_ISBOOL_FALSE;
			break;
		case ITEM_NULL:
			kind = JENTRY_ISNULL;
			break;
	}
	*entry = kind | (uint32) (l->to - start);
	return ok;
}

Jsonb *
fhir_json_load(const char *text, size_t len)
{
	Loader l = {.text = text, .p = text, .end = text + len, .max = FIRST_ITEMS, .bytes = VARHDRSZ};
	JEntry entry;
	bool ok;

	if (len == 0 || len > MaxAllocSize || (*text != '{' && *text != '[') || GetDatabaseEncoding() != PG_UTF8 ||
		pg_encoding_verifymbstr(PG_UTF8, text, (int) len) != (int) len)
		return NULL;
	l.items = palloc(FIRST_ITEMS * sizeof(Item));
	ok = scan_value(&l) && l.p == l.end && l.bytes <= JENTRY_OFFLENMASK;
	if (ok) {
		l.base = l.to = palloc(l.bytes + SLACK);
		l.to += VARHDRSZ;
		ok = write_value(&l, l.items, &entry);
		if (ok)
			SET_VARSIZE(l.base, l.to - l.base);
		else
			pfree(l.base);
	}
	pfree(l.items);
	return ok ? (Jsonb *) l.base : NULL;
}
