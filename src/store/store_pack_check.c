/*
 * store_pack_check.c: is a piece of memory a well-formed JSONB container?
 *
 * A stored document is bytes that a role with rights on the table could have written by other means, or that a broken disk
 * could have changed. PostgreSQL's JSONB functions trust what they are given; so every length, offset and digit is looked at
 * once, before anything else does. Order and uniqueness of keys are not: a wrong order gives wrong answers, no wrong access.
 */
#include "base/compat.h"

#include "miscadmin.h"
#include "utils/jsonb.h"

#include "store/store_pack.h"

/* The header of a numeric: its layout on disk, which numeric.c keeps to itself. */
#define NUMERIC_SIGN_BITS 0xC000
#define NUMERIC_SHORT_FLAG 0x8000
#define NUMERIC_SPECIAL_FLAG 0xC000
#define NUMERIC_BASE 10000

static bool
numeric_well_formed(const char *p, size_t len)
{
	uint16 header;
	size_t at;

	if (len < VARHDRSZ + sizeof(uint16) || VARATT_IS_EXTERNAL(p) || VARATT_IS_SHORT(p) || VARATT_IS_COMPRESSED(p) ||
		VARSIZE(p) != len)
		return false;
	memcpy(&header, p + VARHDRSZ, sizeof(header));
	if ((header & NUMERIC_SIGN_BITS) == NUMERIC_SPECIAL_FLAG)
		return false; /* NaN and infinity are no JSON */
	at = VARHDRSZ + ((header & NUMERIC_SIGN_BITS) == NUMERIC_SHORT_FLAG ? 2 : 4);
	if (len < at || (len - at) % sizeof(int16) != 0)
		return false;
	for (; at < len; at += sizeof(int16)) {
		int16 digit;

		memcpy(&digit, p + at, sizeof(digit));
		if (digit < 0 || digit >= NUMERIC_BASE)
			return false;
	}
	return true;
}

static bool
container_well_formed(const char *p, size_t len, bool root)
{
	uint32 header, count, entries;
	const char *data;
	size_t room, start = 0;

	check_stack_depth();
	if (len < sizeof(uint32))
		return false;
	memcpy(&header, p, sizeof(header));
	count = header & JB_CMASK;
	if (header & JB_FSCALAR) {
		if (!root || !(header & JB_FARRAY) || count != 1)
			return false;
	}
	if (((header & JB_FOBJECT) != 0) == ((header & JB_FARRAY) != 0))
		return false;
	entries = (header & JB_FOBJECT) ? count * 2 : count;
	if ((len - sizeof(uint32)) / sizeof(JEntry) < entries)
		return false;
	data = p + sizeof(uint32) + entries * sizeof(JEntry);
	room = len - (data - p);
	for (uint32 i = 0; i < entries; i++) {
		JEntry e;
		size_t end, aligned;

		memcpy(&e, p + sizeof(uint32) + i * sizeof(JEntry), sizeof(e));
		end = JBE_HAS_OFF(e) ? JBE_OFFLENFLD(e) : start + JBE_OFFLENFLD(e);
		if (end < start || end > room)
			return false;
		if ((header & JB_FOBJECT) && i < count && !JBE_ISSTRING(e))
			return false;
		aligned = INTALIGN(start);
		if (JBE_ISNUMERIC(e)) {
			if (aligned > end || !numeric_well_formed(data + aligned, end - aligned))
				return false;
		} else if (JBE_ISCONTAINER(e)) {
			if (aligned > end || !container_well_formed(data + aligned, end - aligned, false))
				return false;
		} else if (!JBE_ISSTRING(e) && (!(JBE_ISBOOL(e) || JBE_ISNULL(e)) || end != start))
			return false;
		start = end;
	}
	return true;
}

bool
store_pack_well_formed(const char *container, size_t len)
{
	return container_well_formed(container, len, true);
}
