/*
 * keys_internal.h: what the files of this folder share: expressions in canonical form, member paths, the registry of a
 * resource type, and the builder that collects the keys of one document.
 */
#ifndef FHIR_KEYS_INTERNAL_H
#define FHIR_KEYS_INTERNAL_H

#include "nodes/pg_list.h"

#include "keys/keys.h"

/* ---- keys_expr.c: text of expressions ---- */

/* Splits at top-level `|`: a list of palloc'd strings. */
extern List *keys_expr_split(const char *text);
/*
 * Canonical text of one branch: no redundant parentheses or white space; `x as T` and x.as(T) become x.ofType(T); a leading Resource, DomainResource
 * or element name becomes the type. NULL: the branch belongs to another resource type.
 */
extern char *keys_expr_canonical(const char *branch, const ModelType *type);
/* As above for an expression relative to some element (components): no type stands in front. */
extern char *keys_expr_relative(const char *branch);
/* Cuts a final `.where(resolve() is T)` off canonical text: its type, or MODEL_NONE. */
extern ModelTypeId keys_expr_resolve_type(char *canonical);
/* Parts of a canonical path between top-level dots: palloc'd strings. NIL if it is no path (has an operator). */
extern List *keys_expr_steps(const char *canonical);

/* ---- keys_path.c: member paths ---- */

typedef struct KeyMember {
	const char *name;
	int len;
	const ModelProperty *property;
} KeyMember;

typedef struct KeyStep {
	int n; /* one, or the choices of a choice element */
	const KeyMember *members;
} KeyStep;

typedef struct KeyPath {
	bool from_root; /* %resource in a component: starts at the document, not at the base item */
	int nsteps;		/* 0: the start itself */
	KeyStep steps[FLEXIBLE_ARRAY_MEMBER];
} KeyPath;

#define KEYS_MAX_TYPES 32

/* What an expression is known to give. n = 0: unknown. */
typedef struct KeyTypes {
	int n;
	ModelTypeId types[KEYS_MAX_TYPES];
	const char *system; /* implied system of a code, the same for all, or NULL */
	bool required;		/* every member on the way is required */
} KeyTypes;

/*
 * Compiles canonical text that starts at an element of type `start`. Returns NULL when it is more than members and ofType(): then only *types is set, as far
 * as it is known. palloc'd.
 */
extern KeyPath *keys_path_compile(const char *canonical, ModelTypeId start, bool relative, KeyTypes *types);

typedef void (*KeyItemFn)(void *arg, const FpItem *item);
/* Calls fn for each element with a value that the path reaches from an object of type `start`. */
extern void keys_path_walk(const KeyPath *path, JsonbContainer *object, ModelTypeId start, KeyItemFn fn, void *arg);

/* An expression relative to a base item: path or program. */
typedef struct KeyEval {
	const KeyPath *path;
	const FhirPath *program;
	uint8 klass;
} KeyEval;

/* ---- keys_registry.c ---- */

/* The missing key of a source, for all references or those to some types. */
typedef struct KeyMissingRule {
	const KeySource *source;
	const ModelTypeId *targets;
	uint64 key;
	bool absence;
} KeyMissingRule;

typedef struct KeyRegistry {
	const ModelType *type;
	uint64 generation; /* serial of the set of users' parameters in it, 0: none */
	int nsources, maxsources;
	KeySource **sources;
	int nparams, maxparams;
	KeyParam **params; /* sorted by code */
	int nrules, maxrules;
	KeyMissingRule *rules; /* those of one source stand together after keys_registry is done */
	int *first_rule;	   /* by number of source: its rules are rules[first_rule[i]] .. rules[first_rule[i + 1]] - 1 */
} KeyRegistry;

extern MemoryContext keys_context;
extern KeyRegistry *keys_registry(const KeyUserSet *user, const ModelType *type);
/* R4's parameters alone. */
extern KeyRegistry *keys_registry_r4(const ModelType *type);
/* R4's parameters of a type and those of the set, in a context of its own, child of parent. */
extern KeyRegistry *keys_registry_build(const ModelType *type, const KeyUserSet *set, MemoryContext parent);
extern const uint8 keys_class_of_type[]; /* KeyClass by ModelParamType */
/* Source for one canonical branch, shared when it is there already. */
extern KeySource *keys_registry_source(KeyRegistry *r, const char *canonical, const char *identity, uint8 klass);
extern const FhirPath *keys_program(const char *text, ModelTypeId type);
extern KeyParam *keys_registry_param(KeyRegistry *r, const char *code);

