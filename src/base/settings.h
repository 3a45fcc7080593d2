/*
 * settings.h: every GUC of the extension, one variable each. Defined and documented in settings.c.
 */
#ifndef FHIR_SETTINGS_H
#define FHIR_SETTINGS_H

extern char *fhir_store;			/* fhir.store: schema of the current store, default "fhir" */
extern char *fhir_base_url;			/* fhir.base_url: absolute base of this server, "" if unknown */
extern int fhir_default_count;		/* fhir.default_count: page size unless asked, 100 */
extern int fhir_max_count;			/* fhir.max_count: largest page, 1000 */
extern int fhir_id_format;			/* fhir.id_format: uuidv7 | uuidv4 */
extern bool fhir_update_noop;		/* fhir.update_noop: an update that changes nothing makes no version */
extern bool fhir_reindex_worker;	/* fhir.reindex_worker: keys are made by a background worker */
extern int fhir_max_body_bytes;		/* fhir.max_body_bytes: largest document in bytes, 64 MB */
extern int fhir_max_depth;			/* fhir.max_depth: deepest JSON nesting, 100 */
extern int fhir_max_issues;			/* fhir.max_issues: findings reported at once, 100 */
extern int fhir_max_bundle_entries; /* fhir.max_bundle_entries, 10000 */
extern int fhir_dictionary;			/* fhir.dictionary: on | manual | off */
extern int fhir_check_mode;			/* fhir.check_mode: full | structure */

extern int fhir_max_include;		   /* fhir.max_include: most resources that a page includes, 10000 */
extern int fhir_max_chain_depth;	   /* fhir.max_chain_depth: most steps of a chain or _has, 8 */
extern int fhir_max_search_parameters; /* fhir.max_search_parameters: most parameters of a query, 200 */
extern int fhir_max_value_set_codes;   /* fhir.max_value_set_codes: most codes of a value set, 10000 */
extern int fhir_max_search_values;	   /* fhir.max_search_values: most values of one parameter, 2000 */

extern int fhir_search_timeout; /* fhir.search_timeout: longest search in milliseconds, 0: no limit */

enum FhirIdFormat { FHIR_ID_UUIDV7,
					FHIR_ID_UUIDV4,
};
enum FhirCheckMode { FHIR_CHECK_FULL,
					 FHIR_CHECK_STRUCTURE,
};
enum FhirDictionary { FHIR_DICTIONARY_ON,
					  FHIR_DICTIONARY_MANUAL,
					  FHIR_DICTIONARY_OFF,
};

extern void fhir_settings_init(void);

#endif
