/*
 * ucum_parse.c: a unit expression, reduced to base units (https://ucum.org/ucum, section 2).
 *
 *   term      = ["/"] component {("." | "/") component}          from left to right
 *   component = symbol [exponent] | factor | "(" term ")" , each with annotations; or annotations alone
 *   symbol    = [prefix] atom; an atom goes before a prefix and an atom ("cd" is the candela)
 *   exponent  = ["+" | "-"] digits
 *
 * Exponents, their sum and nesting are limited, so that no text makes numbers of more than some thousand digits.
 */
#include "base/base.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "model/ucum.h"
#include "model/ucum_table.h"

#define EXPONENT_MAX 30		/* of one symbol; powers of ten: TEN_MAX */
#define EXPONENT_SUM_MAX 80 /* of all symbols together */
#define TEN_MAX 200
#define FACTOR_DIGITS_MAX 18
#define DEPTH_MAX 16
#define ARBITRARY_MAX 8

typedef struct Parser {
	const char *at, *end;
	Numeric num, den; /* integers */
	int exp10;		  /* the rest of the factor */
	int dims[UCUM_BASES];
	struct {
		int atom, exponent;
	} arbitrary[ARBITRARY_MAX]; /* dimensions of their own */
	int narbitrary;
	int components; /* symbols and factors */
	int exponent_sum;
	const UcumAtom *special; /* the last special unit met */
	bool special_alone;		 /* it stands once, with exponent 1 */
} Parser;

static bool parse_term(Parser *p, int sign, int depth);

Numeric
ucum_multiply(Numeric a, Numeric b)
{
	return DatumGetNumeric(DirectFunctionCall2(numeric_mul, NumericGetDatum(a), NumericGetDatum(b)));
}

static Numeric
number(const char *digits, int exp10)
{
	char *text = psprintf("%se%d", digits, exp10);

	return DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
}