/* What string parameters search of a HumanName and an Address. */
#define KEYS_NAME_PARTS 5
#define KEYS_ADDRESS_PARTS 7
extern const char *const keys_name_parts[];
extern const char *const keys_address_parts[];

/* ---- keys_user.c ---- */
/* The registry with the set's additions for the type; NULL: there are none. */
extern KeyRegistry *keys_user_registry(const KeyUserSet *set, const ModelType *type);

/* ---- keys_composite.c ---- */
extern KeySource *keys_composite_define(KeyRegistry *r, const char *base, const KeyParam *param, const ModelParam *definition);

/* ---- keys_missing.c ---- */
extern uint64 keys_missing_key(const KeySource *s); /* of a leg without targets */
extern uint64 keys_other_code(const KeySource *s);	/* of a code that its required binding does not have */
extern bool keys_usually_present(const char *canonical);
extern void keys_missing_define(KeyRegistry *r, KeyLeg *leg);

/* ---- hashes not for search ---- */
extern uint64 keys_source_id(const ModelType *type, const char *canonical, uint8 klass);

/* ---- builder: keys_builder.c, keys_extract.c ---- */
typedef struct KeyTrace {
	void (*fn)(void *arg, const char *source, const char *structure, const char *form, uint64 key, int64 lo, int64 hi, const char *value, int len);
	void *arg;
} KeyTrace;

typedef struct KeyBuilder {
	MemoryContext arrays; /* of those below */
	KeyContext context;
	const KeyRegistry *registry;
	JsonbContainer *doc;
	const KeySource *source; /* being extracted */
	MemoryContext result;	 /* values that outlive the extraction */
	const KeyTrace *trace;
	bool contained; /* these are the keys of a contained resource */
	List *inner;	/* JsonbContainer: resources that stand in the place of a reference, whose keys are to be added */

	uint64 *eq;
	int neq, maxeq;
	uint64 *refs;
	int nrefs, maxrefs;
	OrderedKey *ordered;
	int nordered, maxordered;
	StringKey *strings;
	int nstrings, maxstrings;
	TermKey *terms;
	int nterms, maxterms;
	const char **covered; /* texts of the document that are in the dictionary, by address */
	int ncovered, maxcovered;

	bool present; /* the source has an item with a value */
	int nref_types;
	ModelTypeId ref_types[16]; /* types the source's references name; more are not needed: distinct resource types in one place */
	const char *last_text;	   /* raw text folded last, and what it came to */
	int last_len;
	bool last_covered;
} KeyBuilder;

extern void keys_add_eq(KeyBuilder *b, uint64 key, const char *form, const char *value, int len);
extern void keys_add_ref(KeyBuilder *b, uint64 identity);
extern void keys_add_ordered(KeyBuilder *b, uint64 key, int64 lo, int64 hi, const char *form, const char *value, int len);
extern void keys_add_string(KeyBuilder *b, uint64 key, const char *raw, int len);
extern void keys_add_term(KeyBuilder *b, uint64 group, uint64 hash, const char *value, int len);

extern void keys_extract_traced(KeyContext context, const ModelType *type, JsonbContainer *doc, KeySet *out, const KeyTrace *trace);

/* One item of a class: adds its keys under b->source. */
extern void keys_item_token(KeyBuilder *b, const FpItem *item);
extern void keys_item_reference(KeyBuilder *b, const FpItem *item);
extern void keys_item_uri(KeyBuilder *b, const FpItem *item);
extern void keys_item_string(KeyBuilder *b, const FpItem *item);
extern void keys_item_ordered(KeyBuilder *b, const FpItem *item);  /* date, number, quantity */
extern void keys_item_position(KeyBuilder *b, const FpItem *item); /* special: near */
extern void keys_item_composite(KeyBuilder *b, const FpItem *item);
/* Runs an expression over an item (path or engine). */
extern void keys_eval(const KeyPath *path, const FhirPath *program, JsonbContainer *doc, ModelTypeId type, const FpItem *start, KeyItemFn fn,
					  void *arg);

/* ---- values that composites need apart from their keys ---- */

