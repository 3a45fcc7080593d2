/*
 * pack_text.c: UUIDs and points in time, the parts of a document that no dictionary foretells, as binary values.
 *
 * A UUID costs 26 bytes as text that zstd has packed, and 16 as it is; a point in time 14 and 6 or 7. An Observation holds
 * three of each. Their places in the text keep one byte below 0x06, which stands in no JSON text:
 *
 *   0x01  UUID in lower case, 8-4-4-4-12       16 bytes
 *   0x02  YYYY-MM-DDTHH:MM:SSZ                  5 bytes: seconds since 1600-01-01, big-endian
 *   0x03  YYYY-MM-DDTHH:MM:SS.mmmZ              6 bytes: milliseconds
 *   0x04  YYYY-MM-DDTHH:MM:SS+HH:MM             5 bytes, 1 of the offset
 *   0x05  YYYY-MM-DDTHH:MM:SS.mmm+HH:MM         6 bytes, 1 of the offset
 *
 * Times are taken as they are written, not converted: the text comes back letter by letter. What is written otherwise
 * (leap seconds, offsets that are no quarter of an hour, years before 1600) stays text. This is part of the on-disk format.
 */
#include "base/base.h"

#include "utils/memutils.h"

#include "store/pack/pack_internal.h"
#include "store/pack/pack_text.h"

enum { PART_UUID = 1,
	   PART_TIME = 2,
	   PART_MILLIS = 1,
	   PART_OFFSET = 2,
	   PART_END = 6,
};

#define UUID_TEXT 36
#define FIRST_YEAR 1600
#define OFFSET_WEST 0x80

/* ---- taking apart ---- */

