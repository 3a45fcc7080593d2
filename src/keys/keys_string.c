/*
 * keys_string.c: text: folding, and the keys of string parameters.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "keys/keys_internal.h"
#include "model/model.h"

static inline bool
is_space(pg_wchar c)
{
	return c == ' ' || (c >= '\t' && c <= '\r') || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
		   c == 0x202F || c == 0x205F || c == 0x3000;
}

/*
 * Text beyond ASCII, from byte i on, after `n` bytes of out. A UTF-8 character folds to at most MODEL_FOLD_MAX characters of
 * up to 4 bytes; room for that is made as needed.
 */
static char *
fold_rest(const char *s, int len, int i, char *out, int n, bool space, int *outlen)
{
	Size room = Max(len + 1, 64);

	while (i < len) {
		pg_wchar folded[MODEL_FOLD_MAX];
		int clen = pg_utf_mblen((const unsigned char *) s + i), k;

		if (i + clen > len)
			break;
		if (n + (MODEL_FOLD_MAX + 1) * 4 + 1 > room) {
			room = room * 2 + (MODEL_FOLD_MAX + 1) * 4;
			out = repalloc_huge(out, room);
		}
		k = model_fold(utf8_to_unicode((const unsigned char *) s + i), folded);
		for (int j = 0; j < k; j++) {
			if (is_space(folded[j])) {
				space = n > 0;
				continue;
			}
			if (space)
				out[n++] = ' ';
			space = false;
			unicode_to_utf8(folded[j], (unsigned char *) out + n);
			n += pg_utf_mblen((const unsigned char *) out + n);
		}
		i += clen;
	}
	out[n] = '\0';
	*outlen = n;
	return out;
}

char *
keys_fold(const char *s, int len, int *outlen)
{
	char *out = palloc_extended(Max(len + 1, 64), MCXT_ALLOC_HUGE);
	bool space = false;
	int n = 0;

	for (int i = 0; i < len; i++) {
		unsigned char c = s[i];

		if (c >= 0x80)
			return fold_rest(s, len, i, out, n, space, outlen);
		if (c == ' ' || (c >= '\t' && c <= '\r')) {
			space = n > 0;
			continue;
		}
		if (space)
			out[n++] = ' ';
		space = false;
		out[n++] = c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
	}
	out[n] = '\0';
	*outlen = n;
	return out;
}

/* One text under a string key, and its exact form. */
static void
add_string(KeyBuilder *b, uint64 key, const char *raw, int len)
{
	if (len <= 0)
		return;
	keys_add_eq(b, keys_exact(b->source, raw, len), "exact", raw, len);
	keys_add_string(b, key, raw, len);
}

/* Member `name`, a string or a list of strings, of a name or address. */
static void
add_part(KeyBuilder *b, uint64 key, JsonbContainer *c, const char *name)
{
	JsonbContainer *array;
	JsonbValue v;

	if (!keys_member(c, name, strlen(name), &v))
		return;
	if (v.type == jbvString)
		add_string(b, key, v.val.string.val, v.val.string.len);
	else if ((array = keys_array(&v)) != NULL)
		for (uint32 i = 0; i < JsonContainerSize(array); i++) {
			JsonbValue *e = getIthJsonbValueFromContainer(array, i);

			if (e->type == jbvString)
				add_string(b, key, e->val.string.val, e->val.string.len);
		}
}

void
keys_item_string(KeyBuilder *b, const FpItem *item)
{
	const KeySource *s = b->source;
	JsonbContainer *c = keys_object(&item->json);
	int first;

	if (c == NULL) {
		if (item->json.type != jbvString || item->json.val.string.len == 0)
			return;
		add_string(b, keys_ordered(s), item->json.val.string.val, item->json.val.string.len);
		return;
	}
	if (item->type == MODEL_T_HumanName) {
		/* parts stand in the order of define_string(): plain text, names, addresses */
		first = s->parts[0] == keys_ordered(s);
		for (int i = 0; i < KEYS_NAME_PARTS; i++)
			add_part(b, s->parts[first + i], c, keys_name_parts[i]);
	} else if (item->type == MODEL_T_Address) {
		first = s->nparts - KEYS_ADDRESS_PARTS;
		for (int i = 0; i < KEYS_ADDRESS_PARTS; i++)
			add_part(b, s->parts[first + i], c, keys_address_parts[i]);
	}
}