static const UcumAtom *
find_atom(const char *s, int len)
{
	int lo = 0, hi = ucum_natoms;

	while (lo < hi) {
		int mid = (lo + hi) / 2;
		const UcumAtom *a = &ucum_atoms[mid];
		int cmp = memcmp(a->code, s, Min(a->len, len));

		if (cmp == 0)
			cmp = a->len - len;
		if (cmp == 0)
			return a;
		if (cmp < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

static const UcumAtom *
find_symbol(const char *s, int len, const UcumPrefix **prefix)
{
	const UcumAtom *a = find_atom(s, len);

	*prefix = NULL;
	for (int i = 0; a == NULL && i < ucum_nprefixes; i++) {
		const UcumPrefix *x = &ucum_prefixes[i];

		if (x->len < len && memcmp(x->code, s, x->len) == 0) {
			a = find_atom(s + x->len, len - x->len);
			if (a != NULL && !a->metric)
				a = NULL;
			*prefix = x;
		}
	}
	return a;
}

/* Multiplies the factor by (num / den)^exponent. */
static void
apply_ratio(Parser *p, const char *num, const char *den, int exponent)
{
	const char *up = exponent > 0 ? num : den;
	const char *down = exponent > 0 ? den : num;
	Numeric nup = strcmp(up, "1") == 0 ? NULL : number(up, 0);
	Numeric ndown = strcmp(down, "1") == 0 ? NULL : number(down, 0);

	for (int i = 0; i < abs(exponent); i++) {
		if (nup != NULL)
			p->num = ucum_multiply(p->num, nup);
		if (ndown != NULL)
			p->den = ucum_multiply(p->den, ndown);
	}
}

static bool
apply_arbitrary(Parser *p, int atom, int exponent)
{
	for (int i = 0; i < p->narbitrary; i++)
		if (p->arbitrary[i].atom == atom) {
			p->arbitrary[i].exponent += exponent;
			return true;
		}
	if (p->narbitrary == ARBITRARY_MAX)
		return false;
	p->arbitrary[p->narbitrary].atom = atom;
	p->arbitrary[p->narbitrary++].exponent = exponent;
	return true;
}

static bool
apply_atom(Parser *p, const UcumAtom *a, const UcumPrefix *prefix, int exponent)
{
	bool ten = a->len == 3 && memcmp(a->code, "10", 2) == 0; /* 10* and 10^ */

	if (abs(exponent) > (ten ? TEN_MAX : EXPONENT_MAX))
		return false;
	if (!ten && (p->exponent_sum += abs(exponent)) > EXPONENT_SUM_MAX)
		return false;
	p->components++;
	p->exp10 += a->exp10 * exponent;
	apply_ratio(p, a->num, a->den, exponent);
	if (prefix != NULL) {
		p->exp10 += prefix->exp10 * exponent;
		apply_ratio(p, prefix->num, "1", exponent);
	}
	for (int i = 0; i < UCUM_BASES; i++)
		p->dims[i] += a->dims[i] * exponent;
	if (a->special != UCUM_RATIO) {
		p->special_alone = p->special == NULL && exponent == 1;
		p->special = a;
	}
	return abs(p->exp10) <= 10 * TEN_MAX && (a->arbitrary < 0 || apply_arbitrary(p, a->arbitrary, exponent));
}

static inline bool
is_digit(const Parser *p)
{
	return p->at < p->end && *p->at >= '0' && *p->at <= '9';
}

/* [+|-]digits, 1 if there is none. False if it is out of any range. */
static bool
parse_exponent(Parser *p, int *out)
{
	int sign = 1, value = 0;

	*out = 1;
	if (p->at < p->end && (*p->at == '+' || *p->at == '-')) {
		sign = *p->at == '-' ? -1 : 1;
		p->at++;
		if (!is_digit(p))
			return false;
	}
	if (!is_digit(p))
		return true;
	for (; is_digit(p); p->at++)
		if ((value = value * 10 + (*p->at - '0')) > TEN_MAX)
			return false;
	*out = sign * value;
	return value != 0;
}

/* The symbol ends at an operator, a brace, a digit or a sign; what is inside brackets belongs to it. */
static bool
parse_symbol(Parser *p, int sign)
{
	const char *start = p->at;
	const UcumPrefix *prefix;
	const UcumAtom *a;
	int exponent;

	while (p->at < p->end && strchr("./(){}+-0123456789", *p->at) == NULL && *p->at != '\0') {
		if (*p->at == '[') {
			const char *close = memchr(p->at, ']', p->end - p->at);

			if (close == NULL)
				return false;
			p->at = close;
		}
		p->at++;
	}
	a = find_symbol(start, p->at - start, &prefix);
	return a != NULL && parse_exponent(p, &exponent) && apply_atom(p, a, prefix, sign * exponent);
}

/* A whole number, or 10* and 10^ with their exponent. */
static bool
parse_factor(Parser *p, int sign)
{
	const char *start = p->at;
	char digits[FACTOR_DIGITS_MAX + 1];
	int len, exponent;

	while (is_digit(p))
		p->at++;
	len = p->at - start;
	if (p->at < p->end && (*p->at == '*' || *p->at == '^')) {
		const UcumAtom *ten = find_atom(start, len + 1);

		p->at++;
		return ten != NULL && parse_exponent(p, &exponent) && apply_atom(p, ten, NULL, sign * exponent);
	}
	if (len > FACTOR_DIGITS_MAX)
		return false;
	memcpy(digits, start, len);
	digits[len] = '\0';
	if (strspn(digits, "0") == len || ++p->exponent_sum > EXPONENT_SUM_MAX)
		return false;
	if (strcmp(digits, "1") != 0)
		p->components++;
	apply_ratio(p, digits, "1", sign);
	return true;
}

/* {text} any number of times: printable ASCII without braces. They count for nothing. */
static bool
parse_annotations(Parser *p)
{
	while (p->at < p->end && *p->at == '{') {
		for (p->at++; p->at < p->end && *p->at != '}'; p->at++)
			if (*p->at == '{' || *p->at < 32 || *p->at > 126)
				return false;
		if (p->at == p->end)
			return false;
		p->at++;
	}
	return true;
}

static bool
parse_component(Parser *p, int sign, int depth)
{
	if (p->at == p->end)
		return false;
	if (*p->at == '(') {
		p->at++;
		if (!parse_term(p, sign, depth + 1) || p->at == p->end || *p->at != ')')
			return false;
		p->at++;
	} else if (is_digit(p)) {
		if (!parse_factor(p, sign))
			return false;
	} else if (*p->at != '{' && !parse_symbol(p, sign))
		return false;
	return parse_annotations(p);
}

static bool
parse_term(Parser *p, int sign, int depth)
{
	int next = sign;

	if (depth > DEPTH_MAX)
		return false;
	if (p->at < p->end && *p->at == '/') {
		p->at++;
		next = -sign;
	}
	for (;;) {
		if (!parse_component(p, next, depth))
			return false;
		if (p->at == p->end || (*p->at != '.' && *p->at != '/'))
			return true;
		next = *p->at == '/' ? -sign : sign;
		p->at++;
	}
}

typedef struct Dimension {
	const char *code;
	int exponent;
} Dimension;

static int
compare_dimensions(const void *a, const void *b)
{
	return strcmp(((const Dimension *) a)->code, ((const Dimension *) b)->code);
}

static char *
canonical_text(const Parser *p)
{
	Dimension dims[UCUM_BASES + ARBITRARY_MAX];
	StringInfoData out;
	int n = 0;

	for (int i = 0; i < UCUM_BASES; i++)
		if (p->dims[i] != 0)
			dims[n++] = (Dimension){ucum_base_codes[i], p->dims[i]};
	for (int i = 0; i < p->narbitrary; i++)
		if (p->arbitrary[i].exponent != 0)
			dims[n++] = (Dimension){ucum_atoms[p->arbitrary[i].atom].code, p->arbitrary[i].exponent};
	if (n == 0)
		return pstrdup("1");
	qsort(dims, n, sizeof(Dimension), compare_dimensions);
	initStringInfo(&out);
	for (int i = 0; i < n; i++) {
		appendStringInfo(&out, "%s%s", i > 0 ? "." : "", dims[i].code);
		if (dims[i].exponent != 1)
			appendStringInfo(&out, "%d", dims[i].exponent);
	}
	return out.data;
}

/* shift of a temperature: its offset in base units, times den. */
static Numeric
temperature_shift(const UcumAtom *a, Numeric den)
{
	Numeric shift = number(a->onum, a->oexp10);

	if (strcmp(a->oden, "1") == 0)
		return ucum_multiply(shift, den);
	Assert(strcmp(a->oden, a->den) == 0); /* then den is just that */
	return shift;
}

void
ucum_parse(const char *unit, int len, UcumUnit *out)
{
	Parser p = {.at = unit, .end = unit + len};

	memset(out, 0, sizeof(*out));
	p.num = p.den = number("1", 0);
	if (!parse_term(&p, 1, 0) || p.at != p.end)
		return;
	out->valid = true;
	if (p.special != NULL && (p.special->special != UCUM_TEMPERATURE || !p.special_alone || p.components != 1))
		return;
	out->convertible = true;
	out->canonical = canonical_text(&p);
	out->num = ucum_multiply(p.num, number("1", p.exp10));
	out->den = p.den;
	out->factor = ucum_divide(out->num, out->den);
	if (p.special != NULL) {
		out->shift = temperature_shift(p.special, p.den);
		out->offset = ucum_divide(out->shift, out->den);
	}
}
