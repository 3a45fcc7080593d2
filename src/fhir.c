/*
 * fhir.c: module magic and start-up. Each family initialises itself.
 */
#include "base/base.h"

#include "fmgr.h"

#include "fhirpath/fhirpath.h"
#include "rest/rest.h"
#include "search/search.h"
#include "store/store.h"
#include "terms/terms.h"

PG_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	fhirpath_init();
	fhir_settings_init();
	rest_init();
	search_init();
	store_init();
	terms_init();
}
