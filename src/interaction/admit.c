/*
 * admit.c: every check of a write, in one place and one order: what a document says of itself first, as it needs nothing of the store, then what
 * the caller may do.
 *
 * Rights: what the caller may not see is as if it were not there, so a write on it is one on nothing (FH404). What is seen, but may not be
 * written, or may not become what the write makes of it, is refused (FH403).
 */
#include "base/base.h"

#include "interaction/interaction_internal.h"

static void
check_document(InteractionState *new)
{
	if (new->checked || new->doc == NULL)
		return;
	new->type = check_resource(new->doc);
	new->checked = true;
}

void
interaction_admit(Writing *w, const InteractionState *old, InteractionState *new)
{
	check_document(new);
}
