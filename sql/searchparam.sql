-- Search parameters of users: checks, re-indexing, change and end. Without the worker, so that each step is seen.
\set VERBOSITY terse
\pset format unaligned
\pset tuples_only on
SET fhir.reindex_worker = off;
SELECT fhir_store_create('sp');
SET fhir.store = 'sp';
CREATE FUNCTION try(sql text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE r text; d text; h text;
BEGIN EXECUTE sql INTO r; RETURN r;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS d = PG_EXCEPTION_DETAIL, h = PG_EXCEPTION_HINT;
	RETURN SQLSTATE || ' ' || SQLERRM || CASE WHEN d <> '' THEN ' | ' || d ELSE '' END || CASE WHEN h <> '' THEN ' | ' || h ELSE '' END;
END $$;
CREATE FUNCTION sp(id text, code text, base text, type text, expression text, more jsonb DEFAULT '{}') RETURNS text LANGUAGE sql AS $$
	SELECT try(format('SELECT fhir_update(%L)->%L->>%L', jsonb_build_object('resourceType', 'SearchParameter', 'id', id, 'url', 'http://example.org/sp/' || id,
		'name', id, 'status', 'active', 'description', 'd', 'code', code, 'base', to_jsonb(string_to_array(base, ' ')), 'type', type) ||
		CASE WHEN expression <> '' THEN jsonb_build_object('expression', expression) ELSE '{}' END || more, 'meta', 'versionId'))
$$;
CREATE FUNCTION status() RETURNS SETOF text LANGUAGE sql AS $$
	SELECT concat_ws(' ', coalesce(code, 'all'), bases, state, done || '/' || total, error) FROM fhir_reindex_status() ORDER BY 1
$$;
CREATE FUNCTION differ(type text, query text) RETURNS bigint LANGUAGE sql AS $$
	SELECT count(*) FROM (SELECT id FROM fhir_search_rows(type, query)
		EXCEPT SELECT id FROM fhir_search_rows(type) r WHERE fhir_matches(r.resource, query)
		UNION ALL (SELECT id FROM fhir_search_rows(type) r WHERE fhir_matches(r.resource, query) EXCEPT SELECT id FROM fhir_search_rows(type, query))) x
$$;
SELECT count(*) FROM generate_series(1, 40) i, fhir_update(jsonb_build_object('resourceType', 'Patient', 'id', 'p' || i, 'birthDate', '1950-01-01', 'multipleBirthInteger', i % 4,
	'maritalStatus', jsonb_build_object('coding', jsonb_build_array(jsonb_build_object('system', 'urn:m', 'code', chr(64 + i % 3)))),
	'contact', jsonb_build_array(jsonb_build_object('name', jsonb_build_object('family', 'Contact' || i), 'period', jsonb_build_object('start', '20' || lpad((i % 20)::text, 2, '0'))))) ||
	CASE WHEN i % 5 = 0 THEN '{"extension":[{"url":"http://example.org/race","valueCode":"r1"}]}'::jsonb ELSE '{}' END);
SELECT count(*) FROM generate_series(1, 6) i, fhir_update(jsonb_build_object('resourceType', 'Observation', 'id', 'o' || i, 'status', 'final', 'code', '{"coding":[{"code":"c"}]}'::jsonb,
	'subject', jsonb_build_object('reference', 'Patient/p' || i), 'valueQuantity', jsonb_build_object('value', i * 10, 'unit', 'kg', 'system', 'http://unitsofmeasure.org', 'code', 'kg')));

-- what can't be served
SELECT sp('bad', 'gender', 'Patient', 'token', 'Patient.gender');
SELECT sp('bad', 'x:y', 'Patient', 'token', 'Patient.gender');
SELECT sp('bad', '_x', 'Patient', 'token', 'Patient.gender');
SELECT sp('bad', 'x', 'Patent', 'token', 'Patient.gender');
SELECT sp('bad', 'x', 'HumanName', 'token', 'HumanName.family');
SELECT sp('bad', 'x', 'Patient', 'token', '');
SELECT sp('bad', 'x', 'Patient', 'token', 'Patient.gender.');
SELECT sp('bad', 'x', 'Patient', 'token', 'Patient.gendre');
SELECT sp('bad', 'x', 'Patient Person', 'token', 'Patient.gender');
SELECT sp('bad', 'x', 'Patient', 'date', 'Patient.name');
SELECT sp('bad', 'x', 'Patient', 'token', 'Patient.birthDate < today()');
SELECT sp('bad', 'x', base, type, expression) FROM (VALUES ('Resource', 'token', 'Resource.id'), ('Patient', 'token', 'Patient.meta.versionId'), ('Patient', 'date', 'Patient.meta.lastUpdated | Patient.birthDate'),
 ('Patient', 'token', 'Patient.meta.exists()'), ('Patient', 'string', 'Patient.descendants().ofType(id)')) x(base, type, expression);
SELECT sp('bad', 'x', 'Patient', 'token', 'Patient.gender // sex');
SELECT sp('bad', 'x', 'Patient', 'special', 'Patient.gender');
SELECT sp('bad', 'x', 'Patient', 'reference', 'Patient.link.other', '{"target":["Nobody"]}');
SELECT sp('bad', 'x', 'Patient', 'composite', 'Patient', '{"component":[{"definition":"http://example.org/none","expression":"gender"},{"definition":"http://example.org/none","expression":"gender"}]}');
SELECT sp('bad', 'x', 'Patient', 'composite', 'Patient');
SELECT sp('bad', 'gender', 'Patient', 'token', 'Patient.gender', '{"url":"http://hl7.org/fhir/SearchParameter/individual-gender"}');
SELECT * FROM status();

-- a draft is a document like others
SELECT sp('draft', 'gender', 'Patient', 'token', 'Patient.gendre', '{"status":"draft"}');
SELECT * FROM status();

-- live, but not before its keys are complete; new writes have them at once
SELECT sp('marital', 'marital', 'Patient', 'token', 'Patient.maritalStatus');
SELECT sp('twin', 'marital', 'Patient Person', 'token', 'Patient.maritalStatus | Person.gender');
SELECT sp('contact', 'contact-name', 'Patient', 'string', 'Patient.contact.name');
SELECT sp('contact-since', 'contact-since', 'Patient', 'date', 'Patient.contact.period');
SELECT sp('births', 'births', 'Patient', 'number', 'Patient.multipleBirth as integer');
SELECT sp('race', 'race', 'Patient', 'token', $$Patient.extension('http://example.org/race').value$$);
SELECT sp('kilos', 'kilos', 'Observation', 'quantity', 'Observation.value as Quantity');
SELECT sp('who', 'who', 'Observation', 'reference', 'Observation.subject.where(resolve() is Patient)', '{"target":["Patient"]}');
SELECT sp('who-kilos', 'who-kilos', 'Observation', 'composite', 'Observation', '{"component":[{"definition":"http://hl7.org/fhir/SearchParameter/clinical-code","expression":"code"},
	{"definition":"http://hl7.org/fhir/SearchParameter/Observation-value-quantity","expression":"value.as(Quantity)"}]}');
