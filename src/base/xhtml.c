/*
 * xhtml.c: the text of XHTML, as it is searched: R4 lets a narrative hold the entities of HTML 4 beside those of XML, and any number.
 *
 * The text is cut into words afterwards. So of the entities by name only letters and the five of XML are known here; every other
 * (space, dash, quotation mark, arrow, sign) ends a word, and a space stands for it.
 *
 * What comes out becomes stored keys: a change needs a new FHIR_KEY_VERSION.
 */
#include "base/compat.h"

#include "mb/pg_wchar.h"

#include "base/hex.h"
#include "base/xhtml.h"

/* Names of consecutive characters, one after the other, each after a blank; "-" where there is none. */
typedef struct EntityRun {
	pg_wchar first;
	const char *names;
} EntityRun;

static const EntityRun runs[] = {
	{'"', " quot"},
	{'&', " amp apos"},
	{'<', " lt - gt"},
	{0xAA, " ordf"},
	{0xAD, " shy"},
	{0xB5, " micro"},
	{0xBA, " ordm"},
	{0xC0, " Agrave Aacute Acirc Atilde Auml Aring AElig Ccedil Egrave Eacute Ecirc Euml Igrave Iacute Icirc Iuml"
		   " ETH Ntilde Ograve Oacute Ocirc Otilde Ouml times Oslash Ugrave Uacute Ucirc Uuml Yacute THORN szlig"
		   " agrave aacute acirc atilde auml aring aelig ccedil egrave eacute ecirc euml igrave iacute icirc iuml"
		   " eth ntilde ograve oacute ocirc otilde ouml divide oslash ugrave uacute ucirc uuml yacute thorn yuml"},
	{0x152, " OElig oelig"},
	{0x160, " Scaron scaron"},
	{0x178, " Yuml"},
	{0x391, " Alpha Beta Gamma Delta Epsilon Zeta Eta Theta Iota Kappa Lambda Mu Nu Xi Omicron Pi Rho - Sigma Tau Upsilon Phi Chi Psi Omega"},
	{0x3B1, " alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigmaf sigma tau upsilon phi chi psi omega"},
};

/* The character of an entity's name; a space for a name that is none of these. */
static pg_wchar
named(const char *name, int len)
{
	for (int i = 0; i < lengthof(runs); i++) {
		pg_wchar c = runs[i].first;

		for (const char *p = runs[i].names; *p; c++) {
			int n = strcspn(++p, " ");

			if (n == len && memcmp(p, name, len) == 0)
				return c;
			p += n;
		}
	}
	return ' ';
}

/* "#233" or "#xE9"; 0 if it is no character. */
static pg_wchar
numbered(const char *s, int len)
{
	bool hex = len > 1 && (s[1] == 'x' || s[1] == 'X');
	pg_wchar c = 0;

	if (len <= (hex ? 2 : 1))
		return 0;
	for (int i = hex ? 2 : 1; i < len; i++) {
		int digit = fhir_hex_value(s[i]);

		if (digit < 0 || (!hex && digit > 9))
			return 0;
		c = c * (hex ? 16 : 10) + digit;
		if (c > 0x10FFFF)
			return 0;
	}
	return c >= 0xD800 && c <= 0xDFFF ? 0 : c;
}

static inline bool
is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '#';
}

#define ENTITY_MAX 12 /* bytes between & and ; */

/* Appends the entity at s ("&...;"), and answers its length; 0: it is none. */
static int
entity(const char *s, int len, char *out, int *n)
{
	int end = 1;
	pg_wchar c;

	while (end < len && end <= ENTITY_MAX && is_name_char(s[end]))
		end++;
	if (end == 1 || end >= len || s[end] != ';')
		return 0;
	c = s[1] == '#' ? numbered(s + 1, end - 1) : named(s + 1, end - 1);
	if (c == 0)
		return 0;
	unicode_to_utf8(c, (unsigned char *) out + *n);
	*n += pg_utf_mblen((unsigned char *) out + *n);
	return end + 1;
}

/* Where a tag or comment that begins at s[i] ends: behind its ">", which may also stand in quotes; at the end of the text if it is not closed. */
static int
tag_end(const char *s, int len, int i)
{
	char quote = '\0';

	if (len - i >= 4 && memcmp(s + i, "<!--", 4) == 0) {
		for (i += 4; i + 2 < len; i++)
			if (memcmp(s + i, "-->", 3) == 0)
				return i + 3;
		return len;
	}
	for (; i < len; i++) {
		if (quote)
			quote = s[i] == quote ? '\0' : quote;
		else if (s[i] == '"' || s[i] == '\'')
			quote = s[i];
		else if (s[i] == '>')
			return i + 1;
	}
	return len;
}

char *
fhir_xhtml_text(const char *s, int len, int *outlen)
{
	/* no tag and no entity is shorter than what it becomes */
	char *out = palloc_extended((Size) len + 1, MCXT_ALLOC_HUGE);
	int n = 0, used;

	for (int i = 0; i < len; i += used) {
		if (s[i] == '<') {
			used = tag_end(s, len, i) - i;
			out[n++] = ' ';
		} else if (s[i] != '&' || (used = entity(s + i, len - i, out, &n)) == 0) {
			out[n++] = s[i];
			used = 1;
		}
	}
	out[n] = '\0';
	*outlen = n;
	return out;
}
