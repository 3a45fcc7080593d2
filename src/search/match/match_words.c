/*
 * match_words.c: words of _text and _content, decided on the document.
 */
#include "base/base.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "search/match/match.h"

static void
collect(void *arg, KeyTextKind kind, const char *text, int len)
{
	StringInfo out = arg;

	if (kind == KEYS_NARRATIVE || kind == KEYS_MARKUP)
		text = fhir_xhtml_text(text, len, &len);
	appendStringInfoCharMacro(out, ' ');
	appendBinaryStringInfo(out, text, len);
}

static void
collect_narrative(void *arg, KeyTextKind kind, const char *text, int len)
{
	if (kind == KEYS_NARRATIVE)
		collect(arg, kind, text, len);
}

/* The narrative, or all texts, folded, with a blank in front. */
char *
search_folded_texts(JsonbContainer *doc, bool content)
{
	char *name = fhir_json_get_string(doc, "resourceType"), *folded, *out;
	const ModelType *type = name ? model_resource(name, strlen(name)) : NULL;
	StringInfoData raw;
	int len;

	initStringInfo(&raw);
	if (type)
		keys_texts(type, doc, content ? collect : collect_narrative, &raw);
	folded = keys_fold(raw.data, raw.len, &len);
	out = palloc_extended((Size) len + 2, MCXT_ALLOC_HUGE);
	out[0] = ' ';
	memcpy(out + 1, folded, len + 1);
	return out;
}

/* words: folded. */
bool
search_text_matches(JsonbContainer *doc, bool content, const char *words)
{
	char *text = search_folded_texts(doc, content), *rest = pstrdup(words), *word;

	while ((word = strsep(&rest, " ")) != NULL)
		if (!keys_has_word(text, word))
			return false;
	return true;
}
