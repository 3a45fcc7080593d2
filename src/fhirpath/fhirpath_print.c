/*
 * fhirpath_print.c: the canonical text of an expression, and carets under positions.
 *
 * Canonical text parses back to the same tree: operators have one space on each side, parentheses stand only
 * where the tree needs them, names are delimited only where they must be.
 */
#include "fhirpath/fhirpath_int.h"

#include "mb/pg_wchar.h"

static void print(StringInfo out, FpNode *n, int min);
static void print_binary(StringInfo out, FpNode *n, int prec);

/* Precedence of each operator: higher binds tighter; 15 for terms. */
static int
precedence(FpOp op)
{
	switch (op) {
		case FP_OP_IMPLIES:
			return 1;
		case FP_OP_OR:
		case FP_OP_XOR:
			return 2;
		case FP_OP_AND:
			return 3;
		case FP_OP_IN:
		case FP_OP_CONTAINS:
			return 4;
		case FP_OP_EQ:
		case FP_OP_NE:
		case FP_OP_EQUIV:
		case FP_OP_NEQUIV:
			return 5;
		case FP_OP_LT:
		case FP_OP_LE:
		case FP_OP_GT:
		case FP_OP_GE:
			return 6;
		case FP_OP_UNION:
			return 7;
		case FP_OP_IS:
		case FP_OP_AS:
			return 8;
		case FP_OP_ADD:
		case FP_OP_SUB:
		case FP_OP_CONCAT:
			return 9;
		case FP_OP_MUL:
		case FP_OP_DIV:
		case FP_OP_IDIV:
		case FP_OP_MOD:
			return 10;
		case FP_OP_NEGATE:
		case FP_OP_PLUS:
			return 11;
		default:
			return 15;
	}
}

static const char *
symbol(FpOp op)
{
	static const char *const names[] = {
		[FP_OP_MUL] = "*",
		[FP_OP_DIV] = "/",
		[FP_OP_IDIV] = "div",
		[FP_OP_MOD] = "mod",
		[FP_OP_ADD] = "+",
		[FP_OP_SUB] = "-",
		[FP_OP_CONCAT] = "&",
		[FP_OP_IS] = "is",
		[FP_OP_AS] = "as",
		[FP_OP_UNION] = "|",
		[FP_OP_LT] = "<",
		[FP_OP_LE] = "<=",
		[FP_OP_GT] = ">",
		[FP_OP_GE] = ">=",
		[FP_OP_EQ] = "=",
		[FP_OP_NE] = "!=",
		[FP_OP_EQUIV] = "~",
		[FP_OP_NEQUIV] = "!~",
		[FP_OP_IN] = "in",
		[FP_OP_CONTAINS] = "contains",
		[FP_OP_AND] = "and",
		[FP_OP_OR] = "or",
		[FP_OP_XOR] = "xor",
		[FP_OP_IMPLIES] = "implies",
		[FP_OP_NEGATE] = "-",
		[FP_OP_PLUS] = "+",
	};

	return names[op];
}

/* May the name stand without backticks everywhere? The operator words that are also names in some places are
 * delimited. */
