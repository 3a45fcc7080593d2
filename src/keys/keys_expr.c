/*
 * keys_expr.c: search parameters' expressions as text: their branches, and one spelling for each place.
 *
 * Published expressions join the places of many resource types by `|` and spell the same thing in several ways. A
 * source's identity is the hash of its canonical text, so what this file writes is part of the key format
 * (FHIR_KEY_VERSION).
 */
#include "postgres.h"

#include <ctype.h>

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"

#include "keys/keys_internal.h"

typedef struct Token {
	const char *start;
	int len;
} Token;

static inline bool
is_word_start(char c)
{
	return isalpha((unsigned char) c) || c == '_' || c == '%' || c == '$' || c == '`';
}

static inline bool
is_word(char c)
{
	return isalnum((unsigned char) c) || c == '_';
}

/* End of the quoted text that starts at p (the quote included). */
static const char *
skip_quoted(const char *p)
{
	char quote = *p++;

	while (*p != '\0' && *p != quote)
		p += *p == '\\' && p[1] != '\0' ? 2 : 1;
	return *p == quote ? p + 1 : p;
}

/* Next token at or after *p; false at the end. Comments are not part of published expressions; the engine knows them. */
static bool
next_token(const char **p, Token *t)
{
	const char *s = *p;

	while (isspace((unsigned char) *s))
		s++;
	if (*s == '\0')
		return false;
	t->start = s;
	if (*s == '\'' || *s == '`' || *s == '"')
		s = skip_quoted(s);
	else if (is_word_start(*s)) {
		s++;
		if (s[-1] == '%' && (*s == '`' || *s == '\''))
			s = skip_quoted(s);
		while (is_word(*s))
			s++;
	} else if (isdigit((unsigned char) *s)) {
		while (isdigit((unsigned char) *s) || (*s == '.' && isdigit((unsigned char) s[1])))
			s++;
	} else if (*s == '@') {
		s++;
		while (isalnum((unsigned char) *s) || *s == '-' || *s == ':' || *s == '+' || *s == '.')
			s++;
	} else if ((*s == '!' || *s == '<' || *s == '>') && (s[1] == '=' || s[1] == '~'))
		s += 2;
	else
		s++;
	t->len = s - t->start;
	*p = s;
	return true;
}

static inline bool
token_is(const Token *t, const char *text)
{
	return t->len == strlen(text) && memcmp(t->start, text, t->len) == 0;
}

static inline int
depth_change(const Token *t)
{
	if (t->len != 1)
		return 0;
	return *t->start == '(' || *t->start == '[' || *t->start == '{' ? 1 : *t->start == ')' || *t->start == ']' || *t->start == '}' ? -1
																																   : 0;
}

/* Copy of [start, end) without white space at its ends. */
static char *
trimmed(const char *start, const char *end)
{
	while (start < end && isspace((unsigned char) *start))
		start++;
	while (end > start && isspace((unsigned char) end[-1]))
		end--;
	return pnstrdup(start, end - start);
}

List *
keys_expr_split(const char *text)
{
	List *branches = NIL;
	const char *p = text, *from = text;
	int depth = 0;
	Token t;

	while (next_token(&p, &t)) {
		depth += depth_change(&t);
		if (depth == 0 && token_is(&t, "|")) {
			branches = lappend(branches, trimmed(from, t.start));
			from = p;
		}
	}
	return lappend(branches, trimmed(from, from + strlen(from)));
}

/* If text starts with `(`, where its partner is; else NULL. */
static const char *
matching_paren(const char *text)
{
	const char *p = text;
	int depth = 0;
	Token t;

	if (*text != '(')
		return NULL;
	while (next_token(&p, &t)) {
		depth += depth_change(&t);
		if (depth == 0)
			return t.start;
	}
	return NULL;
}

/* The first top-level token among operators, or false. as_only: only `as`. */
static bool
find_operator(const char *text, bool as_only, Token *found)
{
	static const char *const operators[] = {"and", "or", "xor", "implies", "is", "in", "contains", "div", "mod", "as"};
	const char *p = text;
	int depth = 0;
	Token t, prev = {"", 0};

	for (; next_token(&p, &t); prev = t) {
		depth += depth_change(&t);
		if (depth != 0 || depth_change(&t) != 0)
			continue;
		if (is_word_start(*t.start)) {
			/* after a dot, or at the start, a word is a name */
			if (prev.len == 0 || token_is(&prev, "."))
				continue;
			for (int i = as_only ? lengthof(operators) - 1 : 0; i < lengthof(operators); i++)
				if (token_is(&t, operators[i])) {
					*found = t;
					return true;
				}
		} else if (!as_only && strchr("=!~<>+-*/&|", *t.start) != NULL) {
			*found = t;
			return true;
		}
	}
	return false;
}

