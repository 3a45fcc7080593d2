/*
 * keys.h: from a resource to its search keys, and from a parameter to the keys that answer it.
 *
 * A KeySource is one place in the documents of one resource type that search parameters look at: one branch of their expressions, e.g.
 * Observation.subject. Parameters that look at the same place share its keys: it is extracted and indexed once. Its id is
 * hash("Observation", canonical branch text, class), so it is the same in every store, build and version. What the keys of the tables
 * (catalog.h) are: keys_hash.c; how composites are answered: keys_composite.c.
 */
#ifndef FHIR_KEYS_H
#define FHIR_KEYS_H

#include "postgres.h"
#include "fmgr.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "fhirpath/fhirpath.h"
#include "model/model.h"

#define FHIR_KEY_VERSION 10 /* of hashes and extraction; resource.key_version */

typedef enum KeyClass { KEYS_TOKEN,
						KEYS_REFERENCE,
						KEYS_URI,
						KEYS_STRING,
						KEYS_DATE,
						KEYS_NUMBER,
						KEYS_QUANTITY,
						KEYS_COMPOSITE,
						KEYS_SPECIAL,
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

typedef struct KeyComposite {
	uint8 kind; /* KeyCompositeKind */
	bool root;
	int nparts;
	KeyPart parts[KEYS_MAX_PARTS];
} KeyComposite;

/*
 * One branch of a parameter: a source, and which reference targets count (0-terminated; NULL: all): by the type that a literal reference or
 * Reference.type names. :identifier ignores it; a reference of unknown type is missing.
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

/* What keys follow from beside a resource and R4. Must outlive the call. */
typedef struct KeyContext {
	const struct KeyUserSet *user; /* search parameters that users have added to the store; NULL: none */
	const char *base_url;		   /* our own, which is cut off references; "": unknown */
} KeyContext;

/*
 * The parameter `code` of resource type t, or NULL: R4's, _id, _lastUpdated (without legs: columns answer them), _tag, _profile, _security,
 * _source, and those of users: ask keys_servable() before searching by one. Valid until the end of the transaction.
 */
extern const KeyParam *keys_param(KeyContext context, const ModelType *t, const char *code, int len);
/* All that can be searched by. */
extern void keys_params_each(KeyContext context, const ModelType *t, void (*fn)(const KeyParam *, void *), void *arg);
/* Do the rows that the active snapshot sees all have the parameter's keys? True for R4's. */
extern bool keys_servable(const KeyParam *p);

/* ---- parameters that users have added to a store (keys_user.c) ---- */

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

/* An empty set in a context of its own, child of parent. */
extern KeyUserSet *keys_user_set(MemoryContext parent, int n);
/* Fills in what follows from the parameters. */
extern void keys_user_set_done(KeyUserSet *set);
/* Which set the keys of type t are extracted by now; 0: R4's parameters alone. Compare with KeySet.generation. */
extern uint64 keys_generation(KeyContext context, const ModelType *t);
/* The definition of a parameter, R4's or a user's (whether ready or not); NULL if unknown. */
extern const ModelParam *keys_definition(KeyContext context, const ModelType *t, const char *code, int len);
/* Raises FH422 unless the definition can be served, as far as it can be told without those that it names as its components. */
extern void keys_user_check(const ModelParam *p);
/* Why component i of p can't be what its definition names in the set; NULL: it can. */
extern const char *keys_component_refusal(const KeyUserSet *set, const ModelParam *p, int i, const ModelType *base);
/* Raises FH422 unless each component is one of R4's parameters or of the set, and fits. */
extern void keys_user_check_components(const KeyUserSet *set, const ModelParam *p);

/* ---- the keys of a resource ---- */

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
	uint64 *eq, *refs;
	int neq, nrefs;
	OrderedKey *ordered;
	StringKey *strings;
	TermKey *terms;
	int nordered, nstrings, nterms;
	struct varlena **words; /* side rows of words: tsvector */
	int nwords;
	uint64 side_sig;   /* hash over ordered, strings and words: equal means the side tables need no change */
	uint64 generation; /* see keys_generation */
} KeySet;

/* Never raises for odd data (an expression that fails on a document yields no key for that source), except out of memory and cancel. */
extern void keys_extract(KeyContext context, const ModelType *type, JsonbContainer *doc, KeySet *out);
/* The keys of a resource that is deleted: one that says so (keys_deleted), and no other. */
extern void keys_extract_deleted(const ModelType *type, KeySet *out);
extern uint64 keys_deleted(const ModelType *t);
/* Results of fhir_keys, fhir_key_counts, fhir_key_sources, fhir_keys_verify (keys_rows.c). */
extern Datum keys_trace_rows(KeyContext context, FunctionCallInfo fcinfo);
extern Datum keys_counts(KeyContext context, FunctionCallInfo fcinfo);
extern Datum keys_source_rows(KeyContext context, FunctionCallInfo fcinfo);
extern Datum keys_verify_rows(KeyContext context, FunctionCallInfo fcinfo);

/*
 * Longest value of StringKey and TermKey in bytes. A longer string is cut into overlapping pieces: the first has the key itself, the others
 * keys_more(key). A longer query value is cut to KEYS_STRING_MAX (from the start) or KEYS_STRING_OVERLAP (:contains), at a
 * character, and needs a recheck. Of a longer term the first piece is kept.
 */
