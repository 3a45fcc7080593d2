-- Search keys as rows: what a document is found by. IMMUTABLE they are not: absolute references to fhir.base_url are local.

CREATE FUNCTION fhir_keys(resource jsonb,
	OUT source text, OUT structure text, OUT form text, OUT key bigint, OUT lo bigint, OUT hi bigint, OUT value text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'fhir_keys' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION fhir_keys(jsonb) IS
	'every search key of a resource, by the place it comes from, the structure that holds it and its form';

CREATE FUNCTION fhir_key_counts(resource jsonb, OUT keys int, OUT refs int, OUT ordered int, OUT strings int, OUT terms int)
RETURNS record
AS 'MODULE_PATHNAME', 'fhir_key_counts' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION fhir_key_counts(jsonb) IS 'how many search keys of each kind a resource has';

CREATE FUNCTION fhir_key_sources(type text DEFAULT NULL,
	OUT base text, OUT code text, OUT url text, OUT class text, OUT expression text, OUT target text, OUT path boolean, OUT marks_absence boolean)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'fhir_key_sources' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION fhir_key_sources(text) IS
	'the search parameters of a resource type (of all, without one) and the places they look at';

CREATE FUNCTION fhir_keys_verify(resource jsonb, OUT expression text, OUT walked int, OUT evaluated int)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'fhir_keys_verify' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION fhir_keys_verify(jsonb) IS
	'places where key extraction finds other elements than the FHIRPath engine: always none';
