-- Composite search parameters of users whose components are users' parameters, too. Without the worker, so that each step is seen.
\set VERBOSITY terse
\pset format unaligned
\pset tuples_only on
SET fhir.reindex_worker = off;
SELECT fhir_store_create('spc');
SET fhir.store = 'spc';
CREATE FUNCTION try(sql text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE r text; d text; h text;
BEGIN EXECUTE sql INTO r; RETURN r;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS d = PG_EXCEPTION_DETAIL, h = PG_EXCEPTION_HINT;
	RETURN SQLSTATE || ' ' || SQLERRM || CASE WHEN d <> '' THEN ' | ' || d ELSE '' END || CASE WHEN h <> '' THEN ' | ' || h ELSE '' END;
END $$;
CREATE FUNCTION spr(id text, type text, expression text, more jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object('resourceType', 'SearchParameter', 'id', id, 'url', 'http://example.org/sp/' || id, 'name', id, 'status', 'active', 'description', 'd',
		'code', id, 'base', '["Patient"]'::jsonb, 'type', type, 'expression', expression) || more
$$;
CREATE FUNCTION comp(VARIADIC parts text[]) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object('component', jsonb_agg(jsonb_build_object('definition', CASE WHEN x LIKE 'http%' THEN split_part(x, ' ', 1) ELSE 'http://example.org/sp/' || split_part(x, ' ', 1) END,
		'expression', split_part(x, ' ', 2)) ORDER BY n)) FROM unnest(parts) WITH ORDINALITY u(x, n)
$$;
CREATE FUNCTION sp(resource jsonb) RETURNS text LANGUAGE sql AS $$ SELECT try(format('SELECT fhir_update(%L)->''meta''->>''versionId''', resource)) $$;
CREATE FUNCTION status() RETURNS SETOF text LANGUAGE sql AS $$ SELECT concat_ws(' ', code, state, error) FROM fhir_reindex_status() ORDER BY 1 $$;
CREATE FUNCTION bundle(VARIADIC resources jsonb[]) RETURNS text LANGUAGE sql AS $$
	SELECT try(format('SELECT jsonb_path_query_array(fhir_transaction(%L), ''$.entry.response.status'')', jsonb_build_object('resourceType', 'Bundle', 'type', 'transaction', 'entry',
		jsonb_agg(CASE WHEN r ? 'delete' THEN jsonb_build_object('request', jsonb_build_object('method', 'DELETE', 'url', r ->> 'delete'))
			ELSE jsonb_build_object('resource', r, 'request', jsonb_build_object('method', 'PUT', 'url', 'SearchParameter/' || (r ->> 'id'))) END ORDER BY n)))) FROM unnest(resources) WITH ORDINALITY u(r, n)
$$;
-- searches beside fhir_matches: matches, and differences
CREATE FUNCTION agree(query text) RETURNS text LANGUAGE sql AS $$
	WITH s AS MATERIALIZED (SELECT id FROM fhir_search_rows('Patient', query)), m AS MATERIALIZED (SELECT id FROM fhir_search_rows('Patient') r WHERE fhir_matches(r.resource, query))
	SELECT query || ': ' || (SELECT count(*) FROM s) || ' ' || (SELECT count(*) FROM (TABLE s EXCEPT TABLE m) x) + (SELECT count(*) FROM (TABLE m EXCEPT TABLE s) x)
$$;
-- contacts of two: the pairs matter
SELECT count(*) FROM generate_series(1, 60) i, fhir_update(jsonb_build_object('resourceType', 'Patient', 'id', 'p' || i, 'gender', CASE i % 2 WHEN 0 THEN 'male' ELSE 'female' END, 'multipleBirthInteger', i % 4,
	'contact', jsonb_build_array(
		jsonb_build_object('gender', CASE i % 3 WHEN 0 THEN 'male' ELSE 'female' END, 'name', jsonb_build_object('family', 'Able' || i % 5), 'period', jsonb_build_object('start', '20' || lpad((i % 20)::text, 2, '0')),
			'relationship', jsonb_build_array(jsonb_build_object('coding', jsonb_build_array(jsonb_build_object('system', 'urn:r', 'code', 'R' || i % 4)))), 'organization', jsonb_build_object('reference', 'Organization/o' || i % 3)),
		jsonb_build_object('gender', 'other', 'name', jsonb_build_object('family', 'Baker' || i % 7), 'period', jsonb_build_object('start', '19' || lpad((i % 20 + 60)::text, 2, '0')),
			'relationship', jsonb_build_array(jsonb_build_object('coding', jsonb_build_array(jsonb_build_object('system', 'urn:s', 'code', 'R' || (i + 1) % 4))))))));

-- a component must be there, active, of the base, and fit
SELECT sp(spr('rel-since', 'composite', 'Patient.contact', comp('rel relationship', 'since period')));
SELECT sp(spr('rel', 'token', 'Patient.contact.relationship', '{"status":"draft"}'));
SELECT sp(spr('since', 'date', 'Patient.contact.period'));
SELECT sp(spr('rel-since', 'composite', 'Patient.contact', comp('rel relationship', 'since period')));
SELECT sp(spr('rel', 'token', 'Patient.contact.relationship'));
SELECT sp(spr('rel-since', 'composite', 'Patient.contact', comp('rel relationship', 'since name')));
SELECT sp(spr('rel-since', 'composite', 'Patient.contact', comp('rel relationship', 'since now()')));
SELECT sp(spr('rel-since', 'composite', 'Patient.contact | Person.link', '{"base":["Patient","Person"]}' || comp('rel relationship', 'since period')));
SELECT sp(spr('rel-since', 'composite', 'Patient.contact', comp('rel relationship', 'rel-since period')));
SELECT sp(spr('rel-since', 'composite', 'Patient.contact', comp('rel relationship', 'http://hl7.org/fhir/SearchParameter/Observation-code period')));
SELECT sp(spr('rel-since', 'composite', 'Patient.contact', comp('rel relationship', 'since period')));
-- every kind: token with date, string, token, reference, number; on the resource itself; with one of R4's
SELECT sp(spr('kin', 'string', 'Patient.contact.name')), sp(spr('kin-org', 'reference', 'Patient.contact.organization')), sp(spr('births', 'number', 'Patient.multipleBirth as integer'));
SELECT sp(spr('rel-kin', 'composite', 'Patient.contact', comp('rel relationship', 'kin name.family'))), sp(spr('rel-org', 'composite', 'Patient.contact', comp('rel relationship', 'kin-org organization'))),
	sp(spr('rel-sex', 'composite', 'Patient.contact', comp('rel relationship', 'http://hl7.org/fhir/SearchParameter/individual-gender gender'))),
	sp(spr('sex-births', 'composite', 'Patient', comp('http://hl7.org/fhir/SearchParameter/individual-gender gender', 'births multipleBirth.as(integer)'))),
	sp(spr('rel-sex-since', 'composite', 'Patient.contact', comp('rel relationship', 'http://hl7.org/fhir/SearchParameter/individual-gender gender', 'since period')));
SELECT try($$SELECT fhir_count('Patient', 'rel-since=R1$gt2000')$$);
SELECT * FROM status();
CALL fhir_reindex(17);
SELECT string_agg(s, ', ') FROM status() s;
SELECT agree(q) FROM unnest(ARRAY['rel-since=R1$gt2000', 'rel-since=urn:r|R1$gt2000', 'rel-since=urn:s|R1$gt2000', 'rel-since=urn:r|$ge2015', 'rel-since=R1$lt1970,R2$lt1970', 'rel-since:missing=true',
	'rel-kin=R1$able', 'rel-kin=urn:s|R1$able', 'rel-kin=R2$baker3', 'rel-org=R1$Organization/o1', 'rel-org=urn:s|R1$Organization/o1', 'rel-sex=R1$other', 'rel-sex=urn:r|R1$male',
	'sex-births=male$2', 'sex-births=female$gt1', 'rel-sex-since=R1$other$lt1970', 'rel-sex-since=R1$other$gt2000', 'rel-sex-since=R3$male$ge2003']) q;
-- it is served over chains, and told
SELECT fhir_update('{"resourceType":"Observation","id":"o1","status":"final","code":{"text":"c"},"subject":{"reference":"Patient/p1"}}') IS NOT NULL;
SELECT fhir_count('Observation', 'patient.rel-since=R1$gt2000'), fhir_count('Observation', 'patient.rel-since=R1$gt2001');
SELECT string_agg(x ->> 'name' || ' ' || (x ->> 'type'), ', ' ORDER BY x ->> 'name')
FROM jsonb_path_query(fhir_capabilities(), '$.rest.resource[*] ? (@.type == "Patient").searchParam[*] ? (@.definition starts with "http://example.org")') x;

-- a component that goes, changes its name or its type, while a composite has need of it
SELECT try($$SELECT fhir_delete('SearchParameter', 'rel')$$);
SELECT sp(spr('kin-org', 'reference', 'Patient.contact.organization', '{"status":"retired"}'));
SELECT sp(spr('births', 'number', 'Patient.multipleBirth as integer', '{"url":"http://example.org/sp/other"}'));
SELECT sp(spr('since', 'string', 'Patient.contact.name'));
SELECT sp(spr('since', 'date', 'Person.birthDate', '{"base":["Person"]}'));
-- one that says something else is indexed anew, and its composites with it
SELECT sp(spr('kin', 'string', 'Patient.contact.name.family', '{"description":"other"}'));
SELECT * FROM status() s WHERE s ~ 'waiting';
SELECT try($$SELECT fhir_count('Patient', 'rel-kin=R1$able')$$);
CALL fhir_reindex(17);
SELECT agree(q) FROM unnest(ARRAY['rel-kin=R1$able', 'rel-kin=R2$baker3', 'kin=able1']) q;
SELECT sp(spr('kin', 'token', 'Patient.contact.name.family'));
SELECT * FROM status() s WHERE s ~ 'waiting';
CALL fhir_reindex();
SELECT agree(q) FROM unnest(ARRAY['rel-kin=R1$able', 'rel-kin=R1$Able1', 'rel-kin=R1$Able2', 'kin=Able1']) q;
-- a description changes nothing
SELECT sp(spr('kin', 'token', 'Patient.contact.name.family', '{"description":"third"}'));
SELECT * FROM status() s WHERE s ~ 'waiting';

-- in one transaction: in any order, to come and to go
SELECT bundle(spr('a-pair', 'composite', 'Patient.contact', comp('z-one gender', 'z-two period')), spr('z-one', 'token', 'Patient.contact.gender'), spr('z-two', 'date', 'Patient.contact.period'));
SELECT bundle(spr('a-third', 'composite', 'Patient.contact', comp('z-one gender', 'z-three period')), spr('z-four', 'date', 'Patient.contact.period'));
CALL fhir_reindex();
SELECT agree(q) FROM unnest(ARRAY['a-pair=male$ge2000', 'a-pair=other$lt1970', 'a-pair=other$gt1990']) q;
SELECT bundle('{"delete":"SearchParameter/z-one"}');
SELECT bundle('{"delete":"SearchParameter/z-one"}', spr('a-pair', 'composite', 'Patient.contact', comp('z-one gender', 'z-two period') || '{"status":"retired"}'), '{"delete":"SearchParameter/z-two"}');
CALL fhir_reindex();
SELECT string_agg(s, ', ') FROM status() s;
SELECT try($$SELECT fhir_count('Patient', 'a-pair=male$ge2000')$$);
RESET fhir.store;
SELECT fhir_store_drop('spc', force => true);
DROP FUNCTION try, spr, comp, sp, status, bundle, agree;
