-- The settings: type, unit, range, default, who may set them, and that each is explained.
BEGIN;
SELECT no_plan();
SELECT isnt(fhir_capabilities(), NULL, 'the library is loaded: the settings are known');

CREATE TEMP TABLE contract (name text, type text, unit text, least text, most text, otherwise text, choices text[]);
INSERT INTO contract VALUES
	('fhir.store', 'string', NULL, NULL, NULL, 'fhir', NULL),
	('fhir.base_url', 'string', NULL, NULL, NULL, '', NULL),
	('fhir.check_mode', 'enum', NULL, NULL, NULL, 'full', '{full,structure}'),
	('fhir.id_format', 'enum', NULL, NULL, NULL, 'uuidv7', '{uuidv7,uuidv4}'),
	('fhir.update_noop', 'bool', NULL, NULL, NULL, 'off', NULL),
	('fhir.reindex_worker', 'bool', NULL, NULL, NULL, 'on', NULL),
	('fhir.dictionary', 'enum', NULL, NULL, NULL, 'on', '{on,manual,off}'),
	('fhir.fhirpath_strict', 'bool', NULL, NULL, NULL, 'off', NULL),
	('fhir.fhirpath_max_steps', 'integer', NULL, '1000', '2147483647', '10000000', NULL),
	('fhir.default_count', 'integer', NULL, '1', '100000', '100', NULL),
	('fhir.max_count', 'integer', NULL, '1', '100000', '1000', NULL),
	('fhir.max_body_bytes', 'integer', 'B', '1024', '268435455', '67108864', NULL),
	('fhir.max_depth', 'integer', NULL, '10', '1000', '100', NULL),
	('fhir.max_issues', 'integer', NULL, '1', '10000', '100', NULL),
	('fhir.max_bundle_entries', 'integer', NULL, '1', '1000000', '10000', NULL),
	('fhir.max_include', 'integer', NULL, '1', '1000000', '10000', NULL),
	('fhir.max_chain_depth', 'integer', NULL, '1', '100', '8', NULL),
	('fhir.max_search_parameters', 'integer', NULL, '1', '10000', '200', NULL),
	('fhir.max_search_values', 'integer', NULL, '1', '100000', '2000', NULL),
	('fhir.max_value_set_codes', 'integer', NULL, '1', '1000000', '10000', NULL),
	('fhir.search_timeout', 'integer', 'ms', '0', '86400000', '0', NULL);

SELECT is(s.vartype, c.type, c.name || ': type') FROM contract c LEFT JOIN pg_settings s USING (name) ORDER BY name;
SELECT is(s.unit, c.unit, c.name || ': unit') FROM contract c LEFT JOIN pg_settings s USING (name) ORDER BY name;
SELECT is(concat_ws(' … ', s.min_val, s.max_val), concat_ws(' … ', c.least, c.most), c.name || ': range') FROM contract c LEFT JOIN pg_settings s USING (name) ORDER BY name;
SELECT is(coalesce(s.boot_val, ''), c.otherwise, c.name || ': default') FROM contract c LEFT JOIN pg_settings s USING (name) WHERE s.name IS NOT NULL ORDER BY name;
SELECT is(s.enumvals, c.choices, c.name || ': choices') FROM contract c LEFT JOIN pg_settings s USING (name) WHERE c.type = 'enum' ORDER BY name;

-- of every setting, those of later days too
SELECT is(context, 'user', name || ': anyone may set it') FROM pg_settings WHERE name LIKE 'fhir.%' ORDER BY name;
SELECT ok(length(short_desc) > 10, name || ': says what it is') FROM pg_settings WHERE name LIKE 'fhir.%' ORDER BY name;
SELECT ok(length(extra_desc) > 10, name || ': explains itself') FROM pg_settings WHERE name LIKE 'fhir.%' ORDER BY name;

-- limits hold: one below and one above each range
SELECT throws_ok(format('SET %s = %s', name, v), '22023', NULL, format('%s = %s is refused', name, v))
  FROM pg_settings, LATERAL (VALUES (min_val::bigint - 1), (max_val::bigint + 1)) x (v)
 WHERE name LIKE 'fhir.%' AND vartype = 'integer' ORDER BY name, v;
SELECT lives_ok(format('SET LOCAL %s = %s', name, v), format('%s = %s is taken', name, v))
  FROM pg_settings, LATERAL (VALUES (min_val::bigint), (max_val::bigint)) x (v)
 WHERE name LIKE 'fhir.%' AND vartype = 'integer' ORDER BY name, v;
SELECT throws_ok($$SET fhir.id_format = 'serial'$$, '22023', NULL, 'fhir.id_format takes its choices only');
SELECT throws_ok($$SET fhir.base_url = 'ftp://example.org'$$, '22023', NULL, 'fhir.base_url is http or https');
SELECT throws_ok($$SET fhir.store = ''$$, '22023', NULL, 'fhir.store is not empty');
SELECT CASE WHEN current_setting('server_version_num')::int >= 150000
	THEN throws_ok('SET fhir.no_such = 1', '42602', NULL, 'no setting of that name: the prefix is reserved')
	ELSE skip('PostgreSQL 14 cannot reserve a prefix', 1) END;

SELECT * FROM finish();
ROLLBACK;