SELECT sp('lang', 'lang', 'Resource', 'token', 'Resource.language');
SELECT concat_ws(' ', code, cardinality(bases), state) FROM fhir_reindex_status() ORDER BY 1;
SELECT try($$SELECT fhir_count('Patient', 'marital=A')$$);
SELECT try($$SELECT fhir_count('Observation', 'who.marital=A')$$);
SELECT try($$SELECT fhir_search('Patient', '_sort=births')$$);
SELECT fhir_capabilities() @? '$.rest.resource.searchParam[*] ? (@.name == "marital")';
SELECT fhir_matches(fhir_read('Patient', 'p1'), 'marital=urn:m|A');
CREATE TEMP TABLE before AS SELECT rid, version, last_updated FROM sp.resource WHERE type <> 'SearchParameter';
CREATE TEMP TABLE documents AS SELECT count(*) FROM sp.version;
SELECT try($$CALL fhir_reindex()$$);
CALL fhir_reindex(7);
SELECT concat_ws(' ', code, cardinality(bases), state, done || '/' || total, error) FROM fhir_reindex_status() ORDER BY 1;
-- neither versions nor times have changed
SELECT count(*) FROM (SELECT rid, version, last_updated FROM sp.resource WHERE type <> 'SearchParameter' EXCEPT TABLE before) x;
SELECT count(*) - (TABLE documents) FROM sp.version;

