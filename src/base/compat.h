/*
 * compat.h: the one place for differences between PostgreSQL 14 and 18.
 *
 * Included directly after postgres.h by every file that needs it; no other
 * file tests PG_VERSION_NUM.
 */
#ifndef FHIR_COMPAT_H
#define FHIR_COMPAT_H

#include "postgres.h"

#if PG_VERSION_NUM < 140000
#error "fhir needs PostgreSQL 14 or later"
#endif

#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

#endif
