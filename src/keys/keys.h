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
 *   ordered(key, lo, hi, rid)         dates (microseconds), numbers and quantities (dec64); for near: latitude under keys_ordered, longitude
 *                                     under keys_more of it, both in 1e-7 degrees
 *   string(key, value, rid)           folded text of string parameters
 *   word(rid, words)                  words of texts that stand in none of the others (tsvector; see keys_words.c)
 *   term(key, value, hash)            dictionary under keys_term_group(source): folded display texts (token :text; hash = keys_text) and, as
 *                                     they are, URIs of uri sources and canonicals of reference sources and MIME types (:below; hash = the value's eq key);
 *                                     under keys_units: the units of quantities (hash = ordered.key); for words: codes under
 *                                     keys_word_codes (hash = the code's eq key), texts of units under keys_word_units
 */
#ifndef FHIR_KEYS_H
#define FHIR_KEYS_H

#include "postgres.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "fhirpath/fhirpath.h"
#include "model/model.h"

#define FHIR_KEY_VERSION 10 /* of hashes and extraction; resource.key_version */

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
	const ModelType *type;			/* resource type */
	const char *expression;			/* canonical branch, e.g. "Observation.subject" */
	const FhirPath *program;		/* NULL when path says it all */
	const struct KeyPath *path;		/* a plain member path, walked without the engine */
	uint8 klass;					/* KeyClass */
	int number;						/* within its type, in this backend */
	bool fixed_system;				/* only primitives stand here: the system is implied, only the code form is stored */
	const char *system;				/* the implied system, or NULL */
	uint16 codes;					/* codes of one required binding stand here, see model_code_known; or 0 */
	bool booleans;					/* nothing but true and false stands here */
	bool identifiers;				/* KEYS_TOKEN: Identifiers may stand here */
	uint8 nparts;					/* KEYS_STRING: places of names and addresses have a key a part (family, city ...) */
	const uint64 *parts;			/* their string keys */
	bool user;						/* only parameters of users look here */
	bool usual;						/* documents of the type usually have a value here (keys_missing) */
	bool canonical;					/* KEYS_REFERENCE: canonicals may stand here */
	bool resources;					/* KEYS_REFERENCE: not references stand here, but resources (Bundle.entry[0].resource) */
	struct KeyComposite *composite; /* KEYS_COMPOSITE: how it is answered */
} KeySource;

#define KEYS_MAX_PARTS 4

/* One component of a composite parameter's branch. */
typedef struct KeyPart {
	uint8 type; /* ModelParamType of the component's parameter */
	int nsources;
	const KeySource **sources; /* where its values stand in the document, for the answer by AND; never 0 of them */
	struct KeyEval *evals;	   /* the same relative to the base, for extraction */
	int nevals;
} KeyPart;

typedef enum KeyCompositeKind {
	KEYS_COMPOSITE_AND,	   /* no keys of its own */
	KEYS_COMPOSITE_EQ,	   /* eq keys: token+token, token+reference */
	KEYS_COMPOSITE_ORDERED /* ordered rows: token (part 0) + quantity, date or number (part 1) */
} KeyCompositeKind;

/*
 * How search answers a branch of a composite parameter exactly:
 *
 *  root (the base is the resource itself): the AND of the parts' criteria, each on its sources (any of them), is exact.
 *    Faster for kind ORDERED when part 0 names a code: ordered rows with token hash = keys_code(s, code) and the keys of keys_quantity(s,
 *    &token hash, ...); for `sys|code` AND the eq key of sys|code on parts[0].sources. Both are exact.
 *  not root, kind EQ: one eq key, keys_composite(s, {part hashes}), exact when keys_part_token / keys_part_reference give every hash.
 *  not root, kind ORDERED: ordered rows: token hash by keys_part_token (`code`, `sys|code`, `|code`); quantities: keys_quantity(s, &token hash,
 *    ...); dates and numbers: key = keys_composite_ordered(s, token hash, keys_ordered(s)). Exact.
 *  all else (`sys|`, `||unit`, kind AND): the AND of the parts' criteria is a superset: recheck each match.
 */
typedef struct KeyComposite {
	uint8 kind; /* KeyCompositeKind */
	bool root;
	int nparts;
	KeyPart parts[KEYS_MAX_PARTS];
} KeyComposite;

/*
 * One branch of a parameter: a source, and which reference targets count (0-terminated; NULL: all). The restriction (from
 * `resolve() is Patient`) is by the type that a literal reference or Reference.type names; :identifier and :missing know of it as follows:
 * :identifier ignores it; a reference of unknown type is missing.
 */
typedef struct KeyLeg {
	const KeySource *source;
	const ModelTypeId *targets;
	uint64 missing; /* see keys_missing */
	bool absence;
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
	const struct KeyUserParam *user; /* NULL: one of R4's */
	bool broken;					 /* a user's composite whose component is not there: no keys, not served */
} KeyParam;

/*
 * The parameter `code` of resource type t, or NULL. Includes _id, _lastUpdated, _tag, _profile, _security, _source
 * (legs of their own where keys hold them; _id and _lastUpdated have none: columns answer them), and those that users have added
 * to the current store: ask keys_servable() before searching by one. Valid until the end of the transaction.
 */
extern const KeyParam *keys_param(const ModelType *t, const char *code, int len);
/* All that can be searched by. */
extern void keys_params_each(const ModelType *t, void (*fn)(const KeyParam *, void *), void *arg);
/* Do the rows that the active snapshot sees all have the parameter's keys? True for R4's. */
extern bool keys_servable(const KeyParam *p);

/* ---- parameters that users have added to the current store (keys_user.c) ---- */

typedef struct KeyUserParam {
	int64 rid;		  /* resource row of the SearchParameter */
	ModelParam model; /* bases: the concrete types */
	bool ready;		  /* every row has its keys */
	uint32 xmin;	  /* TransactionId that said so: snapshots that do not see it must not rely on it */
} KeyUserParam;

/* Those of one store, as one moment knows them. Never changed; a newer set takes its place. */
typedef struct KeyUserSet {
	uint64 serial;		   /* never 0, and no two sets of a backend share it */
	int64 changed;		   /* TimestampTz: the newest of them became ready; 0: none is */
	MemoryContext context; /* holds all of it */
	int n;
	KeyUserParam *params;
	bool *concerned;				 /* by type: is it a base of any? */
	struct KeyRegistry **registries; /* by type; NULL: not built yet */
} KeyUserSet;

/* The current store's, NULL when it has none (or there is no store); stays valid until the end of the transaction. Set by the store. */
extern KeyUserSet *(*keys_user_hook)(void);
/* An empty set in a context of its own, child of parent. */
extern KeyUserSet *keys_user_set(MemoryContext parent, int n);
/* Fills in what follows from the parameters. */
extern void keys_user_set_done(KeyUserSet *set);
/* Which set the keys of type t are extracted by now; 0: R4's parameters alone. Compare with KeySet.generation. */
extern uint64 keys_generation(const ModelType *t);
/* The definition of a parameter, R4's or a user's (whether ready or not); NULL if unknown. */
extern const ModelParam *keys_definition(const ModelType *t, const char *code, int len);
/* Raises FH422 unless the definition can be served, as far as it can be told without those that it names as its components. */
extern void keys_user_check(const ModelParam *p);
/* Why component i of p can't be what its definition names in the set; NULL: it can. */
extern const char *keys_component_refusal(const KeyUserSet *set, const ModelParam *p, int i, const ModelType *base);
/* Raises FH422 unless each component is one of R4's parameters or of the set, and fits. */
extern void keys_user_check_components(const KeyUserSet *set, const ModelParam *p);

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
	const char *value; /* folded text, or a URI as it is */
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
	TermKey *terms;
	int nterms;
	struct varlena **words; /* side rows of words: tsvector */
	int nwords;
	uint64 side_sig;   /* hash over ordered, strings and words: equal means the side tables need no change */
	uint64 generation; /* see keys_generation */
} KeySet;

