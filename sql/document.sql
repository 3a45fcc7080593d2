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
SELECT fhir_document('\x03aabbccdd');
SELECT fhir_document('\x020028b52ffd');
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
-- UUIDs and times are taken out of the text and come back letter by letter
CREATE TEMP TABLE t (n serial, text text);
INSERT INTO t (text) VALUES
  ('2026-11-21T01:02:03Z'), ('2026-11-21T01:02:03.004Z'), ('2026-11-21T01:02:03+05:30'), ('2026-11-21T01:02:03.999-12:45'),
  ('1600-01-01T00:00:00Z'), ('1599-12-31T23:59:59Z'), ('9999-12-31T23:59:59.999+23:45'), ('2024-02-29T12:00:00-00:00'), ('2023-02-29T12:00:00Z'),
  ('1700-02-28T23:59:59Z'), ('1700-02-29T00:00:00Z'), ('2000-02-29T00:00:00Z'), ('2016-12-31T23:59:60Z'), ('2026-11-21T24:00:00Z'),
  ('2026-11-21T01:02:03.04Z'), ('2026-11-21T01:02:03.0045Z'), ('2026-11-21T01:02:03+05:31'), ('2026-11-21T01:02:03'), ('2026-11-21T01:02:03+05'),
  ('0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9'), ('0A1B2C3D-4e5f-6071-8293-a4b5c6d7e8f9'), ('0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f'),
  ('0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f90a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9'), ('urn:uuid:00000000-0000-0000-0000-000000000000'),
  ('2026-11-21T01:02:03Z2026-11-21T01:02:03Z'), ('12026-11-21T01:02:03Z'), ('0a1b2026-11-21T01:02:03Z'), ('20260a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9'),
  (E'\u0001\u0002\u0005\u0006 \u0001'), ('-'), ('--------------------------------------------------'), ('0a1b2c3d-4e5f-6071-8293-2026-11-21T01:02:03Z');
SELECT n, text FROM t WHERE fhir_document(fhir_document_pack(jsonb_build_object('x', text))) ->> 'x' <> text;
SELECT count(*) AS shorter FROM t WHERE octet_length(fhir_document_pack(jsonb_build_object('x', text))) < octet_length(text);
-- pieces of both in every mixture
SELECT count(*) AS texts, count(*) FILTER (WHERE fhir_document(fhir_document_pack(jsonb_build_object('x', x))) ->> 'x' = x) AS same FROM (
  SELECT n, string_agg((ARRAY['0a1b2c3d', '-', '4e5f', '-', '2026', '-11', '-21T', '01:02:03', 'Z', '.123', '+01:00', 'T', '0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9',
    '1999-12-31T00:00:00Z', '6071-8293-a4b5c6d7e8f9', ' ', E'\u0001'])[1 + (hashint8(n * 100 + i) & 1073741823) % 17], '' ORDER BY i) AS x
  FROM generate_series(1, 5000) AS n, generate_series(1, 12) AS i GROUP BY n) AS mixed;
-- not what was packed: lengths, values and marks that do not fit
SELECT fhir_document('\x02');
SELECT fhir_document('\x02ffffffffff');
SELECT fhir_document('\x0205aabb');
DO $$
DECLARE
  good bytea := fhir_document_pack('{"resourceType":"Observation","id":"0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9","issued":"2026-11-21T01:02:03.004+01:00","status":"final"}');
  bad bytea;
  refused int := 0;
BEGIN
  FOR i IN 0 .. octet_length(good) - 1 LOOP
    FOR bit IN 0 .. 7 LOOP
      bad := set_bit(good, i * 8 + bit, 1 - get_bit(good, i * 8 + bit));
      BEGIN
        PERFORM fhir_document(bad);
      EXCEPTION WHEN data_corrupted OR SQLSTATE 'FH400' THEN refused := refused + 1;
      END;
    END LOOP;
    BEGIN
      PERFORM fhir_document(substr(good, 1, i));
      RAISE 'a part was taken for the whole: % of % bytes', i, octet_length(good);
    EXCEPTION WHEN data_corrupted THEN NULL;
    END;
  END LOOP;
  RAISE NOTICE 'some changed bits refused: %', refused > 100;
END $$;
-- unpacked documents are byte by byte what PostgreSQL makes of the same text: numbers, escapes, and containers of every size
CREATE TEMP TABLE image AS
  SELECT jsonb_build_object('n', array_agg((CASE WHEN i % 3 = 0 THEN '-' ELSE '' END || (power(10, i % 41 - 20) * (i + 0.5))::numeric(60, 30)::numeric * power(10::numeric, i % 7))::numeric ORDER BY i)) AS doc
  FROM generate_series(1, 500) i
  UNION ALL SELECT to_jsonb(array_agg((m || repeat('0', z) || CASE WHEN s > 0 THEN '.' || repeat('0', s - 1) || d ELSE '' END)::numeric))
  FROM unnest('{0,1,9,42,9999,10000,123456,99999999,1234567890123456,12345678901234567}'::text[]) m, generate_series(0, 9) z, generate_series(0, 20, 3) s, unnest('{0,1,5,25,1234,00010,12345678,12345678901234567}'::text[]) d
  UNION ALL SELECT jsonb_build_array(jsonb_object_agg(substr(md5(i::text), 1, 1 + i % 19) || i, CASE i % 4 WHEN 0 THEN to_jsonb(i) WHEN 1 THEN to_jsonb(i::text) WHEN 2 THEN '[[],{},null]' ELSE 'true' END), n, '{}')
  FROM generate_series(0, 130) n, generate_series(1, n) i GROUP BY n
  UNION ALL SELECT jsonb_build_object('id', n, 'meta', n, 'resourceType', 'x', 'a', to_jsonb(array_agg(chr(i) || '"\/' || repeat('é', i % 9) || chr(128512))), repeat('k', n), 1) FROM generate_series(0, 40) n, generate_series(1, n) i GROUP BY n;
SELECT count(*) AS documents, count(*) FILTER (WHERE NOT i::record *= u::record) AS different FROM image i, LATERAL (SELECT fhir_document(fhir_document_pack(i.doc)) AS doc) u;
DROP TABLE image;
