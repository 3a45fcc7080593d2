/*
 * admit.c: every check of a write, in one place and one order. So far: the structure of the new document, once a call. Profiles, references
 * and rights on old and new have their place here, and are not looked at yet.
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
