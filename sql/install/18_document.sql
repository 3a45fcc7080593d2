-- The stored form of documents (version.doc).

-- STABLE: the dictionaries of the current store belong to it. What has been read once is read the same ever after.
CREATE FUNCTION fhir_document(stored bytea) RETURNS jsonb
AS 'MODULE_PATHNAME', 'fhir_document' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION fhir_document(bytea) IS 'the resource in the column doc of a store''s table version';

CREATE FUNCTION fhir_document_pack(resource jsonb) RETURNS bytea
AS 'MODULE_PATHNAME', 'fhir_document_pack' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION fhir_document_pack(jsonb) IS 'the stored form of a resource in the current store: what fhir_document reads';