/* One token: up to three hashes as forms of a query value. */
typedef struct KeyTokenHashes {
	uint64 code, system_code;
	bool has_system_code;
} KeyTokenHashes;
extern void keys_token_each(const KeySource *salt, const FpItem *item, bool fixed_system, void (*fn)(void *arg, const KeyTokenHashes *t), void *arg);

/* One ordered value and its unit (slen 0: none). */
typedef struct KeyInterval {
	uint64 key;
	int64 lo, hi;
	const char *form, *sys, *code;
	int slen, clen;
} KeyInterval;
/* False if the item has no such value. */
extern bool keys_interval(const KeySource *salt, uint8 klass, const FpItem *item, KeyInterval *out);
/* The key and unit of an interval, from a quantity that has it. */
extern void keys_set_unit(KeyInterval *out, const KeySource *salt, JsonbContainer *quantity);
/* ---- keys_sampled.c ---- */
/* The bounds of a SampledData; false if there are none. */
extern bool keys_sampled_interval(const KeySource *salt, JsonbContainer *c, KeyInterval *out);
/* Adds the row of an interval under `key`, and its unit to the dictionary. */
extern void keys_add_interval(KeyBuilder *b, uint64 key, const uint64 *token, const KeyInterval *iv);

/* ---- keys_words.c ---- */
extern void keys_cover(KeyBuilder *b, const char *text);
extern void keys_cover_code(KeyBuilder *b, const char *code, int len);
extern void keys_cover_unit(KeyBuilder *b, JsonbContainer *quantity, bool plain, const KeyInterval *iv);
extern void keys_words_finish(KeyBuilder *b, KeySet *out);

/* Eq keys of a reference item (several forms); at most KEYS_MAX_REF_FORMS. */
#define KEYS_MAX_REF_FORMS 3
/* The type that a Reference of the document names, MODEL_NONE if it does not tell. */
extern ModelTypeId keys_reference_type(KeyContext context, const KeySource *s, JsonbContainer *doc, JsonbContainer *reference);
extern int keys_reference_forms(KeyContext context, const KeySource *salt, const char *ref, int len, bool canonical, uint64 *out, uint64 *identity, ModelTypeId *type);

/* ---- small helpers on items ---- */
static inline JsonbContainer *
keys_object(const JsonbValue *v)
{
	return v->type == jbvBinary && JsonContainerIsObject(v->val.binary.data) ? v->val.binary.data : NULL;
}

static inline JsonbContainer *
keys_array(const JsonbValue *v)
{
	return v->type == jbvBinary && JsonContainerIsArray(v->val.binary.data) ? v->val.binary.data : NULL;
}

/* Member of an object; false if absent. */
static inline bool
keys_member(JsonbContainer *c, const char *name, int len, JsonbValue *out)
{
	return JsonContainerSize(c) > 0 && getKeyJsonValueFromContainer(c, name, len, out) != NULL;
}

/* String member; len < 0 if absent. */
static inline const char *
keys_member_string(JsonbContainer *c, const char *name, int nlen, int *len)
{
	JsonbValue v;

	if (!keys_member(c, name, nlen, &v) || v.type != jbvString) {
		*len = -1;
		return NULL;
	}
	*len = v.val.string.len;
	return v.val.string.val;
}
#define keys_string_of(c, lit, len) keys_member_string((c), (lit), sizeof(lit) - 1, (len))

/* ---- offered within the folder ---- */
/* The parameter that a component's definition names, for resources of type t: R4's or one of the set (of several the newest); NULL: there is none. */
extern const ModelParam *keys_component(const KeyUserSet *set, const ModelType *t, const char *url);
extern uint64 keys_system_code(const KeySource *s, const char *sys, int slen, const char *code, int clen); /* `sys|code`; slen 0: `|code` */
extern uint64 keys_text(const KeySource *s, const char *folded, int len);								   /* token :text, a whole folded display */
/* ordered.key of quantities in a unit. Use keys_quantity to search. */
extern uint64 keys_ordered_unit(const KeySource *s, const char *sys, int slen, const char *code, int clen);
extern uint64 keys_word_texts(const ModelType *t); /* term.key of common texts, and their eq keys */
extern uint64 keys_word_text(const ModelType *t, const char *folded, int len);
extern uint64 keys_word_codes(const KeySource *s);
extern uint64 keys_word_units(const KeySource *s);

#endif
