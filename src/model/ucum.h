/*
 * ucum.h: UCUM units from generated facts (case-sensitive symbols).
 */
#ifndef FHIR_UCUM_H
#define FHIR_UCUM_H

#include "postgres.h"
#include "utils/numeric.h"

/*
 * Reduces a unit expression ("mg/dL", "10*3/uL", "kg.m2", "[lb_av]", "{score}") to base units. canonical: its canonical text in
 * base units in a fixed order ("g.m-3", "1" for dimensionless), palloc'd; value_in_base = value * factor (+ offset for Cel, [degF] ...).
 * False if the text is no valid UCUM unit (or is a non-ratio special unit other than the temperatures).
 */
extern bool ucum_canonical(const char *unit, int len, Numeric *factor, Numeric *offset, char **canonical);
extern bool ucum_valid(const char *unit, int len);

#endif
