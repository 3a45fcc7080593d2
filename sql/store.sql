-- The store: create, read, update, delete, versions, preconditions, stores.
\set VERBOSITY terse
\pset format unaligned
\pset tuples_only on
-- ids, times and versions vary: shown without
CREATE FUNCTION plain(r jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT r #- '{meta,lastUpdated}' $$;
CREATE FUNCTION try(sql text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE r text; d text; h text;
BEGIN EXECUTE sql INTO r; RETURN r;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS d = PG_EXCEPTION_DETAIL;
	RETURN SQLSTATE || ' ' || SQLERRM || CASE WHEN d <> '' THEN ' | ' || d ELSE '' END;
END $$;

-- create: our id, version 1, the rest as it came; decimals keep their digits
SELECT plain(r) - 'id', r ->> 'id' ~ '^[0-9a-f-]{36}$', (r #>> '{meta,lastUpdated}')::timestamptz BETWEEN now() AND clock_timestamp()
FROM fhir_create('{"resourceType":"Observation","id":"ignored","meta":{"versionId":"77","profile":["http://x"],"tag":[{"code":"t"}]},
	"status":"final","code":{"text":"weight \u00e9\ud83d\ude00"},"valueQuantity":{"value":72.500,"_value":{"id":"v"}},"_status":{"id":"s"}}') r;
-- update as create, then versions
SELECT plain(fhir_update('{"resourceType":"Patient","id":"p-1","active":true}'));
SELECT plain(fhir_update('{"resourceType":"Patient","id":"p-1","active":false,"meta":{"source":"#1"}}'));
SELECT plain(fhir_read('Patient', 'p-1')), plain(fhir_vread('Patient', 'p-1', '1'));
SELECT version, deleted, v.last_updated = r.last_updated AS same_time, (fhir_document(v.doc) #>> '{meta,lastUpdated}')::timestamptz = v.last_updated AS shown
FROM fhir.resource r JOIN fhir.version v USING (rid, version) WHERE id = 'p-1';
-- If-Match
SELECT plain(fhir_update('{"resourceType":"Patient","id":"p-1"}', 'W/"2"')), plain(fhir_update('{"resourceType":"Patient","id":"p-1"}', '"3"')),
	plain(fhir_update('{"resourceType":"Patient","id":"p-1"}', '4'));
SELECT try($$SELECT fhir_update('{"resourceType":"Patient","id":"p-1"}', 'W/"2"')$$);
SELECT try($$SELECT fhir_update('{"resourceType":"Patient","id":"none"}', 'W/"2"')$$);
SELECT try($$SELECT fhir_update('{"resourceType":"Patient","id":"p-1"}', 'W/"x"')$$);
SELECT try($$SELECT fhir_delete('Patient', 'p-1', 'W/"2"')$$);
-- delete, gone, again, back
SELECT fhir_delete('Patient', 'p-1', 'W/"5"') #>> '{issue,0,diagnostics}';
SELECT regexp_replace(try($$SELECT fhir_read('Patient', 'p-1')$$), 'at [^ ]+', 'at …');
SELECT regexp_replace(try($$SELECT fhir_vread('Patient', 'p-1', '6')$$), 'at [^ ]+', 'at …');
SELECT cardinality(keys), cardinality(refs), cardinality(ord), deleted FROM fhir.resource WHERE id = 'p-1';
SELECT fhir_delete('Patient', 'p-1') #>> '{issue,0,diagnostics}', fhir_delete('Patient', 'never') #>> '{issue,0,diagnostics}';
SELECT plain(fhir_update('{"resourceType":"Patient","id":"p-1","gender":"other"}'));
SELECT string_agg(v.version || v.method::text, ' ' ORDER BY v.version) FROM fhir.version v JOIN fhir.resource r USING (rid) WHERE id = 'p-1';
-- what can't be
SELECT try($$SELECT fhir_read('Patient', 'nobody')$$);
SELECT try($$SELECT fhir_read('Patient', 'a/b')$$);
SELECT try($$SELECT fhir_read('Patent', '1')$$);
SELECT try($$SELECT fhir_vread('Patient', 'p-1', '99')$$);
SELECT try($$SELECT fhir_vread('Patient', 'p-1', 'x')$$);
SELECT try($$SELECT fhir_vread('Patient', 'p-1', '1;2')$$);
SELECT try($$SELECT fhir_update('{"resourceType":"Patient"}')$$);
SELECT try($$SELECT fhir_update('{"resourceType":"Patient","id":"bad id"}')$$);
SELECT try($$SELECT fhir_create('{"resourceType":"Patent"}')$$);
SELECT try($$SELECT fhir_create('[]')$$);
SELECT try($$SELECT fhir_create(NULL)$$);
SELECT fhir_read(NULL, '1') IS NULL;
BEGIN READ ONLY;
SELECT try($$SELECT fhir_create('{"resourceType":"Patient"}')$$);
SELECT fhir_read('Patient', 'p-1') ->> 'gender';
COMMIT;
-- a failed statement and a rolled back savepoint leave nothing
BEGIN;
SAVEPOINT s;
SELECT fhir_update('{"resourceType":"Patient","id":"p-2"}') ->> 'id';
ROLLBACK TO s;
SELECT try($$SELECT fhir_read('Patient', 'p-2')$$);
COMMIT;
-- several calls in one statement see each other
SELECT fhir_update('{"resourceType":"Patient","id":"p-3"}') #>> '{meta,versionId}', fhir_update('{"resourceType":"Patient","id":"p-3"}') #>> '{meta,versionId}';
-- an update that changes nothing makes no version, if so set
SET fhir.update_noop = on;
SELECT fhir_update('{"resourceType":"Patient","id":"p-3"}') #>> '{meta,versionId}', fhir_update('{"resourceType":"Patient","id":"p-3","active":true}') #>> '{meta,versionId}';
RESET fhir.update_noop;
-- side rows follow the document exactly, and an update of nothing that is indexed is HOT
SELECT count(fhir_update('{"resourceType":"Patient","id":"p-4","birthDate":"1970-01-01","name":[{"family":"Ånström","given":["Eva","Maja"]}]}'));
CREATE VIEW side AS SELECT (SELECT count(*) FROM fhir.ordered WHERE rid = r.rid) AS ordered, (SELECT count(*) FROM fhir.string WHERE rid = r.rid) AS string,
	(SELECT count(*) FROM fhir.ordered WHERE rid = r.rid) = cardinality(ord) / 3 AS agrees FROM fhir.resource r WHERE id = 'p-4';
TABLE side;
SELECT count(fhir_update('{"resourceType":"Patient","id":"p-4","birthDate":"1970-01-01","name":[{"family":"Ånström","given":["Eva"]}]}'));
TABLE side;
SELECT count(fhir_update('{"resourceType":"Patient","id":"p-4"}')); TABLE side;
SELECT count(fhir_update('{"resourceType":"Patient","id":"p-4","birthDate":"1971","name":[{"family":"Li"}]}')); TABLE side;
SELECT count(fhir_delete('Patient', 'p-4')); TABLE side;
-- stores
SELECT fhir_store_create('clinic_b');
SELECT try($$SELECT fhir_store_create('clinic_b')$$);
SELECT try($$SELECT fhir_store_create('public')$$);
-- also one that holds no relations; default privileges may be there before the tables
CREATE SCHEMA clinic_c;
CREATE FUNCTION clinic_c.f() RETURNS int LANGUAGE sql AS 'SELECT 1';
ALTER DEFAULT PRIVILEGES IN SCHEMA clinic_c GRANT SELECT ON TABLES TO pg_monitor;
SELECT try($$SELECT fhir_store_create('clinic_c')$$);
DROP FUNCTION clinic_c.f;
SELECT fhir_store_create('clinic_c');
SELECT fhir_store_drop('clinic_c');
-- a store that is not there
SET fhir.store = 'clinic_d';
SELECT try($$SELECT fhir_search('Patient')$$), try($$SELECT fhir_read('Patient', 'x')$$);
RESET fhir.store;
SELECT try($$SELECT fhir_store_create('Bad; name')$$);
SET fhir.store = clinic_b;
SELECT fhir_update('{"resourceType":"Patient","id":"only-b"}') ->> 'id';
SELECT try($$SELECT fhir_store_drop('clinic_b')$$);
RESET fhir.store;
SELECT try($$SELECT fhir_read('Patient', 'only-b')$$);
SELECT try($$SELECT fhir_store_drop('public')$$);
SELECT fhir_store_drop('clinic_b', force => true);
SET fhir.store = clinic_b;
SELECT try($$SELECT fhir_read('Patient', 'only-b')$$);
RESET fhir.store;
-- a store belongs to nobody but its owner: no member of the extension, and nothing for others
SELECT count(*) FROM pg_depend d JOIN pg_class c ON c.oid = d.objid WHERE d.classid = 'pg_class'::regclass AND d.deptype = 'e' AND c.relnamespace = 'fhir'::regnamespace;
CREATE ROLE store_stranger;
SET ROLE store_stranger;
SELECT try($$SELECT fhir_read('Patient', 'p-1')$$);
RESET ROLE;
GRANT USAGE ON SCHEMA fhir TO store_stranger;
GRANT SELECT ON ALL TABLES IN SCHEMA fhir TO store_stranger;
SET ROLE store_stranger;
SELECT fhir_read('Patient', 'p-1') ->> 'gender';
SELECT try($$SELECT fhir_create('{"resourceType":"Patient"}')$$);
RESET ROLE;
REVOKE SELECT ON ALL TABLES IN SCHEMA fhir FROM store_stranger;
SET ROLE store_stranger;
SELECT try($$SELECT fhir_read('Patient', 'p-1')$$);
RESET ROLE;
DROP OWNED BY store_stranger;
DROP ROLE store_stranger;
-- row-level security is not passed by
CREATE ROLE store_limited;
GRANT USAGE ON SCHEMA fhir TO store_limited;
GRANT SELECT ON ALL TABLES IN SCHEMA fhir TO store_limited;
ALTER TABLE fhir.resource ENABLE ROW LEVEL SECURITY;
SET ROLE store_limited;
SELECT try($$SELECT fhir_read('Patient', 'p-1')$$);
RESET ROLE;
ALTER TABLE fhir.resource DISABLE ROW LEVEL SECURITY;
DROP OWNED BY store_limited;
DROP ROLE store_limited;
DROP VIEW side;
DROP FUNCTION plain, try;
TRUNCATE fhir.resource, fhir.version, fhir.ordered, fhir.string, fhir.term;