/* "FHIR.Quantity", "DateTime" -> the model's name of the type */
static char *
type_name(const char *text)
{
	char *name = pstrdup(text);

	if (strncmp(name, "FHIR.", 5) == 0)
		name += 5;
	if (model_type(name, strlen(name)) == NULL) {
		char *lower = pstrdup(name);

		lower[0] = tolower((unsigned char) lower[0]);
		if (model_type(lower, strlen(lower)) != NULL)
			return lower;
	}
	return name;
}

/* Tokens of text with one spelling of the white space; as(T) becomes ofType(T). */
static void
append_tokens(StringInfo out, const char *text)
{
	const char *p = text;
	Token t, prev = {"", 0};

	for (; next_token(&p, &t); prev = t) {
		bool op = strchr("=!~<>+*/&|", *t.start) != NULL;
		bool word = is_word(*t.start) || is_word_start(*t.start) || *t.start == '\'' || *t.start == '@';
		char last = out->len > 0 ? out->data[out->len - 1] : '\0';

		if (op || (word && (is_word(last) || last == ')' || last == ']' || last == '\'' || last == '`')))
			appendStringInfoChar(out, ' ');
		if ((token_is(&t, "as") || token_is(&t, "ofType")) && token_is(&prev, ".")) {
			const char *q = p, *end;

			while (isspace((unsigned char) *q))
				q++;
			end = matching_paren(q);
			if (end != NULL) {
				appendStringInfo(out, "ofType(%s)", type_name(trimmed(q + 1, end)));
				p = end + 1;
				continue;
			}
		}
		appendBinaryStringInfo(out, t.start, t.len);
		if (op || (token_is(&t, ",")))
			appendStringInfoChar(out, ' ');
	}
}

/* The text in a chunk of its own size: a StringInfo takes a kilobyte. */
static char *
finished(StringInfo out)
{
	char *text = pnstrdup(out->data, out->len);

	pfree(out->data);
	return text;
}

char *
keys_expr_relative(const char *branch)
{
	char *text = trimmed(branch, branch + strlen(branch));
	const char *close;
	StringInfoData out;
	Token op;

	check_stack_depth();
	while ((close = matching_paren(text)) != NULL && close[1] == '\0')
		text = trimmed(text + 1, close);
	initStringInfo(&out);
	if (find_operator(text, true, &op)) {
		const char *type = op.start + op.len;
		Token other;

		/* `x as T` alone; with other operators beside it the text stays as it is */
		if (!find_operator(type, false, &other)) {
			char *left = keys_expr_relative(trimmed(text, op.start));

			if (!find_operator(left, false, &other)) {
				appendStringInfo(&out, "%s.ofType(%s)", left, type_name(trimmed(type, type + strlen(type))));
				return finished(&out);
			}
		}
	} else if (close != NULL && close[1] == '.') {
		char *inner = keys_expr_relative(trimmed(text + 1, close));

		if (!find_operator(inner, false, &op)) {
			appendStringInfoString(&out, inner);
			append_tokens(&out, close + 1);
			return finished(&out);
		}
	}
	append_tokens(&out, text);
	return finished(&out);
}

char *
keys_expr_canonical(const char *branch, const ModelType *type)
{
	char *text = keys_expr_relative(branch);
	const char *p = text;
	const ModelType *named;
	const ModelProperty *property;
	Token head;

	if (!next_token(&p, &head) || !isalpha((unsigned char) *head.start))
		return text;
	named = model_type(head.start, head.len);
	if (named == type)
		return text;
	if (named != NULL && named->kind == MODEL_RESOURCE)
		return model_is_a(type->id, named->id) ? psprintf("%s%s", type->name, p) : NULL;
	if (model_element(type, head.start, head.len, &property, 1) > 0)
		return psprintf("%s.%s", type->name, text);
	return text;
}

ModelTypeId
keys_expr_resolve_type(char *canonical)
{
	static const char lead[] = ".where(resolve() is ";
	char *at = strstr(canonical, lead);
	const ModelType *t;
	int len;

	if (at == NULL)
		return MODEL_NONE;
	len = strlen(at + sizeof(lead) - 1) - 1;
	if (len < 1 || at[sizeof(lead) - 1 + len] != ')')
		return MODEL_NONE;
	t = model_resource(at + sizeof(lead) - 1, len);
	if (t == NULL)
		return MODEL_NONE;
	*at = '\0';
	return t->id;
}

List *
keys_expr_steps(const char *canonical)
{
	List *steps = NIL;
	const char *p = canonical, *from = canonical;
	int depth = 0;
	Token t;

	if (find_operator(canonical, false, &t))
		return NIL;
	while (next_token(&p, &t)) {
		depth += depth_change(&t);
		if (depth == 0 && token_is(&t, ".")) {
			steps = lappend(steps, pnstrdup(from, t.start - from));
			from = p;
		}
	}
	return lappend(steps, pstrdup(from));
}
