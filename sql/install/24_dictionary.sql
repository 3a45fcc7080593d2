-- The dictionary of a store's own that its documents are packed with.

CREATE FUNCTION fhir_dictionary_train(OUT stored boolean, OUT id integer, OUT samples integer, OUT bytes_before integer, OUT bytes_after integer)
AS 'MODULE_PATHNAME', 'fhir_dictionary_train' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION fhir_dictionary_train() IS
'makes a dictionary of a sample of the current store''s documents, and stores it if it packs others a tenth better; bytes: of a document, on average';
