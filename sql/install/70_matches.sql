-- STABLE: "ap" on dates depends on the time of the transaction, references on fhir.base_url.
CREATE FUNCTION fhir_matches(resource jsonb, query text) RETURNS boolean
AS 'MODULE_PATHNAME', 'fhir_matches' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION fhir_matches(jsonb, text) IS
'does this resource satisfy these search criteria, evaluated on the document alone (no chains, no value sets)';
