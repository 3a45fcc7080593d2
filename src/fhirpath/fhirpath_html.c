/*
 * fhirpath_html.c: is this XHTML what FHIR allows in a narrative (R4 narrative.html, invariants txt-1 and
 * txt-2)?
 *
 * Well-formed, one div around it, only the elements and attributes of basic formatting, nothing that runs or
 * loads code, and some content that is not white space.
 */
#include "fhirpath/fhirpath_int.h"

#define MAX_NESTING 200

static const char *const elements[] = {
	"a",
	"abbr",
	"acronym",
	"address",
	"b",
	"bdo",
	"big",
	"blockquote",
	"br",
	"caption",
	"cite",
	"code",
	"col",
	"colgroup",
	"dd",
	"del",
	"dfn",
	"div",
	"dl",
	"dt",
	"em",
	"h1",
	"h2",
	"h3",
	"h4",
	"h5",
	"h6",
	"hr",
	"i",
	"img",
	"ins",
	"kbd",
	"li",
	"map",
	"area",
	"ol",
	"p",
	"pre",
	"q",
	"samp",
	"small",
	"span",
	"strong",
	"sub",
	"sup",
	"table",
	"tbody",
	"td",
	"tfoot",
	"th",
	"thead",
	"tr",
	"tt",
	"ul",
	"var",
	"strike",
	"u",
	"s",
	"font",
	"center",
};

static const char *const attributes[] = {
	"abbr",
	"accesskey",
	"align",
	"alt",
	"axis",
	"bgcolor",
	"border",
	"cellhalign",
	"cellpadding",
	"cellspacing",
	"cellvalign",
	"char",
	"charoff",
	"charset",
	"cite",
	"class",
	"colspan",
	"compact",
	"coords",
	"dir",
	"frame",
	"headers",
	"height",
	"href",
	"hreflang",
	"hspace",
	"id",
	"lang",
	"longdesc",
	"name",
	"nowrap",
	"rel",
	"rev",
	"rowspan",
	"rules",
	"scope",
	"shape",
	"size",
	"span",
	"src",
	"start",
	"style",
	"summary",
	"tabindex",
	"title",
	"type",
	"usemap",
	"valign",
	"value",
	"vspace",
	"width",
	"xml:lang",
	"xmlns",
	"xml:space",
	"color",
	"face",
};

static bool
listed(const char *const *list, int n, const char *s, int len)
{
	for (int i = 0; i < n; i++)
		if (strlen(list[i]) == len && memcmp(list[i], s, len) == 0)
			return true;
	return false;
}

static bool
is_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == ':' ||
		   c == '-' || c == '_';
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The attributes from p up to ">" or "/>"; NULL if one is wrong. */
static const char *
check_attributes(const char *p, const char *end)
{
	while (p < end) {
		const char *name;
		char quote;
		int len;

		while (p < end && is_space(*p))
			p++;
		if (p < end && (*p == '>' || *p == '/'))
			return p;
		name = p;
		while (p < end && is_name(*p))
			p++;
		len = p - name;
		while (p < end && is_space(*p))
			p++;
		if (len == 0 || p >= end || *p++ != '=')
			return NULL;
		if (!listed(attributes, lengthof(attributes), name, len) &&
			!(len > 6 && memcmp(name, "xmlns:", 6) == 0))
			return NULL;
		while (p < end && is_space(*p))
			p++;
		if (p >= end || (*p != '"' && *p != '\''))
			return NULL;
		quote = *p++;
		while (p < end && is_space(*p))
			p++;
		if (end - p >= 11 && pg_strncasecmp(p, "javascript:", 11) == 0)
			return NULL;
		while (p < end && *p != quote && *p != '<')
			p++;
		if (p >= end || *p != quote)
			return NULL;
		p++;
	}
	return NULL;
}

bool
fp_html_ok(const char *s, int len)
{
	const char *p = s, *end = s + len, *open[MAX_NESTING];
	int openlen[MAX_NESTING], depth = 0, roots = 0;
	bool content = false;

	while (p < end) {
		const char *name;
		bool closing;
		int n;

		if (*p != '<') {
			if (!is_space(*p)) {
				if (depth == 0)
					return false;
				content = true;
			}
			p++;
			continue;
		}
		if (end - p >= 4 && memcmp(p, "<!--", 4) == 0) {
			const char *close = memmem(p + 4, end - p - 4, "-->", 3);

			if (close == NULL)
				return false;
			p = close + 3;
			continue;
		}
		closing = p + 1 < end && p[1] == '/';
		name = p += 1 + closing;
		while (p < end && is_name(*p))
			p++;
		n = p - name;
		if (!listed(elements, lengthof(elements), name, n))
			return false;
		if (closing) {
			while (p < end && is_space(*p))
				p++;
			if (p >= end || *p++ != '>' || depth == 0 || openlen[depth - 1] != n ||
				memcmp(open[depth - 1], name, n) != 0)
				return false;
			depth--;
			continue;
		}
		if (depth == 0 && (++roots > 1 || n != 3 || memcmp(name, "div", 3) != 0))
			return false;
		if (n == 3 && memcmp(name, "img", 3) == 0)
			content = true;
		p = check_attributes(p, end);
		if (p == NULL || depth >= MAX_NESTING)
			return false;
		if (*p == '/') {
			if (p + 1 >= end || p[1] != '>')
				return false;
			p += 2;
		} else {
			open[depth] = name;
			openlen[depth++] = n;
			p++;
		}
	}
	return depth == 0 && roots == 1 && content;
}
