/*
 * ucum_table.h: the generated units, which only ucum_parse.c reads.
 */
#ifndef FHIR_UCUM_TABLE_H
#define FHIR_UCUM_TABLE_H

#include "postgres.h"

#define UCUM_BASES 7

typedef struct UcumPrefix {
	const char *code;
	uint8 len;
	const char *num; /* value = num * 10^exp10 */
	int16 exp10;
} UcumPrefix;

enum UcumSpecial { UCUM_RATIO, UCUM_TEMPERATURE, UCUM_NOT_CONVERTIBLE, };

/* One unit symbol in base units: value * (num / den * 10^exp10), and for temperatures + (onum / oden * 10^oexp10). */
typedef struct UcumAtom {
	const char *code;
	uint8 len;
	bool metric;	 /* takes prefixes */
	uint8 special;	 /* UcumSpecial */
	int16 arbitrary; /* atom that is a dimension of its own ([iU] ...), -1 if none */
	int8 dims[UCUM_BASES];
	const char *num, *den;
	int16 exp10;
	const char *onum, *oden;
	int16 oexp10;
} UcumAtom;

extern const char *const ucum_base_codes[UCUM_BASES];
extern const UcumPrefix ucum_prefixes[]; /* longer codes first */
extern const int ucum_nprefixes;
extern const UcumAtom ucum_atoms[];
extern const int ucum_natoms;

#endif
