/*
 * fhirpath_int.h: what the files of the FHIRPath engine share.
 *
 * text --scan, gram--> FpNode tree --print--> canonical text, --flat--> FhirPath varlena (on disk)
 *      varlena --load--> FpProgram: FpNode tree with functions, types and fused paths resolved --exec-->
 * FpList
 *
 * A FpProgram lives in the backend's program cache (fhirpath_cache.c) and is found by the varlena's content,
 * so that nothing on disk depends on the build.
 */
#ifndef FHIRPATH_INT_H
#define FHIRPATH_INT_H

#include "base/base.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#include "fhirpath/fhirpath.h"
#include "model/model.h"

/* ---- the program ---- */

/* Stored in programs: only grows at the end. */
typedef enum FpOp {
	FP_OP_EMPTY = 1, /* {} */
	FP_OP_TRUE,
	FP_OP_FALSE,
	FP_OP_STRING,
	FP_OP_INTEGER,
	FP_OP_LONG,
	FP_OP_DECIMAL,
	FP_OP_DATE, /* str without @ */
	FP_OP_DATETIME,
	FP_OP_TIME,
	FP_OP_QUANTITY, /* str number, str2 unit; flags tells a calendar unit */
	FP_OP_EXTERNAL, /* %str */
	FP_OP_THIS,
	FP_OP_INDEX,
	FP_OP_TOTAL,
	FP_OP_MEMBER,	/* left.str; left NULL: on $this */
	FP_OP_FUNCTION, /* left.str(right, right->next, ...) */
	FP_OP_INDEXER,	/* left[right] */
	FP_OP_NEGATE,	/* -left */
	FP_OP_PLUS,		/* +left */
	FP_OP_MUL,
	FP_OP_DIV,
	FP_OP_IDIV,
	FP_OP_MOD,
	FP_OP_ADD,
	FP_OP_SUB,
	FP_OP_CONCAT,
	FP_OP_IS, /* left is str */
	FP_OP_AS,
	FP_OP_UNION,
	FP_OP_LT,
	FP_OP_LE,
	FP_OP_GT,
	FP_OP_GE,
	FP_OP_EQ,
	FP_OP_NE,
	FP_OP_EQUIV,
	FP_OP_NEQUIV,
	FP_OP_IN,
	FP_OP_CONTAINS,
	FP_OP_AND,
	FP_OP_OR,
	FP_OP_XOR,
	FP_OP_IMPLIES,
	FP_OP_LAST = FP_OP_IMPLIES
} FpOp;

#define FP_NODE_CALENDAR 0x01 /* quantity with a calendar unit (days), not a UCUM one ('d') */
#define FP_NODE_ASC 0x02	  /* sort key: asc given */
#define FP_NODE_DESC 0x04	  /* sort key: desc given */

/* What a type name means: a FHIR type, a System type, or either (Quantity). */
typedef struct FpTypeSpec {
	ModelTypeId fhir; /* MODEL_NONE: no FHIR type */
	int8 sys;		  /* FpKind, or -1: no System type */
	bool any;		  /* System.Any, FHIR.Element-like wildcard */
} FpTypeSpec;

typedef enum FpStepKind {
	FP_STEP_THIS,	/* start: the focus itself */
	FP_STEP_ROOT,	/* start: a type name, or else a member of that name */
	FP_STEP_MEMBER, /* .name */
	FP_STEP_TYPE	/* ofType(), as: keeps the items of a type */
} FpStepKind;

/* One step of a fused path. The cache of the last type's properties is rewritten while running. */
typedef struct FpStep {
	uint8 kind;
	const char *name;
	int len;
	int32 pos;
	FpTypeSpec type;
	const ModelType *ctype;		 /* cached for */
	const ModelProperty **props; /* its properties of the element `name` */
	int nprops;					 /* 0: the type has no such element */
	const ModelProperty *one;	 /* for nprops == 1 */
	char ext[64];				 /* "_" name, when it fits */
} FpStep;

