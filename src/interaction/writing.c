/*
 * writing.c: the life of a call that writes: one writer of rows, and what is looked at when all its rows are made.
 */
#include "base/base.h"

#include "interaction/interaction_internal.h"

void
writing_begin(Writing *w, const Caller *caller, const char *function)
{
	memset(w, 0, sizeof(*w));
	w->caller = caller;
	w->context = CurrentMemoryContext;
	w->rows = store_writer_begin(function);
	w->store = store_writer_catalog(w->rows);
}

void
writing_end(Writing *w)
{
	if (unlikely(w->parameters != NIL)) {
		store_writer_flush(w->rows);
		search_parameter_settle(w);
	}
	store_writer_end(w->rows);
}
