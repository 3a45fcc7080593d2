/*
 * json_patch.c: JSON Patch (RFC 6902) on JSONB: digits of numbers stay, unchanged members are copied as bytes.
 *
 * A malformed patch is FH400; one that does not fit the document (missing location, failed test) is FH422, as
 * R4's "patch" asks. The document itself is never changed: every operation yields a new root.
 */
#include "base/base.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "interaction/interaction_internal.h"
#include "interaction/patch.h"

void
patch_raise_malformed(const Patch *p, const char *what, const char *value)
{
	ereport(ERROR,
			errcode(FH400),
			errmsg("malformed patch: %s", what),
			value ? errdetail("Operation %d: %.200s", p->index, value) : errdetail("Operation %d", p->index),
			errhint("See RFC 6902 for JSON Patch, FHIR's fhirpatch.html for FHIRPath Patch."),
			fhir_issue("structure", NULL));
	pg_unreachable();
}

void
patch_raise_misfit(const Patch *p, const char *what, const PatchPath *at)
{
	ereport(ERROR,
			errcode(FH422),
			errmsg("the patch does not fit the resource: %s", what),
			errdetail("Operation %d (%s), path \"%.300s\".", p->index, p->op, at->text),
			errhint("Read the current version and make the patch against it."),
			fhir_issue("processing", NULL));
	pg_unreachable();
}

/* "/a~1b/0" -> {"a/b", "0"} */
static PatchPath
parse_pointer(const Patch *p, char *text)
{
	PatchPath out = {.text = text, .token = palloc(sizeof(char *) * (strlen(text) + 1))};
	char *copy = pstrdup(text), *w = NULL;

	if (*text != '\0' && *text != '/')
		patch_raise_malformed(p, "a path starts with \"/\"", text);
	for (char *r = copy; *r; r++) {
		if (*r == '/') {
			if (w)
				*w = '\0';
			out.token[out.n++] = w = r + 1;
			continue;
		}
		Assert(w != NULL); /* it began with a slash */
		if (*r == '~') {
			if (r[1] != '0' && r[1] != '1')
				patch_raise_malformed(p, "\"~\" in a path is followed by 0 or 1", text);
			*w++ = r[1] == '0' ? '~' : '/';
			r++;
		} else
			*w++ = *r;
	}
	if (w)
		*w = '\0';
	return out;
}

/* Index of an array of n elements; "-" and n itself only where one may be added. */
static int
parse_index(const Patch *p, const PatchPath *at, const char *token, int n, bool add)
{
	size_t len = strlen(token);
	int i;

	if (add && strcmp(token, "-") == 0)
		return n;
	if (len == 0 || len > 9 || strspn(token, "0123456789") != len || (len > 1 && *token == '0'))
		patch_raise_misfit(p, "no index of an array", at);
	i = (int) strtol(token, NULL, 10);
	if (i > (add ? n : n - 1))
		patch_raise_misfit(p, "the index is beyond the array", at);
	return i;
}

static int
compare_token(const char *token, const JsonMember *m)
{
	int len = strlen(token);

	return len != m->keylen ? len - m->keylen : memcmp(token, m->key, len);
}

static JsonMember *
find_member(JsonMember *m, int n, const char *token)
{
	for (int i = 0; i < n; i++)
		if (compare_token(token, &m[i]) == 0)
			return &m[i];
	return NULL;
}

/* The value at a pointer. */
JsonbValue
patch_get(const Patch *p, const PatchPath *at, JsonbValue v)
{
	for (int i = 0; i < at->n; i++) {
		if (v.type != jbvBinary)
			patch_raise_misfit(p, "there is nothing at the path", at);
		if (JsonContainerIsArray(v.val.binary.data)) {
			JsonbValue *elems;
			int n = json_elements(v.val.binary.data, &elems);

			v = elems[parse_index(p, at, at->token[i], n, false)];
		} else {
			JsonMember *members;
			int n = json_members(v.val.binary.data, &members);
			JsonMember *m = find_member(members, n, at->token[i]);

			if (!m)
				patch_raise_misfit(p, "there is nothing at the path", at);
			v = m->value;
		}
	}
	return v;
}