/*
 * Extracts every key of a resource. Never raises for odd data (an expression that fails on a document yields
 * no key for that source), except out of memory and cancel.
 */
extern void keys_extract(const ModelType *type, JsonbContainer *doc, KeySet *out);

/* The keys of a resource that is deleted: one that says so (keys_deleted), and no other. */
extern void keys_extract_deleted(const ModelType *type, KeySet *out);

/*
 * Longest value of StringKey and TermKey in bytes. A longer string is cut into overlapping pieces: the first has the key itself, the
 * others keys_more(key), so that a piece in the middle answers no prefix. Of a longer term only the first piece is kept: terms are
 * searched by their start (longer query values: cut and recheck).
 */
#define KEYS_STRING_MAX 1024
#define KEYS_STRING_OVERLAP 256

/* ---- key forms: the same functions make stored and searched keys ---- */

/*
 * :missing. `missing=true` is the AND over groups of (OR over the group's members of miss(m)), where
 * miss(m) = absence ? key is in resource.keys : key is not in resource.keys. Exact. `missing=false` is its negation. Places that documents of the type
 * usually fill are marked when absent, others when present: so the rare case is the indexed one.
 * Returns the number of members (palloc'd array in *out), 0 for parameters that have no keys (special: never missing or present).
 */
typedef struct KeyMissing {
	uint64 key;
	bool absence;
	int group; /* ascending from 0 */
} KeyMissing;
extern int keys_missing(const KeyParam *p, KeyMissing **out);
/* The same for one leg, e.g. of a fixed-system token searched as `sys|`. */
extern int keys_missing_leg(const KeyLeg *leg, KeyMissing **out);