typedef struct FpNode FpNode;
typedef struct FpExec FpExec;
typedef struct FpFunction FpFunction;

struct FpNode {
	uint8 op;
	uint8 flags;
	uint16 nargs;
	int32 pos;		  /* bytes into the text (while parsing: the source; else the canonical text) */
	const char *str;  /* name, literal text, type name; not NUL-terminated */
	const char *str2; /* unit */
	int32 len, len2;
	FpNode *left, *right, *next;
	/* resolved by load */
	const FpFunction *fn;
	FpItem lit;
	FpTypeSpec type;
	FpStep *steps; /* fused path that ends here, starting at base's items; NULL: none */
	int nsteps;
	FpNode *base; /* NULL: $this */
	/* while loading: length of the chain of steps that ends here, its last step */
	int chain;
	FpStep *step;
};

#define FP_PROG_TIME 0x01  /* now(), today(), timeOfDay() */
#define FP_PROG_STORE 0x02 /* resolve(), memberOf(): looks outside of the document */

#define FHIRPATH_VERSION 1
#define FP_MAX_NUMBER 1000 /* characters of a number, for which fp_numeric_parse has room */
#define FP_MAX_ARGS 100

/* On disk. node[0] is unused, node[1] the root; left, right, next are node numbers, 0 none; strings are
 * offsets into pool. */
typedef struct FpFlatNode {
	uint8 op, flags;
	uint16 nargs;
	int32 pos;
	uint32 str, len, str2, len2;
	uint32 left, right, next;
} FpFlatNode;

struct FhirPath {
	int32 vl_len_;
	uint16 version;
	uint16 flags; /* FP_PROG_... */
	uint32 hash[2];
	uint32 context, context_len; /* name of the context type in pool; len 0: none */
	uint32 textlen;				 /* pool starts with the canonical text */
	uint32 poollen;
	uint32 nnodes; /* incl. the unused one */
	FpFlatNode nodes[FLEXIBLE_ARRAY_MEMBER];
	/* char pool[] */
};

#define FP_POOL(p) ((const char *) &(p)->nodes[(p)->nnodes])

typedef struct FpProgram {
	FpNode *root;
	const char *text; /* canonical, in the copy of the varlena */
	int textlen;
	ModelTypeId context;
	MemoryContext mcxt;
	const FhirPath *flat; /* own copy */
	struct FpProgram *next_dead;
} FpProgram;

/* ---- parsing (fhirpath_scan.l, fhirpath_gram.y) ---- */

typedef struct FpStr {
	const char *s;
	int len;
	int32 pos;
} FpStr;

typedef struct FpParse {
	const char *text;
	int len;
	int32 pos, tokpos; /* next byte; start of the current token */
	int32 litpos;	   /* start of the string or comment being read */
	StringInfoData buf;
	uint32 surrogate; /* first half of a \uD83D\uDE00 pair, or 0 */
	FpNode *result;
} FpParse;

extern FpNode *fp_parse(FpParse *ctx);
extern FpNode *fp_node(FpOp op, int32 pos, FpNode *left, FpNode *right);
pg_noreturn extern void fp_syntax_error(const char *text, int len, int32 pos, const char *what);

/* fhirpath_print.c: canonical text; sets each node's pos to its place there. */
extern void fp_print(StringInfo out, FpNode *node);
extern bool fp_is_plain_identifier(const char *s, int len);
extern void fp_print_string(StringInfo out, const char *s, int len, char quote);
/* "line\n    ^" of the position, for error details */
extern char *fp_caret(const char *text, int len, int32 pos);
extern int fp_char_position(const char *text, int32 pos);

/* fhirpath_check.c: unknown elements along paths whose types are known (strict mode). */
extern void fp_check(FpNode *root, ModelTypeId context, const char *text, int len);

