/*
 * settings.c: the GUCs of the extension. Each has a unit, a range and a description here, and nowhere else.
 */
#include "base/compat.h"

#include "utils/guc.h"

#include "base/settings.h"

char *fhir_store = NULL;
char *fhir_base_url = NULL;
int fhir_default_count = 100;
int fhir_max_count = 1000;
int fhir_id_format = FHIR_ID_UUIDV7;
bool fhir_update_noop = false;
int fhir_max_body_bytes = 64 * 1024 * 1024;
int fhir_max_depth = 100;
int fhir_max_issues = 100;
int fhir_max_bundle_entries = 10000;
int fhir_max_include = 10000;
int fhir_max_chain_depth = 8;
int fhir_max_search_parameters = 200;
int fhir_max_search_values = 2000;
int fhir_max_value_set_codes = 10000;
int fhir_search_timeout = 0;
int fhir_check_mode = FHIR_CHECK_FULL;
bool fhir_reindex_worker = true;
int fhir_dictionary = FHIR_DICTIONARY_ON;

static const struct config_enum_entry id_formats[] = {
	{"uuidv7", FHIR_ID_UUIDV7, false}, {"uuidv4", FHIR_ID_UUIDV4, false}, {NULL, 0, false}};

static const struct config_enum_entry check_modes[] = {
	{"full", FHIR_CHECK_FULL, false}, {"structure", FHIR_CHECK_STRUCTURE, false}, {NULL, 0, false}};

static const struct config_enum_entry dictionary_modes[] = {
	{"on", FHIR_DICTIONARY_ON, false}, {"manual", FHIR_DICTIONARY_MANUAL, false}, {"off", FHIR_DICTIONARY_OFF, false}, {NULL, 0, false}};

/* A store's name is the name of its schema. Whether that exists is asked when the store is used. */
static bool
check_store(char **newval, void **extra, GucSource source)
{
	size_t len = strlen(*newval);

	if (len == 0 || len >= NAMEDATALEN) {
		GUC_check_errdetail("A store's name has 1 to %d bytes.", NAMEDATALEN - 1);
		return false;
	}
	return true;
}

/* "" or http(s)://..., without a slash at the end (links append "/Type/id"). */
static bool
check_base_url(char **newval, void **extra, GucSource source)
{
	const char *s = *newval;
	size_t len = strlen(s);

	if (len == 0)
		return true;
	if (strncmp(s, "http://", 7) != 0 && strncmp(s, "https://", 8) != 0) {
		GUC_check_errdetail("The base URL starts with http:// or https://, for example https://fhir.example.org/fhir.");
		return false;
	}
	if (s[len - 1] == '/' || strpbrk(s, " \"<>\\^`{|}?#") != NULL) {
		GUC_check_errdetail("The base URL has no query, no blanks and no slash at its end.");
		return false;
	}
	return true;
}

static void
define_count(const char *name, const char *what, const char *more, int *var, int boot, int min, int max, int flags)
{
	DefineCustomIntVariable(name, what, more, var, boot, min, max, PGC_USERSET, flags, NULL, NULL, NULL);
}