/*
 * Hashes of which every resource of the type has one, for a place that usually holds one of few codes: those of all codes, of any other
 * code, and of no value. So where a code shall not be (:not), one of the others is. Returns how many (palloc'd
 * array in *out), 0 for other places.
 */
extern int keys_all_codes(const KeyLeg *leg, uint64 **out);

/*
 * The eq key of a token value on one leg; knows implied systems. slen < 0: no bar (`code`), 0: `|code`; clen < 0: `sys|`.
 */
typedef enum KeyAnswer {
	KEYS_NEVER,	  /* nothing can match */
	KEYS_BY_KEY,  /* has *key */
	KEYS_PRESENT, /* whatever has a value here: not missing (keys_missing_leg) */
	KEYS_RECHECK  /* no key: see the AND of the parts (composites) */
} KeyAnswer;
extern KeyAnswer keys_token(const KeySource *s, const char *sys, int slen, const char *code, int clen, uint64 *key);
/* Hash of part i (token, reference) of a composite source for keys_composite and keys_composite_ordered. */
extern KeyAnswer keys_part_token(const KeySource *s, int part, const char *sys, int slen, const char *code, int clen, uint64 *hash);
extern KeyAnswer keys_part_reference(const KeySource *s, int part, const char *ref, int len, uint64 *hash);

/*
 * Quantities stand in ordered rows as they are, one row each, whose key knows the unit (system|code). Which units a place has met is in
 * the dictionary: term.key = keys_units(s, token), value = "system|code", hash = ordered.key. So one row answers
 * searches with and without units: a search asks for the keys of all units, or of those that the searched unit can be converted to, each
 * with the searched value in that unit. Quantities without system or code are under keys_ordered(s).
 */
typedef struct KeyUnit { /* one row of the dictionary */
	uint64 hash;
	const char *text;
	int len;
} KeyUnit;

typedef struct KeyQuantity {
	uint64 key;			   /* ordered.key */
	const char *from, *to; /* UCUM units for keys_quantity_convert; NULL: no conversion. They point into the arguments */
	int from_len, to_len;
} KeyQuantity;

/* term.key of a place's units; token: hash of the token part, for the rows of a composite, else NULL. */
extern uint64 keys_units(const KeySource *s, const uint64 *token);
/*
 * The ordered keys that answer `value[|sys|code]`: slen < 0: no unit given; slen 0 (`||code`): any system. units: the dictionary's rows
 * under keys_units. out has room for nunits + 1; returns how many. *recheck: the rows are a superset (`||unit` is compared with code
 * and unit text): recheck each match.
 */
extern int keys_quantity(const KeySource *s, const uint64 *token, const KeyUnit *units, int nunits, const char *sys, int slen, const char *code,
						 int clen, KeyQuantity *out, bool *recheck);
extern Numeric keys_quantity_convert(const KeyQuantity *q, Numeric value);

/* Key of the second and later pieces of a long text: :contains looks under both keys; a query value longer than KEYS_STRING_OVERLAP
 * (contains) or KEYS_STRING_MAX (prefix) is cut to that length at a character and needs a recheck. */
extern uint64 keys_more(uint64 key);

