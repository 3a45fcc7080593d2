/*
 * fhirpath_fn.h: the functions of FHIRPath, by family. Each: fn(x, node, scope, input, out).
 */
#ifndef FHIRPATH_FN_H
#define FHIRPATH_FN_H

#include "fhirpath/fhirpath_int.h"

#define FP_FN(name) extern void name(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)

/* fhirpath_fn_exists.c */
FP_FN(fp_fn_empty);
FP_FN(fp_fn_exists);
FP_FN(fp_fn_all);
FP_FN(fp_fn_allTrue);
FP_FN(fp_fn_anyTrue);
FP_FN(fp_fn_allFalse);
FP_FN(fp_fn_anyFalse);
FP_FN(fp_fn_subsetOf);
FP_FN(fp_fn_supersetOf);
FP_FN(fp_fn_count);
FP_FN(fp_fn_distinct);
FP_FN(fp_fn_isDistinct);
FP_FN(fp_fn_not);
FP_FN(fp_fn_is);
FP_FN(fp_fn_as);
FP_FN(fp_fn_ofType);
FP_FN(fp_fn_type);
FP_FN(fp_fn_comparable);

/* fhirpath_fn_filter.c */
FP_FN(fp_fn_where);
FP_FN(fp_fn_select);
FP_FN(fp_fn_repeat);
FP_FN(fp_fn_repeatAll);
FP_FN(fp_fn_first);
FP_FN(fp_fn_last);
FP_FN(fp_fn_tail);
FP_FN(fp_fn_skip);
FP_FN(fp_fn_take);
FP_FN(fp_fn_single);
FP_FN(fp_fn_intersect);
FP_FN(fp_fn_exclude);
FP_FN(fp_fn_union);
FP_FN(fp_fn_combine);
FP_FN(fp_fn_children);
FP_FN(fp_fn_descendants);
FP_FN(fp_fn_coalesce);
FP_FN(fp_fn_iif);
FP_FN(fp_fn_trace);
FP_FN(fp_fn_aggregate);
FP_FN(fp_fn_defineVariable);
FP_FN(fp_fn_sort);

/* fhirpath_fn_fhir.c */
FP_FN(fp_fn_extension);
FP_FN(fp_fn_hasValue);
FP_FN(fp_fn_getValue);
FP_FN(fp_fn_memberOf);
FP_FN(fp_fn_conformsTo);
FP_FN(fp_fn_htmlChecks);
FP_FN(fp_fn_elementDefinition);
FP_FN(fp_fn_slice);
FP_FN(fp_fn_checkModifiers);
FP_FN(fp_fn_getResourceKey);
FP_FN(fp_fn_getReferenceKey);

/* fhirpath_resolve.c */
FP_FN(fp_fn_resolve);

/* fhirpath_fn_convert.c */
FP_FN(fp_fn_toBoolean);
FP_FN(fp_fn_toInteger);
FP_FN(fp_fn_toLong);
FP_FN(fp_fn_toDecimal);
FP_FN(fp_fn_toQuantity);
FP_FN(fp_fn_toString);
FP_FN(fp_fn_toDate);
FP_FN(fp_fn_toDateTime);
FP_FN(fp_fn_toTime);
FP_FN(fp_fn_convertsTo);

/* fhirpath_fn_string.c */
FP_FN(fp_fn_indexOf);
FP_FN(fp_fn_lastIndexOf);
FP_FN(fp_fn_substring);
FP_FN(fp_fn_startsWith);
FP_FN(fp_fn_endsWith);
FP_FN(fp_fn_contains);
FP_FN(fp_fn_upper);
FP_FN(fp_fn_lower);
FP_FN(fp_fn_replace);
FP_FN(fp_fn_length);
FP_FN(fp_fn_toChars);
FP_FN(fp_fn_trim);
FP_FN(fp_fn_split);
FP_FN(fp_fn_join);

/* fhirpath_fn_code.c */
FP_FN(fp_fn_encode);
FP_FN(fp_fn_decode);
FP_FN(fp_fn_escape);
FP_FN(fp_fn_unescape);

/* fhirpath_regex.c */
FP_FN(fp_fn_matches);
FP_FN(fp_fn_matchesFull);
FP_FN(fp_fn_replaceMatches);

/* fhirpath_fn_math.c */
FP_FN(fp_fn_abs);
FP_FN(fp_fn_ceiling);
FP_FN(fp_fn_exp);
FP_FN(fp_fn_floor);
FP_FN(fp_fn_ln);
FP_FN(fp_fn_log);
FP_FN(fp_fn_power);
FP_FN(fp_fn_round);
FP_FN(fp_fn_sqrt);
FP_FN(fp_fn_truncate);
FP_FN(fp_fn_sum);
FP_FN(fp_fn_min);
FP_FN(fp_fn_max);
FP_FN(fp_fn_avg);

/* fhirpath_fn_date.c */
FP_FN(fp_fn_now);
FP_FN(fp_fn_today);
FP_FN(fp_fn_timeOfDay);
FP_FN(fp_fn_datePart);
FP_FN(fp_fn_timezoneOffsetOf);
FP_FN(fp_fn_dateOf);
FP_FN(fp_fn_timeOf);
FP_FN(fp_fn_duration);
FP_FN(fp_fn_difference);

/* fhirpath_boundary.c */
FP_FN(fp_fn_lowBoundary);
FP_FN(fp_fn_highBoundary);
FP_FN(fp_fn_precision);

/* The input as one string; false: empty (none, or no value). Other types are an error. */
extern bool fp_input_string(FpExec *x, const FpNode *n, const FpList *in, const char **str, int *len);

#endif
