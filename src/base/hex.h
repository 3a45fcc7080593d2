/*
 * hex.h: one hexadecimal digit, as JSON's escapes and URLs write them.
 */
#ifndef FHIR_HEX_H
#define FHIR_HEX_H

/* Its value, -1 for any other character. */
static inline int
fhir_hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

#endif
