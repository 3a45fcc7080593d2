/*
 * search_text.c: _text (the narrative) and _content (all text of a resource), decided on the document: no
 * index holds them.
 *
 * Every word of the value must begin some word of the text; both folded for case and accents. `,` separates
 * alternatives.
 */
#include "base/compat.h"

#include "base/error.h"
#include "base/json.h"
#include "search/search_internal.h"

Crit *
search_text_criterion(const ModelType *const *types, int ntypes, const char *code, const char *value)
{
	char **values;
	int n = search_split(value, ',', &values), len;
	Crit *any = NULL;

	for (int i = 0; i < n; i++) {
		Crit *c = crit_new(CRIT_DOC);
		char *text = search_unescape(values[i]);

		text = keys_fold(text, strlen(text), &len);
		if (len == 0)
			search_bad_value(code, value, "there is no text in it", NULL);
		c->type = types[0];
		c->code = code;
		crit_add_value(c, text);
		any = crit_join(CRIT_OR, any, c);
	}
	return any;
}

/* The text of a narrative: without its tags; entities stay, but for the common ones. */
static void
strip_tags(StringInfo out, const char *s, int len)
{
	bool tag = false;

	for (int i = 0; i < len; i++) {
		if (s[i] == '<')
			tag = true;
		if (!tag)
			appendStringInfoCharMacro(out, s[i]);
		if (s[i] == '>') {
			tag = false;
			appendStringInfoCharMacro(out, ' ');
		}
	}
}

static void
collect(StringInfo out, JsonbContainer *doc, bool content)
{
	JsonbIterator *it = JsonbIteratorInit(doc);
	JsonbIteratorToken token;
	JsonbValue v, text, div;

	if (fhir_json_get_lit(doc, "text", &text) && text.type == jbvBinary &&
	    fhir_json_get_lit(text.val.binary.data, "div", &div) && div.type == jbvString)
		strip_tags(out, div.val.string.val, div.val.string.len);
	while (content && (token = JsonbIteratorNext(&it, &v, false)) != WJB_DONE)
		if ((token == WJB_VALUE || token == WJB_ELEM) && v.type == jbvString &&
		    !(v.val.string.len > 0 && v.val.string.val[0] == '<')) {
			appendStringInfoCharMacro(out, ' ');
			appendBinaryStringInfo(out, v.val.string.val, v.val.string.len);
		}
}

static bool
word_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (unsigned char)c >= 0x80;
}

/* Does a word of text begin with word? */
static bool
has_word(const char *text, const char *word, int len)
{
	for (const char *p = strstr(text, word); p; p = strstr(p + 1, word))
		if (p == text || !word_char(p[-1]) || !word_char(word[0]))
			return true;
	return false;
}

/* values: folded words, as search_text_criterion made them. */
bool
search_text_matches(JsonbContainer *doc, bool content, const char *words)
{
	StringInfoData raw;
	int len;
	char *text;

	initStringInfo(&raw);
	collect(&raw, doc, content);
	text = keys_fold(raw.data, raw.len, &len);
	while (*words) {
		int n = strcspn(words, " ");

		if (!has_word(text, pnstrdup(words, n), n))
			return false;
		words += n + strspn(words + n, " ");
	}
	return true;
}
