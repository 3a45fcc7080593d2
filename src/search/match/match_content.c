/*
 * match_content.c: _text and _content by FHIRPath alone: the narrative is `text.div`, the content all descendants of type string, markdown, code
 * and xhtml, but for ids and Reference.reference.
 */
#include "base/base.h"

#include "miscadmin.h"

#include "keys/keys.h"
#include "search/match/match_internal.h"

static bool
letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c & 0x80) != 0;
}

/* Each word of the value at the start of some word of the texts: folded, words apart by one blank. */
static bool
all_words(const char *texts, const char *value)
{
	bool all = true;

	while (*value && all) {
		int n = strcspn(value, " ");
		bool found = false;

		for (const char *t = texts; *t && !found; t++)
			found = strncmp(t, value, n) == 0 && (t == texts || !letter(t[-1]) || !letter(value[0]));
		all = found;
		value += n;
		value += *value == ' ';
	}
	return all;
}

static void
append_text(StringInfo out, const FpItem *item)
{
	const ModelProperty *reference = model_property(model_type_by_id(MODEL_T_Reference), "reference", 9);
	ModelTypeId type = item->type;
	MatchText t = match_scalar(item);

	if (t.s == NULL || item->json.type != jbvString)
		return;
	if (type != MODEL_T_string && type != MODEL_T_markdown && type != MODEL_T_code && type != MODEL_T_xhtml)
		return;
	if (item->property != NULL && (strcmp(item->property->name, "id") == 0 || item->property == reference))
		return;
	appendStringInfoChar(out, ' ');
	if (type == MODEL_T_xhtml)
		t.s = fhir_xhtml_text(t.s, t.len, &t.len);
	appendBinaryStringInfo(out, t.s, t.len);
}

bool
match_content(const MatchCriterion *c, JsonbContainer *doc, const FpItem *root)
{
	const char *expression = c->name[1] == 't' ? "text.div" : "descendants()";
	FpContext cxt = {.resolve = FP_RESOLVE_TYPE, .root = doc};
	FpList items = {0};
	StringInfoData raw;
	char **values, *texts;
	int n = match_split(c->value, ',', &values), len;
	bool any = false;

	if (c->modifier != NULL)
		match_bad(c, "it takes no modifier");
	initStringInfo(&raw);
	fhirpath_eval(fhirpath_cached(expression, strlen(expression), c->type->id), &cxt, root, &items);
	for (int i = 0; i < items.n; i++)
		append_text(&raw, &items.items[i]);
	texts = keys_fold(raw.data, raw.len, &len);
	for (int i = 0; i < n; i++) {
		char *value = match_unescape(values[i]), *p;

		value = keys_fold(value, strlen(value), &len);
		for (p = value; *p && !letter(*p); p++)
			;
		if (*p == '\0')
			match_bad(c, "there is no word in it");
		any = all_words(texts, value) || any;
	}
	return any;
}
