-- Dictionaries of a store's own (fhir_dictionary_train): what they do, what stands in them and what does not, and where they hold.
\set VERBOSITY terse
SET fhir.dictionary = manual;
SELECT fhir_store_create('packed');
SET fhir.store = packed;
SELECT stored, id, samples, bytes_before, bytes_after FROM fhir_dictionary_train();
-- 400 resources that name people in every way, with codes of their own
CREATE FUNCTION person(i int) RETURNS jsonb LANGUAGE sql AS $$
SELECT jsonb_build_object('resourceType', 'Patient', 'id', 'SecretId-' || i % 20 || '-' || i, 'text', '{"status": "generated", "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\">SecretNarrative</div>"}'::jsonb,
  'meta', CASE WHEN i <= 8 THEN '{"source": "urn:SecretSource", "tag": [{"system": "http://example.org/tags", "code": "common-tag", "display": "SecretRare"}]}'
    ELSE '{"source": "urn:SecretSource", "tag": [{"system": "http://example.org/tags", "code": "common-tag"}]}' END::jsonb,
  'identifier', '[{"system": "http://example.org/numbers-of-patients", "value": "SecretNumber"}]'::jsonb, 'name', '[{"family": "SecretFamily", "given": ["SecretGiven"], "text": "SecretFamily"}]'::jsonb,
  'telecom', '[{"system": "email", "value": "SecretMail@example.org"}]'::jsonb, 'birthDate', '1957-03-12', 'photo', '[{"url": "http://example.org/SecretPhoto", "title": "SecretTitle"}]'::jsonb,
  'address', '[{"line": ["SecretStreet 7"], "city": "SecretCity", "postalCode": "SecretCode"}]'::jsonb, 'maritalStatus', '{"coding": [{"system": "http://example.org/common-system", "code": "common-code", "display": "A common display"}], "text": "A common display"}'::jsonb,
  'contact', '[{"relationship": [{"text": "SecretText"}], "name": {"family": "SecretFamily"}, "organization": {"reference": "Organization/SecretReference", "display": "SecretOrganization"}}]'::jsonb,
  'generalPractitioner', '[{"reference": "Practitioner/0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9", "identifier": {"value": "SecretNumber"}}]'::jsonb,
  'extension', '[{"url": "http://example.org/common-extension", "valueString": "SecretString"}, {"url": "http://example.org/x", "valueDecimal": 481516.2342}, {"url": "http://example.org/x", "valueUri": "http://example.org/?q=SecretQuery"}]'::jsonb) $$;
SELECT count(fhir_update(person(i))) FROM generate_series(1, 400) i;
SELECT stored, samples > 200 AS enough, bytes_after * 1.1 < bytes_before AS better FROM fhir_dictionary_train();
SELECT word, position(convert_to(word, 'UTF8') IN data) > 0 AS in_dictionary FROM packed.dictionary,
  unnest('{common-code,common-system,common-extension,"A common display",numbers-of-patients,common-tag,Secret,1957,481516,0a1b2c3d}'::text[]) WITH ORDINALITY w (word, n) ORDER BY n;
-- new documents use it, old ones stay as they are, all are read
SELECT count(fhir_update(person(i) || '{"active": true}')) FROM generate_series(1, 50) i;
SELECT get_byte(doc, 0) AS format, count(*), count(*) FILTER (WHERE fhir_document(doc) ->> 'resourceType' = 'Patient') AS read FROM packed.version GROUP BY 1 ORDER BY 1;
SELECT fhir_read('Patient', 'SecretId-7-7') #- '{meta,lastUpdated}' = jsonb_set(person(7) || '{"active": true}', '{meta,versionId}', '"2"') AS same;
SELECT fhir_count('Patient', 'active=true'), count(*) FROM fhir_search_rows('Patient', 'active=true&_count=1000') WHERE resource -> 'active' = 'true';
-- the same again is not a tenth better: it is not stored
SELECT stored, id, bytes_before IS NOT NULL AS tried FROM fhir_dictionary_train();
-- off: not used for what is new
SET fhir.dictionary = off;
SELECT get_byte(fhir_document_pack(person(1)), 0) AS format;
SET fhir.dictionary = manual;
SELECT get_byte(fhir_document_pack(person(1)), 0) AS format, fhir_document(fhir_document_pack(person(1))) = person(1) AS same;
-- a document of one store is refused in another, and never misread
CREATE TABLE moved AS SELECT doc FROM packed.version WHERE get_byte(doc, 0) = 3 LIMIT 1;
SET fhir.store = fhir;
SELECT fhir_document(doc) FROM moved;
SELECT fhir_document_pack(person(1)) = doc FROM moved;
SET fhir.store = packed;
SELECT fhir_document(doc) ->> 'resourceType' AS type FROM moved;
-- every byte changed, cut off anywhere: an error or some document
DO $$
DECLARE
  good bytea := doc FROM moved;
  refused int := 0;