bool
fp_is_plain_identifier(const char *s, int len)
{
	static const char *const words[] = {"true", "false", "and", "or", "xor", "implies", "div", "mod"};

	if (len == 0 || (s[0] >= '0' && s[0] <= '9'))
		return false;
	for (int i = 0; i < len; i++)
		if (!((s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') || (s[i] >= '0' && s[i] <= '9') ||
			  s[i] == '_'))
			return false;
	for (int i = 0; i < lengthof(words); i++)
		if (strlen(words[i]) == len && memcmp(words[i], s, len) == 0)
			return false;
	return true;
}

/* A string literal with the given quote. Control characters are written as escapes. */
void
fp_print_string(StringInfo out, const char *s, int len, char quote)
{
	appendStringInfoChar(out, quote);
	for (int i = 0; i < len; i++) {
		unsigned char c = s[i];

		if (s[i] == quote || c == '\\')
			appendStringInfo(out, "\\%c", c);
		else if (c == '\n')
			appendStringInfoString(out, "\\n");
		else if (c == '\r')
			appendStringInfoString(out, "\\r");
		else if (c == '\t')
			appendStringInfoString(out, "\\t");
		else if (c == '\f')
			appendStringInfoString(out, "\\f");
		else if (c < 0x20 || c == 0x7F)
			appendStringInfo(out, "\\u%04x", c);
		else
			appendStringInfoChar(out, c);
	}
	appendStringInfoChar(out, quote);
}

static void
print_name(StringInfo out, const char *s, int len)
{
	if (fp_is_plain_identifier(s, len))
		appendBinaryStringInfo(out, s, len);
	else
		fp_print_string(out, s, len, '`');
}

/* "FHIR.Patient": each part is a name. A dot inside a delimited part cannot be told from the separator, and
 * no type has one. */
static void
print_type(StringInfo out, const char *s, int len)
{
	const char *dot = memchr(s, '.', len);

	if (dot != NULL && dot != s && dot != s + len - 1) {
		print_name(out, s, dot - s);
		appendStringInfoChar(out, '.');
		print_name(out, dot + 1, s + len - dot - 1);
	} else
		print_name(out, s, len);
}

static void
print_call(StringInfo out, FpNode *n)
{
	print_name(out, n->str, n->len);
	appendStringInfoChar(out, '(');
	for (FpNode *a = n->right; a != NULL; a = a->next) {
		print(out, a, 0);
		if (a->flags & FP_NODE_ASC)
			appendStringInfoString(out, " asc");
		if (a->flags & FP_NODE_DESC)
			appendStringInfoString(out, " desc");
		if (a->next != NULL)
			appendStringInfoString(out, ", ");
	}
	appendStringInfoChar(out, ')');
}

static void
print_quantity(StringInfo out, FpNode *n)
{
	appendBinaryStringInfo(out, n->str, n->len);
	appendStringInfoChar(out, ' ');
	if (n->flags & FP_NODE_CALENDAR)
		appendBinaryStringInfo(out, n->str2, n->len2);
	else
		fp_print_string(out, n->str2, n->len2, '\'');
}

static void
print_literal(StringInfo out, FpNode *n)
{
	switch (n->op) {
		case FP_OP_EMPTY:
			appendStringInfoString(out, "{}");
			break;
		case FP_OP_TRUE:
			appendStringInfoString(out, "true");
			break;
		case FP_OP_FALSE:
			appendStringInfoString(out, "false");
			break;
		case FP_OP_STRING:
			fp_print_string(out, n->str, n->len, '\'');
			break;
		case FP_OP_INTEGER:
		case FP_OP_DECIMAL:
			appendBinaryStringInfo(out, n->str, n->len);
			break;
		case FP_OP_LONG:
			appendStringInfo(out, "%.*sL", n->len, n->str);
			break;
		case FP_OP_DATE:
			appendStringInfo(out, "@%.*s", n->len, n->str);
			break;
		case FP_OP_DATETIME:
			appendStringInfo(out, "@%.*s%s", n->len, n->str, memchr(n->str, 'T', n->len) ? "" : "T");
			break;
		case FP_OP_TIME:
			appendStringInfo(out, "@T%.*s", n->len, n->str);
			break;
		case FP_OP_QUANTITY:
			print_quantity(out, n);
			break;
		case FP_OP_EXTERNAL:
			appendStringInfoChar(out, '%');
			print_name(out, n->str, n->len);
			break;
		case FP_OP_THIS:
			appendStringInfoString(out, "$this");
			break;
		case FP_OP_INDEX:
			appendStringInfoString(out, "$index");
			break;
		case FP_OP_TOTAL:
			appendStringInfoString(out, "$total");
			break;
		case FP_OP_MEMBER:
			print_name(out, n->str, n->len);
			break;
		case FP_OP_FUNCTION:
			print_call(out, n);
			break;
		default:
			elog(ERROR, "unrecognized FHIRPath operation %d", n->op);
	}
}

/* Prints n; in parentheses if it binds less tightly than min. */
static void
print(StringInfo out, FpNode *n, int min)
{
	int prec = precedence(n->op);

	check_stack_depth();
	if (prec < min)
		appendStringInfoChar(out, '(');
	if (n->op == FP_OP_INDEXER) {
		print(out, n->left, 15);
		n->pos = out->len;
		appendStringInfoChar(out, '[');
		print(out, n->right, 0);
		appendStringInfoChar(out, ']');
	} else if (n->op == FP_OP_NEGATE || n->op == FP_OP_PLUS) {
		n->pos = out->len;
		appendStringInfoString(out, symbol(n->op));
		print(out, n->left, prec);
	} else if (prec < 15)
		print_binary(out, n, prec);
	else {
		if (n->left != NULL) {
			print(out, n->left, 15);
			appendStringInfoChar(out, '.');
		}
		n->pos = out->len;
		print_literal(out, n);
	}
	if (prec < min)
		appendStringInfoChar(out, ')');
}

static void
print_binary(StringInfo out, FpNode *n, int prec)
{
	print(out, n->left, prec);
	appendStringInfoChar(out, ' ');
	n->pos = out->len;
	appendStringInfoString(out, symbol(n->op));
	appendStringInfoChar(out, ' ');
	if (n->op == FP_OP_IS || n->op == FP_OP_AS)
		print_type(out, n->str, n->len);
	else
		print(out, n->right, prec + 1);
}

void
fp_print(StringInfo out, FpNode *node)
{
	print(out, node, 0);
}

/* 1-based position in characters. */
int
fp_char_position(const char *text, int32 pos)
{
	return pg_mbstrlen_with_len(text, pos) + 1;
}

/* The line of text around pos with a caret under it; at most 60 bytes on each side. */
char *
fp_caret(const char *text, int len, int32 pos)
{
	StringInfoData s;
	int from = pos, to = pos;

	while (from > 0 && pos - from < 60 && text[from - 1] != '\n' && text[from - 1] != '\r')
		from--;
	while (from < pos && ((unsigned char) text[from] & 0xC0) == 0x80)
		from++;
	while (to < len && to - pos < 60 && text[to] != '\n' && text[to] != '\r')
		to++;
	while (to > pos && to < len && ((unsigned char) text[to] & 0xC0) == 0x80)
		to--;
	initStringInfo(&s);
	appendBinaryStringInfo(&s, text + from, to - from);
	for (int i = 0; i < s.len; i++)
		if (s.data[i] == '\t')
			s.data[i] = ' ';
	appendStringInfoChar(&s, '\n');
	appendStringInfoSpaces(&s, pg_mbstrlen_with_len(text + from, pos - from));
	appendStringInfoChar(&s, '^');
	return s.data;
}

void
fp_syntax_error(const char *text, int len, int32 pos, const char *what)
{
	ereport(ERROR,
			(errcode(FH400),
			 errmsg("invalid FHIRPath expression at character %d: %s", fp_char_position(text, pos), what),
			 errdetail("In the expression:\n%s", fp_caret(text, len, pos)), fhir_issue("invalid", NULL)));
}
