-- The stored form of documents (version.doc).

-- A corrupted value raises an error; otherwise a function of its argument alone: dictionaries never change.
CREATE FUNCTION fhir_document(stored bytea) RETURNS jsonb
AS 'MODULE_PATHNAME', 'fhir_document' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION fhir_document(bytea) IS 'the resource in the column doc of a store''s table version';

CREATE FUNCTION fhir_document_pack(resource jsonb) RETURNS bytea
AS 'MODULE_PATHNAME', 'fhir_document_pack' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION fhir_document_pack(jsonb) IS 'the stored form of a resource: what fhir_document reads';
