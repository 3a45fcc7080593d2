/*
 * changed.c: what follows from a write, within its transaction.
 */
#include "base/base.h"

#include "interaction/interaction_internal.h"

void
interaction_changed(Writing *w, const InteractionState *old, const InteractionState *new, int64 rid, const KeySet *keys)
{
	if (old == NULL)
		store_side_insert(w->rows, rid, keys);
	else {
		if (old->row->side_sig != (int64) keys->side_sig || old->row->key_version != FHIR_KEY_VERSION)
			store_side_sync(w->rows, rid, old->row->ord, keys);
		for (int i = 0; i < keys->nterms; i++)
			store_writer_insert_term(w->rows, &keys->terms[i]);
	}
	if (unlikely(new->type->id == MODEL_T_SearchParameter))
		search_parameter_written(w, rid, new->id, new->version, new->doc);
	if (old == NULL && unlikely(store_dictionary_step(rid)))
		store_dictionary_grown(w->store, rid);
}
