/*
 * fhirpath_gram.y: the grammar of FHIRPath (HL7 FHIRPath N1, section 10), with the additions of 3.0 that are in use:
 * long literals and sort keys with asc and desc. Names that are keywords may stand wherever a name is expected.
 */
%code requires {
#include "fhirpath/fhirpath_int.h"
}

%code {
#include "fhirpath/fhirpath_gram.h"

extern int fhirpath_yylex(YYSTYPE *lval, void *scanner);
static void fhirpath_yyerror(void *scanner, FpParse *ctx, const char *msg);
static FpNode *literal(FpOp op, FpStr tok);
static FpNode *quantity(FpParse *ctx, FpStr number, FpStr unit, bool ucum);
static FpNode *call(FpNode *input, FpStr name, FpNode *args);
static FpNode *typed(FpOp op, FpNode *left, FpStr type);
static FpNode *append(FpParse *ctx, FpNode *list, FpNode *arg);
static FpNode *sort_key(FpParse *ctx, FpNode *key, FpStr direction);
static FpStr join(FpStr a, FpStr b);
static FpNode *temporal(FpParse *ctx, FpOp op, FpStr tok);
static FpNode *integer(FpStr tok);

#define YYMALLOC palloc
#define YYFREE pfree
}

%define api.pure
%expect 0
%name-prefix="fhirpath_yy"
%parse-param {void *scanner} {FpParse *ctx}
%lex-param {void *scanner}

%union {
	FpStr tok;
	FpNode *node;
}

%token <tok> IDENT_P STRING_P INTEGER_P LONG_P DECIMAL_P DATE_P DATETIME_P TIME_P
%token <tok> TRUE_P FALSE_P AND_P OR_P XOR_P IMPLIES_P IS_P AS_P IN_P CONTAINS_P DIV_P MOD_P
%token <tok> THIS_P INDEX_P TOTAL_P LE_P GE_P NE_P NEQUIV_P
%token <tok> '+' '-' '*' '/' '&' '|' '<' '>' '=' '~' '.' ',' '(' ')' '[' ']' '{' '}' '%'

%type <node> expression term literal invocation args arg
%type <tok> identifier member type

%left IMPLIES_P
%left OR_P XOR_P
%left AND_P
%left IN_P CONTAINS_P
%left '=' '~' NE_P NEQUIV_P
%left '<' '>' LE_P GE_P
%left '|'
%left IS_P AS_P
%left '+' '-' '&'
%left '*' '/' DIV_P MOD_P
%right UNARY
%left '.' '['
/* 1 day: the unit belongs to the number, it is no sort direction */
%nonassoc INTEGER_P DECIMAL_P
%nonassoc IDENT_P

%%

whole:
	expression							{ ctx->result = $1; (void) yynerrs; }
	;

expression:
	term								{ $$ = $1; }
	| expression '.' invocation
		{
			$$ = $3;
			$$->left = $1;
		}
	| expression '[' expression ']'		{ $$ = fp_node(FP_OP_INDEXER, $2.pos, $1, $3); }
	| '+' expression %prec UNARY		{ $$ = fp_node(FP_OP_PLUS, $1.pos, $2, NULL); }
	| '-' expression %prec UNARY		{ $$ = fp_node(FP_OP_NEGATE, $1.pos, $2, NULL); }
	| expression '*' expression			{ $$ = fp_node(FP_OP_MUL, $2.pos, $1, $3); }
	| expression '/' expression			{ $$ = fp_node(FP_OP_DIV, $2.pos, $1, $3); }
	| expression DIV_P expression		{ $$ = fp_node(FP_OP_IDIV, $2.pos, $1, $3); }
	| expression MOD_P expression		{ $$ = fp_node(FP_OP_MOD, $2.pos, $1, $3); }
	| expression '+' expression			{ $$ = fp_node(FP_OP_ADD, $2.pos, $1, $3); }
	| expression '-' expression			{ $$ = fp_node(FP_OP_SUB, $2.pos, $1, $3); }
	| expression '&' expression			{ $$ = fp_node(FP_OP_CONCAT, $2.pos, $1, $3); }
	| expression IS_P type				{ $$ = typed(FP_OP_IS, $1, $3); }
	| expression AS_P type				{ $$ = typed(FP_OP_AS, $1, $3); }
	| expression '|' expression			{ $$ = fp_node(FP_OP_UNION, $2.pos, $1, $3); }
	| expression '<' expression			{ $$ = fp_node(FP_OP_LT, $2.pos, $1, $3); }
	| expression LE_P expression		{ $$ = fp_node(FP_OP_LE, $2.pos, $1, $3); }
	| expression '>' expression			{ $$ = fp_node(FP_OP_GT, $2.pos, $1, $3); }
	| expression GE_P expression		{ $$ = fp_node(FP_OP_GE, $2.pos, $1, $3); }
	| expression '=' expression			{ $$ = fp_node(FP_OP_EQ, $2.pos, $1, $3); }
	| expression NE_P expression		{ $$ = fp_node(FP_OP_NE, $2.pos, $1, $3); }
	| expression '~' expression			{ $$ = fp_node(FP_OP_EQUIV, $2.pos, $1, $3); }
	| expression NEQUIV_P expression	{ $$ = fp_node(FP_OP_NEQUIV, $2.pos, $1, $3); }
	| expression IN_P expression		{ $$ = fp_node(FP_OP_IN, $2.pos, $1, $3); }
	| expression CONTAINS_P expression	{ $$ = fp_node(FP_OP_CONTAINS, $2.pos, $1, $3); }
	| expression AND_P expression		{ $$ = fp_node(FP_OP_AND, $2.pos, $1, $3); }
	| expression OR_P expression		{ $$ = fp_node(FP_OP_OR, $2.pos, $1, $3); }
	| expression XOR_P expression		{ $$ = fp_node(FP_OP_XOR, $2.pos, $1, $3); }
	| expression IMPLIES_P expression	{ $$ = fp_node(FP_OP_IMPLIES, $2.pos, $1, $3); }
	;