static JsonbValue edit(const Patch *p, const PatchPath *at, int depth, JsonbValue node, PatchOp op, const JsonbValue *value);

static JsonbValue
edit_array(const Patch *p, const PatchPath *at, int depth, JsonbValue node, PatchOp op, const JsonbValue *value)
{
	JsonbValue *elems;
	int n = json_elements(node.val.binary.data, &elems);
	bool last = depth == at->n - 1;
	int i = parse_index(p, at, at->token[depth], n, last && op == PATCH_ADD);

	if (!last)
		elems[i] = edit(p, at, depth + 1, elems[i], op, value);
	else if (op == PATCH_ADD) {
		elems = repalloc(elems, sizeof(JsonbValue) * (n + 1));
		memmove(&elems[i + 1], &elems[i], sizeof(JsonbValue) * (n - i));
		elems[i] = *value;
		n++;
	} else if (op == PATCH_REPLACE)
		elems[i] = *value;
	else {
		memmove(&elems[i], &elems[i + 1], sizeof(JsonbValue) * (n - i - 1));
		n--;
	}
	json_set_binary(&node, json_array(elems, n));
	return node;
}

static JsonbValue
edit_object(const Patch *p, const PatchPath *at, int depth, JsonbValue node, PatchOp op, const JsonbValue *value)
{
	JsonMember *members;
	int n = json_members(node.val.binary.data, &members);
	JsonMember *old = find_member(members, n, at->token[depth]);
	JsonMember m = {.key = at->token[depth], .keylen = strlen(at->token[depth])};

	if (!old && (depth < at->n - 1 || op != PATCH_ADD))
		patch_raise_misfit(p, "there is nothing at the path", at);
	if (depth < at->n - 1)
		m.value = edit(p, at, depth + 1, old->value, op, value);
	else if (op == PATCH_REMOVE)
		m.remove = true;
	else
		m.value = *value;
	json_set_binary(&node, json_splice(node.val.binary.data, &m, 1));
	return node;
}

/* The node with one place in it changed. */
static JsonbValue
edit(const Patch *p, const PatchPath *at, int depth, JsonbValue node, PatchOp op, const JsonbValue *value)
{
	check_stack_depth();
	if (at->n == 0) {
		if (op == PATCH_REMOVE)
			patch_raise_misfit(p, "the whole document cannot be removed", at);
		return *value;
	}
	if (node.type != jbvBinary)
		patch_raise_misfit(p, "there is nothing at the path", at);
	return JsonContainerIsArray(node.val.binary.data) ? edit_array(p, at, depth, node, op, value)
													  : edit_object(p, at, depth, node, op, value);
}

static bool
same_json(JsonbValue *a, JsonbValue *b)
{
	return compareJsonbContainers(&fhir_json_from_value(a)->root, &fhir_json_from_value(b)->root) == 0;
}

static char *
require_text(const Patch *p, JsonbContainer *operation, const char *name)
{
	char *s = fhir_json_get_string(operation, name);

	if (!s)
		patch_raise_malformed(p, psprintf("an operation has no text \"%s\"", name), NULL);
	return s;
}

static JsonbValue
require_value(const Patch *p, JsonbContainer *operation)
{
	JsonbValue v;

	if (!fhir_json_get_lit(operation, "value", &v))
		patch_raise_malformed(p, "the operation has no \"value\"", p->op);
	return v;
}

JsonbValue
patch_edit(const Patch *p, const PatchPath *at, JsonbValue root, PatchOp op, const JsonbValue *value)
{
	return edit(p, at, 0, root, op, value);
}

