/*
 * model_tables.h: the generated tables that only model.c reads.
 */
#ifndef FHIR_MODEL_TABLES_H
#define FHIR_MODEL_TABLES_H

#include "model/model.h"

#define MODEL_NAME_SLOTS 4096

typedef struct ModelRange {
	uint16 first, n;
} ModelRange;

/* Sorted by (code, type). */
typedef struct ModelCompartment {
	const char *code;
	ModelTypeId type;
	const char *const *params; /* NULL-terminated */
} ModelCompartment;

extern const uint16 model_type_names[MODEL_NAME_SLOTS];
extern const uint16 model_type_params[];
extern const ModelRange model_param_ranges[];
extern const ModelTypeId model_first_resource, model_last_resource;
extern const ModelCompartment model_compartments[];
extern const int model_ncompartments;
extern const char *const model_code_lists[];
extern const char *const model_code_list_urls[];

#endif
