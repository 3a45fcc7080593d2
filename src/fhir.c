/*
 * fhir.c: module magic and start-up. Each family initialises itself.
 */
#include "base/base.h"

#include "fmgr.h"

#include "fhirpath/fhirpath.h"
#include "terms/terms.h"
#include "store/rows/rows.h"

PG_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	fhirpath_init();
	fhir_settings_init();
	store_init();
	terms_init();
}
