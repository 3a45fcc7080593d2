/*
 * fhirpath_fn_table.c: every function by name, sorted by strcmp.
 */
#include "fhirpath/fhirpath_fn.h"

static const FpFunction functions[] = {
    {"abs", 0, 0, 0, fp_fn_abs},
    {"aggregate", 1, 2, 0, fp_fn_aggregate},
    {"all", 1, 1, 0, fp_fn_all},
    {"allFalse", 0, 0, 0, fp_fn_allFalse},
    {"allTrue", 0, 0, 0, fp_fn_allTrue},
    {"anyFalse", 0, 0, 0, fp_fn_anyFalse},
    {"anyTrue", 0, 0, 0, fp_fn_anyTrue},
    {"as", 1, 1, FP_FN_TYPEARG, fp_fn_as},
    {"avg", 0, 0, 0, fp_fn_avg},
    {"ceiling", 0, 0, 0, fp_fn_ceiling},
    {"checkModifiers", 1, FP_MAX_ARGS, FP_FN_KEEPS, fp_fn_checkModifiers},
    {"children", 0, 0, 0, fp_fn_children},
    {"coalesce", 1, FP_MAX_ARGS, 0, fp_fn_coalesce},
    {"combine", 1, 2, 0, fp_fn_combine},
    {"comparable", 1, 1, 0, fp_fn_comparable},
    {"conformsTo", 1, 1, 0, fp_fn_conformsTo},
    {"contains", 1, 1, 0, fp_fn_contains},
    {"convertsToBoolean", 0, 0, 0, fp_fn_convertsTo},
    {"convertsToDate", 0, 0, 0, fp_fn_convertsTo},
    {"convertsToDateTime", 0, 0, 0, fp_fn_convertsTo},
    {"convertsToDecimal", 0, 0, 0, fp_fn_convertsTo},
    {"convertsToInteger", 0, 0, 0, fp_fn_convertsTo},
    {"convertsToLong", 0, 0, 0, fp_fn_convertsTo},
    {"convertsToQuantity", 0, 1, 0, fp_fn_convertsTo},
    {"convertsToString", 0, 0, 0, fp_fn_convertsTo},
    {"convertsToTime", 0, 0, 0, fp_fn_convertsTo},
    {"count", 0, 0, 0, fp_fn_count},
    {"dateOf", 0, 0, 0, fp_fn_dateOf},
    {"dayOf", 0, 0, 0, fp_fn_datePart},
    {"decode", 1, 1, 0, fp_fn_decode},
    {"defineVariable", 1, 2, FP_FN_KEEPS, fp_fn_defineVariable},
    {"descendants", 0, 0, 0, fp_fn_descendants},
    {"difference", 2, 2, 0, fp_fn_difference},
    {"distinct", 0, 0, FP_FN_KEEPS, fp_fn_distinct},
    {"duration", 2, 2, 0, fp_fn_duration},
    {"elementDefinition", 0, 0, 0, fp_fn_elementDefinition},
    {"empty", 0, 0, 0, fp_fn_empty},
    {"encode", 1, 1, 0, fp_fn_encode},
    {"endsWith", 1, 1, 0, fp_fn_endsWith},
    {"escape", 1, 1, 0, fp_fn_escape},
    {"exclude", 1, 1, FP_FN_KEEPS, fp_fn_exclude},
    {"exists", 0, 1, 0, fp_fn_exists},
    {"exp", 0, 0, 0, fp_fn_exp},
    {"extension", 1, 1, 0, fp_fn_extension},
    {"first", 0, 0, FP_FN_KEEPS, fp_fn_first},
    {"floor", 0, 0, 0, fp_fn_floor},
    {"getReferenceKey", 0, 1, 0, fp_fn_getReferenceKey},
    {"getResourceKey", 0, 0, 0, fp_fn_getResourceKey},
    {"getValue", 0, 0, 0, fp_fn_getValue},
    {"hasValue", 0, 0, 0, fp_fn_hasValue},
    {"highBoundary", 0, 1, 0, fp_fn_highBoundary},
    {"hourOf", 0, 0, 0, fp_fn_datePart},
    {"htmlChecks", 0, 0, 0, fp_fn_htmlChecks},
    {"iif", 2, 3, 0, fp_fn_iif},
    {"indexOf", 1, 1, 0, fp_fn_indexOf},
    {"intersect", 1, 1, FP_FN_KEEPS, fp_fn_intersect},
    {"is", 1, 1, FP_FN_TYPEARG, fp_fn_is},
    {"isDistinct", 0, 0, 0, fp_fn_isDistinct},
    {"join", 0, 1, 0, fp_fn_join},
    {"last", 0, 0, FP_FN_KEEPS, fp_fn_last},
    {"lastIndexOf", 1, 1, 0, fp_fn_lastIndexOf},
    {"length", 0, 0, 0, fp_fn_length},
    {"ln", 0, 0, 0, fp_fn_ln},
    {"log", 1, 1, 0, fp_fn_log},
    {"lowBoundary", 0, 1, 0, fp_fn_lowBoundary},
    {"lower", 0, 0, 0, fp_fn_lower},
    {"matches", 1, 2, 0, fp_fn_matches},
    {"matchesFull", 1, 2, 0, fp_fn_matchesFull},
    {"max", 0, 0, 0, fp_fn_max},
    {"memberOf", 1, 1, FP_FN_STORE, fp_fn_memberOf},
    {"millisecondOf", 0, 0, 0, fp_fn_datePart},
    {"min", 0, 0, 0, fp_fn_min},
    {"minuteOf", 0, 0, 0, fp_fn_datePart},
    {"monthOf", 0, 0, 0, fp_fn_datePart},
    {"not", 0, 0, 0, fp_fn_not},
    {"now", 0, 0, FP_FN_TIME, fp_fn_now},
    {"ofType", 1, 1, FP_FN_TYPEARG, fp_fn_ofType},
    {"power", 1, 1, 0, fp_fn_power},
    {"precision", 0, 0, 0, fp_fn_precision},
    {"repeat", 1, 1, 0, fp_fn_repeat},
    {"repeatAll", 1, 1, 0, fp_fn_repeatAll},
    {"replace", 2, 2, 0, fp_fn_replace},
    {"replaceMatches", 2, 3, 0, fp_fn_replaceMatches},
    {"resolve", 0, 0, FP_FN_STORE, fp_fn_resolve},
    {"round", 0, 1, 0, fp_fn_round},
    {"secondOf", 0, 0, 0, fp_fn_datePart},
    {"select", 1, 1, 0, fp_fn_select},
    {"single", 0, 0, FP_FN_KEEPS, fp_fn_single},
    {"skip", 1, 1, FP_FN_KEEPS, fp_fn_skip},
    {"slice", 2, 2, 0, fp_fn_slice},
    {"sort", 0, FP_MAX_ARGS, FP_FN_KEEPS, fp_fn_sort},
    {"split", 1, 1, 0, fp_fn_split},
    {"sqrt", 0, 0, 0, fp_fn_sqrt},
    {"startsWith", 1, 1, 0, fp_fn_startsWith},
    {"subsetOf", 1, 1, 0, fp_fn_subsetOf},
    {"substring", 1, 2, 0, fp_fn_substring},
    {"sum", 0, 0, 0, fp_fn_sum},
    {"supersetOf", 1, 1, 0, fp_fn_supersetOf},
    {"tail", 0, 0, FP_FN_KEEPS, fp_fn_tail},
    {"take", 1, 1, FP_FN_KEEPS, fp_fn_take},
    {"timeOf", 0, 0, 0, fp_fn_timeOf},
    {"timeOfDay", 0, 0, FP_FN_TIME, fp_fn_timeOfDay},
    {"timezoneOffsetOf", 0, 0, 0, fp_fn_timezoneOffsetOf},
    {"toBoolean", 0, 0, 0, fp_fn_toBoolean},
    {"toChars", 0, 0, 0, fp_fn_toChars},
    {"toDate", 0, 0, 0, fp_fn_toDate},
    {"toDateTime", 0, 0, 0, fp_fn_toDateTime},
    {"toDecimal", 0, 0, 0, fp_fn_toDecimal},
    {"toInteger", 0, 0, 0, fp_fn_toInteger},
    {"toLong", 0, 0, 0, fp_fn_toLong},
    {"toQuantity", 0, 1, 0, fp_fn_toQuantity},
    {"toString", 0, 0, 0, fp_fn_toString},
    {"toTime", 0, 0, 0, fp_fn_toTime},
    {"today", 0, 0, FP_FN_TIME, fp_fn_today},
    {"trace", 1, 2, FP_FN_KEEPS, fp_fn_trace},
    {"trim", 0, 0, 0, fp_fn_trim},
    {"truncate", 0, 0, 0, fp_fn_truncate},
    {"type", 0, 0, 0, fp_fn_type},
    {"unescape", 1, 1, 0, fp_fn_unescape},
    {"union", 1, 1, 0, fp_fn_union},
    {"upper", 0, 0, 0, fp_fn_upper},
    {"where", 1, 1, FP_FN_KEEPS, fp_fn_where},
    {"yearOf", 0, 0, 0, fp_fn_datePart},
};

const FpFunction *
fp_function(const char *name, int len)
{
	int lo = 0, hi = lengthof(functions);

	while (lo < hi) {
		int mid = (lo + hi) / 2;
		int c = strncmp(functions[mid].name, name, len);

		if (c == 0 && functions[mid].name[len] != '\0')
			c = 1;
		if (c == 0)
			return &functions[mid];
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

int
fp_functions(const FpFunction **table)
{
	*table = functions;
	return lengthof(functions);
}
