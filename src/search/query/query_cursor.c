/*
 * query_cursor.c: the place in a search's order where a page ends, as text for its links.
 *
 * A cursor is base64url of: seal, direction, type, id and sort values of the row at the page's edge. It holds
 * nothing that the client does not see in the resources. The seal is the first 16 bytes of HMAC-SHA256, under
 * the store's link key, over the search (type, compartment, criteria, order) and the rest of the cursor: so
 * it can't be made up, changed, or taken to another search or store, and it is valid wherever the store is:
 * on replicas, after a restart, in a restored dump. A cursor says only where to go on: what is shown there is
 * decided by the search itself and the rights of whoever follows the link, with or without a seal.
 */
#include "base/base.h"

#include "common/hmac.h"
#include "common/sha2.h"
#include "utils/builtins.h"

#include "search/plan/plan.h"
#include "store/rows/rows.h"

#define SEAL_LENGTH 16

/* Fields are netstrings ("3:abc"), so that any text fits and none can be taken for another. */
static void
put_field(StringInfo b, const char *s)
{
	if (s)
		appendStringInfo(b, "%d:%s", (int) strlen(s), s);
	else
		appendStringInfoChar(b, '-');
}

/* Result controls that decide neither which rows match nor in which order they come; with modifiers. */
static bool
changes_no_order(const SearchPair *p)
{
	static const char *const names[] = {"_count", "_cursor", "_total", "_summary", "_elements",
										"_include", "_revinclude", "_format", "_pretty"};

	for (int i = 0; p->control && i < lengthof(names); i++) {
		size_t len = strlen(names[i]);

		if (strncmp(p->name, names[i], len) == 0 && (p->name[len] == '\0' || p->name[len] == ':'))
			return true;
	}
	return false;
}

/* Everything that decides which rows come in which order; not what handling=lenient left out, which no link holds. */
static void
put_search(StringInfo b, const SearchRequest *req)
{
	put_field(b, req->type ? req->type->name : NULL);
	put_field(b, req->compartment ? req->compartment->name : NULL);
	put_field(b, req->compartment ? req->compartment_id : NULL);
	for (int i = 0; i < req->npairs; i++)
		if (req->pairs[i].used && !changes_no_order(&req->pairs[i])) {
			put_field(b, req->pairs[i].name);
			put_field(b, req->pairs[i].value);
		}
	appendStringInfoChar(b, '.');
}

static void
seal(const SearchRequest *req, const char *body, int len, uint8 *out)
{
	const char *key = store_link_key();
	pg_hmac_ctx *hmac = pg_hmac_create(PG_SHA256);
	uint8 digest[PG_SHA256_DIGEST_LENGTH];
	StringInfoData b;

	initStringInfo(&b);
	put_search(&b, req);
	appendBinaryStringInfo(&b, body, len);
	if (hmac == NULL || pg_hmac_init(hmac, (const uint8 *) key, strlen(key)) < 0 ||
		pg_hmac_update(hmac, (const uint8 *) b.data, b.len) < 0 ||
		pg_hmac_final(hmac, digest, sizeof(digest)) < 0)
		elog(ERROR, "cannot seal a link");
	pg_hmac_free(hmac);
	memcpy(out, digest, SEAL_LENGTH);
}

static char *
base64url(const char *s, int len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	char *out = palloc(len * 4 / 3 + 4), *o = out;

	for (int i = 0; i < len; i += 3) {
		uint32 v = (uint8) s[i] << 16 | (i + 1 < len ? (uint8) s[i + 1] << 8 : 0) |
				   (i + 2 < len ? (uint8) s[i + 2] : 0);

		*o++ = digits[v >> 18];
		*o++ = digits[v >> 12 & 63];
		if (i + 1 < len)
			*o++ = digits[v >> 6 & 63];
		if (i + 2 < len)
			*o++ = digits[v & 63];
	}
	*o = '\0';
	return out;
}

static bool
base64url_decode(const char *s, StringInfo out)
{
	uint32 v = 0;
	int bits = 0;

	for (; *s; s++) {
		int d;

		if (*s >= 'A' && *s <= 'Z')
			d = *s - 'A';
		else if (*s >= 'a' && *s <= 'z')
			d = *s - 'a' + 26;
		else if (*s >= '0' && *s <= '9')
			d = *s - '0' + 52;
		else if (*s == '-')
			d = 62;
		else if (*s == '_')
			d = 63;
		else
			return false;
		v = v << 6 | d;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			appendStringInfoChar(out, (char) (v >> bits & 255));
		}
	}
	/* one text for the same bytes */
	return bits < 6 && (v & ((1u << bits) - 1)) == 0;
}