term:
	identifier							{ $$ = literal(FP_OP_MEMBER, $1); }
	| identifier '(' ')'				{ $$ = call(NULL, $1, NULL); }
	| identifier '(' args ')'			{ $$ = call(NULL, $1, $3); }
	| THIS_P							{ $$ = fp_node(FP_OP_THIS, $1.pos, NULL, NULL); }
	| INDEX_P							{ $$ = fp_node(FP_OP_INDEX, $1.pos, NULL, NULL); }
	| TOTAL_P							{ $$ = fp_node(FP_OP_TOTAL, $1.pos, NULL, NULL); }
	| literal							{ $$ = $1; }
	| '%' member						{ $$ = literal(FP_OP_EXTERNAL, $2); }
	| '%' STRING_P						{ $$ = literal(FP_OP_EXTERNAL, $2); }
	| '(' expression ')'				{ $$ = $2; }
	;

literal:
	'{' '}'								{ $$ = fp_node(FP_OP_EMPTY, $1.pos, NULL, NULL); }
	| TRUE_P							{ $$ = fp_node(FP_OP_TRUE, $1.pos, NULL, NULL); }
	| FALSE_P							{ $$ = fp_node(FP_OP_FALSE, $1.pos, NULL, NULL); }
	| STRING_P							{ $$ = literal(FP_OP_STRING, $1); }
	| INTEGER_P							{ $$ = integer($1); }
	| LONG_P							{ $$ = literal(FP_OP_LONG, $1); }
	| DECIMAL_P							{ $$ = literal(FP_OP_DECIMAL, $1); }
	| DATE_P							{ $$ = temporal(ctx, FP_OP_DATE, $1); }
	| DATETIME_P						{ $$ = temporal(ctx, FP_OP_DATETIME, $1); }
	| TIME_P							{ $$ = temporal(ctx, FP_OP_TIME, $1); }
	| INTEGER_P STRING_P				{ $$ = quantity(ctx, $1, $2, true); }
	| DECIMAL_P STRING_P				{ $$ = quantity(ctx, $1, $2, true); }
	| INTEGER_P IDENT_P					{ $$ = quantity(ctx, $1, $2, false); }
	| DECIMAL_P IDENT_P					{ $$ = quantity(ctx, $1, $2, false); }
	;

invocation:
	member								{ $$ = literal(FP_OP_MEMBER, $1); }
	| member '(' ')'					{ $$ = call(NULL, $1, NULL); }
	| member '(' args ')'				{ $$ = call(NULL, $1, $3); }
	| THIS_P							{ $$ = fp_node(FP_OP_THIS, $1.pos, NULL, NULL); }
	| INDEX_P							{ $$ = fp_node(FP_OP_INDEX, $1.pos, NULL, NULL); }
	| TOTAL_P							{ $$ = fp_node(FP_OP_TOTAL, $1.pos, NULL, NULL); }
	;

args:
	arg									{ $$ = $1; }
	| args ',' arg						{ $$ = append(ctx, $1, $3); }
	;

arg:
	expression							{ $$ = $1; }
	| expression IDENT_P				{ $$ = sort_key(ctx, $1, $2); }
	;

type:
	identifier %prec IS_P				{ $$ = $1; }
	| identifier '.' identifier			{ $$ = join($1, $3); }
	;

identifier:
	IDENT_P | AS_P | CONTAINS_P | IN_P | IS_P
	;

