-- The SQL contract: each named function with its arguments, result, volatility, strictness and parallel label.
-- Functions may gain optional arguments: then a line here changes. None may lose one.
BEGIN;
SELECT no_plan();

CREATE TEMP TABLE contract (name text, arguments text, result text, volatility text, strict boolean, parallel text);
INSERT INTO contract VALUES
	('fhir_create', 'resource jsonb, if_none_exist text DEFAULT NULL::text', 'jsonb', 'volatile', false, 'unsafe'),
	('fhir_read', 'type text, id text', 'jsonb', 'stable', true, 'restricted'),
	('fhir_vread', 'type text, id text, version_id text', 'jsonb', 'stable', true, 'restricted'),
	('fhir_update', 'resource jsonb, if_match text DEFAULT NULL::text', 'jsonb', 'volatile', false, 'unsafe'),
	('fhir_patch', 'type text, id text, patch jsonb, if_match text DEFAULT NULL::text', 'jsonb', 'volatile', false, 'unsafe'),
	('fhir_delete', 'type text, id text, if_match text DEFAULT NULL::text', 'jsonb', 'volatile', false, 'unsafe'),
	('fhir_history', 'type text DEFAULT NULL::text, id text DEFAULT NULL::text, query text DEFAULT ''''::text', 'jsonb', 'stable', false, 'restricted'),
	('fhir_search', 'type text, query text DEFAULT ''''::text', 'jsonb', 'stable', false, 'restricted'),
	('fhir_search_rows', 'type text, query text DEFAULT ''''::text, OUT type text, OUT id text, OUT version_id integer, '
		'OUT last_updated timestamp with time zone, OUT mode text, OUT resource jsonb', 'SETOF record', 'stable', false, 'restricted'),
	('fhir_count', 'type text, query text DEFAULT ''''::text', 'bigint', 'stable', false, 'restricted'),
	('fhir_explain', 'type text, query text, "analyze" boolean DEFAULT false', 'SETOF text', 'volatile', false, 'unsafe'),
	('fhir_matches', 'resource jsonb, query text', 'boolean', 'stable', true, 'safe'),
	('fhir_transaction', 'bundle jsonb', 'jsonb', 'volatile', true, 'unsafe'),
	('fhir_capabilities', '', 'jsonb', 'stable', false, 'restricted'),
	('fhir_http', 'method text, url text, headers jsonb DEFAULT ''{}''::jsonb, body bytea DEFAULT NULL::bytea, '
		'OUT status integer, OUT headers jsonb, OUT body bytea', 'record', 'volatile', false, 'unsafe'),
	('fhirpath', 'resource jsonb, path fhirpath, env jsonb DEFAULT NULL::jsonb', 'SETOF jsonb', 'stable', false, 'restricted'),
	('fhirpath_first', 'resource jsonb, path fhirpath, env jsonb DEFAULT NULL::jsonb', 'jsonb', 'immutable', false, 'safe'),
	('fhirpath_exists', 'resource jsonb, path fhirpath, env jsonb DEFAULT NULL::jsonb', 'boolean', 'immutable', false, 'safe'),
	('fhirpath_first_stable', 'resource jsonb, path fhirpath, env jsonb DEFAULT NULL::jsonb', 'jsonb', 'stable', false, 'restricted'),
	('fhirpath_exists_stable', 'resource jsonb, path fhirpath, env jsonb DEFAULT NULL::jsonb', 'boolean', 'stable', false, 'restricted'),
	('fhirpath_matches', 'resource jsonb, path fhirpath', 'boolean', 'immutable', true, 'safe'),
	('fhir_store_create', 'name text', 'void', 'volatile', true, 'unsafe'),
	('fhir_store_drop', 'name text, force boolean DEFAULT false', 'void', 'volatile', true, 'unsafe'),
	('fhir_check', 'resource jsonb', 'TABLE(severity text, code text, expression text, diagnostics text)', 'stable', true, 'safe'),
	('fhir_json', 'text', 'jsonb', 'stable', true, 'safe'),
	('fhir_json_text', 'resource jsonb, pretty boolean DEFAULT false', 'text', 'immutable', true, 'safe'),
	('fhir_search_parameters', 'type text, OUT code text, OUT kind text, OUT url text, OUT expression text, OUT targets text[]',
		'SETOF record', 'immutable', true, 'safe'),
	('fhir_document', 'stored bytea', 'jsonb', 'stable', true, 'safe'),
	('fhir_document_pack', 'resource jsonb', 'bytea', 'stable', true, 'safe'),
	('fhir_dictionary_train', 'OUT stored boolean, OUT id integer, OUT samples integer, OUT bytes_before integer, OUT bytes_after integer', 'record',
		'volatile', false, 'unsafe'),
	('fhir_reindex', 'IN batch integer DEFAULT 1000, IN everything boolean DEFAULT false', NULL, 'volatile', false, 'unsafe'),
	('fhir_reindex_status', 'OUT id text, OUT url text, OUT code text, OUT bases text[], OUT state text, OUT done bigint, OUT total bigint, '
		'OUT queued timestamp with time zone, OUT started timestamp with time zone, OUT finished timestamp with time zone, OUT error text',
		'SETOF record', 'stable', false, 'restricted');