/* fhirpath_cache.c */
extern FpProgram *fp_load(const FhirPath *flat);
extern FhirPath *fp_compile_cached(const char *text, int len);
/* fhirpath_load.c */
extern FpProgram *fp_program_build(const FhirPath *flat, MemoryContext parent);
/* fhirpath_settings.c */
extern bool fhirpath_strict;
extern int fhirpath_max_steps;
extern void fp_programs_enter(void);
extern void fp_programs_leave(void);

/* ---- running ---- */

typedef struct FpVar {
	const char *name;
	int len;
	FpList value;
	struct FpVar *next;
} FpVar;

/* What $this, $index, $total and the defined variables are at a place. */
typedef struct FpScope {
	const FpItem *this;
	int nthis; /* 0 or 1 (more only at the head of iif) */
	int index;
	const FpList *total;
	FpVar *vars;
} FpScope;

struct FpExec {
	const FpProgram *prog;
	const FpContext *ctx;
	const FpItem *root; /* %context */
	int64 steps, max_steps;
	const FpNode *node; /* being evaluated, for error locations */
	bool strict;		/* walking from the root in strict mode: unknown elements are errors */
	/* appends the results of a node: the executor (fhirpath_exec.c) */
	void (*eval)(FpExec *x, const FpNode *n, FpScope *s, FpList *out);
};

typedef struct FpQuantity {
	Numeric value;
	const char *unit;
	int len;
	bool calendar;
} FpQuantity;

typedef struct FpTypeInfo {
	const char *ns, *name;
} FpTypeInfo;

typedef void (*FpFn)(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out);

/* Kinds of the arguments: how the table's checks and the inference of types treat them. */
#define FP_FN_TIME 0x01
#define FP_FN_STORE 0x02
#define FP_FN_TYPEARG 0x04 /* the first argument is a type name */
#define FP_FN_KEEPS 0x08   /* result is of the input's type (where, first ...) */

struct FpFunction {
	const char *name;
	uint8 min, max; /* arguments */
	uint8 flags;
	FpFn fn;
};

extern const FpFunction *fp_function(const char *name, int len);
extern int fp_functions(const FpFunction **table);

