-- The SQLSTATEs: FH and the HTTP status, of each function, with what the error says.
BEGIN;
SELECT no_plan();
SELECT fhir_update('{"resourceType": "Patient", "id": "here", "identifier": [{"value": "twice"}]}') IS NOT NULL AS here,
       fhir_update('{"resourceType": "Patient", "id": "other", "identifier": [{"value": "twice"}]}') IS NOT NULL AS other,
       fhir_update('{"resourceType": "Patient", "id": "gone"}') IS NOT NULL AS gone, fhir_delete('Patient', 'gone') IS NOT NULL AS deleted \gset

SELECT throws_ok(statement, state, NULL, state || ': ' || statement) FROM (VALUES
	('FH404', $$SELECT fhir_read('Patient', 'none')$$),
	('FH410', $$SELECT fhir_read('Patient', 'gone')$$),
	('FH404', $$SELECT fhir_read('Nothing', 'none')$$),
	('FH400', $$SELECT fhir_read('Patient', 'a/b')$$),
	('FH404', $$SELECT fhir_vread('Patient', 'here', '9')$$),
	('FH404', $$SELECT fhir_vread('Patient', 'here', 'x')$$),
	('FH410', $$SELECT fhir_vread('Patient', 'gone', '2')$$),
	('FH400', $$SELECT fhir_create('[]')$$),
	('FH400', $$SELECT fhir_create('{"resourceType": "Nothing"}')$$),
	('FH422', $$SELECT fhir_create('{"resourceType": "Patient", "colour": 1}')$$),
	('FH422', $$SELECT fhir_create('{"resourceType": "Patient", "birthDate": "yesterday"}')$$),
	('FH412', $$SELECT fhir_create('{"resourceType": "Patient"}', 'identifier=twice')$$),
	('FH400', $$SELECT fhir_create('{"resourceType": "Patient"}', 'colour=red')$$),
	('FH400', $$SELECT fhir_update('{"resourceType": "Patient"}')$$),
	('FH412', $$SELECT fhir_update('{"resourceType": "Patient", "id": "here"}', 'W/"9"')$$),
	('FH412', $$SELECT fhir_delete('Patient', 'here', '9')$$),
	('FH404', $$SELECT fhir_patch('Patient', 'none', '[]')$$),
	('FH410', $$SELECT fhir_patch('Patient', 'gone', '[]')$$),
	('FH422', $$SELECT fhir_patch('Patient', 'here', '[{"op": "test", "path": "/active", "value": true}]')$$),
	('FH404', $$SELECT fhir_history('Patient', 'none')$$),
	('FH400', $$SELECT fhir_history('Patient', 'here', '_since=x')$$),
	('FH400', $$SELECT fhir_search('Patient', 'colour=red')$$),
	('FH400', $$SELECT fhir_search('Patient', 'birthdate=x')$$),
	('FH400', $$SELECT fhir_search('Patient', 'birthdate:exact=2020')$$),
	('FH400', $$SELECT * FROM fhir_search_rows('Patient', '_count=-1')$$),
	('FH404', $$SELECT fhir_count('Nothing')$$),
	('FH400', $$SELECT fhir_explain('Patient', 'colour=red')$$),
	('FH400', $$SELECT fhir_matches('{"resourceType": "Patient"}', 'colour=red')$$),
	('FH400', $$SELECT fhir_transaction('{"resourceType": "Bundle", "type": "searchset"}')$$),
	('FH404', $$SELECT fhir_transaction('{"resourceType": "Bundle", "type": "transaction", "entry": [{"request": {"method": "GET", "url": "Patient/none"}}]}')$$),
	('FH400', $$SELECT fhir_json('{"a": 1, "a": 2}')$$),
	('FH413', $$SELECT fhir_json('"' || repeat('x', 70000000) || '"')$$),
	('FH409', $$SELECT fhir_store_create('fhir')$$),
	('FH400', $$SELECT fhir_store_create('no good')$$),
	('FH404', $$SELECT fhir_store_drop('none')$$),
	('FH409', $$SELECT fhir_store_drop('fhir')$$),
	('FH400', $$SELECT 'name..given'::fhirpath$$),
	('FH422', $$SELECT fhirpath_first('{}', 'now()')$$),
	('FH422', $$SELECT fhirpath('{}', '1 / ''a''')$$)) e (state, statement);

SELECT is(fhir_delete('Patient', 'none') ->> 'resourceType', 'OperationOutcome', 'what is not there can be deleted: nothing to do');

-- PostgreSQL's own, where it is PostgreSQL that refuses
SELECT throws_ok($$SET LOCAL fhir.store = 'none'; SELECT fhir_read('Patient', 'here')$$, '3F000', NULL, '3F000: a store that is not there');
SELECT throws_ok('CALL fhir_reindex()', '2D000', NULL, '2D000: fhir_reindex() in a transaction');
SELECT throws_ok($$SELECT fhir_document('\x0312345678000028b52ffd')$$, 'XX001', 'stored document can''t be read', 'XX001: a document that is packed with the dictionary of another store');
SELECT throws_ok('CALL fhir_reindex(0)', '22023', NULL, '22023: fhir_reindex() in batches of nothing');

-- what an error says: what is wrong, where, what to do; the code of the issue and the place travel in it
CREATE FUNCTION said(statement text, OUT message text, OUT detail text, OUT hint text, OUT code text, OUT place text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT, code = PG_DATATYPE_NAME, place = COLUMN_NAME;
END $$;
SELECT is(message, 'invalid value of search parameter "birthdate": not a date or date and time', 'message: the fact') FROM said($$SELECT fhir_search('Patient', 'birthdate=x')$$);
SELECT is(detail, 'Value "x".', 'detail: the value') FROM said($$SELECT fhir_search('Patient', 'birthdate=x')$$);
SELECT matches(hint, '^Use \[prefix\]', 'hint: what to do') FROM said($$SELECT fhir_search('Patient', 'birthdate=x')$$);
SELECT is(code, 'deleted', 'the code of the issue') FROM said($$SELECT fhir_read('Patient', 'gone')$$);
SELECT is(place, 'Patient.name[1].family', 'the FHIRPath location')
  FROM said($$SELECT fhirpath_first('{"resourceType": "Patient", "name": [{"family": "A"}, {"family": "B"}]}', 'name.family.single()')$$);

-- the same through fhir_http: the status is the SQLSTATE's, the body an OperationOutcome
SELECT is(r.status::text || ' ' || (convert_from(r.body, 'UTF8')::jsonb ->> 'resourceType'), h.status || ' OperationOutcome', h.method || ' ' || h.url)
  FROM (VALUES ('404', 'GET', '/Patient/none', NULL), ('410', 'GET', '/Patient/gone', NULL), ('400', 'GET', '/Patient?colour=red', NULL), ('405', 'POST', '/metadata', '{}'),
               ('404', 'GET', '/Nothing/1', NULL), ('422', 'POST', '/Patient', '{"resourceType": "Patient", "colour": 1}'), ('400', 'POST', '/Patient', '{')) h (status, method, url, body),
       LATERAL fhir_http(h.method, h.url, '{"content-type": "application/fhir+json"}', convert_to(h.body, 'UTF8')) r;

SELECT * FROM finish();
ROLLBACK;