SELECT fhir_count('Patient', 'marital=A'), fhir_count('Patient', 'marital:not=A'), fhir_count('Patient', 'marital=urn:m|A,urn:m|@');
SELECT fhir_count('Patient', 'contact-name=contact1'), fhir_count('Patient', 'contact-name:contains=ntact2'), fhir_count('Patient', 'contact-name:exact=Contact7');
SELECT fhir_count('Patient', 'contact-since=ge2010'), fhir_count('Patient', 'births=2'), fhir_count('Patient', 'births=gt2'), fhir_count('Patient', 'race=r1');
SELECT fhir_count('Patient', 'race:missing=true'), fhir_count('Observation', 'kilos=gt30000||g'), fhir_count('Observation', 'kilos=gt30000|http://unitsofmeasure.org|g');
SELECT fhir_count('Observation', 'who=Patient/p3'), fhir_count('Observation', 'who.marital=A'), fhir_count('Patient', '_has:Observation:who:kilos=ge50');
SELECT fhir_count('Observation', 'who-kilos=c$gt30'), fhir_count(NULL, '_type=Patient,Observation&lang:missing=true');
SELECT string_agg(id, ' ' ORDER BY n) FROM (SELECT id, row_number() OVER () n FROM fhir_search_rows('Patient', '_sort=-births,-contact-since,_id&_count=4')) x;
SELECT count(*) FILTER (WHERE mode = 'include') FROM fhir_search_rows('Observation', '_include=Observation:who');
-- among all includes, and told as such: of a place that no parameter of R4 looks at
SELECT sp('reviewer', 'reviewer', 'Observation', 'reference', $$Observation.extension('http://example.org/reviewer').value.ofType(Reference)$$, '{"target":["Practitioner"]}');
SELECT fhir_update('{"resourceType":"Practitioner","id":"rev"}') IS NOT NULL, fhir_update('{"resourceType":"Observation","id":"reviewed","status":"final","code":{"text":"x"},"extension":[{"url":"http://example.org/reviewer","valueReference":{"reference":"Practitioner/rev"}}]}') IS NOT NULL;
SELECT string_agg(id, ' ') FROM fhir_search_rows('Observation', '_id=reviewed&_include=*');
CALL fhir_reindex();
SELECT q, (SELECT string_agg(id, ' ' ORDER BY mode DESC) FROM fhir_search_rows(split_part(q, '?', 1), split_part(q, '?', 2))) FROM unnest('{Observation?_id=reviewed&_include=*,Observation?_id=reviewed&_include=Observation:*,Observation?_id=reviewed&_include=Observation:reviewer:Practitioner,Observation?_id=reviewed&_include=Observation:reviewer:Patient,
 Practitioner?_revinclude=*,Practitioner?_revinclude=Observation:*,Practitioner?_revinclude=Observation:reviewer,Practitioner?_has:Observation:reviewer:_id=reviewed}'::text[]) q;
SELECT jsonb_path_query_array(fhir_capabilities(), '$.rest.resource[*] ? (@.type == "Observation").searchInclude[*] ? (@ == "Observation:reviewer")'),
 jsonb_path_query_array(fhir_capabilities(), '$.rest.resource[*] ? (@.searchRevInclude[*] == "Observation:reviewer").type');
SELECT fhir_delete('Observation', 'reviewed') IS NOT NULL, fhir_delete('SearchParameter', 'reviewer') IS NOT NULL;
CALL fhir_reindex();
SELECT q, differ(t, q) FROM (VALUES ('Patient', 'marital=A'), ('Patient', 'marital:not=A'), ('Patient', 'contact-since=lt2005'), ('Patient', 'births=le1'), ('Patient', 'race=r1'),
	('Patient', 'contact-name=contact1'), ('Observation', 'kilos=gt30'), ('Observation', 'who=Patient/p3'), ('Observation', 'who-kilos=c$gt30')) v(t, q);
SELECT string_agg(x ->> 'name' || ' ' || (x ->> 'type'), ', ' ORDER BY x ->> 'name')
FROM jsonb_path_query(fhir_capabilities(), '$.rest.resource[*] ? (@.type == "Patient").searchParam[*] ? (@.definition starts with "http://example.org")') x;

