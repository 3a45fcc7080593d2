-- Batch and transaction Bundles.
\set VERBOSITY terse
\pset format unaligned
\pset tuples_only on
CREATE FUNCTION try(sql text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE r text; d text; c text;
BEGIN EXECUTE sql INTO r; RETURN r;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS d = PG_EXCEPTION_DETAIL, c = COLUMN_NAME;
	RETURN SQLSTATE || ' ' || SQLERRM || CASE WHEN d <> '' THEN ' | ' || d ELSE '' END || CASE WHEN c <> '' THEN ' | ' || c ELSE '' END;
END $$;
CREATE FUNCTION entry(method text, url text, resource jsonb DEFAULT NULL, full_url text DEFAULT NULL, more jsonb DEFAULT '{}') RETURNS jsonb
LANGUAGE sql AS $$ SELECT jsonb_strip_nulls(jsonb_build_object('fullUrl', full_url, 'resource', resource, 'request', jsonb_build_object('method', method, 'url', url) || more)) $$;
CREATE FUNCTION bundle(type text, VARIADIC entries jsonb[]) RETURNS jsonb
LANGUAGE sql AS $$ SELECT jsonb_build_object('resourceType', 'Bundle', 'type', type, 'entry', to_jsonb(entries)) $$;
-- one line an entry: status, location without the id that varies, issue
CREATE FUNCTION answer(r jsonb) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT concat_ws(' ', e #>> '{response,status}', regexp_replace(e #>> '{response,location}', '[0-9a-f-]{36}', '<id>'), e #>> '{response,etag}',
		e #>> '{response,outcome,issue,0,code}', e #>> '{response,outcome,issue,0,diagnostics}', e #>> '{resource,resourceType}')
	FROM jsonb_array_elements(r -> 'entry') e $$;
CREATE FUNCTION stored(t text) RETURNS SETOF jsonb LANGUAGE sql AS $$
	SELECT fhir_document(doc) - 'meta' - 'id' FROM fhir.resource r JOIN fhir.version v USING (rid, version) WHERE r.type = t AND NOT r.deleted ORDER BY rid $$;

-- links are rewritten wherever they may stand, and nowhere else
SELECT answer(fhir_transaction(bundle('transaction',
	entry('POST', 'Observation', '{"resourceType":"Observation","status":"final","code":{"text":"urn:uuid:0a"},
		"subject":{"reference":"urn:uuid:0a","display":"urn:uuid:0a"},"focus":[{"reference":"http://x/fhir/Patient/9/_history/4"},{"reference":"Patient/elsewhere"}],
		"hasMember":[{"reference":"#c"}],"contained":[{"resourceType":"Observation","id":"c","status":"final","code":{"text":"c"},"subject":{"reference":"urn:uuid:0a"}}],
		"extension":[{"url":"urn:uuid:none","valueUri":"urn:uuid:0a"},{"url":"http://e","valueString":"urn:uuid:0a"},{"url":"http://e","valueCanonical":"urn:uuid:0a"}],
		"identifier":[{"system":"urn:ietf:rfc3986","value":"urn:uuid:0a"}],
		"_status":{"extension":[{"url":"http://e","valueReference":{"reference":"urn:uuid:0a"}}]},
		"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><a href=\"urn:uuid:0a\">urn:uuid:0a</a><img src=''urn:uuid:0a''/></div>"}}', 'urn:uuid:0b'),
	entry('POST', 'Patient', '{"resourceType":"Patient","link":[{"other":{"reference":"urn:uuid:0a"},"type":"seealso"}]}', 'urn:uuid:0a'),
	entry('PUT', 'Patient/p9', '{"resourceType":"Patient","id":"p9","managingOrganization":{"reference":"Organization/7"}}', 'http://x/fhir/Patient/9'),
	entry('POST', 'Encounter', '{"resourceType":"Encounter","status":"finished","class":{"code":"AMB"},"subject":{"reference":"Patient/9"}}', 'http://x/fhir/Encounter/2'))));
SELECT replace(jsonb_pretty(stored), r.id, '<patient>') FROM stored('Observation'), fhir.resource r WHERE r.type = 'Patient' AND r.id <> 'p9';
SELECT replace(stored::text, r.id, '<patient>') FROM stored('Patient'), fhir.resource r WHERE r.type = 'Patient' AND r.id <> 'p9';
SELECT stored('Encounter');

-- order of processing: DELETE, POST, PUT, GET; conditions
SELECT fhir_update('{"resourceType":"Organization","id":"o1","identifier":[{"system":"urn:o","value":"1"}]}') ->> 'id';
SELECT answer(fhir_transaction(bundle('transaction',
	entry('PUT', 'Organization/o2', '{"resourceType":"Organization","id":"o2","name":"two","partOf":{"reference":"Organization?identifier=urn:o|1"}}'),
	entry('POST', 'Organization', '{"resourceType":"Organization","name":"one"}', 'urn:uuid:1', '{"ifNoneExist":"identifier=urn:o|1"}'),
	entry('POST', 'Organization', '{"resourceType":"Organization","identifier":[{"system":"urn:o","value":"3"}],"partOf":{"reference":"urn:uuid:1"}}', 'urn:uuid:3', '{"ifNoneExist":"identifier=urn:o|3"}'),
	entry('PUT', 'Patient?identifier=urn:p|1', '{"resourceType":"Patient","identifier":[{"system":"urn:p","value":"1"}],"managingOrganization":{"reference":"Organization?identifier=urn:o|3"}}'),
	entry('DELETE', 'Patient/p9'), entry('DELETE', 'Patient?identifier=urn:p|nobody'))));
SELECT replace(stored::text, r.id, '<three>') FROM stored('Organization'), (SELECT id FROM fhir.resource WHERE type = 'Organization' AND id NOT LIKE 'o%') r;
SELECT answer(fhir_transaction(bundle('transaction',
	entry('PUT', 'Patient?identifier=urn:p|1', '{"resourceType":"Patient","identifier":[{"system":"urn:p","value":"1"}],"active":true}'),
	entry('PATCH', 'Organization/o2', jsonb_build_object('resourceType', 'Binary', 'contentType', 'application/json-patch+json', 'data', encode('[{"op":"replace","path":"/name","value":"zwei"}]', 'base64'))),
	entry('DELETE', 'Organization?identifier=urn:o|3'),
	entry('GET', 'Organization/o2'), entry('GET', 'Patient?identifier=urn:p|1'))));

-- a conditional reference may mean an entry that is put on that condition
SELECT answer(fhir_transaction(bundle('transaction',
	entry('PUT', 'Organization/o5', '{"resourceType":"Organization","id":"o5","partOf":{"reference":"Organization?identifier=urn:o|6"}}'),
	entry('PUT', 'Organization?identifier=urn:o|6', '{"resourceType":"Organization","id":"o6","identifier":[{"system":"urn:o","value":"6"}]}'))));
SELECT stored FROM stored('Organization') WHERE stored ? 'partOf' AND stored #>> '{partOf,reference}' = 'Organization/o6';

-- all or nothing, and the entry that failed is named
SELECT count(*) AS before FROM fhir.version \gset
SELECT try(format('SELECT fhir_transaction(%L)', b)) FROM unnest(ARRAY[
	bundle('transaction', entry('POST', 'Patient', '{"resourceType":"Patient"}'), entry('POST', 'Patient', '{"resourceType":"Patient","birthDate":"x"}')),
	bundle('transaction', entry('PUT', 'Patient/a', '{"resourceType":"Patient","id":"a"}'), entry('DELETE', 'Patient/a')),
	bundle('transaction', entry('POST', 'Patient', '{"resourceType":"Patient"}'), entry('PUT', 'Patient/a', '{"resourceType":"Patient","id":"b"}')),
	bundle('transaction', entry('POST', 'Patient', '{"resourceType":"Patient"}'), entry('POST', 'Patient', '{"resourceType":"Group"}')),
	bundle('transaction', entry('POST', 'Patient', '{"resourceType":"Patient"}'), entry('PUT', 'Organization/o1', '{"resourceType":"Organization","id":"o1","name":"x"}', NULL, '{"ifMatch":"W/\"7\""}')),
	bundle('transaction', entry('POST', 'Patient', '{"resourceType":"Patient"}', 'urn:uuid:1'), entry('POST', 'Patient', '{"resourceType":"Patient"}', 'urn:uuid:1')),
	bundle('transaction', entry('POST', 'Patient', '{"resourceType":"Patient","managingOrganization":{"reference":"Organization?identifier=urn:o|none"}}')),
	bundle('transaction', entry('POST', 'Patient', '{"resourceType":"Patient"}', NULL, '{"ifNoneExist":"active=true,false&_id=a,b"}'), entry('POST', 'Patient', '{"resourceType":"Patient"}', NULL, '{"ifNoneExist":"_id=a,b&active=true,false"}')),
	bundle('transaction', entry('PUT', 'Patient?identifier=urn:p|9', '{"resourceType":"Patient"}'), entry('PUT', 'Patient?identifier=urn:p|9', '{"resourceType":"Patient"}')),
	bundle('transaction', entry('PUT', 'Patient?identifier=urn:p|9', '{"resourceType":"Patient"}'), entry('POST', 'Patient', '{"resourceType":"Patient"}', NULL, '{"ifNoneExist":"identifier=urn:p|9"}')),
	bundle('transaction', entry('DELETE', 'Patient?identifier=urn:p|9', NULL, NULL, '{"ifMatch":"W/\"1\""}')),
	bundle('transaction', entry('DELETE', 'Patient/a', NULL, NULL, '{"ifMatch":""}')), bundle('transaction', entry('DELETE', 'Patient/a', NULL, NULL, '{"ifMatch":1}')), bundle('transaction', entry('DELETE', 'Patient/a', NULL, NULL, '{"ifmatch":"W/\"1\""}')),
	bundle('transaction', entry('DELETE', 'Patient?')), bundle('transaction', entry('POST', 'Patient', '{"resourceType":"Patient"}', NULL, '{"ifNoneExist":""}')),
	bundle('transaction', entry('POST', 'Patient', '{"resourceType":"Patient"}'), entry('GET', 'Patient/nobody')),
	bundle('transaction', entry('FETCH', 'Patient')),
	bundle('transaction', entry('PUT', 'Patient', '{"resourceType":"Patient"}')),
	bundle('transaction', entry('POST', 'Patient/1', '{"resourceType":"Patient"}')),
	bundle('transaction', entry('DELETE', 'Patent/1')),
	bundle('transaction', entry('POST', 'Patient')),
	bundle('transaction', entry('POST', 'http://elsewhere.example/fhir/Patient', '{"resourceType":"Patient"}')),
	'{"resourceType":"Bundle","type":"searchset"}', '{"resourceType":"Bundle","type":"transaction","entry":[1]}', '{"resourceType":"Bundle","type":"transaction","entry":[{}]}', '{"resourceType":"Patient"}', '[]']) b;
SELECT count(*) = :before FROM fhir.version;
SELECT fhir_transaction('{"resourceType":"Bundle","type":"transaction"}');
-- a batch answers each entry on its own
SELECT answer(fhir_transaction(bundle('batch',
	entry('POST', 'Patient', '{"resourceType":"Patient","gender":"male"}'),
	entry('POST', 'Patient', '{"resourceType":"Patient","gender":1}'),
	entry('PUT', 'Patient/b1', '{"resourceType":"Patient","id":"b1"}'),
	entry('PUT', 'Patient/b1', '{"resourceType":"Patient","id":"b1","active":true}', NULL, '{"ifMatch":"W/\"1\""}'),
	entry('PUT', 'Patient/b1', '{"resourceType":"Patient","id":"b1"}', NULL, '{"ifMatch":"W/\"1\""}'),
	entry('DELETE', 'Patient/b1'), entry('GET', 'Patient/b1'), entry('GET', 'Patient/nobody'), entry('DELETE', 'Patent/1'), entry('HUH', 'x'))));
-- limits
SET fhir.max_bundle_entries = 2;
SELECT try(format('SELECT fhir_transaction(%L)', bundle('batch', entry('GET', 'x'), entry('GET', 'x'), entry('GET', 'x'))));
RESET fhir.max_bundle_entries;
DROP FUNCTION try, entry, bundle, answer, stored;
TRUNCATE fhir.resource, fhir.version, fhir.ordered, fhir.string, fhir.term;