static char *
sort_value_text(const SearchSort *sort, Datum d)
{
	if (search_sort_type(sort) == TEXTOID)
		return TextDatumGetCString(d);
	return psprintf(INT64_FORMAT, DatumGetInt64(d)); /* timestamptz is an int64, too */
}

char *
search_cursor_write(const SearchRequest *req, const SearchRow *row, bool backward)
{
	StringInfoData body, all;
	uint8 mark[SEAL_LENGTH];

	initStringInfo(&body);
	initStringInfo(&all);
	appendStringInfoChar(&body, row == NULL ? 'e' : backward ? 'p'
															 : 'n');
	if (row != NULL) {
		put_field(&body, row->type);
		put_field(&body, row->cursor_id ? row->cursor_id : row->id);
	}
	for (int i = 0; row != NULL && i < req->nsorts; i++)
		put_field(&body, row->sort_null[i] ? NULL : sort_value_text(&req->sorts[i], row->sort[i]));
	seal(req, body.data, body.len, mark);
	appendBinaryStringInfo(&all, (char *) mark, SEAL_LENGTH);
	appendBinaryStringInfo(&all, body.data, body.len);
	return base64url(all.data, all.len);
}

/* Next field; false if malformed. */
static bool
get_field(const char **p, const char *end, char **out)
{
	long n;
	char *after;

	*out = NULL;
	if (*p < end && **p == '-') {
		(*p)++;
		return true;
	}
	n = strtol(*p, &after, 10);
	if (after == *p || *after != ':' || n < 0 || n > end - after - 1)
		return false;
	*out = pnstrdup(after + 1, n);
	*p = after + 1 + n;
	return true;
}

static bool
cursor_parse(const SearchRequest *req, SearchCursor *out)
{
	StringInfoData b;
	const char *p, *end;
	char *type, *id;
	uint8 mark[SEAL_LENGTH], differ = 0;

	initStringInfo(&b);
	if (!base64url_decode(req->cursor, &b) || b.len <= SEAL_LENGTH)
		return false;
	seal(req, b.data + SEAL_LENGTH, b.len - SEAL_LENGTH, mark);
	/* takes as long wherever they differ */
	for (int i = 0; i < SEAL_LENGTH; i++)
		differ |= mark[i] ^ (uint8) b.data[i];
	if (differ || memchr(b.data + SEAL_LENGTH, 0, b.len - SEAL_LENGTH) != NULL)
		return false;
	out->from_end = b.data[SEAL_LENGTH] == 'e';
	out->backward = out->from_end || b.data[SEAL_LENGTH] == 'p';
	if (out->from_end)
		return b.len == SEAL_LENGTH + 1;
	p = b.data + SEAL_LENGTH + 1;
	end = b.data + b.len;
	if (!get_field(&p, end, &type) || !get_field(&p, end, &id) || !type || !id)
		return false;
	out->type = type;
	out->id = id;
	out->part = -1;
	if (strchr(id, '#') != NULL) {
		out->part = (int) strtol(strchr(id, '#') + 1, NULL, 10);
		*strchr(id, '#') = '\0';
	}
	out->values = palloc0((req->nsorts + 1) * sizeof(Datum));
	out->nulls = palloc0((req->nsorts + 1) * sizeof(bool));
	for (int i = 0; i < req->nsorts; i++) {
		char *v;

		if (!get_field(&p, end, &v))
			return false;
		out->nulls[i] = v == NULL;
		if (v)
			out->values[i] = search_sort_type(&req->sorts[i]) == TEXTOID
								 ? CStringGetTextDatum(v)
								 : Int64GetDatum(strtoll(v, NULL, 10));
	}
	return p == end;
}

bool
search_cursor_read(const SearchRequest *req, SearchCursor *out)
{
	memset(out, 0, sizeof(*out));
	if (req->cursor == NULL)
		return false;
	if (!cursor_parse(req, out))
		ereport(ERROR, errcode(FH400), errmsg("invalid _cursor"),
				errdetail("It is damaged or belongs to another search."),
				errhint("Follow the links of the Bundle as they are, or start again without _cursor."),
				fhir_issue("value", NULL));
	return !out->from_end;
}