-- a description changes nothing; an expression does
SELECT sp('marital', 'marital', 'Patient', 'token', 'Patient.maritalStatus', '{"description":"other"}');
SELECT state FROM fhir_reindex_status() WHERE code = 'marital';
SELECT sp('marital', 'marital', 'Patient', 'token', $$Patient.maritalStatus.where(coding.code = 'A')$$);
SELECT state FROM fhir_reindex_status() WHERE code = 'marital';
SELECT try($$SELECT fhir_count('Patient', 'marital=A')$$);
CALL fhir_reindex();
SELECT fhir_count('Patient', 'marital=A'), fhir_count('Patient', 'marital=B'), differ('Patient', 'marital=B');

-- all in one transaction: what it writes itself is keyed by what it has just defined
BEGIN;
SELECT sp('alive', 'alive', 'Patient', 'token', 'Patient.active');
SELECT fhir_update('{"resourceType":"Patient","id":"new","active":true}') IS NOT NULL;
SELECT count(*) FROM fhir_keys(fhir_read('Patient', 'new')) WHERE source = 'Patient.active' AND structure = 'keys';
SELECT try($$SELECT fhir_count('Patient', 'alive=true')$$);
COMMIT;
CALL fhir_reindex();
SELECT fhir_count('Patient', 'alive=true');

-- retired: no parameter any more; its keys go, those that others share stay
SELECT count(*) > 0 FROM sp.resource r, fhir_keys(fhir_read('Patient', 'p5')) k WHERE r.id = 'p5' AND k.source LIKE '%race%' AND k.key = ANY (r.keys);
CREATE TEMP TABLE race AS SELECT k.key FROM fhir_keys(fhir_read('Patient', 'p5')) k WHERE k.source LIKE '%race%' AND k.structure = 'keys';
SELECT sp('race', 'race', 'Patient', 'token', $$Patient.extension('http://example.org/race').value$$, '{"status":"retired"}');
SELECT sp('kilos', 'kilos', 'Observation', 'quantity', 'Observation.value as Quantity', '{"status":"retired"}');
SELECT * FROM status() s WHERE s ~ 'removing';
SELECT try($$SELECT fhir_count('Patient', 'race=r1')$$);
CALL fhir_reindex();
SELECT * FROM status() s WHERE s ~ 'race';
SELECT count(*) FROM sp.resource r JOIN race k ON k.key = ANY (r.keys);
SELECT fhir_count('Observation', 'value-quantity=gt30');
-- deleted, and brought back
SELECT fhir_delete('SearchParameter', 'births') IS NOT NULL;
SELECT try($$SELECT fhir_count('Patient', 'births=2')$$);
SELECT sp('births', 'births', 'Patient', 'number', 'Patient.multipleBirth as integer');
CALL fhir_reindex();
SELECT fhir_count('Patient', 'births=2'), differ('Patient', 'births=2');

-- keys of an older format: all are made anew
UPDATE sp.resource SET key_version = 0, keys = '{}', side_sig = 0;
UPDATE sp.store_info SET value = '0' WHERE name = 'key_version';
\c
SET fhir.store = 'sp';
SET fhir.reindex_worker = off;
SELECT try($$SELECT fhir_count('Patient', 'births=2')$$);
CALL fhir_reindex(10);
SELECT * FROM status() s WHERE s ~ '^all';
SELECT value FROM sp.store_info WHERE name = 'key_version';
SELECT fhir_count('Patient', 'births=2'), differ('Patient', 'births=2'), differ('Patient', 'contact-since=lt2005'), differ('Observation', 'value-quantity=gt30');
-- or on request: a row that somebody has damaged
UPDATE sp.resource SET keys = '{}' WHERE id = 'p2';
CALL fhir_reindex(everything => true);
SELECT differ('Patient', 'births=2');

-- another store knows nothing of all this
RESET fhir.store;
SELECT try($$SELECT fhir_count('Patient', 'births=2')$$), count(*) FROM fhir_reindex_status();
SELECT fhir_store_drop('sp', force => true);
DROP FUNCTION try, sp, status, differ;
