/*
 * query_filter_elements.c: what a _filter on elements implies that an index knows.
 *
 * `telecom[system eq phone].value sw "555"` is decided on the document, as one element has to satisfy all of it. But each
 * comparison on the way to it must hold somewhere in the document. Where a parameter looks at that very place, its keys say where
 * that may be, or at least where something stands there ("pr", "ne"); of other texts the words are known. "and" and "or" are kept, and
 * "not" is carried to the comparisons: of those that shall not hold only "pr false" tells anything. Whatever else no index knows is taken
 * to be true: so the rows that are found are a superset.
 */
#include "base/base.h"

#include "miscadmin.h"

#include "keys/keys_internal.h"
#include "search/query/query_filter.h"
#include "search/query/query.h"
#include "search/query/query_internal.h"
#include "store/catalog/catalog.h"

typedef struct Implied {
	const ModelType *type;
	FilterText text;
	bool negated;		 /* within a "not": criteria are on what does not hold */
	const char *unknown; /* where a name stands that is none of an element; NULL: nowhere */
	const char *element, *holder;
} Implied;

/* One comparison: `place op value`; value with the escapes of a parameter's. */
typedef struct Comparison {
	const ModelType *type;
	const char *elem_path, *op, *value;
	ModelTypeId element; /* what stands there */
	bool users;			 /* to be answered by parameters that users have added, else by R4's */
	Crit *found;		 /* NULL: nothing yet */
} Comparison;

static Crit *expression(Implied *e, const char *elem_path);
static Crit *rest_of_path(Implied *e, const char *elem_path, bool *absent);

/* ---- by the keys of a parameter that looks there ---- */

static bool
is_op(const Comparison *c, const char *list)
{
	return strstr(list, psprintf(" %s ", c->op)) != NULL;
}

static Crit *
one_key(uint64 key)
{
	Crit *c = crit_new(CRIT_KEYS);

	crit_add_key(c, key);
	return c;
}

/* A display text that contains the value, or ends with it, is in the dictionary. */
static Crit *
by_display(const Comparison *c, const KeySource *source)
{
	const char *raw = search_unescape(c->value);
	Crit *texts = crit_new(CRIT_TERM);
	int len;
	char *folded = keys_fold(raw, strlen(raw), &len);

	if (len == 0)
		return NULL;
	texts->mode = is_op(c, " co ") ? STRING_CONTAINS : STRING_SUFFIX;
	crit_add_key(texts, keys_term_group(source));
	crit_add_value(texts, folded);
	return texts;
}

/* Tokens know the codings of a concept, the codes and systems of a coding, the systems of an identifier. */
static Crit *
by_token(const Comparison *c, const KeyParam *p, const KeyLeg *leg, ModelTypeId holder, const char *below)
{
	const char *text = search_unescape(c->value);
	bool concept = holder == MODEL_T_CodeableConcept, coding = holder == MODEL_T_Coding;

	if (is_op(c, " co ew ") &&
		((concept && (strcmp(below, ".text") == 0 || strcmp(below, ".coding.display") == 0)) ||
		 (coding && strcmp(below, ".display") == 0) || (holder == MODEL_T_Identifier && strcmp(below, ".type.text") == 0)))
		return by_display(c, leg->source);
	if (!is_op(c, " eq "))
		return NULL;
	if ((concept && strcmp(below, ".coding.code") == 0) || (coding && strcmp(below, ".code") == 0))
		return one_key(keys_code(leg->source, text, strlen(text)));
	if ((concept && strcmp(below, ".coding.system") == 0) ||
		((coding || holder == MODEL_T_Identifier) && strcmp(below, ".system") == 0))
		return one_key(keys_system(leg->source, text, strlen(text)));
	if (*below == '\0' && leg->source->fixed_system)
		/* texts are compared as texts: with another case */
		return model_type_by_id(holder)->primitive == PRIM_CODE || holder == MODEL_T_boolean
				   ? one_key(keys_code(leg->source, text, strlen(text)))
				   : NULL;
	if ((*below == '\0' && (concept || coding || holder == MODEL_T_Identifier)) || (concept && strcmp(below, ".coding") == 0))
		return search_one_value(p, leg, NULL, c->value);
	return NULL;
}

static Crit *
by_string(const Comparison *c, const KeyParam *one)
{
	if (!is_op(c, " eq sw co ew gt lt ge le ") || strlen(c->value) >= KEYS_STRING_OVERLAP)
		return NULL;
	return is_op(c, " ew ") ? search_filter_suffix(one, c->value) : search_filter_values(one, c->op, c->value);
}

