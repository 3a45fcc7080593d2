-- Who may do what: anyone may call the functions; what they reach is decided by the rights on the store's schema and tables.
BEGIN;
SELECT no_plan();
SELECT fhir_update('{"resourceType": "Patient", "id": "p", "name": [{"family": "A"}]}') IS NOT NULL AS stored \gset
CREATE ROLE fhir_tap_nobody;
CREATE ROLE fhir_tap_reader;
CREATE ROLE fhir_tap_writer;
GRANT USAGE ON SCHEMA fhir TO fhir_tap_reader, fhir_tap_writer;
GRANT SELECT ON ALL TABLES IN SCHEMA fhir TO fhir_tap_reader;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA fhir TO fhir_tap_writer;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA fhir TO fhir_tap_writer;

SELECT schema_owner_is('fhir', current_user);
SELECT ok(NOT has_schema_privilege('fhir_tap_nobody', 'fhir', 'USAGE'), 'schema fhir: nothing for PUBLIC');
SELECT ok(NOT has_table_privilege('fhir_tap_nobody', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER'), c.relname || ': nothing for PUBLIC')
  FROM pg_class c WHERE c.relnamespace = 'fhir'::regnamespace AND c.relkind = 'r' ORDER BY c.relname;
SELECT ok(NOT has_sequence_privilege('fhir_tap_nobody', c.oid, 'USAGE, SELECT, UPDATE'), c.relname || ': nothing for PUBLIC')
  FROM pg_class c WHERE c.relnamespace = 'fhir'::regnamespace AND c.relkind = 'S' ORDER BY c.relname;
SELECT ok(has_function_privilege('fhir_tap_nobody', p.oid, 'EXECUTE'), p.oid::regprocedure || ': PUBLIC may call it')
  FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
  JOIN pg_extension e ON d.refobjid = e.oid AND e.extname = 'fhir' ORDER BY p.oid::regprocedure::text;

-- what is asked of a store, by three roles
CREATE TEMP TABLE calls (writes boolean, statement text);
INSERT INTO calls VALUES
	(false, $$SELECT fhir_read('Patient', 'p')$$), (false, $$SELECT fhir_vread('Patient', 'p', '1')$$), (false, $$SELECT fhir_history('Patient', 'p')$$),
	(false, $$SELECT fhir_search('Patient', 'family=a')$$), (false, $$SELECT * FROM fhir_search_rows('Patient', 'family=a')$$), (false, $$SELECT fhir_count('Patient')$$),
	(true, $$SELECT fhir_create('{"resourceType": "Patient"}')$$), (true, $$SELECT fhir_update('{"resourceType": "Patient", "id": "p"}')$$),
	(true, $$SELECT fhir_dictionary_train()$$), (true, $$SELECT fhir_patch('Patient', 'p', '[{"op": "add", "path": "/active", "value": true}]')$$), (true, $$SELECT fhir_delete('Patient', 'p')$$),
	(true, $$SELECT fhir_transaction('{"resourceType": "Bundle", "type": "transaction", "entry": [{"resource": {"resourceType": "Patient"}, "request": {"method": "POST", "url": "Patient"}}]}')$$);
GRANT SELECT ON calls TO PUBLIC;
DO $$ BEGIN EXECUTE format('GRANT USAGE, CREATE ON SCHEMA %I TO PUBLIC', (SELECT nspname FROM pg_namespace WHERE oid = pg_my_temp_schema())); END $$;
GRANT ALL ON ALL TABLES IN SCHEMA pg_temp TO PUBLIC;
GRANT ALL ON ALL SEQUENCES IN SCHEMA pg_temp TO PUBLIC;

SET LOCAL ROLE fhir_tap_nobody;
SELECT throws_ok(statement, '42501', NULL, 'nobody: ' || statement) FROM calls;
SELECT lives_ok($$SELECT fhirpath('{"resourceType": "Patient"}', 'active'), fhir_matches('{"resourceType": "Patient"}', 'active=true')$$, 'nobody: what touches no store');
RESET ROLE;
SET LOCAL ROLE fhir_tap_reader;
SELECT lives_ok(statement, 'reader: ' || statement) FROM calls WHERE NOT writes;
SELECT throws_ok(statement, '42501', NULL, 'reader: ' || statement) FROM calls WHERE writes;
RESET ROLE;
SET LOCAL ROLE fhir_tap_writer;
SELECT lives_ok(statement, 'writer: ' || statement) FROM calls;
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
