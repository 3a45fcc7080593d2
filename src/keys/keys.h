/*
 * keys.h: from a resource to its search keys, and from a parameter to the keys that answer it.
 *
 * A KeySource is one place in the documents of one resource type that search parameters look at: one branch of their
 * expressions, e.g. Observation.subject. Parameters that look at the same place (subject and patient; code and combo-code) share
 * its keys: a place is extracted and indexed once. Its id is hash("Observation", canonical branch text, class), so
 * it is the same in every store, build and version.
 *
 * Three structures hold keys (see docs/design.md):
 *   resource.keys bigint[]            equality: every form below, one GIN index
 *   resource.refs bigint[]            identity hashes (of "Type/id") of all that the resource refers to
 *   ordered(key, lo, hi, rid)         dates (microseconds), numbers and quantities (dec64)
 *   string(key, value, rid)           folded text of string parameters
 *   term(key, value, hash)            dictionary of folded display texts (token :text): hash is then in resource.keys
 */
#ifndef FHIR_KEYS_H
#define FHIR_KEYS_H

#include "postgres.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "fhirpath/fhirpath.h"
#include "model/model.h"

#define FHIR_KEY_VERSION 1 /* of hashes and extraction; resource.key_version */

typedef enum KeyClass {
	KEYS_TOKEN,
	KEYS_REFERENCE,
	KEYS_URI,
	KEYS_STRING,
	KEYS_DATE,
	KEYS_NUMBER,
	KEYS_QUANTITY,
	KEYS_COMPOSITE,
	KEYS_SPECIAL
} KeyClass;

typedef struct KeySource {
	uint64 id;
	const ModelType *type;	/* resource type */
	const char *expression; /* canonical branch, e.g. "Observation.subject" */
	const FhirPath *program;
	uint8 klass; /* KeyClass */
	bool always; /* element is required all along the path: never missing, no presence key */
	bool fixed_system; /* code-typed elements: the system is implied, only the code form is stored */
	const char *system; /* the implied system, or NULL */
	struct KeyComposite *composite; /* KEYS_COMPOSITE: component programs and classes */
} KeySource;

/* One branch of a parameter: a source, and which reference targets count (0-terminated; NULL: all). */
typedef struct KeyLeg {
	const KeySource *source;
	const ModelTypeId *targets;
} KeyLeg;

typedef struct KeyParam {
	const char *code;
	const char *url;
	uint8 type; /* ModelParamType */
	const ModelType *base;
	const ModelTypeId *targets; /* allowed reference targets, 0-terminated */
	int nlegs;
	KeyLeg *legs;
	int ncomponents; /* composite: the parameters of its components, in order */
	const struct KeyParam **components;
} KeyParam;

/*
 * The parameter `code` of resource type t, or NULL. Includes _id, _lastUpdated, _tag, _profile, _security, _source
 * (legs of their own where keys hold them; _id and _lastUpdated have none: columns answer them). Valid for the backend's life.
 */
extern const KeyParam *keys_param(const ModelType *t, const char *code, int len);
extern void keys_params_each(const ModelType *t, void (*fn)(const KeyParam *, void *), void *arg);

typedef struct OrderedKey {
	uint64 key;
	int64 lo, hi;
} OrderedKey;

typedef struct StringKey {
	uint64 key;
	const char *value; /* folded */
	int len;
} StringKey;

typedef struct TermKey {
	uint64 key, hash;
	const char *value; /* folded */
	int len;
} TermKey;

/* All keys of one resource. Arrays are sorted and without duplicates, palloc'd in CurrentMemoryContext. */
typedef struct KeySet {
	uint64 *eq;
	int neq;
	uint64 *refs;
	int nrefs;
	OrderedKey *ordered;
	int nordered;
	StringKey *strings;
	int nstrings;
	TermKey *terms; /* their hashes are in eq, too */
	int nterms;
	uint64 side_sig; /* hash over ordered and strings: equal means the side tables need no change */
} KeySet;

/*
 * Extracts every key of a resource. Never raises for odd data (an expression that fails on a document yields
 * no key for that source), except out of memory and cancel.
 */
extern void keys_extract(const ModelType *type, JsonbContainer *doc, KeySet *out);

/* ---- key forms: the same functions make stored and searched keys ---- */
extern uint64 keys_presence(const KeySource *s);								 /* :missing */
extern uint64 keys_code(const KeySource *s, const char *code, int len);			 /* token `code` */
extern uint64 keys_system_code(const KeySource *s, const char *sys, int slen, const char *code, int clen); /* `sys|code`; slen 0: `|code` */
extern uint64 keys_system(const KeySource *s, const char *sys, int slen);		 /* `sys|` */
extern uint64 keys_text(const KeySource *s, const char *folded, int len);		 /* token :text, a whole folded display */
extern uint64 keys_term_group(const KeySource *s);								 /* term.key */
extern uint64 keys_of_type(const KeySource *s, const char *tsys, int tslen, const char *tcode, int tclen, const char *value, int vlen); /* identifier :of-type */
extern uint64 keys_reference(const KeySource *s, const char *ref, int len);		 /* "Type/id", "Type/id/_history/v", absolute URL, canonical with or without |version, "#id" never */
extern uint64 keys_ref_identifier(const KeySource *s, const char *sys, int slen, const char *val, int vlen, char form); /* :identifier; form 's' sys|val, 'c' val, 'y' sys| */
extern uint64 keys_uri(const KeySource *s, const char *uri, int len);
extern uint64 keys_exact(const KeySource *s, const char *value, int len);		 /* string :exact, unfolded */
extern uint64 keys_identity(const char *type, int tlen, const char *id, int ilen); /* resource.refs */
/* ordered.key: dates, numbers and plain quantity values */
extern uint64 keys_ordered(const KeySource *s);
/* ordered.key of quantities in a unit: canonical UCUM unit text, or "code" / "system|code" / "unit" as stored */
extern uint64 keys_ordered_canonical(const KeySource *s, const char *canonical, int len);
extern uint64 keys_ordered_unit(const KeySource *s, const char *sys, int slen, const char *code, int clen); /* slen < 0: any system, also Quantity.unit */
/* string.key list that answers a string parameter's leg: the parts of a HumanName or Address, or the place itself */
extern int keys_string_parts(const KeySource *s, uint64 *out, int max);
/* composite: key of (token part as hash) for pure-equality composites, and ordered.key for token + ordered ones */
extern uint64 keys_composite(const KeySource *s, const uint64 *part_hashes, int n);
extern uint64 keys_composite_ordered(const KeySource *s, uint64 token_hash, uint64 unit_hash);

/* Case- and accent-folds text (locale-independent): NFKD without combining marks, lower case, white space runs to one space, trimmed. palloc'd. */
extern char *keys_fold(const char *s, int len, int *outlen);

#endif
