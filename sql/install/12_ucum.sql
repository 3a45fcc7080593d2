-- UCUM units.

CREATE FUNCTION fhir_ucum_canonical(unit text, OUT canonical text, OUT factor numeric, OUT offset_ numeric)
AS 'MODULE_PATHNAME', 'fhir_ucum_canonical'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION fhir_ucum_canonical(text) IS
  'A UCUM unit in base units: value in base units = value * factor (+ offset_ for temperatures); NULL for text that is no UCUM unit and for units that can''t be converted';

CREATE FUNCTION fhir_ucum_convert(value numeric, from_unit text, to_unit text) RETURNS numeric
AS 'MODULE_PATHNAME', 'fhir_ucum_convert'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION fhir_ucum_convert(numeric, text, text) IS
  'Converts a value between two UCUM units of the same dimension, exactly or with 45 significant digits';
