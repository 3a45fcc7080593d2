/*
 * keys_path.c: plain member paths (Observation.component.value.ofType(Quantity)), resolved against the model once
 * and walked straight over the document.
 *
 * Nine places in ten are such paths. They mean exactly what the FHIRPath engine makes of the same text, with
 * elements without a value left out; the regression test compares both.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "nodes/pg_list.h"

#include "keys/keys_internal.h"

static void
set_types(KeyTypes *types, const KeyStep *step)
{
	types->n = 0;
	types->system = step->n > 0 ? step->members[0].property->system : NULL;
	for (int i = 0; i < step->n && i < KEYS_MAX_TYPES; i++) {
		types->types[types->n++] = step->members[i].property->type;
		if (types->system != NULL &&
			(step->members[i].property->system == NULL || strcmp(types->system, step->members[i].property->system) != 0))
			types->system = NULL;
	}
}

/* One member step from elements of type `from`. */
static bool
member_step(ModelTypeId from, const char *name, KeyStep *step, KeyTypes *types)
{
	const ModelProperty *found[128];
	KeyMember *members;
	int n = model_element(model_type_by_id(from), name, strlen(name), found, lengthof(found));

	if (n == 0 || n > lengthof(found))
		return false;
	members = palloc(n * sizeof(KeyMember));
	for (int i = 0; i < n; i++) {
		members[i].name = found[i]->name;
		members[i].len = found[i]->name_len;
		members[i].property = found[i];
	}
	step->n = n;
	step->members = members;
	if (!found[0]->required)
		types->required = false;
	set_types(types, step);
	return true;
}

/* name[0]: cuts the index off. */
static bool
is_indexed(char *step)
{
	char *bracket = strchr(step, '['), *end = bracket;

	if (bracket == NULL || strpbrk(step, "(`'") != NULL)
		return false;
	do
		end++;
	while (*end >= '0' && *end <= '9');
	if (*end != ']' || end[1] != '\0')
		return false;
	*bracket = '\0';
	return true;
}

/* ofType(T) after a member: keeps the members of that type. */
static bool
filter_step(const char *type, KeyStep *step, KeyTypes *types)
{
	const ModelType *t = model_type(type, strlen(type));
	KeyMember *members;
	int n = 0;

	if (t == NULL)
		return false;
	members = palloc(step->n * sizeof(KeyMember));
	for (int i = 0; i < step->n; i++)
		if (model_is_a(step->members[i].property->type, t->id))
			members[n++] = step->members[i];
	if (n != step->n)
		types->required = false;
	step->n = n;
	step->members = members;
	set_types(types, step);
	return n > 0;
}

KeyPath *
keys_path_compile(const char *canonical, ModelTypeId start, bool relative, KeyTypes *types)
{
	List *steps = keys_expr_steps(canonical);
	KeyPath *path = palloc0(offsetof(KeyPath, steps) + (list_length(steps) + 1) * sizeof(KeyStep));
	bool plain = true;
	ListCell *cell;
	int i = 0;

	types->n = 0;
	types->system = NULL;
	types->required = true;
	if (steps == NIL)
		return NULL;
	types->n = 1;
	types->types[0] = start;
	foreach(cell, steps) {
		char *step = lfirst(cell);
		int len = strlen(step);

		if (i++ == 0 && !relative) {
			if (strcmp(step, model_type_by_id(start)->name) != 0)
				break;
			continue;
		}
		if (i == 1 && relative && strcmp(step, "%resource") == 0) {
			path->from_root = true;
			continue;
		}
		if (strncmp(step, "ofType(", 7) == 0 && path->nsteps > 0) {
			step[len - 1] = '\0';
			if (!filter_step(step + 7, &path->steps[path->nsteps - 1], types))
				break;
		} else if (strncmp(step, "where(", 6) == 0) {
			/* the type stays, but the engine has to look */
			plain = false;
			types->required = false;
		} else if (is_indexed(step) && types->n == 1 &&
				   member_step(types->types[0], step, &path->steps[path->nsteps], types)) {
			plain = false; /* as above */
			types->required = false;
			path->nsteps++;
		} else if (strpbrk(step, "([`'") != NULL || types->n != 1 ||
				   !member_step(types->types[0], step, &path->steps[path->nsteps], types))
			break;
		else
			path->nsteps++;
	}
	if (cell != NULL) {
		types->n = 0;
		types->system = NULL;
		types->required = false;
		return NULL;
	}
	return plain ? path : NULL;
}

typedef struct Walk {
	const KeyPath *path;
	KeyItemFn fn;
	void *arg;
} Walk;

static void walk_object(const Walk *w, int depth, JsonbContainer *object);

/* A value of member m reached at step depth - 1: goes on, or is an item. */
static inline void
walk_value(const Walk *w, int depth, const KeyMember *m, JsonbValue *v)
{
	const ModelType *type = model_type_by_id(m->property->type);
	FpItem item;

	if (depth < w->path->nsteps) {
		JsonbContainer *c = keys_object(v);

		if (c != NULL)
			walk_object(w, depth, c);
		return;
	}
	if (v->type == jbvNull || (v->type == jbvBinary) != (type->kind != MODEL_PRIMITIVE) ||
		(v->type == jbvBinary && keys_object(v) == NULL))
		return;
	memset(&item, 0, sizeof(item));
	item.kind = v->type == jbvBinary ? FP_ELEMENT : v->type == jbvBool	? FP_BOOLEAN
												: v->type == jbvNumeric ? FP_DECIMAL
																		: FP_STRING;
	item.type = m->property->type;
	item.json = *v;
	item.property = m->property;
	w->fn(w->arg, &item);
}

static void
walk_object(const Walk *w, int depth, JsonbContainer *object)
{
	const KeyStep *step = &w->path->steps[depth];

	for (int i = 0; i < step->n; i++) {
		const KeyMember *m = &step->members[i];
		JsonbContainer *array;
		JsonbValue v;

		if (!keys_member(object, m->name, m->len, &v))
			continue;
		array = keys_array(&v);
		if (array != NULL) {
			uint32 n = JsonContainerSize(array);

			CHECK_FOR_INTERRUPTS();
			if (n == 1) {
				JsonbValue *one = getIthJsonbValueFromContainer(array, 0);

				walk_value(w, depth + 1, m, one);
				pfree(one);
			} else {
				JsonbIterator *it = JsonbIteratorInit(array);
				JsonbValue e;
				JsonbIteratorToken token;

				while ((token = JsonbIteratorNext(&it, &e, true)) != WJB_DONE)
					if (token == WJB_ELEM)
						walk_value(w, depth + 1, m, &e);
			}
		} else
			walk_value(w, depth + 1, m, &v);
	}
}

void
keys_path_walk(const KeyPath *path, JsonbContainer *object, ModelTypeId start, KeyItemFn fn, void *arg)
{
	Walk w = {path, fn, arg};

	if (path->nsteps == 0) {
		FpItem item = {0};

		item.kind = FP_ELEMENT;
		item.type = start;
		item.json.type = jbvBinary;
		item.json.val.binary.data = object;
		item.json.val.binary.len = 0;
		fn(arg, &item);
		return;
	}
	walk_object(&w, 0, object);
}