/* After '.' or '%' no keyword can be meant. */
member:
	identifier | TRUE_P | FALSE_P | AND_P | OR_P | XOR_P | IMPLIES_P | DIV_P | MOD_P
	;

%%

static void
fhirpath_yyerror(void *scanner, FpParse *ctx, const char *msg)
{
	if (ctx->tokpos >= ctx->len || ctx->pos == ctx->tokpos)
		fp_syntax_error(ctx->text, ctx->len, ctx->len, "unexpected end of the expression");
	if (strstr(msg, "memory exhausted") != NULL)
		fp_syntax_error(ctx->text, ctx->len, ctx->tokpos, "the expression is nested too deep");
	fp_syntax_error(ctx->text, ctx->len, ctx->tokpos,
					psprintf("unexpected \"%.*s\"", ctx->pos - ctx->tokpos, ctx->text + ctx->tokpos));
}

FpNode *
fp_node(FpOp op, int32 pos, FpNode *left, FpNode *right)
{
	FpNode *n = palloc0(sizeof(FpNode));

	n->op = op;
	n->pos = pos;
	n->left = left;
	n->right = right;
	return n;
}

static FpNode *
literal(FpOp op, FpStr tok)
{
	FpNode *n = fp_node(op, tok.pos, NULL, NULL);

	n->str = tok.s;
	n->len = tok.len;
	return n;
}

/* An integer that 32 bits cannot hold is a Long, one that 64 bits cannot hold a Decimal. */
static FpNode *
integer(FpStr tok)
{
	while (tok.len > 1 && tok.s[0] == '0') {
		tok.s++;
		tok.len--;
	}
	if (tok.len > 19 || (tok.len == 19 && strncmp(tok.s, "9223372036854775807", 19) > 0))
		return literal(FP_OP_DECIMAL, tok);
	if (tok.len > 10 || (tok.len == 10 && strncmp(tok.s, "2147483647", 10) > 0))
		return literal(FP_OP_LONG, tok);
	return literal(FP_OP_INTEGER, tok);
}

static FpNode *
temporal(FpParse *ctx, FpOp op, FpStr tok)
{
	FhirDateTime d;
	FpKind kind = op == FP_OP_DATE ? FP_DATE : op == FP_OP_TIME ? FP_TIME : FP_DATETIME;

	if (op == FP_OP_DATETIME && tok.s[tok.len - 1] == 'T')
		tok.len--;
	if (!fp_date_parse(kind, tok.s, tok.len, &d))
		fp_syntax_error(ctx->text, ctx->len, tok.pos, "there is no such date or time");
	return literal(op, tok);
}

static FpNode *
quantity(FpParse *ctx, FpStr number, FpStr unit, bool ucum)
{
	FpNode *n = literal(FP_OP_QUANTITY, number);

	if (!ucum) {
		if (fp_calendar_unit(unit.s, unit.len) == NULL)
			fp_syntax_error(ctx->text, ctx->len, unit.pos, psprintf("unexpected \"%.*s\"", unit.len, unit.s));
		n->flags |= FP_NODE_CALENDAR;
	}
	n->str2 = unit.s;
	n->len2 = unit.len;
	return n;
}

static FpNode *
call(FpNode *input, FpStr name, FpNode *args)
{
	FpNode *n = literal(FP_OP_FUNCTION, name);

	n->left = input;
	n->right = args;
	for (FpNode *a = args; a != NULL; a = a->next)
		n->nargs++;
	return n;
}

static FpNode *
typed(FpOp op, FpNode *left, FpStr type)
{
	FpNode *n = literal(op, type);

	n->left = left;
	return n;
}

static FpNode *
append(FpParse *ctx, FpNode *list, FpNode *arg)
{
	FpNode *a = list;
	int n = 1;

	for (; a->next != NULL; a = a->next)
		n++;
	if (n >= FP_MAX_ARGS)
		fp_syntax_error(ctx->text, ctx->len, ctx->tokpos, "too many arguments");
	a->next = arg;
	return list;
}

static FpNode *
sort_key(FpParse *ctx, FpNode *key, FpStr direction)
{
	if (direction.len == 3 && strncmp(direction.s, "asc", 3) == 0)
		key->flags |= FP_NODE_ASC;
	else if (direction.len == 4 && strncmp(direction.s, "desc", 4) == 0)
		key->flags |= FP_NODE_DESC;
	else
		fp_syntax_error(ctx->text, ctx->len, direction.pos, psprintf("unexpected \"%.*s\"", direction.len, direction.s));
	return key;
}

static FpStr
join(FpStr a, FpStr b)
{
	FpStr r = {psprintf("%.*s.%.*s", a.len, a.s, b.len, b.s), a.len + 1 + b.len, a.pos};

	return r;
}