static Crit *
by_order(const Comparison *c, const KeyParam *one)
{
	const char *text = search_unescape(c->value);
	FhirDateTime d;

	if (one->type == PARAM_DATE) {
		/* else they are compared as texts */
		if (!is_op(c, " eq gt lt ge le ap sa eb po co ") || !fhir_date_parse(text, strlen(text), FHIR_KIND_SEARCH, &d))
			return NULL;
	} else {
		Numeric v, lo, hi;

		if (!is_op(c, " eq gt lt ge le ap sa eb ") || (one->type == PARAM_NUMBER && strchr(text, '|')) ||
			!fhir_decimal_parse(text, strcspn(text, "|"), &v, &lo, &hi))
			return NULL;
	}
	return search_filter_values(one, c->op, c->value);
}

static Crit *
by_leg(const Comparison *c, const KeyParam *p, const KeyLeg *leg, const char *below)
{
	KeyLeg whole = {.source = leg->source};
	KeyParam one = *p;
	const char *text = search_unescape(c->value);
	KeyTypes types;

	one.nlegs = 1;
	one.legs = &whole;
	keys_path_compile(leg->source->expression, c->type->id, false, &types);
	if (types.n != 1)
		return NULL;
	if (p->type == PARAM_TOKEN)
		return by_token(c, &one, &whole, types.types[0], below);
	if (*below)
		return NULL;
	switch ((ModelParamType) p->type) {
		case PARAM_STRING:
			return by_string(c, &one);
		case PARAM_DATE:
		case PARAM_NUMBER:
		case PARAM_QUANTITY:
			return by_order(c, &one);
		case PARAM_URI:
			return is_op(c, " eq ") ? one_key(keys_uri(leg->source, text, strlen(text))) : NULL;
		case PARAM_REFERENCE:
			/* an id alone may be of any type */
			return is_op(c, " eq re ") && strchr(text, '/') ? one_key(keys_reference(store_key_context(), leg->source, text, strlen(text))) : NULL;
		default:
			return NULL;
	}
}

/* The first that knows. */
static void
try_param(const KeyParam *p, void *arg)
{
	Comparison *c = arg;

	for (int i = 0; (p->user != NULL) == c->users && c->found == NULL && i < p->nlegs; i++) {
		const char *source = p->legs[i].source->expression;
		size_t len = strlen(source);

		if (strncmp(c->elem_path, source, len) == 0 && (c->elem_path[len] == '\0' || c->elem_path[len] == '.'))
			c->found = by_leg(c, p, &p->legs[i], c->elem_path + len);
	}
}

/* R4's parameters, then those of users: only who meets one of these must know that containers have no such keys of what they contain. */
static void
by_params(Comparison *c, void (*fn)(const KeyParam *p, void *arg))
{
	keys_params_each(store_key_context(), c->type, fn, c);
	if (c->found)
		return;
	c->users = true;
	keys_params_each(store_key_context(), c->type, fn, c);
	if (c->found)
		search_note_user_param();
}

/* ---- by words ---- */

/*
 * The longest word of the value begins a word of a text that begins with it, or is equal. Where the value may stand within the text,
 * so does each word that something stands before.
 */
static Crit *
by_word(const Comparison *c)
{
	uint8 kind = model_type_by_id(c->element)->primitive;
	const char *raw = search_unescape(c->value), *end, *at, *word, *best = NULL, *name = strrchr(c->elem_path, '.');
	bool within = is_op(c, " co ew ");
	int len, most = 0;
	char *folded;

	/* ids and links are no texts for _content */
	if (!is_op(c, " eq sw co ew ") || (kind != PRIM_STRING && kind != PRIM_MARKDOWN) || strcmp(name, ".id") == 0 ||
		strcmp(name, ".reference") == 0)
		return NULL;
	at = folded = keys_fold(raw, strlen(raw), &len);
	end = folded + len;
	while (keys_next_word(&at, end, &word, &len))
		if (len > most && !(within && word == folded)) {
			best = word;
			most = len;
		}
	return best ? search_text_words(&c->type, 1, "_content", pnstrdup(best, keys_word_length(best, most))) : NULL;
}

/* ---- by what is there ---- */

static void
try_present(const KeyParam *p, void *arg)
{
	Comparison *c = arg;

	for (int i = 0; (p->user != NULL) == c->users && c->found == NULL && i < p->nlegs; i++) {
		const KeyLeg *leg = &p->legs[i];

		/* not only those of some type */
		if ((leg->targets == NULL || leg->targets[0] == MODEL_NONE) && leg->missing != 0 && strcmp(c->elem_path, leg->source->expression) == 0)
			c->found = search_present(leg);
	}
}

/* Something is at the place, as far as that is known. */
static Crit *
by_presence(const Implied *e, const char *elem_path)
{
	Comparison c = {.type = e->type, .elem_path = elem_path};

	by_params(&c, try_present);
	return c.found ? c.found : crit_new(CRIT_TRUE);
}

/* ---- the text ---- */

static Crit *
comparison(const Implied *e, const char *elem_path, const char *op, const char *value)
{
	Comparison c = {e->type, elem_path, op, value};
	KeyTypes types;

	keys_path_compile(elem_path, e->type->id, false, &types);
	if (types.n != 1)
		return crit_new(CRIT_TRUE);
	c.element = types.types[0];
	by_params(&c, try_param);
	if (c.found == NULL)
		c.found = by_word(&c);
	return c.found ? c.found : crit_new(CRIT_TRUE);
}