static bool
uuid_at(const char *s, unsigned char out[16])
{
	static const unsigned char at[16] = {0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34};

	if (s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-')
		return false;
	for (int i = 0; i < 16; i++) {
		char a = s[at[i]], b = s[at[i] + 1];
		int high, low;

		if ((a >= 'A' && a <= 'F') || (b >= 'A' && b <= 'F'))
			return false; /* would come back in lower case */
		high = fhir_hex_value(a);
		low = fhir_hex_value(b);
		if (high < 0 || low < 0)
			return false;
		out[i] = (unsigned char) (high << 4 | low);
	}
	return true;
}

/* Number of `n` digits, or -1. */
static int
digits(const char *s, int n)
{
	int v = 0;

	for (int i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -1;
		v = v * 10 + (s[i] - '0');
	}
	return v;
}

static bool
leap(int year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int
month_days(int year, int month)
{
	static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	return days[month - 1] + (month == 2 && leap(year));
}

/* Days from 1600-01-01 to the first of January of a year from 1600 on. */
static int
year_days(int year)
{
	int n = year - FIRST_YEAR, before = n - 1;

	return n == 0 ? 0 : n * 365 + before / 4 - before / 100 + before / 400 + 1;
}

static void
append_number(StringInfo out, uint64 v, int bytes)
{
	for (int i = bytes - 1; i >= 0; i--)
		appendStringInfoCharMacro(out, (char) (v >> (8 * i)));
}

/*
 * If a point in time stands at `s`, appends its value and returns its length; `part` becomes its mark. `left` is at least 20.
 */
static int
take_time(const char *s, size_t left, StringInfo values, char *part)
{
	int year, month, day, hour, minute, second, millis = -1, at = 19, offset = -1;
	uint64 v;

	if (s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' || s[16] != ':')
		return 0;
	year = digits(s, 4);
	month = digits(s + 5, 2);
	day = digits(s + 8, 2);
	hour = digits(s + 11, 2);
	minute = digits(s + 14, 2);
	second = digits(s + 17, 2);
	if (year < FIRST_YEAR || month < 1 || month > 12 || day < 1 || day > month_days(year, month) || hour < 0 || hour > 23 ||
		minute < 0 || minute > 59 || second < 0 || second > 59)
		return 0;
	if (s[at] == '.') {
		if (left < 24 || (millis = digits(s + 20, 3)) < 0)
			return 0;
		at = 23;
	}
	if (s[at] == 'Z')
		at++;
	else {
		int h, m;

		if (left < (size_t) at + 6 || (s[at] != '+' && s[at] != '-') || s[at + 3] != ':')
			return 0;
		h = digits(s + at + 1, 2);
		m = digits(s + at + 4, 2);
		if (h < 0 || h > 23 || m < 0 || m > 45 || m % 15 != 0)
			return 0;
		offset = (s[at] == '-' ? OFFSET_WEST : 0) | (h * 4 + m / 15);
		at += 6;
	}
	v = year_days(year) + day - 1;
	for (int i = 1; i < month; i++)
		v += month_days(year, i);
	v = v * 86400 + hour * 3600 + minute * 60 + second;
	if (millis >= 0)
		append_number(values, v * 1000 + millis, 6);
	else
		append_number(values, v, 5);
	if (offset >= 0)
		appendStringInfoCharMacro(values, (char) offset);
	*part = PART_TIME + (millis >= 0 ? PART_MILLIS : 0) + (offset >= 0 ? PART_OFFSET : 0);
	return at;
}

bool
pack_text_split(const char *text, size_t len, StringInfo rest, StringInfo values)
{
	const char *done = text, *end = text + len, *p = text;
	bool clash = false;

	for (size_t i = 0; i < len; i++)
		clash |= (unsigned char) text[i] < PART_END;
	if (clash)
		return false;
	/* both kinds have a hyphen: a UUID behind 8 characters, a time behind 4 */
	while ((p = memchr(p, '-', end - p)) != NULL) {
		unsigned char uuid[16];
		char part;
		int taken;

		if (p - done >= 8 && end - p >= UUID_TEXT - 8 && uuid_at(p - 8, uuid)) {
			appendBinaryStringInfo(rest, done, p - 8 - done);
			appendStringInfoCharMacro(rest, PART_UUID);
			appendBinaryStringInfo(values, (char *) uuid, sizeof(uuid));
			done = p = p - 8 + UUID_TEXT;
		} else if (p - done >= 4 && end - p >= 20 - 4 && (taken = take_time(p - 4, end - (p - 4), values, &part)) > 0) {
			appendBinaryStringInfo(rest, done, p - 4 - done);
			appendStringInfoCharMacro(rest, part);
			done = p = p - 4 + taken;
		} else
			p++;
	}
	appendBinaryStringInfo(rest, done, end - done);
	return true;
}

/* ---- putting together ---- */

static char *
put_uuid(char *to, const unsigned char *v)
{
	static const char hex[] = "0123456789abcdef";
	static const unsigned char at[16] = {0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34};

	for (int i = 0; i < 16; i++) {
		to[at[i]] = hex[v[i] >> 4];
		to[at[i] + 1] = hex[v[i] & 15];
	}
	to[8] = to[13] = to[18] = to[23] = '-';
	return to + UUID_TEXT;
}

static char *
put_digits(char *to, int v, int n)
{
	for (int i = n - 1; i >= 0; i--, v /= 10)
		to[i] = (char) ('0' + v % 10);
	return to + n;
}

/* Writes the time of value `v` (milliseconds if `part` says so) and its offset; NULL if there is no such time. */
static char *
put_time(char *to, int part, uint64 v, int offset)
{
	int millis = 0, year, month = 1, day, second;

	if ((part - PART_TIME) & PART_MILLIS) {
		millis = (int) (v % 1000);
		v /= 1000;
	}
	if (v >= UINT64CONST(86400) * 3068037) /* 9999-12-31 is the last */
		return NULL;
	second = (int) (v % 86400);
	day = (int) (v / 86400);
	year = FIRST_YEAR + day / 366; /* never too late; at most a few years too early */
	while (year_days(year + 1) <= day)
		year++;
	day -= year_days(year);
	while (day >= month_days(year, month))
		day -= month_days(year, month++);
	to = put_digits(to, year, 4);
	*to++ = '-';
	to = put_digits(to, month, 2);
	*to++ = '-';
	to = put_digits(to, day + 1, 2);
	*to++ = 'T';
	to = put_digits(to, second / 3600, 2);
	*to++ = ':';
	to = put_digits(to, second / 60 % 60, 2);
	*to++ = ':';
	to = put_digits(to, second % 60, 2);
	if ((part - PART_TIME) & PART_MILLIS) {
		*to++ = '.';
		to = put_digits(to, millis, 3);
	}
	if ((part - PART_TIME) & PART_OFFSET) {
		*to++ = offset & OFFSET_WEST ? '-' : '+';
		to = put_digits(to, (offset & 0x7F) / 4, 2);
		*to++ = ':';
		to = put_digits(to, (offset & 3) * 15, 2);
	} else
		*to++ = 'Z';
	return to;
}

/* True if one of the eight bytes is below PART_END. */
static inline bool
has_part(uint64 w)
{
	const uint64 ones = UINT64CONST(0x0101010101010101);

	return ((w - ones * PART_END) & ~w & (ones * 0x80)) != 0;
}

bool
pack_text_join(const char *rest, size_t rest_len, const unsigned char *values, size_t values_len, StringInfo out)
{
	const unsigned char *v = values, *values_end = values + values_len;
	const char *p = rest, *end = rest + rest_len;
	char *to;

	/* a value of 5 bytes makes 20 characters, no other grows more; whole words are copied */
	if (rest_len + values_len * 4 + sizeof(uint64) >= MaxAllocSize)
		return false;
	enlargeStringInfo(out, (int) (rest_len + values_len * 4 + sizeof(uint64)));
	to = out->data + out->len;
	while (p < end) {
		int part, bytes;

		for (uint64 w; end - p >= sizeof(w); p += sizeof(w), to += sizeof(w)) {
			memcpy(&w, p, sizeof(w));
			memcpy(to, &w, sizeof(w));
			if (has_part(w))
				break;
		}
		while (p < end && (unsigned char) *p >= PART_END)
			*to++ = *p++;
		if (p == end)
			break;
		part = (unsigned char) *p++;
		if (part == PART_UUID) {
			if (values_end - v < 16)
				return false;
			to = put_uuid(to, v);
			v += 16;
		} else {
			uint64 n = 0;
			int offset = 0;

			if (part < PART_TIME)
				return false;
			bytes = (part - PART_TIME) & PART_MILLIS ? 6 : 5;
			if (values_end - v < bytes + ((part - PART_TIME) & PART_OFFSET ? 1 : 0))
				return false;
			while (bytes-- > 0)
				n = n << 8 | *v++;
			if ((part - PART_TIME) & PART_OFFSET)
				offset = *v++;
			if ((to = put_time(to, part, n, offset)) == NULL)
				return false;
		}
	}
	if (v != values_end)
		return false;
	out->len = to - out->data;
	*to = '\0';
	return true;
}
