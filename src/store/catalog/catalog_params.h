/*
 * catalog_params.h: table search_param, for the files that read and write it.
 */
#ifndef FHIR_STORE_CATALOG_PARAMS_H
#define FHIR_STORE_CATALOG_PARAMS_H

#include "postgres.h"

#include "access/htup_details.h"

#include "store/catalog/catalog.h"

/* Columns (attribute numbers - 1), see catalog_ddl.c. */
enum {
	UP_RID,
	UP_VERSION,
	UP_ACTIVE, /* false: its keys are being removed */
	UP_ID,
	UP_URL,
	UP_CODE,
	UP_KIND,
	UP_BASES, /* concrete types */
	UP_EXPRESSION,
	UP_TARGETS,
	UP_COMPONENTS, /* [{definition, expression}] */
	UP_SCOPE,	   /* types whose rows may have to change */
	UP_STATE,	   /* waiting, running, ready, failed */
	UP_POSITION,   /* rows up to this rid are done */
	UP_DONE,
	UP_TOTAL,
	UP_BASE_URL, /* fhir.base_url, by which references are keyed */
	UP_QUEUED,
	UP_STARTED,
	UP_FINISHED,
	UP_ERROR,
	UP_NATTS
};

#endif
