-- Structural check of a resource, without storing it.

CREATE FUNCTION fhir_check(resource jsonb)
RETURNS TABLE (severity text, code text, expression text, diagnostics text)
AS 'MODULE_PATHNAME', 'fhir_check'
LANGUAGE C STABLE STRICT PARALLEL SAFE ROWS 10; -- STABLE: by fhir.check_mode and fhir.max_issues
COMMENT ON FUNCTION fhir_check(jsonb) IS
  'Structural defects of a resource against FHIR R4, none if it may be stored: unknown elements, wrong JSON types and cardinality, bad formats, missing elements, unknown codes. Warnings are what the setting fhir.check_mode lets pass';
