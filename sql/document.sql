-- The stored form of documents: packs, unpacks, and takes nothing for a document that is none.
\set VERBOSITY terse
CREATE TEMP TABLE d (n int, doc jsonb);
INSERT INTO d VALUES
  (1, '{"resourceType":"Patient","id":"p","birthDate":"1980"}'),
  (2, '{"a":[1.10,0.00,-1e-7,true,false,null,"",[],{}],"é":"\ud83d\ude00"}'),
  (3, jsonb_build_object('long', repeat('word ', 100000), 'deep', jsonb_build_array(jsonb_build_array(jsonb_build_object('x', 1))))),
  (4, (SELECT jsonb_object_agg('k' || i, md5(i::text)) FROM generate_series(1, 2000) i));
SELECT n, fhir_document(fhir_document_pack(doc)) = doc AS same,
  fhir_document(fhir_document_pack(doc))::text = doc::text AS same_digits,
  octet_length(fhir_document_pack(doc)) <= octet_length(doc::text) AS no_longer FROM d ORDER BY n;
-- not a document
SELECT fhir_document('');
SELECT fhir_document('\x01');
SELECT fhir_document('\x02aabbccdd');
SELECT fhir_document('\x0128b52ffd');
SELECT fhir_document('\x00ffffffff');
SELECT fhir_document('\x00' || convert_to('{"a":1,"a":2}', 'UTF8'));
SELECT fhir_document('\x00' || convert_to('{"a":1} ', 'UTF8'));
-- every single byte changed, or cut off at any place: an error or some document, never a crash
CREATE FUNCTION tries(b bytea) RETURNS text LANGUAGE plpgsql AS $$
DECLARE t text;
BEGIN
  t := fhir_document(b)::text;
  RETURN 'document';
EXCEPTION WHEN data_corrupted OR character_not_in_repertoire OR SQLSTATE 'FH400' THEN RETURN 'refused';
END $$;
WITH plain AS (SELECT '\x00'::bytea || convert_to(fhir_json_text(doc), 'UTF8') AS b FROM d WHERE n = 2)
SELECT count(*) > 300 AS many, bool_and(r IN ('document', 'refused')) AS handled, bool_or(r = 'refused') AS some_refused
FROM plain, LATERAL (
  SELECT tries(set_byte(b, i, (get_byte(b, i) + x) % 256)) AS r FROM generate_series(1, octet_length(b) - 1) i, unnest(ARRAY[1, 16, 64, 127, 128, 255]) x
  UNION ALL SELECT tries(substr(b, 1, i)) FROM generate_series(0, octet_length(b) - 1) i) t;
WITH packed AS (SELECT fhir_document_pack(doc) AS b FROM d WHERE n = 1)
SELECT count(*) > 50 AS many, bool_and(r IN ('document', 'refused')) AS handled, bool_or(r = 'refused') AS some_refused
FROM packed, LATERAL (SELECT tries(set_byte(b, i, (get_byte(b, i) + x) % 256)) AS r FROM generate_series(0, octet_length(b) - 1) i, unnest(ARRAY[1, 16, 128]) x) t;