/* May not move a value into itself. */
static void
check_move(const Patch *p, const PatchPath *from, const PatchPath *to)
{
	bool prefix = from->n < to->n;

	for (int i = 0; prefix && i < from->n; i++)
		prefix = strcmp(from->token[i], to->token[i]) == 0;
	if (prefix)
		patch_raise_misfit(p, "a value cannot be moved into itself", to);
}

static JsonbValue
apply(Patch *p, JsonbContainer *operation, JsonbValue root)
{
	PatchPath path, from;
	JsonbValue value;

	p->op = require_text(p, operation, "op");
	path = parse_pointer(p, require_text(p, operation, "path"));
	if (strcmp(p->op, "remove") == 0)
		return patch_edit(p, &path, root, PATCH_REMOVE, NULL);
	if (strcmp(p->op, "move") == 0 || strcmp(p->op, "copy") == 0) {
		from = parse_pointer(p, require_text(p, operation, "from"));
		value = patch_get(p, &from, root);
		if (strcmp(p->op, "move") == 0) {
			if (strcmp(from.text, path.text) == 0)
				return root;
			check_move(p, &from, &path);
			root = patch_edit(p, &from, root, PATCH_REMOVE, NULL);
		}
		return patch_edit(p, &path, root, PATCH_ADD, &value);
	}
	if (strcmp(p->op, "add") != 0 && strcmp(p->op, "replace") != 0 && strcmp(p->op, "test") != 0)
		patch_raise_malformed(p, "unknown operation", p->op);
	value = require_value(p, operation);
	if (strcmp(p->op, "add") == 0)
		return patch_edit(p, &path, root, PATCH_ADD, &value);
	if (strcmp(p->op, "replace") == 0)
		return patch_edit(p, &path, root, PATCH_REPLACE, &value);
	JsonbValue found = patch_get(p, &path, root);

	if (!same_json(&found, &value))
		patch_raise_misfit(p, "a test failed", &path);
	return root;
}

static JsonbValue
apply_all(JsonbValue root, JsonbContainer *patch)
{
	JsonbValue *operations;
	int n = json_elements(patch, &operations);

	for (int i = 0; i < n; i++) {
		Patch p = {.index = i, .op = "?"};

		CHECK_FOR_INTERRUPTS();
		if (operations[i].type != jbvBinary || !JsonContainerIsObject(operations[i].val.binary.data))
			patch_raise_malformed(&p, "an operation is an object", NULL);
		root = apply(&p, operations[i].val.binary.data, root);
	}
	return root;
}

Jsonb *
patch_json(JsonbContainer *doc, JsonbContainer *patch)
{
	JsonbValue root;

	json_set_binary(&root, json_splice(doc, NULL, 0));
	root = apply_all(root, patch);
	return fhir_json_from_value(&root);
}

PG_FUNCTION_INFO_V1(fhir_json_patch);
PGDLLEXPORT Datum fhir_json_patch(PG_FUNCTION_ARGS);

/* fhir_json_patch(doc, patch): the same on any JSON document. */
Datum
fhir_json_patch(PG_FUNCTION_ARGS)
{
	Jsonb *doc = PG_GETARG_JSONB_P(0);
	Jsonb *patch = PG_GETARG_JSONB_P(1);
	JsonbValue root;

	if (!JB_ROOT_IS_ARRAY(patch) || JB_ROOT_IS_SCALAR(patch))
		ereport(ERROR,
				errcode(FH400),
				errmsg("malformed JSON Patch: it is no array"), errhint("A JSON Patch is an array of operations (RFC 6902), such as [{\"op\": \"remove\", \"path\": \"/active\"}]."),
				fhir_issue("structure", NULL));
	if (JB_ROOT_IS_SCALAR(doc))
		root = *getIthJsonbValueFromContainer(&doc->root, 0);
	else
		json_set_binary(&root, doc);
	root = apply_all(root, &patch->root);
	PG_RETURN_JSONB_P(fhir_json_from_value(&root));
}