/* Lists that start on the stack: FpItem buf[4]; FP_LIST(list, buf). Larger ones move to palloc'd memory. */
#define FP_STACK_ITEMS 4
#define FP_LIST_ON_STACK(name) \
	FpItem name##_buf[FP_STACK_ITEMS]; \
	FpList name = {name##_buf, 0, FP_STACK_ITEMS}
#define FP_LIST_FREE(name) \
	do { \
		if (name.items != name##_buf) \
			pfree(name.items); \
	} while (0)
extern void fp_list_grow(FpList *l, int more);

static inline FpItem *
fp_push(FpExec *x, FpList *l)
{
	if (unlikely(l->n >= l->max))
		fp_list_grow(l, 1);
	x->steps++;
	return &l->items[l->n++];
}

static inline void
fp_eval(FpExec *x, const FpNode *n, FpScope *s, FpList *out)
{
	x->eval(x, n, s, out);
}

/* fhirpath_criterion.c */
/* Evaluates n with $this = item (may be NULL: none), $index = index. Variables defined inside do not leak. */
extern void fp_eval_item(FpExec *x, const FpNode *n, FpScope *s, const FpItem *item, int index, FpList *out);
/* The criterion rule: -1 empty, 0, 1; several items are an error. */
extern int fp_boolean(FpExec *x, const FpList *l, const char *what);
extern int fp_eval_boolean(FpExec *x, const FpNode *n, FpScope *s);
extern int fp_eval_item_boolean(FpExec *x, const FpNode *n, FpScope *s, const FpItem *item, int index);
pg_noreturn extern void fp_too_many_steps(FpExec *x);
static inline void
fp_tick(FpExec *x, int64 n)
{
	x->steps += n;
	if (unlikely(x->steps > x->max_steps))
		fp_too_many_steps(x);
}
extern void fp_is(FpExec *x, const FpTypeSpec *t, const FpList *in, FpList *out);
extern void fp_as(FpExec *x, const FpTypeSpec *t, const FpList *in, FpList *out);
extern void fp_env_value(FpExec *x, const JsonbValue *v, FpList *out);
extern void fp_append(FpExec *x, FpList *out, const FpList *in);

/* fhirpath_path.c: navigation */
extern void fp_walk(FpExec *x, FpStep *s, FpStep *end, const FpItem *item, FpList *out);
extern void fp_children(FpExec *x, const FpItem *item, FpList *out);
extern void fp_member(FpExec *x, const FpItem *item, const char *name, int len, FpList *out);
extern void fp_from_json(FpExec *x, const JsonbValue *v, ModelTypeId type, FpList *out);
/* Own look-up of an object's member: false if absent. */
extern bool fp_get(JsonbContainer *c, const char *key, int len, JsonbValue *out);

/* fhirpath_types.c */
extern bool fp_type_argument(const FpNode *n, char **name);
extern bool fp_type_spec(const char *name, int len, FpTypeSpec *out);
extern bool fp_item_is(const FpItem *item, const FpTypeSpec *t);
extern bool fp_item_as(const FpItem *item, const FpTypeSpec *t);
extern FpTypeInfo fp_item_typeinfo(const FpItem *item);
extern FpKind fp_kind_of(const ModelType *t, const JsonbValue *v);
extern char *fp_kind_name(const FpItem *item);

/* fhirpath_item.c: making and reading items */
extern void fp_push_bool(FpExec *x, FpList *out, bool b);
extern void fp_push_int(FpExec *x, FpList *out, int64 v);
extern void fp_push_numeric(FpExec *x, FpList *out, FpKind kind, Numeric n);
extern void fp_push_string(FpExec *x, FpList *out, const char *s, int len);
extern void fp_push_date(FpExec *x, FpList *out, FpKind kind, const char *s, int len);
extern void fp_push_quantity(FpExec *x, FpList *out, const FpQuantity *q);
static inline bool
fp_is_number(const FpItem *i)
{
	return (i->kind == FP_INTEGER || i->kind == FP_DECIMAL || i->kind == FP_LONG) &&
		   i->json.type == jbvNumeric;
}
static inline bool
fp_is_string(const FpItem *i)
{
	return i->kind == FP_STRING && i->json.type == jbvString;
}
static inline bool
fp_is_temporal(const FpItem *i)
{
	return (i->kind == FP_DATE || i->kind == FP_DATETIME || i->kind == FP_TIME) && i->json.type == jbvString;
}
/* One item or none: NULL when empty; an error when there are several. */
extern const FpItem *fp_single(FpExec *x, const FpList *l, const char *what);
extern int64 fp_int64(FpExec *x, const FpItem *i, const char *what);
/* Evaluates argument k against the caller's $this: a string, number ...; false when empty. */
extern bool fp_arg(FpExec *x, const FpNode *n, FpScope *s, int k, FpItem *out);
extern bool fp_arg_string(FpExec *x, const FpNode *n, FpScope *s, int k, const char **str, int *len);
extern bool fp_arg_int(FpExec *x, const FpNode *n, FpScope *s, int k, int64 *v);
extern const FpNode *fp_argn(const FpNode *n, int k);
/* Text of a value as toString() gives it; false if it has none. */
extern bool fp_item_text(const FpItem *item, StringInfo out);

/* fhirpath_equal.c. Results: 1, 0, -1 (empty). */
extern int fp_equal(FpExec *x, const FpItem *a, const FpItem *b);
extern bool fp_equivalent(FpExec *x, const FpItem *a, const FpItem *b);
extern int fp_equal_lists(FpExec *x, const FpList *a, const FpList *b);
extern bool fp_equivalent_lists(FpExec *x, const FpList *a, const FpList *b);
/* -1, 0, 1 in *cmp and true; false: undecidable (empty). Incomparable types are an error. */
extern bool fp_compare(FpExec *x, const FpItem *a, const FpItem *b, int *cmp);
extern bool fp_contains(FpExec *x, const FpList *l, const FpItem *item);
extern void fp_distinct(FpExec *x, const FpList *l, FpList *out);
/* code-point order */
extern int fp_string_cmp(const char *a, int alen, const char *b, int blen);

/* fhirpath_arith.c */
extern void fp_arith(FpExec *x, const FpNode *n, const FpList *a, const FpList *b, FpList *out);

/* fhirpath_quantity.c */
extern bool fp_to_quantity(const FpItem *item, FpQuantity *q);
extern const char *fp_calendar_unit(const char *s, int len); /* singular name, or NULL */
extern bool fp_quantity_parse(const char *s, int len, FpQuantity *q);
extern int fp_quantity_equal(const FpQuantity *a, const FpQuantity *b);
extern bool fp_quantity_equivalent(const FpQuantity *a, const FpQuantity *b);
extern bool fp_quantity_compare(const FpQuantity *a, const FpQuantity *b, int *cmp);
extern bool fp_quantity_arith(FpOp op, const FpQuantity *a, const FpQuantity *b, FpQuantity *out);
extern bool fp_quantity_comparable(const FpQuantity *a, const FpQuantity *b);
extern bool fp_quantity_convert(const FpQuantity *a, const char *unit, int len, FpQuantity *out);
extern void fp_quantity_text(const FpQuantity *q, StringInfo out);

/* fhirpath_date.c */
extern bool fp_date_parse(FpKind kind, const char *s, int len, FhirDateTime *out);
extern void fp_date_text(FpKind kind, const FhirDateTime *d, StringInfo out);
extern bool fp_date_compare(const FhirDateTime *a, const FhirDateTime *b, int *cmp);
extern bool fp_date_add(FpExec *x, FpKind kind, FhirDateTime *d, const FpQuantity *q, bool subtract);

extern bool fp_duration_unit(const FpQuantity *q, int *index);
extern int64 fp_days(int year, int month, int day);
extern void fp_civil(int64 days, int *year, int *month, int *day);
extern int64 fp_micros(const FhirDateTime *d);
extern bool fp_from_micros(int64 t, FhirDateTime *d);

/* fhirpath_string.c: case by Unicode, whatever the database's locale */
extern char *fp_fold_string(const char *s, int len,
							int *outlen); /* lower case, white space runs to one space, trimmed */
extern char *fp_case_string(const char *s, int len, bool upper, int *outlen);

/* fhirpath_resolve.c */
extern const ModelType *fp_reference_type(const char *ref, int len, const char **id, int *idlen);
/* fhirpath_html.c: is this XHTML what a narrative may contain? */
extern bool fp_html_ok(const char *s, int len);

/* fhirpath_number.c */
extern Numeric fp_add(Numeric a, Numeric b);
extern Numeric fp_sub(Numeric a, Numeric b);
extern Numeric fp_mul(Numeric a, Numeric b);
extern Numeric fp_div(Numeric a, Numeric b);
extern bool fp_numeric_is_zero(Numeric n);
extern Numeric fp_numeric(int64 v);
extern int fp_numeric_cmp(Numeric a, Numeric b);
extern int fp_numeric_scale(Numeric n);
extern Numeric fp_numeric_round(Numeric n, int scale);
extern Numeric fp_numeric_trim(Numeric n);
extern Numeric fp_numeric_parse(const char *s, int len); /* NULL if s is no decimal */

/* errors while running: FH422 with the location of the focus and the place in the expression */
pg_noreturn extern void fp_error(FpExec *x, const FpItem *focus, const char *msg, const char *hint);
extern char *fp_locate(JsonbContainer *root, const FpItem *root_item, const FpItem *item);

#endif
