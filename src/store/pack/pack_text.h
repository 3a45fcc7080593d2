/*
 * pack_text.h: random parts of a JSON text taken out of it, so that the rest packs well.
 */
#ifndef FHIR_PACK_TEXT_H
#define FHIR_PACK_TEXT_H

#include "postgres.h"
#include "lib/stringinfo.h"

/*
 * Appends `text` to `rest`, with one byte in the place of each UUID and each point in time, whose values are appended to
 * `values`. False if the text holds such a byte itself (no JSON text does): both are then of no use.
 */
extern bool pack_text_split(const char *text, size_t len, StringInfo rest, StringInfo values);

/* Appends the text that was split so to `out`. False if `rest` and `values` do not fit each other. */
extern bool pack_text_join(const char *rest, size_t rest_len, const unsigned char *values, size_t values_len, StringInfo out);

#endif
