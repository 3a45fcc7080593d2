-- The seams of writes: every way to write passes the same checks in the same order and leaves nothing when it is refused; what follows from a
-- write follows from each of them.
\set VERBOSITY terse
\pset format unaligned
\pset tuples_only on
SET fhir.reindex_worker = off;
SET fhir.dictionary = off;
SELECT fhir_store_create('seams');
SET fhir.store = 'seams';

-- A write by itself, or as the only entry of a batch or transaction. match: If-Match; condition: of a POST.
CREATE FUNCTION seam_write(how text, method text, url text, resource jsonb DEFAULT NULL, match text DEFAULT NULL, condition text DEFAULT NULL) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	kind text := CASE WHEN method <> 'PATCH' THEN 'application/fhir+json' WHEN jsonb_typeof(resource) = 'array' THEN 'application/json-patch+json' ELSE 'application/fhir+json' END;
	status int; headers jsonb; body bytea; answer jsonb; entry jsonb;
BEGIN
	IF how = 'alone' THEN
		SELECT * INTO status, headers, body FROM fhir_http(method, '/' || url, jsonb_strip_nulls(jsonb_build_object('content-type', kind, 'if-match', match, 'if-none-exist', condition)),
			convert_to(resource::text, 'UTF8'));
		answer := CASE WHEN body = '' THEN NULL ELSE convert_from(body, 'UTF8')::jsonb END;
		RETURN concat_ws(' ', status, CASE WHEN status >= 400 THEN answer #>> '{issue,0,code}' END);
	END IF;
	IF jsonb_typeof(resource) = 'array' THEN
		resource := jsonb_build_object('resourceType', 'Binary', 'contentType', kind, 'data', translate(encode(convert_to(resource::text, 'UTF8'), 'base64'), E'\n', ''));
	END IF;
	entry := jsonb_strip_nulls(jsonb_build_object('resource', resource, 'request', jsonb_build_object('method', method, 'url', url, 'ifMatch', match, 'ifNoneExist', condition)));
	SELECT * INTO status, headers, body FROM fhir_http('POST', '/', '{"content-type": "application/fhir+json"}',
		convert_to(jsonb_build_object('resourceType', 'Bundle', 'type', how, 'entry', jsonb_build_array(entry))::text, 'UTF8'));
	answer := convert_from(body, 'UTF8')::jsonb;
	IF status >= 400 THEN
		RETURN concat_ws(' ', status, answer #>> '{issue,0,code}');
	END IF;
	RETURN concat_ws(' ', left(answer #>> '{entry,0,response,status}', 3), answer #>> '{entry,0,response,outcome,issue,0,code}');
END $$;
CREATE VIEW seam_how AS SELECT * FROM unnest(ARRAY['alone', 'batch', 'transaction']) WITH ORDINALITY h(how, turn);
-- all rows of the store, but the place of a version, which is a hint, and the job of a re-index of everything
CREATE FUNCTION seam_rows() RETURNS text LANGUAGE sql AS $$
	SELECT md5(string_agg(x, ',' ORDER BY x COLLATE "C")) FROM (
		SELECT (to_jsonb(r) - 'place')::text FROM seams.resource r UNION ALL SELECT v::text FROM seams.version v UNION ALL SELECT o::text FROM seams.ordered o
		UNION ALL SELECT s::text FROM seams.string s UNION ALL SELECT t::text FROM seams.term t UNION ALL SELECT w::text FROM seams.word w
		UNION ALL SELECT (to_jsonb(p) - 'queued')::text FROM seams.search_param p WHERE rid <> 0) a(x) $$;
-- each way's answers in one line, and whether the store is as it was
CREATE FUNCTION seam_refused(what text, method text, url text, resource jsonb, match text DEFAULT NULL, condition text DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE before text := seam_rows(); answers text;
BEGIN
	SELECT string_agg(seam_write(how, method, url, resource, match, condition), ', ' ORDER BY turn) INTO answers FROM seam_how;
	RETURN format('%s: %s; the store %s', what, answers, CASE WHEN seam_rows() = before THEN 'is as before' ELSE 'HAS CHANGED' END);
END $$;

SELECT fhir_update('{"resourceType":"Patient","id":"p","identifier":[{"system":"urn:s","value":"p"}],"active":true}') ->> 'id';

-- refused for what the document is, whatever its condition or version says; but a transaction looks first at all conditions (its entries refer to
-- what they select), and not at a document that a match makes needless
SELECT seam_refused('create', 'POST', 'Patient', '{"resourceType":"Patient","colour":"red"}');
SELECT seam_refused('create on a condition that matches', 'POST', 'Patient', '{"resourceType":"Patient","colour":"red"}', NULL, 'identifier=urn:s|p');
SELECT seam_refused('create on a condition that is none', 'POST', 'Patient', '{"resourceType":"Patient","colour":"red"}', NULL, 'colour=red');
SELECT seam_refused('update', 'PUT', 'Patient/p', '{"resourceType":"Patient","id":"p","colour":"red"}');
SELECT seam_refused('update of another version', 'PUT', 'Patient/p', '{"resourceType":"Patient","id":"p","colour":"red"}', 'W/"7"');
SELECT seam_refused('update as create', 'PUT', 'Patient/q', '{"resourceType":"Patient","id":"q","colour":"red"}');
SELECT seam_refused('update on a condition that matches', 'PUT', 'Patient?identifier=urn:s|p', '{"resourceType":"Patient","colour":"red"}');
SELECT seam_refused('update on a condition that matches nothing', 'PUT', 'Patient?identifier=urn:s|q', '{"resourceType":"Patient","colour":"red"}');
-- a patch makes its document of the version that is there: that is looked at before
SELECT seam_refused('patch', 'PATCH', 'Patient/p', '[{"op":"add","path":"/colour","value":"red"}]');
SELECT seam_refused('patch of another version', 'PATCH', 'Patient/p', '[{"op":"add","path":"/colour","value":"red"}]', 'W/"7"');
SELECT seam_refused('patch of nothing', 'PATCH', 'Patient/q', '[{"op":"add","path":"/colour","value":"red"}]');
SELECT seam_refused('patch on a condition', 'PATCH', 'Patient?identifier=urn:s|p', '[{"op":"add","path":"/colour","value":"red"}]');
SELECT seam_refused('FHIRPath patch', 'PATCH', 'Patient/p', '{"resourceType":"Parameters","parameter":[{"name":"operation","part":[{"name":"type","valueCode":"replace"},
	{"name":"path","valueString":"Patient.active"},{"name":"value","valueString":"red"}]}]}');
-- for its version alone
SELECT seam_refused('update, version', 'PUT', 'Patient/p', '{"resourceType":"Patient","id":"p"}', 'W/"7"');
SELECT seam_refused('delete, version', 'DELETE', 'Patient/p', NULL, 'W/"7"');
SELECT seam_refused('delete on a condition, version', 'DELETE', 'Patient?identifier=urn:s|q', NULL, 'W/"7"');
-- for what follows from it: a SearchParameter that can't be served
SELECT seam_refused('create, SearchParameter', 'POST', 'SearchParameter', sp) FROM (SELECT '{"resourceType":"SearchParameter","url":"urn:sp","name":"x","status":"active","description":"d",
	"code":"name","base":["Patient"],"type":"string","expression":"Patient.name"}'::jsonb) x(sp);
SELECT seam_refused('update, SearchParameter', 'PUT', 'SearchParameter/s', sp || '{"id":"s"}') FROM (SELECT '{"resourceType":"SearchParameter","url":"urn:sp","name":"x","status":"active","description":"d",
	"code":"name","base":["Patient"],"type":"string","expression":"Patient.name"}'::jsonb) x(sp);

-- What follows from a write, by every way: keys and side rows. Each way has a patient of its own.
CREATE FUNCTION seam_patient(key text, more jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object('resourceType', 'Patient', 'identifier', jsonb_build_array(jsonb_build_object('system', 'urn:w', 'value', key)),
		'name', jsonb_build_array(jsonb_build_object('family', 'Family ' || key)), 'birthDate', '1970-01-01',
		'maritalStatus', jsonb_build_object('coding', jsonb_build_array(jsonb_build_object('system', 'urn:m', 'code', key, 'display', 'Display ' || key)))) || more $$;
-- found by its name, and by its identifier and date
CREATE FUNCTION seam_found(key text, birth text) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws('/', fhir_count('Patient', 'family=family ' || key), fhir_count('Patient', 'identifier=urn:w|' || key || '&birthdate=' || birth)) $$;
SELECT how, seam_write(how, 'POST', 'Patient', seam_patient(how || '-post')), seam_write(how, 'POST', 'Patient', seam_patient(how || '-exist'), NULL, 'identifier=urn:w|' || how || '-exist'),
	seam_write(how, 'PUT', 'Patient/' || how || '-put', seam_patient(how || '-put', jsonb_build_object('id', how || '-put'))),
	seam_write(how, 'PUT', 'Patient?identifier=urn:w|' || how || '-cond', seam_patient(how || '-cond')) FROM seam_how ORDER BY turn;
SELECT how, string_agg(seam_found(how || '-' || k, '1970-01-01'), ' ' ORDER BY k) FROM seam_how, unnest(ARRAY['post', 'exist', 'put', 'cond']) k GROUP BY how, turn ORDER BY turn;
SELECT how, seam_write(how, 'PUT', 'Patient/' || how || '-put', seam_patient(how || '-put', jsonb_build_object('id', how || '-put', 'birthDate', '1980-02-02', 'name', '[{"family":"Other"}]'::jsonb))),
	seam_write(how, 'PUT', 'Patient?identifier=urn:w|' || how || '-cond', seam_patient(how || '-cond', '{"birthDate":"1980-02-02","name":[{"family":"Other"}]}')),
	seam_write(how, 'PATCH', 'Patient?identifier=urn:w|' || how || '-exist', '[{"op":"replace","path":"/birthDate","value":"1980-02-02"},{"op":"replace","path":"/name/0/family","value":"Other"}]'),
	seam_write(how, 'PATCH', 'Patient/' || (SELECT id FROM fhir_search_rows('Patient', 'identifier=urn:w|' || how || '-post')), '{"resourceType":"Parameters","parameter":[{"name":"operation","part":[
		{"name":"type","valueCode":"replace"},{"name":"path","valueString":"Patient.birthDate"},{"name":"value","valueDate":"1980-02-02"}]}]}') FROM seam_how ORDER BY turn;