extern uint64 keys_code(const KeySource *s, const char *code, int len);	  /* token `code` */
extern uint64 keys_system(const KeySource *s, const char *sys, int slen); /* `sys|` */
/* MIME types stand here: each is a term, by its key as a code (:below). */
extern bool keys_mime_types(const KeySource *s);
extern uint64 keys_term_group(const KeySource *s);																						/* term.key */
extern uint64 keys_of_type(const KeySource *s, const char *tsys, int tslen, const char *tcode, int tclen, const char *value, int vlen); /* identifier :of-type */
extern uint64 keys_reference(const KeySource *s, const char *ref, int len);																/* "Type/id", "Type/id/_history/v", absolute URL (own fhir.base_url is stripped), canonical with or without |version, "#id" never */
/* Of a canonical without |version, beside that of keys_reference, which those with a version have, too. */
extern uint64 keys_canonical_newest(const KeySource *s, const char *url, int len);
extern uint64 keys_ref_identifier(const KeySource *s, const char *sys, int slen, const char *val, int vlen, char form); /* :identifier; form 's' sys|val, 'c' val, 'y' sys| */
extern uint64 keys_uri(const KeySource *s, const char *uri, int len);
extern uint64 keys_exact(const KeySource *s, const char *value, int len);		   /* string :exact, unfolded */
extern uint64 keys_identity(const char *type, int tlen, const char *id, int ilen); /* resource.refs */
/* keys_reference(s, "Type/id") = keys_identity(Type, id) ^ keys_reference_salt(s), also in SQL (#): joins without a table of links. */
extern uint64 keys_reference_salt(const KeySource *s);
/*
 * Contained resources. Their container carries their keys (eq, ordered, string, of R4's parameters) as keys_contained(key), those of
 * all that it contains together; and says of which types they are, and to which type its own references "#id" lead. The same is
 * so for what stands in a place of R4's parameters itself (KeySource.resources), only that it is not said to be contained.
 */
extern uint64 keys_contained(uint64 key);
extern uint64 keys_contained_type(const ModelType *t);
extern uint64 keys_contained_link(const KeySource *s, const ModelType *t);

/* ordered.key: dates, numbers, quantities without a unit */
extern uint64 keys_ordered(const KeySource *s);
/* string.key list that answers a string parameter's leg: the parts of a HumanName or Address, or the place itself */
extern int keys_string_parts(const KeySource *s, uint64 *out, int max);
/* composite: see KeyComposite. Token hashes are those of keys_part_token (keys_code / keys_system_code with the composite source) */
extern uint64 keys_composite(const KeySource *s, const uint64 *part_hashes, int n);
extern uint64 keys_composite_ordered(const KeySource *s, uint64 token_hash, uint64 unit_key);

/* ---- words, for _text and _content (keys_words.c) ---- */

/* KEYS_COMMON: codes and names that many resources have. KEYS_NARRATIVE: the resource's own; KEYS_MARKUP: that of a contained resource; both with tags. */
typedef enum KeyTextKind { KEYS_PLAIN,
						   KEYS_COMMON,
						   KEYS_NARRATIVE,
						   KEYS_MARKUP,
} KeyTextKind;
typedef void (*KeyTextFn)(void *arg, KeyTextKind kind, const char *text, int len);
/* Calls fn for each text of a document that _content (the narrative: _text) looks at. */
extern void keys_texts(const ModelType *type, JsonbContainer *doc, KeyTextFn fn, void *arg);
/* The next word of a folded text: a run of letters and digits. Not NUL-terminated. */
extern bool keys_next_word(const char **at, const char *end, const char **word, int *len);
/* Does a word of a folded text begin with `word`? A `word` with other characters in it must stand there as it is. */
extern bool keys_has_word(const char *text, const char *word);
/* Where the next such word begins; text must not be the first character of the whole. */
extern const char *keys_find_word(const char *text, const char *word);
extern const char *keys_word_end(const char *p);

/* Words in side rows begin with a tag: 'n' (narrative) or 'c', and three characters that stand for the type (not for sure for it alone). */
#define KEYS_WORD_TAG 4
#define KEYS_WORD_MAX 64	/* bytes of a word that are kept */
#define KEYS_ROW_WORDS 8192 /* words of a side row: a tsvector holds at most 1 MB */
extern void keys_word_tag(const ModelType *type, bool narrative, char *out);
extern int keys_word_length(const char *word, int len);

/* Where the dictionary holds texts of type t whose resources need no word: term.key. */
typedef struct KeyWordGroup {
	uint64 key;
	const KeySource *source;
	bool units; /* false: term.hash is in resource.keys; true: see keys_unit_text_key */
} KeyWordGroup;
extern int keys_word_groups(const ModelType *t, KeyWordGroup **out);
/*
 * ordered.key of the quantities that a text of units stands for; after: what follows its line feed. The same key may have other texts; all that its quantities
 * have are in the dictionary, an empty one for those whose texts are not.
 */
extern uint64 keys_unit_text_key(const KeySource *s, const char *after, int len);
extern uint64 keys_deleted(const ModelType *t); /* eq key of the deleted resources of a type */

/* Case- and accent-folds text (locale-independent): NFKD without combining marks, lower case, white space runs to one space, trimmed. palloc'd. */
extern char *keys_fold(const char *s, int len, int *outlen);

#endif
