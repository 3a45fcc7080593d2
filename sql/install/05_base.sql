-- Base: JSON text as FHIR wants it.

CREATE FUNCTION fhir_json(text) RETURNS jsonb
  AS 'MODULE_PATHNAME', 'fhir_json' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION fhir_json(text) IS
  'parses JSON strictly: refuses duplicate member names, nesting beyond fhir.max_depth, and whatever jsonb would alter silently';

CREATE FUNCTION fhir_json_text(resource jsonb, pretty boolean DEFAULT false) RETURNS text
  AS 'MODULE_PATHNAME', 'fhir_json_text' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION fhir_json_text(jsonb, boolean) IS
  'writes JSON in FHIR''s order: resourceType, id, meta first; pretty: with line breaks and indentation';
