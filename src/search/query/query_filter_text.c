/*
 * query_filter_text.c: the words of a _filter (R4, 3.1.3): names, operators, values, brackets.
 */
#include "base/base.h"

#include <ctype.h>

#include "mb/pg_wchar.h"

#include "search/query/query_filter.h"
#include "search/query/query.h"

void
filter_fail(const FilterText *f, const char *why)
{
	ereport(ERROR, errcode(FH400), errmsg("invalid _filter: %s", why),
			errdetail("At position %d, before \"%.*s\".", (int) (f->at - f->text) + 1,
					  pg_mbcliplen(f->at, strlen(f->at), 40), f->at),
			errhint("For example: _filter=given eq \"peter\" and birthdate ge 2014-10-10."),
			fhir_issue("invalid", NULL));
}

void
filter_skip_space(FilterText *f)
{
	while (isspace((unsigned char) *f->at))
		f->at++;
}

char *
filter_word(FilterText *f)
{
	const char *start;

	filter_skip_space(f);
	start = f->at;
	while (*f->at && !isspace((unsigned char) *f->at) && strchr("()[]", *f->at) == NULL)
		f->at++;
	return pnstrdup(start, f->at - start);
}

char *
filter_name(FilterText *f)
{
	const char *start;

	filter_skip_space(f);
	start = f->at;
	while (isalnum((unsigned char) *f->at) || *f->at == '-' || *f->at == '_')
		f->at++;
	if (f->at == start)
		filter_fail(f, "a name is missing");
	return pnstrdup(start, f->at - start);
}

char *
filter_typed_name(FilterText *f)
{
	char *name = filter_name(f), *type;

	if (*f->at != ':' || !isupper((unsigned char) f->at[1]))
		return name;
	f->at++;
	type = filter_name(f);
	return psprintf("%s:%s", name, type);
}

bool
filter_accept(FilterText *f, const char *keyword)
{
	const char *start = f->at;

	if (strcmp(filter_word(f), keyword) == 0)
		return true;
	f->at = start;
	return false;
}

bool
filter_accept_char(FilterText *f, char c)
{
	if (c != '.' && c != '[')
		filter_skip_space(f);
	if (*f->at != c)
		return false;
	f->at++;
	return true;
}

void
filter_expect(FilterText *f, char c)
{
	if (!filter_accept_char(f, c))
		filter_fail(f, psprintf("a %c is missing", c));
}

/* One character of a JSON string, into out. */
static void
string_character(FilterText *f, StringInfo out)
{
	static const char from[] = "nrtbf", to[] = "\n\r\t\b\f";
	unsigned char utf8[8];
	const char *known;
	int code = 0;

	if (*f->at != '\\' || f->at[1] == '\0') {
		appendStringInfoChar(out, *f->at++);
		return;
	}
	f->at++;
	if (*f->at != 'u') {
		known = strchr(from, *f->at);
		appendStringInfoChar(out, known ? to[known - from] : *f->at);
		f->at++;
		return;
	}
	for (int i = 1; i <= 4; i++) {
		int digit = f->at[i] ? fhir_hex_value(f->at[i]) : -1;

		if (digit < 0)
			filter_fail(f, "\\u needs four hexadecimal digits");
		code = code << 4 | digit;
	}
	if (code == 0 || (code >= 0xD800 && code <= 0xDFFF))
		filter_fail(f, "\\u names no character; write it as it is");
	f->at += 5;
	unicode_to_utf8(code, utf8);
	appendBinaryStringInfo(out, (char *) utf8, pg_utf_mblen(utf8));
}

/* Names that stand for systems. */
static char *
with_systems(const char *value)
{
	static const char *const names[][2] = {{"loinc|", "http://loinc.org|"},
										   {"snomed|", "http://snomed.info/sct|"},
										   {"rxnorm|", "http://www.nlm.nih.gov/research/umls/rxnorm|"},
										   {"ucum|", "http://unitsofmeasure.org|"}};

	for (int i = 0; i < lengthof(names); i++) {
		const char *at = strstr(value, names[i][0]);

		if (at && (at == value || strchr("|$", at[-1]) != NULL))
			return psprintf("%.*s%s%s", (int) (at - value), value, names[i][1], at + strlen(names[i][0]));
	}
	return pstrdup(value);
}

char *
filter_value(FilterText *f)
{
	StringInfoData raw, out;

	initStringInfo(&raw);
	initStringInfo(&out);
	filter_skip_space(f);
	if (*f->at == '"') {
		f->at++;
		while (*f->at != '"') {
			if (*f->at == '\0')
				filter_fail(f, "a string is not closed");
			string_character(f, &raw);
		}
		f->at++;
	} else {
		while (*f->at && !isspace((unsigned char) *f->at) && *f->at != ')' && *f->at != ']')
			appendStringInfoChar(&raw, *f->at++);
		if (raw.len == 0)
			filter_fail(f, "a value is missing");
	}
	for (const char *s = with_systems(raw.data); *s; s++) {
		if (*s == ',' || *s == '\\')
			appendStringInfoChar(&out, '\\');
		appendStringInfoChar(&out, *s);
	}
	return out.data;
}

void
filter_check_operator(const FilterText *f, const char *op)
{
	static const char operators[] = " eq ne co sw ew gt lt ge le ap sa eb pr po ss sb in ni re ";

	if (*op == '\0')
		filter_fail(f, "an operator is missing");
	if (strlen(op) != 2 || strstr(operators, psprintf(" %s ", op)) == NULL)
		filter_fail(f, psprintf("operator \"%.40s\" is unknown", op));
}

bool
filter_skip_comparison(FilterText *f)
{
	char *op;

	for (;;) {
		if (filter_accept_char(f, '[')) {
			for (int depth = 1; depth > 0; f->at++) {
				if (*f->at == '\0')
					filter_fail(f, "a ] is missing");
				if (*f->at == '"') {
					(void) filter_value(f);
					f->at--;
				} else if (*f->at == '[')
					depth++;
				else if (*f->at == ']')
					depth--;
			}
		} else if (filter_accept_char(f, '.'))
			(void) filter_name(f);
		else
			break;
	}
	op = filter_word(f);
	filter_check_operator(f, op);
	return strcmp(filter_value(f), "false") == 0 && strcmp(op, "pr") == 0;
}