#define KEYS_STRING_MAX 1024
#define KEYS_STRING_OVERLAP 256
extern uint64 keys_more(uint64 key);

/* ---- key forms: the same functions make stored and searched keys ---- */

/*
 * `missing=true` is the AND over groups of (OR over the group's members of: absence ? has the key : has not the key), exactly; `missing=false` its
 * negation. Returns the number of members (palloc'd array in *out), 0 for parameters without keys (special: never missing or present).
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
 * Hashes of which every resource of the type has one, for a place that usually holds one of few codes: those of all codes, of any other, and
 * of no value: for :not. Returns how many (palloc'd array in *out), 0 for other places.
 */
extern int keys_all_codes(const KeyLeg *leg, uint64 **out);

/* The eq key of a token value on one leg; knows implied systems. slen < 0: no bar (`code`), 0: `|code`; clen < 0: `sys|`. */
typedef enum KeyAnswer {
	KEYS_NEVER,	  /* nothing can match */
	KEYS_BY_KEY,  /* has *key */
	KEYS_PRESENT, /* whatever has a value here: not missing (keys_missing_leg) */
	KEYS_RECHECK  /* no key: see the AND of the parts (composites) */
} KeyAnswer;
extern KeyAnswer keys_token(const KeySource *s, const char *sys, int slen, const char *code, int clen, uint64 *key);
/* Hash of part i (token, reference) of a composite source for keys_composite and keys_composite_ordered. */
extern KeyAnswer keys_part_token(const KeySource *s, int part, const char *sys, int slen, const char *code, int clen, uint64 *hash);
extern KeyAnswer keys_part_reference(KeyContext context, const KeySource *s, int part, const char *ref, int len, uint64 *hash);

/*
 * Quantities stand in ordered rows as they are, whose key knows the unit. Which units a place has met is in the dictionary: term.key =
 * keys_units(s, token), value = "system|code", hash = ordered.key. A search asks for the keys of all units, or of those that
 * its own can be converted to, each with the value in that unit. Without system or code: under keys_ordered(s).
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
 * The ordered keys that answer `value[|sys|code]`: slen < 0: no unit given; slen 0 (`||code`): any system. units: the dictionary's rows. out has
 * room for nunits + 1; returns how many. *recheck: the rows are a superset (`||unit` is compared with code and unit text).
 */
extern int keys_quantity(const KeySource *s, const uint64 *token, const KeyUnit *units, int nunits, const char *sys, int slen, const char *code,
						 int clen, KeyQuantity *out, bool *recheck);
extern Numeric keys_quantity_convert(const KeyQuantity *q, Numeric value);

extern uint64 keys_code(const KeySource *s, const char *code, int len);	  /* token `code` */
extern uint64 keys_system(const KeySource *s, const char *sys, int slen); /* `sys|` */
/* MIME types stand here: each is a term, by its key as a code (:below). */
extern bool keys_mime_types(const KeySource *s);
extern uint64 keys_term_group(const KeySource *s);																						/* term.key */
extern uint64 keys_of_type(const KeySource *s, const char *tsys, int tslen, const char *tcode, int tclen, const char *value, int vlen); /* identifier :of-type */
/* "Type/id", "Type/id/_history/v", absolute URL (our own base is cut off), canonical with or without |version; never "#id". */
extern uint64 keys_reference(KeyContext context, const KeySource *s, const char *ref, int len);
/* Of a canonical without |version, beside that of keys_reference, which those with a version have, too. */
extern uint64 keys_canonical_newest(const KeySource *s, const char *url, int len);
extern uint64 keys_ref_identifier(const KeySource *s, const char *sys, int slen, const char *val, int vlen, char form); /* :identifier; form 's' sys|val, 'c' val, 'y' sys| */
extern uint64 keys_uri(const KeySource *s, const char *uri, int len);
extern uint64 keys_exact(const KeySource *s, const char *value, int len);		   /* string :exact, unfolded */
extern uint64 keys_identity(const char *type, int tlen, const char *id, int ilen); /* resource.refs */
/* keys_reference(s, "Type/id") = keys_identity(Type, id) ^ keys_reference_salt(s), also in SQL (#): joins without a table of links. */
extern uint64 keys_reference_salt(const KeySource *s);
/*
 * Contained resources: their container carries their keys (of R4's parameters) as keys_contained(key), of which types they are, and to which its
 * own references "#id" lead. The same for what stands in a place itself (KeySource.resources), only that it is not said to be contained.
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

/* KEYS_COMMON: codes and names that many resources have. KEYS_NARRATIVE: the resource's own, KEYS_MARKUP: a contained one's, with tags. */
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
/* ordered.key of the quantities that a text of units stands for; after: what follows its line feed. The same key may have other texts (keys_words.c). */
extern uint64 keys_unit_text_key(const KeySource *s, const char *after, int len);

/* Case- and accent-folds text (locale-independent): NFKD without combining marks, lower case, white space runs to one space, trimmed. palloc'd. */
extern char *keys_fold(const char *s, int len, int *outlen);

#endif
