/*
 * terms_system.c: the codes of a code system and who is below whom.
 *
 * A parent is the concept around it, or one named by the properties parent, subsumedBy, or (in the parent)
 * child.
 */
#include "base/base.h"

#include "miscadmin.h"

#include "terms/terms_internal.h"

typedef struct Builder {
	TermConcepts *c;
	TermsEdge *edges;
	int nedges, maxedges;
	int maxdocs;
} Builder;

static void
add_edge(Builder *b, int child, int parent)
{
	if (child == parent)
		return;
	if (b->nedges == b->maxedges) {
		b->maxedges = b->maxedges ? b->maxedges * 2 : 256;
		b->edges = b->edges ? repalloc_huge(b->edges, b->maxedges * sizeof(TermsEdge))
							: palloc(b->maxedges * sizeof(TermsEdge));
	}
	b->edges[b->nedges++] = (TermsEdge){child, parent};
}

static void
add_docs(Builder *b, int at, JsonbContainer *doc)
{
	if (at >= b->maxdocs) {
		b->maxdocs = Max(256, b->maxdocs * 2);
		b->c->docs = b->c->docs ? repalloc_huge(b->c->docs, b->maxdocs * sizeof(JsonbContainer *))
								: palloc(b->maxdocs * sizeof(JsonbContainer *));
	}
	b->c->docs[at] = doc;
}

static void
walk(Builder *b, JsonbContainer *list, int parent)
{
	JsonbContainer *o;

	check_stack_depth();
	TERMS_EACH(list, o)
	{
		char *code = fhir_json_get_string(o, "code");
		int before = b->c->codes.n, at;

		CHECK_FOR_INTERRUPTS();
		if (code == NULL)
			continue;
		at = terms_put(&b->c->codes, b->c->system, code);
		if (b->c->codes.n > before)
			add_docs(b, at, o);
		if (parent >= 0)
			add_edge(b, at, parent);
		walk(b, terms_array(o, "concept"), at);
	}
}

/* Relations that properties state; codes that the system does not have are passed over. */
static void
named_relations(Builder *b)
{
	int n = b->c->codes.n;

	for (int i = 0; i < n; i++) {
		JsonbContainer *o;

		TERMS_EACH(terms_array(b->c->docs[i], "property"), o)
		{
			char *name = fhir_json_get_string(o, "code"), *code = fhir_json_get_string(o, "valueCode");
			int other = name && code ? terms_find(&b->c->codes, b->c->system, code) : -1;

			if (other < 0)
				continue;
			if (strcmp(name, "parent") == 0 || strcmp(name, "subsumedBy") == 0)
				add_edge(b, i, other);
			else if (strcmp(name, "child") == 0)
				add_edge(b, other, i);
		}
	}
}

static void
from_table(TermConcepts *c, const TermsSystem *s)
{
	c->complete = s->complete;
	for (uint32 i = 0; i < s->n; i++)
		terms_put(&c->codes, c->system, terms_pool + terms_codes[s->first + i]);
	c->edges = terms_edges + s->first_edge;
	c->nedges = s->nedges;
}

TermConcepts *
terms_concepts(const TermsSource *from, const char *url)
{
	TermConcepts *c = palloc0(sizeof(TermConcepts));
	Jsonb *doc = from->document(from->arg, model_type_by_id(MODEL_T_CodeSystem), url);
	const TermsSystem *s;

	c->system = pnstrdup(url, strcspn(url, "|"));
	if (doc != NULL) {
		Builder b = {c};
		char *content = fhir_json_get_string(&doc->root, "content");

		c->complete = content && strcmp(content, "complete") == 0;
		walk(&b, terms_array(&doc->root, "concept"), -1);
		named_relations(&b);
		c->edges = b.edges;
		c->nedges = b.nedges;
	} else if ((s = terms_builtin_system(url)) != NULL)
		from_table(c, s);
	return c->codes.n ? c : NULL;
}

bool *
terms_closure(const TermConcepts *c, int at, bool below)
{
	int n = c->codes.n, ntodo = 0;
	bool *in = palloc0(n * sizeof(bool));
	int *first = palloc0(n * sizeof(int)), *next = palloc((c->nedges + 1) * sizeof(int)),
		*todo = palloc(n * sizeof(int));

	/* the edges of each code as a list; numbers from 1 */
	for (int i = 0; i < c->nedges; i++) {
		int from = below ? c->edges[i].parent : c->edges[i].child;

		next[i] = first[from];
		first[from] = i + 1;
	}
	todo[ntodo++] = at;
	in[at] = true;
	while (ntodo > 0)
		for (int e = first[todo[--ntodo]]; e; e = next[e - 1]) {
			int to = below ? c->edges[e - 1].child : c->edges[e - 1].parent;

			if (!in[to]) {
				in[to] = true;
				todo[ntodo++] = to;
			}
		}
	return in;
}
