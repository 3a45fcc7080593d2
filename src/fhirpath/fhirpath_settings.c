/*
 * fhirpath_settings.c: the settings of the engine.
 */
#include "fhirpath/fhirpath_int.h"

#include "utils/guc.h"

bool fhirpath_strict = false;
int fhirpath_max_steps = 10000000;

void
fhirpath_init(void)
{
	DefineCustomBoolVariable("fhir.fhirpath_strict", "FHIRPath: refuse elements that a type does not have.",
							 "Off: an unknown element is empty, as FHIRPath allows. On: it is an error, at "
							 "parse time where the type is known.",
							 &fhirpath_strict, false, PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable(
		"fhir.fhirpath_max_steps", "FHIRPath: steps after which an evaluation is given up.",
		"Each operation and each item counts as one step; about ten million a second.", &fhirpath_max_steps,
		10000000, 1000, PG_INT32_MAX, PGC_USERSET, 0, NULL, NULL, NULL);
}
