/*
 * query_text.c: _text (the narrative) and _content (all texts of a resource; see keys_words.c for what counts).
 *
 * Every word of the value must begin some word of the text; both folded for case and accents. `,` separates alternatives. A word is what stands between
 * spaces: `8302-2` must stand there as it is, and its words `8302` and `2` say where to look.
 *
 * A word becomes any of
 *   hashes      of the texts and codes of the dictionary that hold it: exact
 *   ordered     rows of quantities whose units hold it: exact, unless other quantities of the same code spell their unit otherwise
 *   side rows   words that the dictionary does not hold: exact for a plain word, else decided on the document
 */
#include "base/base.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "search/query/query.h"
#include "store/rows/rows.h"
#include "search/query/query_internal.h"

/* The longest of the words that a word of the query consists of: it is the one to look for. */
static char *
longest_part(const char *text)
{
	const char *at = text, *end = text + strlen(text), *word, *best = NULL;
	int len, most = 0;

	while (keys_next_word(&at, end, &word, &len))
		if (len > most) {
			best = word;
			most = len;
		}
	return best ? pnstrdup(best, keys_word_length(best, most)) : NULL;
}

Crit *
search_text_on_document(const char *code, const char *text)
{
	Crit *c = crit_new(CRIT_DOC);

	c->code = code;
	crit_add_value(c, pstrdup(text));
	return c;
}

/* values: the word as given, and what to look for in the index. */
static Crit *
word_criterion(const ModelType *const *types, int ntypes, const char *code, const char *text)
{
	char *part = longest_part(text);
	Crit *c;

	if (part == NULL)
		return search_text_on_document(code, text);
	c = crit_new(CRIT_WORD);
	c->code = code;
	c->types = memcpy(palloc(ntypes * sizeof(ModelType *)), types, ntypes * sizeof(ModelType *));
	c->ntypes = ntypes;
	crit_add_value(c, pstrdup(text));
	crit_add_value(c, part);
	return c;
}

Crit *
search_text_words(const ModelType *const *types, int ntypes, const char *code, const char *text)
{
	int len;
	char *folded = keys_fold(text, strlen(text), &len), *word, *rest = folded;
	Crit *all = NULL;
	bool any = false;

	while ((word = strsep(&rest, " ")) != NULL) {
		Crit *c = word_criterion(types, ntypes, code, word);

		any = any || c->kind == CRIT_WORD;
		all = crit_join(CRIT_AND, all, c);
	}
	return any ? all : NULL;
}

Crit *
search_text_criterion(const ModelType *const *types, int ntypes, const char *code, const char *value)
{
	char **values;
	int n = search_split(value, ',', &values);
	Crit *any = NULL;

	search_require_keys();
	for (int i = 0; i < n; i++) {
		Crit *c = search_text_words(types, ntypes, code, search_unescape(values[i]));

		if (c == NULL)
			search_bad_value(code, value, "there is no word in it", NULL);
		any = crit_join(CRIT_OR, any, c);
	}
	return any;
}

/* Names and values of the request's criteria on texts, in turn. */
int
search_score_texts(const SearchRequest *req, char ***out)
{
	int n = 0;

	*out = palloc((req->npairs * 2 + 1) * sizeof(char *));
	for (int i = 0; i < req->npairs; i++)
		if (strcmp(req->pairs[i].name, "_text") == 0 || strcmp(req->pairs[i].name, "_content") == 0) {
			(*out)[n++] = req->pairs[i].name;
			(*out)[n++] = req->pairs[i].value;
		}
	return n;
}
