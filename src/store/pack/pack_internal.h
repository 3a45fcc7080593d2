/*
 * pack_internal.h: between the files of pack: dictionaries of a store's own (table `dictionary`), and their training.
 */
#ifndef FHIR_STORE_PACK_INTERNAL_H
#define FHIR_STORE_PACK_INTERNAL_H

#include "store/pack/pack.h"
#include "store/pack/pack_codec.h"

/* How many bytes the stored form takes with a dictionary; own: of a store. */
extern size_t store_pack_size(Jsonb *doc, PackCodec *codec, bool own);

/* Generated: the dictionary of format 2. */
extern const unsigned char store_pack_dictionary2[];
extern const size_t store_pack_dictionary2_size;

/* Columns (attribute numbers - 1), see catalog_ddl.c. */
enum { DICT_ID,
	   DICT_MADE,
	   DICT_RID,
	   DICT_SAMPLES,
	   DICT_DATA,
	   DICT_NATTS,
};

/* What new documents of the current store are packed with, and its id; NULL: what is compiled in. */
extern PackCodec *store_dictionary_newest(int32 *id);
/* The dictionary of the current store that a document names. Raises ERRCODE_DATA_CORRUPTED, or 42501 for who may not read documents. */
extern PackCodec *store_dictionary_codec(int32 id);
/* A row's id is the hash of its data: a dictionary is never taken for another one. */
extern int32 store_dictionary_id(const void *data, size_t len);
/* From which rid on the store should have a new one trained. */
extern int64 store_dictionary_due(StoreCatalog *cat);

/* ---- training (dictionary_train.c), within SPI ---- */
typedef struct Training {
	int32 id;	   /* of the dictionary, if stored */
	int samples;   /* documents looked at */
	int64 rid;	   /* highest of the store */
	double before; /* bytes a document of those that were not trained on */
	double after;
	bool stored;
} Training;

/* One trainer a store at a time, to the end of the transaction. */
extern bool store_dictionary_lock(StoreCatalog *cat, bool wait);
/* Raises 42501 unless the current user may add a dictionary. */
extern void store_dictionary_require(StoreCatalog *cat);
/* The highest rid. */
extern int64 store_dictionary_last(StoreCatalog *cat);
extern void store_dictionary_train(StoreCatalog *cat, Training *out);
/* The store shall not be looked at again before it has grown. */
extern void store_dictionary_note(StoreCatalog *cat);

#endif
