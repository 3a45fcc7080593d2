/*
 * uuid.c: server-assigned ids.
 *
 * UUIDv7 (RFC 9562, method 3 with counter): 48 bits of Unix milliseconds, then 12 bits of sub-millisecond fraction,
 * then 62 random bits. Within one backend ids rise strictly: when the clock has not moved on (or went back), the
 * 60-bit time is the last one plus one. Randomness comes from pg_strong_random, so ids can't be guessed.
 */
#include "base/compat.h"

#include <time.h>

#include "miscadmin.h"

#include "base/settings.h"
#include "base/uuid.h"

/* Random bytes are drawn in blocks: a system call an id would cost more than all the rest. */
#define POOL_BYTES 512

static uint8 pool[POOL_BYTES];
static int pool_used = POOL_BYTES;
static int pool_pid = 0;

static void
random_bytes(uint8 *out, int n)
{
	/* a forked child must not share its parent's pool */
	if (pool_used + n > POOL_BYTES || pool_pid != MyProcPid) {
		if (!pg_strong_random(pool, sizeof(pool)))
			ereport(ERROR, errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not generate random values"));
		pool_used = 0;
		pool_pid = MyProcPid;
	}
	memcpy(out, pool + pool_used, n);
	memset(pool + pool_used, 0, n);
	pool_used += n;
}

/* Milliseconds << 12 | fraction of the millisecond in 1/4096. */
static uint64
time60(void)
{
	static uint64 last = 0;
	struct timespec ts;
	uint64 now;

	clock_gettime(CLOCK_REALTIME, &ts);
	now = ((uint64) ts.tv_sec * 1000 + ts.tv_nsec / 1000000) << 12;
	now |= ((uint64) (ts.tv_nsec % 1000000) << 12) / 1000000;
	if (now <= last)
		now = last + 1;
	last = now;
	return now;
}

void
fhir_uuid_new(char buf[37])
{
	static const char hex[] = "0123456789abcdef";
	uint8 u[16];
	char *p = buf;

	if (fhir_id_format == FHIR_ID_UUIDV7) {
		uint64 t = time60();

		for (int i = 0; i < 6; i++)
			u[i] = (uint8) (t >> (52 - 8 * i));
		u[6] = 0x70 | ((t >> 8) & 0x0f);
		u[7] = (uint8) t;
		random_bytes(u + 8, 8);
	} else {
		random_bytes(u, 16);
		u[6] = 0x40 | (u[6] & 0x0f);
	}
	u[8] = 0x80 | (u[8] & 0x3f);
	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		*p++ = hex[u[i] >> 4];
		*p++ = hex[u[i] & 15];
	}
	*p = '\0';
}