/* Has the type that stands at `place` an element of that name, as far as is known? */
static bool
has_element(const Implied *e, const char *elem_path, const char *path)
{
	KeyTypes of, types;

	keys_path_compile(elem_path, e->type->id, false, &of);
	keys_path_compile(path, e->type->id, false, &types);
	return of.n != 1 || types.n > 0 || model_type_by_id(of.types[0])->kind == MODEL_RESOURCE;
}

/* a and b, or that not both hold. */
static Crit *
both(const Implied *e, Crit *a, Crit *b)
{
	return crit_join(e->negated ? CRIT_OR : CRIT_AND, a, b);
}

static Crit *
either(const Implied *e, Crit *a, Crit *b)
{
	return crit_join(e->negated ? CRIT_AND : CRIT_OR, a, b);
}

/* Reads name and what follows it. Where there is no such element, only "pr false" is true: that says nothing, its negation much. */
static Crit *
member(Implied *e, const char *elem_path, bool *absent)
{
	const char *start, *name, *path;

	filter_skip_space(&e->text);
	start = e->text.at;
	name = filter_name(&e->text);
	path = psprintf("%s.%s", elem_path, name);
	if (has_element(e, elem_path, path)) {
		Crit *c = rest_of_path(e, path, absent);

		return *absent == e->negated ? c : crit_new(CRIT_TRUE);
	}
	if (e->unknown == NULL) {
		KeyTypes of;

		keys_path_compile(elem_path, e->type->id, false, &of);
		e->unknown = start;
		e->element = name;
		e->holder = model_type_by_id(of.types[0])->name;
	}
	*absent = filter_skip_comparison(&e->text);
	return crit_new(*absent == e->negated ? CRIT_FALSE : CRIT_TRUE);
}

/* absent: does the comparison at its end ask for what is not there ("pr false")? */
static Crit *
rest_of_path(Implied *e, const char *elem_path, bool *absent)
{
	Crit *passes = NULL, *rest;

	check_stack_depth();
	if (filter_accept_char(&e->text, '[')) {
		passes = expression(e, elem_path);
		filter_expect(&e->text, ']');
		filter_expect(&e->text, '.');
	} else if (!filter_accept_char(&e->text, '.')) {
		const char *op = filter_word(&e->text), *value = filter_value(&e->text);
		bool pr = strcmp(op, "pr") == 0;

		*absent = pr && strcmp(value, "false") == 0;
		return pr || strcmp(op, "ne") == 0 ? by_presence(e, elem_path) : comparison(e, elem_path, op, value);
	}
	rest = member(e, elem_path, absent);
	return passes ? both(e, passes, rest) : rest;
}

static Crit *
term(Implied *e, const char *elem_path)
{
	bool absent;
	Crit *c;

	check_stack_depth();
	if (filter_accept(&e->text, "not")) {
		e->negated = !e->negated;
		c = term(e, elem_path);
		e->negated = !e->negated;
		return c;
	}
	if (!filter_accept_char(&e->text, '('))
		return member(e, elem_path, &absent);
	c = expression(e, elem_path);
	filter_expect(&e->text, ')');
	return c;
}

static Crit *
expression(Implied *e, const char *elem_path)
{
	Crit *c = term(e, elem_path);

	for (;;) {
		if (filter_accept(&e->text, "and"))
			c = both(e, c, term(e, elem_path));
		else if (filter_accept(&e->text, "or"))
			c = either(e, c, term(e, elem_path));
		else
			return c;
	}
}

pg_noreturn static void
raise_unknown(const Implied *e)
{
	ereport(ERROR, errcode(FH400),
			errmsg("invalid _filter: %s has no element \"%s\"", e->holder, e->element),
			errdetail("Before \"%.40s\".", e->unknown),
			errhint("After a parameter that is no reference, the names of a path are those of elements."),
			fhir_issue("invalid", NULL));
}

Crit *
search_filter_implied(const KeyParam *p, const char *text)
{
	Crit *any = NULL;
	Implied first = {0};
	bool known = false, absent;

	for (int i = 0; i < p->nlegs; i++) {
		Implied e = {p->base, {text, text}};
		const char *elem_path = p->legs[i].source->expression;
		const char *parts = strstr(elem_path, " $ "); /* of a composite: its base stands before its components */

		any = crit_join(CRIT_OR, any, rest_of_path(&e, parts ? pnstrdup(elem_path, parts - elem_path) : elem_path, &absent));
		known = known || e.unknown == NULL;
		if (first.unknown == NULL)
			first = e;
	}
	/* it is enough that what stands at one of the places has the elements */
	if (!known && first.unknown)
		raise_unknown(&first);
	return any ? any : crit_new(CRIT_TRUE);
}
