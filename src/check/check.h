/*
 * check.h: is this document what its definitions say?
 */
#ifndef FHIR_CHECK_H
#define FHIR_CHECK_H

#include "base/base.h"

#include "utils/jsonb.h"

#include "model/model.h"

/* Structural check against the model: raises FH422 (or FH400 for wrong JSON shapes) with all findings, cap fhir.max_issues. Returns the type. */
extern const ModelType *check_resource(JsonbContainer *doc);

#endif
