-- STABLE: "ap" on dates depends on the time of the transaction, references on fhir.base_url.
CREATE FUNCTION fhir_matches(resource jsonb, query text) RETURNS boolean
AS 'MODULE_PATHNAME', 'fhir_matches' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 1000;
COMMENT ON FUNCTION fhir_matches(jsonb, text) IS
'does this resource satisfy these search criteria, evaluated on the document alone (no chains, no value sets)';

CREATE FUNCTION fhir_search_parameters(type text, OUT code text, OUT kind text, OUT url text, OUT expression text, OUT targets text[])
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'fhir_search_parameters' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION fhir_search_parameters(text) IS
'the search parameters that R4 publishes for a resource type, with their FHIRPath expressions';
