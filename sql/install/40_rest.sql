-- REST: all of FHIR's HTTP interface in one function.

CREATE FUNCTION fhir_http(method text, url text, headers jsonb DEFAULT '{}', body bytea DEFAULT NULL,
                          OUT status int, OUT headers jsonb, OUT body bytea)
  AS 'MODULE_PATHNAME', 'fhir_http' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION fhir_http(text, text, jsonb, bytea) IS
  'answers a FHIR REST request; url: path and query below the base; headers: object with lower-case names; errors become OperationOutcomes';

CREATE FUNCTION fhir_capabilities() RETURNS jsonb
  AS 'MODULE_PATHNAME', 'fhir_capabilities' LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION fhir_capabilities() IS 'the CapabilityStatement of this server';
