/*
 * match_score.c: how well a resource fits _text and _content: Bundle.entry.search.score, and _sort=_score.
 *
 * A word of the query scores by the share of the matched word that it is (`hyper` of `hypertension`: 5/12; the best of them), and by how often it
 * is there: n / (n + 0.25). Alternatives score as the best of them, words and criteria as the mean of all. So a score is between 0 and 1, it hangs on the
 * document and the query alone, and is the same on every page and server. In millionths, for cursors.
 */
#include "base/base.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include <math.h>

#include "search/match/match.h"
#include "store/pack/pack.h"

static double
word_score(const char *text, const char *word)
{
	int len = strlen(word), n = 0, longest;
	double best = 0;

	for (const char *at = keys_find_word(text, word); at; at = keys_find_word(at + 1, word)) {
		longest = keys_word_end(at + len) - at;
		best = Max(best, (double) len / longest);
		n++;
	}
	return best * n / (n + 0.25);
}

/* All words of a text: their mean. */
static double
words_score(const char *text, const char *value)
{
	int len, n = 0;
	char *rest = keys_fold(value, strlen(value), &len), *word;
	double sum = 0;

	while ((word = strsep(&rest, " ")) != NULL)
		if (*word) {
			sum += word_score(text, word);
			n++;
		}
	return n ? sum / n : 0;
}

int64
search_score(JsonbContainer *doc, char *const *texts, int n)
{
	double sum = 0;
	int criteria = n / 2;

	for (int i = 0; i + 1 < n; i += 2) {
		char *text = search_folded_texts(doc, strcmp(texts[i], "_content") == 0), **values;
		int nvalues = search_split(texts[i + 1], ',', &values);
		double best = 0;

		for (int k = 0; k < nvalues; k++)
			best = Max(best, words_score(text, search_unescape(values[k])));
		sum += best;
	}
	return criteria ? (int64) rint(sum / criteria * 1000000) : 1000000;
}

PG_FUNCTION_INFO_V1(fhir_search_score);
PGDLLEXPORT Datum fhir_search_score(PG_FUNCTION_ARGS);
Datum
fhir_search_score(PG_FUNCTION_ARGS)
{
	Jsonb *doc = store_unpack(PG_GETARG_DATUM(0));
	Datum *elems;
	bool *nulls;
	int n;
	char **texts;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), TEXTOID, -1, false, TYPALIGN_INT, &elems, &nulls, &n);
	texts = palloc((n + 1) * sizeof(char *));
	for (int i = 0; i < n; i++)
		texts[i] = nulls[i] ? "" : TextDatumGetCString(elems[i]);
	PG_RETURN_INT64(search_score(&doc->root, texts, n));
}