static void
define_texts(void)
{
	DefineCustomStringVariable("fhir.store", "The store that FHIR functions work on.",
							   "A store is a schema made by fhir_store_create(); the extension makes the store \"fhir\".",
							   &fhir_store, "fhir", PGC_USERSET, 0, check_store, NULL, NULL);
	DefineCustomStringVariable("fhir.base_url", "Absolute base URL of this FHIR server.",
							   "Used in fullUrl, links and Location, and to recognise references to own resources. The gateway "
							   "gives its own base with each request; empty: links are relative.",
							   &fhir_base_url, "", PGC_USERSET, 0, check_base_url, NULL, NULL);
	DefineCustomEnumVariable("fhir.id_format", "Form of the ids that the server gives to new resources.",
							 "uuidv7 ids rise with time, which keeps indexes and WAL small; uuidv4 ids tell nothing "
							 "of the time of creation.",
							 &fhir_id_format, FHIR_ID_UUIDV7, id_formats, PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomEnumVariable("fhir.check_mode", "What is refused when a resource is written.",
							 "full: every defect against FHIR R4; structure: what can't be understood (unknown elements, wrong JSON "
							 "types, bad formats), while missing elements, codes outside required value sets and empty elements pass.",
							 &fhir_check_mode, FHIR_CHECK_FULL, check_modes, PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("fhir.update_noop", "An update that changes nothing makes no new version.",
							 "The comparison leaves out meta.versionId and meta.lastUpdated.", &fhir_update_noop, false,
							 PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("fhir.reindex_worker", "Search keys of a new SearchParameter are made by a background worker.",
							 "It is started by the session that stores the SearchParameter, or by one that finds such work waiting; off: "
							 "CALL fhir_reindex().",
							 &fhir_reindex_worker, true, PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomEnumVariable("fhir.dictionary", "Documents are packed with a dictionary made of the store's own documents.",
							 "on: a background worker makes it when the store has grown enough; manual: fhir_dictionary_train() makes it; "
							 "off: new documents are packed without it. What was packed with one is read in any case.",
							 &fhir_dictionary, FHIR_DICTIONARY_ON, dictionary_modes, PGC_USERSET, 0, NULL, NULL, NULL);
}

void
fhir_settings_init(void)
{
	define_texts();
	define_count("fhir.default_count", "Resources on a page of search results unless _count asks for another number.",
				 "Never more than fhir.max_count.", &fhir_default_count, 100, 1, 100000, 0);
	define_count("fhir.max_count", "Most resources on one page of search results.",
				 "A larger _count is answered with pages of this size.", &fhir_max_count, 1000, 1, 100000, 0);
	define_count("fhir.max_body_bytes", "Largest JSON text that is read.", "A longer one is refused with status 413.",
				 &fhir_max_body_bytes, 64 * 1024 * 1024, 1024, 256 * 1024 * 1024 - 1, GUC_UNIT_BYTE);
	define_count("fhir.max_depth", "Deepest nesting of objects and arrays in JSON that is read.",
				 "Deeper text is refused with status 400.", &fhir_max_depth, 100, 10, 1000, 0);
	define_count("fhir.max_issues", "Most findings that one error reports.", "Further findings are only counted.",
				 &fhir_max_issues, 100, 1, 10000, 0);
	define_count("fhir.max_bundle_entries", "Most entries of a batch or transaction Bundle.",
				 "A larger Bundle is refused with status 413.", &fhir_max_bundle_entries, 10000, 1, 1000000, 0);
	define_count("fhir.max_include", "Most resources that _include and _revinclude add to a page.", "A search that would add more is refused.",
				 &fhir_max_include, 10000, 1, 1000000, 0);
	define_count("fhir.max_chain_depth", "Most steps of a chained or _has parameter.", "A longer one is refused.", &fhir_max_chain_depth, 8, 1,
				 100, 0);
	define_count("fhir.max_search_parameters", "Most parameters of one search.", "A query with more is refused.",
				 &fhir_max_search_parameters, 200, 1, 10000, 0);
	define_count("fhir.max_search_values", "Most values of one search parameter, separated by commas.", "A longer list is refused.",
				 &fhir_max_search_values, 2000, 1, 100000, 0);
	define_count("fhir.max_value_set_codes", "Most codes of a value set, or below or above a code.", "A search or memberOf() that needs more is refused.",
				 &fhir_max_value_set_codes, 10000, 1, 1000000, 0);
	define_count("fhir.search_timeout", "Longest time that a search may take.", "A longer one is refused with status 503; 0: no limit.",
				 &fhir_search_timeout, 0, 0, 24 * 60 * 60 * 1000, GUC_UNIT_MS);

	/* After all definitions: reserving the prefix removes every setting that is not defined by then. */
	FhirReserveGUCPrefix("fhir");
}