CREATE TEMP VIEW functions AS
SELECT p.oid, p.proname::text AS name, pg_get_function_arguments(p.oid) AS arguments, pg_get_function_result(p.oid) AS result,
       CASE provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' ELSE 'volatile' END AS volatility, proisstrict AS strict,
       CASE proparallel WHEN 's' THEN 'safe' WHEN 'r' THEN 'restricted' ELSE 'unsafe' END AS parallel,
       obj_description(p.oid, 'pg_proc') AS comment, prosecdef, l.lanname, p.pronamespace::regnamespace::text AS namespace, p.oid::regprocedure::text AS signature
  FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
  JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
  JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND e.extname = 'fhir';

-- fhirpath(text) is the cast; the one of the contract takes a resource
SELECT is(f.arguments, c.arguments, c.name || ': arguments') FROM contract c LEFT JOIN functions f ON f.name = c.name AND f.signature <> 'fhirpath(text)' ORDER BY c.name;
SELECT is(f.result, c.result, c.name || ': result') FROM contract c LEFT JOIN functions f ON f.name = c.name AND f.signature <> 'fhirpath(text)' ORDER BY c.name;
SELECT is(f.volatility, c.volatility, c.name || ': volatility') FROM contract c LEFT JOIN functions f ON f.name = c.name AND f.signature <> 'fhirpath(text)' ORDER BY c.name;
SELECT is(f.strict, c.strict, c.name || ': strict') FROM contract c LEFT JOIN functions f ON f.name = c.name AND f.signature <> 'fhirpath(text)' ORDER BY c.name;
SELECT is(f.parallel, c.parallel, c.name || ': parallel label') FROM contract c LEFT JOIN functions f ON f.name = c.name AND f.signature <> 'fhirpath(text)' ORDER BY c.name;

-- of every function, those of later days too
SELECT matches(name, '^(fhir_[a-z0-9_]+|fhirpath(_[a-z_]+)?|text)$', signature || ': name') FROM functions ORDER BY signature;
SELECT isnt(comment, NULL, signature || ': has a comment') FROM functions ORDER BY signature;
SELECT ok(NOT prosecdef, signature || ': runs with the rights of its caller') FROM functions ORDER BY signature;
SELECT is(lanname, 'c', signature || ': is in C') FROM functions ORDER BY signature;
SELECT is(namespace, 'public', signature || ': stands in the schema of the extension') FROM functions ORDER BY signature;

SELECT is_procedure('fhir_reindex', ARRAY['integer', 'boolean'], 'fhir_reindex is a procedure');
SELECT is_normal_function('fhir_create', ARRAY['jsonb', 'text'], 'fhir_create is a function');

-- the type, its casts, its operators
SELECT has_type('fhirpath');
SELECT isnt(obj_description('fhirpath'::regtype, 'pg_type'), NULL, 'fhirpath: has a comment');
SELECT cast_context_is('text', 'fhirpath', 'explicit', 'text → fhirpath');
SELECT cast_context_is('fhirpath', 'text', 'explicit', 'fhirpath → text');
SELECT has_operator('jsonb', '@~', 'fhirpath', 'boolean');
SELECT has_operator('fhirpath', '=', 'fhirpath', 'boolean');
SELECT has_opclass('fhirpath_hash_ops');
CREATE TEMP TABLE indexed (resource jsonb, family jsonb GENERATED ALWAYS AS (fhirpath_first(resource, 'name.family')) STORED);
CREATE INDEX ON indexed (fhirpath_exists(resource, 'active'));
INSERT INTO indexed VALUES ('{"resourceType": "Patient", "name": [{"family": "A"}]}');
SELECT is(family, '"A"', 'fhirpath_first() makes a generated column, fhirpath_exists() an index') FROM indexed;

-- arguments by name, defaults left out
SELECT is(fhir_count(type => 'Patient'), 0::bigint, 'query has a default');
SELECT is(fhir_create(resource => '{"resourceType": "Patient", "identifier": [{"value": "x1"}]}', if_none_exist => 'identifier=x1') #>> '{meta,versionId}', '1', 'if_none_exist by name');
SELECT is(jsonb_array_length(fhir_history() -> 'entry'), 1, 'history of the whole store');
SELECT is((fhir_http(method => 'GET', url => '/Patient?_summary=count')).status, 200, 'headers and body have defaults');
SELECT results_eq('SELECT type, version_id, mode, resource ->> ''resourceType'' FROM fhir_search_rows(''Patient'')',
	$$VALUES ('Patient', 1, 'match', 'Patient')$$, 'the columns of fhir_search_rows()');

SELECT * FROM finish();
ROLLBACK;
