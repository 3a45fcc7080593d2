-- JSON text in and out. (Unaligned where characters are of a width that not every psql knows.)
SELECT fhir_json('{"b": [1.10, -0, 1e2, 1E-3, 0.00, 123456789012345678901234567890.50], "aa": {"x": null, "y": [true, false, {}, []]}, "c": ""}');
\pset format unaligned
SELECT fhir_json(E' \t\r\n"\\u00e9\\ud83d\\ude00\\"\\\\\\/\\b\\f\\n\\r\\t\\u0001é😀" ') AS string, fhir_json('12') AS number, fhir_json('null') AS null_value;
\pset format aligned
SELECT fhir_json(convert_from('\xefbbbf7b7d', 'UTF8')) AS bom;

-- FHIR's order of members, at every level where a resource stands
SELECT fhir_json_text(fhir_json('{"meta":{"versionId":"1","extension":[],"id":"m"},"a":1,"contained":[{"meta":{},"id":"c","b":2,"resourceType":"Patient"}],"resourceType":"Bundle","id":"x","extension":[{"url":"u","id":"e"}]}'));
SELECT fhir_json_text(fhir_json('{"meta":{"tag":[]},"resourceType":"Patient","id":"x","name":[{"given":["A","B"]}],"active":true}'), true);
\pset format unaligned
SELECT fhir_json_text(fhir_json(E'"\\u0001\\u001f\\n\\"\\\\/\\u007fé😀"')) AS escaped, fhir_json_text('1.50') AS number, fhir_json_text('[]', true) AS empty;
\pset format aligned

-- written text reads back as the same value
SELECT count(*) AS differences
  FROM (SELECT jsonb_build_object('id', i, 'k' || i % 50, repeat(chr(i % 300 + 1), i % 40), 'resourceType', 'X',
               'l', (SELECT jsonb_agg(jsonb_build_object('v', j / 8.0, 'n', null, 's', chr(j + 31))) FROM generate_series(1, i % 70) j)) AS v
          FROM generate_series(1, 600) i) s
 WHERE fhir_json(fhir_json_text(v)) IS DISTINCT FROM v OR fhir_json(fhir_json_text(v, true)) IS DISTINCT FROM v
    OR fhir_json(v::text) IS DISTINCT FROM v;

-- What is refused: one line each
CREATE FUNCTION refused(t text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE d text; c text; e text;
BEGIN
  PERFORM fhir_json(t);
  RETURN 'accepted: ' || left(t, 40);
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS d = PG_EXCEPTION_DETAIL, c = PG_DATATYPE_NAME, e = COLUMN_NAME;
  RETURN concat_ws(' / ', sqlstate, sqlerrm, d, c, e);
END $$;
\pset format unaligned
SELECT refused(t) FROM unnest(ARRAY[
  '', '{', '{"a"', '{"a":', '{"a":1', '{"a":1,', '{"a":1,}', '{a:1}', '{"a" 1}', '[1', '[1,', '[1,]', '[1 2]', '}', 'nul', 'True', '1 2', '{} x',
  '"abc', '"abc\', '"\x"', '"\u12"', '"\u12g4"', '"\ud83d"', '"\ud83dx"', '"\ud83d\u0041"', '"\ude00"', '"\u0000"', E'"a\tb"',
  '01', '-', '1.', '.5', '+1', '1e', '1e+', '-01', '0x10', 'NaN', '1e1000', '1e-1001', '1e-99999999999', '10.0e999', repeat('9', 1001), '0.' || repeat('0', 1001),
  E'{"name": [\n  {"given": ["x"]},\n  {"given": [], "family": "a", "given": []}]}', '{"a":{"b":[0,{"c":tru}]}}',
  repeat('[', 101), repeat('{"a":', 10000), repeat('[', 1000000)]) t;
SELECT length(fhir_json('1e999')::text) AS digits, length(fhir_json('-1.5e-999')::text), fhir_json(fhir_json('1e-1000')::text) = fhir_json('1e-1000') AS same;
SELECT fhir_json(repeat('[', 100) || repeat(']', 100)) IS NOT NULL AS depth_100;
SET fhir.max_body_bytes = 1024;
SELECT refused('"' || repeat('x', 1023) || '"');
RESET fhir.max_body_bytes;
SELECT refused('[' || repeat('0,', 8400000) || '0]');

-- settings
SET fhir.base_url = 'ftp://x';
SET fhir.base_url = 'https://fhir.example.org/fhir/';
SET fhir.store = '';
SELECT name FROM pg_settings WHERE name LIKE 'fhir.%' AND (short_desc = '' OR extra_desc = '');
DROP FUNCTION refused;
