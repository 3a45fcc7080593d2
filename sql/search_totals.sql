-- Totals of whole types, and of all but what hashes find: rows of the type, less those that are deleted or excluded.
\set VERBOSITY terse
\pset format unaligned
\pset tuples_only on
\o /dev/null
SELECT fhir_store_create('totals');
\o
SET fhir.store = 'totals';
-- a total, and the same by its matches
CREATE FUNCTION tally(t text, q text, OUT total bigint, OUT rows bigint) LANGUAGE sql AS
	$$SELECT fhir_count(t, q), (SELECT count(*) FROM fhir_search_rows(t, coalesce(q || '&', '') || '_count=1000'))$$;
CREATE FUNCTION totals() RETURNS SETOF text LANGUAGE sql AS $$
	SELECT coalesce(t, '*') || '?' || coalesce(q, '') || ' ' || (tally(t, q)).total || ' ' || (tally(t, q)).rows
	FROM (VALUES ('Patient', NULL), ('Basic', NULL), ('Patient', 'gender:missing=true'), ('Patient', 'gender:missing=false'), ('Patient', 'gender:not=male'), ('Patient', 'gender:not=male,female'),
		('Patient', 'gender:not=male&birthdate:missing=false'), ('Patient', 'deceased:missing=true'), ('Patient', 'language:not=de'), ('Patient', 'language:not=de&gender:not=male'),
		(NULL, '_type=Patient,Basic'), (NULL, '_type=Patient,Basic&_tag:not=x'), ('Patient', '_id:not=p1')) v (t, q) $$;
SELECT count(fhir_update(jsonb_strip_nulls(jsonb_build_object('resourceType', 'Patient', 'id', 'p' || i, 'gender', (ARRAY['male', 'female', 'other', NULL])[i % 4 + 1],
	'birthDate', CASE WHEN i % 5 > 0 THEN '1980-01-01' END, 'deceasedBoolean', CASE WHEN i % 10 = 0 THEN true END,
	'communication', CASE WHEN i % 3 = 0 THEN jsonb_build_array(jsonb_build_object('language', jsonb_build_object('coding', jsonb_build_array(jsonb_build_object('code', 'de'))))) END,
	'meta', CASE WHEN i % 7 = 0 THEN '{"tag": [{"code": "x"}]}'::jsonb END)))) FROM generate_series(1, 200) i;
SELECT count(fhir_create('{"resourceType": "Basic", "code": {"text": "x"}}')) FROM generate_series(1, 20);
SELECT totals();
-- what is deleted is not counted, what is brought back is
SELECT count(fhir_delete('Patient', 'p' || i)) FROM generate_series(1, 50) i;
SELECT count(fhir_delete('Patient', 'p' || i)) FROM generate_series(1, 5) i;
SELECT count(fhir_update(jsonb_build_object('resourceType', 'Patient', 'id', 'p' || i, 'gender', 'male'))) FROM generate_series(41, 50) i;
SELECT totals();
-- pages visible to all
VACUUM totals.resource;
SELECT totals();
-- within a transaction: what it has done counts, what it has taken back does not
BEGIN;
SELECT count(fhir_delete('Patient', 'p' || i)) FROM generate_series(101, 110) i;
SAVEPOINT s;
SELECT count(fhir_delete('Patient', 'p' || i)) FROM generate_series(111, 200) i;
SELECT count(fhir_create('{"resourceType": "Patient"}')) FROM generate_series(1, 7);
SELECT tally('Patient', NULL), tally('Patient', 'gender:not=male');
ROLLBACK TO s;
SELECT tally('Patient', NULL), tally('Patient', 'gender:not=male');
ROLLBACK;
SELECT tally('Patient', NULL);
-- a row whose hashes are stored out of line
SELECT fhir_update(jsonb_build_object('resourceType', 'List', 'id', 'long', 'status', 'current', 'mode', 'working', 'date', '2020-01-01', 'entry',
	(SELECT jsonb_agg(jsonb_build_object('item', jsonb_build_object('reference', 'Patient/p' || i))) FROM generate_series(1, 1500) i))) IS NOT NULL;
SELECT pg_column_size(keys) > 8000 FROM totals.resource WHERE id = 'long';
SELECT q, (tally('List', q)).* FROM unnest('{item=Patient/p7&code:not=x,item=Patient/p7&date=ge2019,item=Patient/p7&code:not=x&date=lt2019,item=Patient/none&code:not=x,code:not=x}'::text[]) q;
-- how
SELECT l FROM fhir_explain('Patient', 'language:not=de&_summary=count', true) e, unnest(string_to_array(e::text, E'\n')) l WHERE l ~ 'total';
-- the key of deleted resources is made anew with all others
SELECT count(DISTINCT keys), min(cardinality(keys)), max(cardinality(keys)) FROM totals.resource WHERE deleted;
UPDATE totals.resource SET keys = '{}', key_version = 0 WHERE deleted AND id < 'p3';
SELECT t.total > t.rows FROM tally('Patient', NULL) t;
CALL fhir_reindex(everything => true);
SELECT tally('Patient', NULL);
SELECT fhir_store_drop('totals', force => true);
DROP FUNCTION tally, totals;