BEGIN
  FOR i IN 0 .. octet_length(good) - 1 LOOP
    BEGIN
      PERFORM fhir_document(set_byte(good, i, get_byte(good, i) # 85));
    EXCEPTION WHEN data_corrupted OR character_not_in_repertoire OR SQLSTATE 'FH400' THEN refused := refused + 1;
    END;
    BEGIN
      PERFORM fhir_document(substr(good, 1, i));
      RAISE 'a part was taken for the whole: % bytes', i;
    EXCEPTION WHEN data_corrupted THEN NULL;
    END;
  END LOOP;
  RAISE NOTICE 'some changed bytes refused: %', refused > 20;
END $$;
-- a dictionary is used by those who may rely on it: not by the transaction that may yet take it back
SELECT fhir_store_create('taken_back');
SET fhir.store = taken_back;
SELECT count(fhir_update(person(i))) FROM generate_series(1, 400) i;
BEGIN;
SAVEPOINT s;
SELECT stored FROM fhir_dictionary_train();
SELECT fhir_update(person(401)) ->> 'id' AS id;
ROLLBACK TO s;
SELECT fhir_update(person(402)) ->> 'id' AS id;
COMMIT;
SELECT (SELECT count(*) FROM taken_back.dictionary) AS dictionaries, get_byte(doc, 0) AS format, count(fhir_document(doc)) FROM taken_back.version GROUP BY 2;
BEGIN;
SELECT stored FROM fhir_dictionary_train();
SELECT fhir_update(person(403)) ->> 'id' AS id;
COMMIT;
SELECT fhir_update(person(404)) ->> 'id' AS id;
SELECT r.id, get_byte(doc, 0) AS format, fhir_document(doc) ->> 'id' = r.id AS read FROM taken_back.resource r JOIN taken_back.version v USING (rid, version) WHERE r.id ~ '40[34]$' ORDER BY 1;
-- damage is noticed
SELECT octet_length(fhir_document_pack(person(1))) < 300 AS packed_well;
UPDATE taken_back.dictionary SET data = set_byte(data, 20000, get_byte(data, 20000) # 1);
\c
\set VERBOSITY terse
SET fhir.dictionary = manual;
SET fhir.store = taken_back;
\set VERBOSITY sqlstate
SELECT fhir_read('Patient', id) ->> 'id' FROM taken_back.resource WHERE id LIKE '%-404';
SELECT fhir_update('{"resourceType": "Patient", "id": "after"}') ->> 'id' AS id;
\set VERBOSITY terse
-- a store that was made without the table
SELECT fhir_store_create('earlier');
DROP TABLE earlier.dictionary;
SET fhir.store = earlier;
SELECT count(fhir_update(person(i))) FROM generate_series(1, 400) i;
SELECT fhir_document(doc) FROM moved;
SELECT stored FROM fhir_dictionary_train();
SELECT fhir_update(person(401)) ->> 'id' AS id;
SELECT get_byte(doc, 0) AS format, count(*) FROM earlier.version GROUP BY 1 ORDER BY 1;
-- whoever may read documents may use the dictionary; SELECT on it suffices where documents come through a view of another's
CREATE ROLE fhir_dict_reader;
GRANT USAGE ON SCHEMA packed TO fhir_dict_reader;
GRANT SELECT ON moved TO fhir_dict_reader;
SET fhir.store = packed;
SET ROLE fhir_dict_reader;
SELECT fhir_document(doc) FROM moved;
RESET ROLE;
GRANT SELECT ON packed.version TO fhir_dict_reader;
SET ROLE fhir_dict_reader;
SELECT fhir_document(doc) ->> 'resourceType' AS type FROM moved;
RESET ROLE;
REVOKE SELECT ON packed.version FROM fhir_dict_reader;
SET ROLE fhir_dict_reader;
SELECT fhir_document(doc) FROM moved;
RESET ROLE;
GRANT SELECT ON packed.dictionary TO fhir_dict_reader;
SET ROLE fhir_dict_reader;
SELECT fhir_document(doc) ->> 'resourceType' AS type FROM moved;
SELECT fhir_dictionary_train();
RESET ROLE;
SET fhir.store = fhir;
DROP OWNED BY fhir_dict_reader;
DROP ROLE fhir_dict_reader;
SET client_min_messages = warning;
SELECT fhir_store_drop(name, true) FROM unnest('{packed,taken_back,earlier}'::text[]) name;
DROP TABLE moved;
DROP FUNCTION person(int);