SELECT how, string_agg(seam_found(how || '-' || k, '1970-01-01') || ' ' || seam_found(how || '-' || k, '1980-02-02'), ' ' ORDER BY k)
	FROM seam_how, unnest(ARRAY['post', 'exist', 'put', 'cond']) k GROUP BY how, turn ORDER BY turn;
SELECT how, seam_write(how, 'DELETE', 'Patient/' || how || '-put'), seam_write(how, 'DELETE', 'Patient?identifier=urn:w|' || how || '-cond') FROM seam_how ORDER BY turn;
SELECT how, string_agg(seam_found(how || '-' || k, '1980-02-02'), ' ' ORDER BY k) FROM seam_how, unnest(ARRAY['put', 'cond']) k GROUP BY how, turn ORDER BY turn;

-- side rows are those of the keys in `resource`, and of the names in the documents
SELECT count(*), count(*) FILTER (WHERE o.rid IS NULL), count(*) FILTER (WHERE k.rid IS NULL)
	FROM (SELECT rid, ord[i] AS key, ord[i + 1] AS lo, ord[i + 2] AS hi FROM seams.resource, generate_series(1, cardinality(ord), 3) i) k FULL JOIN seams.ordered o USING (rid, key, lo, hi);
SELECT value, count(DISTINCT rid) FROM seams.string s JOIN seams.resource r USING (rid) WHERE value IN ('other') OR (value LIKE 'family %' AND id LIKE '%-put') GROUP BY value ORDER BY value;

