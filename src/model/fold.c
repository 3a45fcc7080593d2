/*
 * fold.c: case and accent folding beyond ASCII.
 *
 * fold_table.c maps a code point in two steps (page of 128, place within) to an action: 0 keeps it; an odd one
 * is a single code point, an even one a sequence in fold_text. Hangul syllables are decomposed by arithmetic.
 */
#include "postgres.h"

#include "model/fold.h"
#include "model/fold_table.h"

#define HANGUL_FIRST 0xAC00
#define HANGUL_LAST 0xD7A3

static int
fold_hangul(pg_wchar c, pg_wchar *out)
{
	int s = c - HANGUL_FIRST;
	int t = s % 28;

	out[0] = 0x1100 + s / (21 * 28);
	out[1] = 0x1161 + s % (21 * 28) / 28;
	if (t == 0)
		return 2;
	out[2] = 0x11A7 + t;
	return 3;
}

int
model_fold_other(pg_wchar c, pg_wchar *out)
{
	uint16 action;

	if (c >= HANGUL_FIRST && c <= HANGUL_LAST)
		return fold_hangul(c, out);
	if (c >= 0xE0000 && c <= 0xE0FFF) /* tags and variation selectors: all default-ignorable */
		return 0;
	if ((c >> 7) >= FOLD_PAGES)
		action = 0;
	else
		action = fold_action[fold_page[c >> 7]][c & 0x7F];
	if (action == FOLD_KEEP) {
		out[0] = c;
		return 1;
	}
	if (action & 1) {
		out[0] = fold_single[action >> 1];
		return 1;
	}
	action >>= 1;
	/* a sequence: its length, then its code points; [0] is unused, as action 0 means FOLD_KEEP */
	for (uint32 i = 0; i < fold_text[action]; i++)
		out[i] = fold_text[action + 1 + i];
	return fold_text[action];
}
