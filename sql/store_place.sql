-- resource.place, the hint where the current version's row is: every write sets it, and no read believes it.
\set VERBOSITY terse
\pset format unaligned
\pset tuples_only on
SELECT fhir_store_create('place');
SET fhir.store = place;
SET search_path = place, public;
-- all rows; those whose hint is right
CREATE VIEW hints AS SELECT count(*) AS rows, count(*) FILTER (WHERE r.place = v.ctid) AS right FROM resource r JOIN version v USING (rid, version);
-- what readers answer, and whether that is what the rows say
CREATE FUNCTION same(OUT read bigint, OUT wrong bigint, OUT matches bigint, OUT differ bigint) LANGUAGE plpgsql AS $$ BEGIN
	SELECT count(*), count(*) FILTER (WHERE fhir_read(r.type, r.id) IS DISTINCT FROM fhir_document(v.doc)) INTO read, wrong FROM resource r JOIN version v USING (rid, version) WHERE NOT deleted;
	SELECT count(*), count(*) FILTER (WHERE s.resource IS DISTINCT FROM fhir_read(s.type, s.id)) INTO matches, differ FROM fhir_search_rows(NULL, '_count=1000') s;
END $$;

SELECT count(fhir_update(jsonb_build_object('resourceType', 'Patient', 'id', 'p' || i, 'active', i % 2 = 0))) FROM generate_series(1, 300) i;
SELECT count(fhir_create('{"resourceType":"Patient","gender":"male"}')) FROM generate_series(1, 5);
SELECT count(fhir_update('{"resourceType":"Patient","id":"p7","gender":"male"}')) FROM generate_series(1, 3);
SELECT count(fhir_delete('Patient', 'p' || i)) FROM generate_series(8, 10) i;
SELECT count(fhir_update('{"resourceType":"Patient","id":"p8","gender":"other"}'));
SELECT count(fhir_patch('Patient', 'p9', '[{"op":"add","path":"/gender","value":"male"}]')) FROM (SELECT fhir_update('{"resourceType":"Patient","id":"p9"}') OFFSET 0) x;
SELECT count(fhir_create('{"resourceType":"Patient","gender":"male"}', 'gender=other'));
TABLE hints;
-- a Bundle of more rows than a batch: creates, updates, new ids
SELECT jsonb_array_length(fhir_transaction(jsonb_build_object('resourceType', 'Bundle', 'type', 'transaction', 'entry', jsonb_agg(
	CASE WHEN i % 3 = 0 THEN jsonb_build_object('request', jsonb_build_object('method', 'POST', 'url', 'Patient'), 'resource', jsonb_build_object('resourceType', 'Patient', 'birthDate', '2000'))
	ELSE jsonb_build_object('request', jsonb_build_object('method', 'PUT', 'url', 'Patient/p' || i), 'resource', jsonb_build_object('resourceType', 'Patient', 'id', 'p' || i, 'birthDate', '2001')) END))) -> 'entry')
FROM generate_series(1, 1200) i;
TABLE hints;
-- documents of several pages, out of line
SELECT fhir_update(jsonb_build_object('resourceType', 'Basic', 'id', 'b1', 'code', jsonb_build_object('text', string_agg(md5(i::text), ' ')))) ->> 'id' FROM generate_series(1, 2000) i;
SELECT count(fhir_update(jsonb_set(fhir_read('Basic', 'b1'), '{language}', '"de"')));
TABLE hints;
SELECT * FROM same();
-- an error in the middle leaves nothing behind
DO $$ BEGIN PERFORM fhir_update('{"resourceType":"Patient","id":"p1","gender":"male"}'); PERFORM 1/0; EXCEPTION WHEN division_by_zero THEN NULL; END $$;
TABLE hints;
-- SERIALIZABLE: what a read rests on is locked, the version's row by its place too, and no page of version_pkey
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT count(fhir_read('Patient', 'p1'));
SELECT relation::regclass, locktype FROM pg_locks WHERE mode = 'SIReadLock' AND pid = pg_backend_pid() AND relation::regclass::text ~ '^(resource|version)' ORDER BY relation::regclass::text COLLATE "C", 2;
COMMIT;

-- hints that are wrong: another row, a place without a row, one behind the end of the page and of the table, none
UPDATE resource SET place = (SELECT ctid FROM version LIMIT 1);
SELECT * FROM same();
UPDATE resource SET place = (ARRAY['(0,0)', '(0,2000)', '(4294967295,0)', '(4294967294,1)', '(100000,1)', '(1,65535)']::tid[])[1 + rid % 6];
SELECT * FROM same();
SELECT fhir_vread('Patient', 'p7', '2') #>> '{meta,versionId}', fhir_vread('Patient', 'p7', '5') #>> '{meta,versionId}';
SELECT count(fhir_delete('Patient', 'p11'));
SELECT fhir_read('Patient', 'p11');
-- a write, and a re-index, put them right
SELECT count(fhir_update('{"resourceType":"Patient","id":"p7","gender":"female"}'));
SELECT count(fhir_patch('Patient', 'p7', '[{"op":"remove","path":"/gender"}]'));
TABLE hints;
CALL fhir_reindex(everything => true);
TABLE hints;

-- rows that move
DELETE FROM version WHERE (rid, version) = (SELECT min(rid), 1 FROM resource WHERE id = 'p7');
VACUUM (FULL) version;
SELECT "right" < rows FROM hints;
SELECT * FROM same();
SELECT count(fhir_update('{"resourceType":"Patient","id":"p7","gender":"male"}'));
CLUSTER version USING version_changed;
SELECT "right" < rows FROM hints;
SELECT * FROM same();
-- a place that was vacuumed and filled by another version
DELETE FROM version WHERE rid IN (SELECT rid FROM resource WHERE id > 'p5') AND version = 1;
DELETE FROM resource r WHERE NOT EXISTS (SELECT FROM version v WHERE v.rid = r.rid AND v.version = r.version);
VACUUM version;
SELECT count(fhir_update(jsonb_build_object('resourceType', 'Patient', 'id', 'q' || i))) FROM generate_series(1, 300) i;
SELECT * FROM same();
SELECT count(*) FROM version v WHERE NOT EXISTS (SELECT FROM resource r WHERE r.rid = v.rid);

-- the number of a store's layout
UPDATE store_info SET value = '1' WHERE name = 'format';
\c -
\set VERBOSITY terse
SET fhir.store = place;
SELECT fhir_read('Patient', 'q1');
SET client_min_messages = warning;
DROP SCHEMA place CASCADE;