-- SearchParameters begin and end, whichever way they are written
CREATE FUNCTION seam_parameter(how text, way text, status text) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object('resourceType', 'SearchParameter', 'id', how || '-' || way, 'url', 'urn:sp:' || how || '-' || way, 'name', 'x', 'status', status, 'description', 'd',
		'code', how || '-' || way, 'base', '["Patient"]'::jsonb, 'type', 'string', 'expression', 'Patient.name.family') $$;
CREATE FUNCTION seam_live() RETURNS SETOF text LANGUAGE sql AS $$ SELECT split_part(url, ':', 3) || CASE WHEN active THEN '' ELSE ' ends' END FROM seams.search_param ORDER BY url $$;
SELECT how, seam_write(how, 'POST', 'SearchParameter', seam_parameter(how, 'post', 'active') - 'id'), seam_write(how, 'PUT', 'SearchParameter/' || how || '-put', seam_parameter(how, 'put', 'active')),
	seam_write(how, 'PUT', 'SearchParameter?url=urn:sp:' || how || '-cond', seam_parameter(how, 'cond', 'active') - 'id') FROM seam_how ORDER BY turn;
SELECT * FROM seam_live();
SELECT how, seam_write(how, 'DELETE', 'SearchParameter?url=urn:sp:' || how || '-post'), seam_write(how, 'PUT', 'SearchParameter/' || how || '-put', seam_parameter(how, 'put', 'retired')),
	seam_write(how, 'PATCH', 'SearchParameter?url=urn:sp:' || how || '-cond', '[{"op":"replace","path":"/status","value":"retired"}]') FROM seam_how ORDER BY turn;
SELECT * FROM seam_live();
CALL fhir_reindex();
SELECT * FROM seam_live();

-- After all that the store is what a re-index of everything makes of its documents
CREATE TABLE seam_before AS SELECT seam_rows() AS rows;
CALL fhir_reindex(everything => true);
SELECT seam_rows() = rows FROM seam_before;

DROP TABLE seam_before;
DROP VIEW seam_how CASCADE;
DROP FUNCTION seam_write, seam_rows, seam_refused, seam_patient, seam_found, seam_parameter, seam_live;
RESET fhir.store;
SELECT fhir_store_drop('seams', force => true);
