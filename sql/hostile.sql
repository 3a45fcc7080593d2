-- Hostile input: the right status, always an OperationOutcome, nothing stored.
\pset format unaligned
\pset tuples_only on
-- a store of its own
SELECT fhir_store_create('test_hostile');
SET fhir.store = 'test_hostile';
CREATE TEMP TABLE before AS SELECT count(*) AS versions FROM test_hostile.version;
CREATE FUNCTION answer(method text, url text, headers jsonb, body bytea) RETURNS text LANGUAGE sql AS $$
  SELECT concat_ws(' | ', r.status, o->>'resourceType', left(o #>> '{issue,0,diagnostics}', 150))
    FROM fhir_http(method, url, headers, body) r, LATERAL (SELECT convert_from(r.body, 'UTF8')::jsonb AS o) x $$;
CREATE FUNCTION bad_body(body bytea) RETURNS text LANGUAGE sql AS $$ SELECT answer('POST', '/Patient', '{}', body) $$;

SELECT bad_body(convert_to(b, 'UTF8')) FROM unnest(ARRAY['', ' ', '{', '[]', '"x"', 'null', '{}', '<Patient/>', '{"resourceType":"Patient"',
  '{"resourceType":"Patient","active":true,"active":true}', '{"resourceType":"Patient","x":"\u0000"}', '{"resourceType":"Patient","x":"\ud800"}',
  '{"resourceType":"Patient","x":' || repeat('[', 10000) || repeat(']', 10000) || '}', '{"resourceType":"Patient","x":' || repeat('{"a":', 10000),
  '{"resourceType":"Patient","multipleBirthInteger":1e100000}', '{"resourceType":["Patient"]}', '{"resourceType":"Patient\u0027; DROP TABLE fhir.version"}']) b;
-- NUL byte, overlong and lone UTF-8, UTF-16 with a byte order mark
SELECT bad_body(b) FROM unnest(ARRAY['\x7b2261223a220022'::bytea, '\x7b2261223a22c08022', '\x7b2261223a22eda08022', '\x7b2261223a22ff22', '\xfffe7b00', '\x00']) b;

-- paths
SELECT p, answer('GET', p, '{}', '') FROM unnest(ARRAY['/Patient/a%2Fb', '/Patient/../x', '/Patient/..%2f..%2fetc', '/Patient//x', '/Patient/a%00b', '/Patient/%', '/Patient/%zz',
  '/Patient/%FF', '/Patient/1''%20OR%201=1', '/Patient/' || repeat('x', 65), '/Patient/1/_history/1''', '/Patient/1/_history/0', '/Patient/1/_history/99999999999',
  '/Patient''; DROP TABLE fhir.resource; --/1', '/Patient/1/2/3/4/5/6/7', '/patient/1', '/Patient/é', '/DomainResource/1', '/Resource', '/HumanName/1', 'http://evil.example.org/Patient/1']) p;
SELECT answer('GET', '/Patient?name=' || repeat('x', 70000), '{}', '');

-- SQL and nonsense in parameters: a value that nothing has, or 400
SELECT q, CASE WHEN s.status = 200 THEN '200 ' || (b->>'total') ELSE s.status::text END
  FROM unnest(ARRAY['name=''%20OR%20''1''=''1', 'name=%27%3B%20DROP%20TABLE%20fhir.resource%3B--', '_id=1'')%20OR%20(''1''=''1', 'name:exact=$1', 'identifier=%22%5C', 'birthdate='';--',
    'birthdate=2020-02-30', '_lastUpdated=$1', '_sort=name;DROP', '_sort='';--', '_count=1;--', '_count=99999999999999', '_include='';--', 'a''b=1', 'name:''=1', '_total='';--',
    'name=%', 'name=%00', 'name=%C0%80', 'name=%ED%A0%80', 'organization.name='';--', '_has:Observation:subject:code=''', '_has:''=1', '_type='';--']) q,
    LATERAL fhir_http('GET', '/Patient?_total=accurate&' || q) s, LATERAL (SELECT convert_from(s.body, 'UTF8')::jsonb AS b) x;

-- headers
SELECT h, answer('GET', '/Patient/nobody', h, '') FROM unnest(ARRAY['{"accept":""}', '{"accept":[1]}', '{"x-fhir-base":"javascript:alert(1)"}', '{"x-fhir-base":"http://a\"b"}',
  '{"if-none-match":"\"\\"}', '{"if-modified-since":"Sat, 99 Foo 2020 99:99:99 GMT"}', '{"prefer":"return=;;;===,,\""}', '[]', '"x"', '1']::jsonb[]) h;
SELECT answer('PUT', '/Patient/x', jsonb_build_object('if-match', m), '{"resourceType":"Patient","id":"x"}') FROM unnest(ARRAY['', 'x', 'W/', '"', '99999999999', '1; DROP', 'W/"1"']) m;
SELECT answer('POST', '/Patient', jsonb_build_object('if-none-exist', m), '{"resourceType":"Patient"}') FROM unnest(ARRAY['', '?', 'nope=1', 'identifier=%', ''';--', 'identifier']) m;

SELECT v.versions = b.versions AS nothing_stored FROM before b, (SELECT count(*) AS versions FROM test_hostile.version) v;
DROP FUNCTION bad_body, answer;
RESET fhir.store;
SELECT fhir_store_drop('test_hostile');

-- a search_path with types, functions and operators of somebody else before PostgreSQL's
CREATE SCHEMA alien;
DO $$
DECLARE o record; n int := 0;
BEGIN
  FOR o IN SELECT oprname AS name, oprleft::regtype::text AS l, oprright::regtype::text AS r, oprresult::regtype::text AS result FROM pg_operator
    WHERE oprnamespace = 'pg_catalog'::regnamespace AND oprleft <> 0 AND oprleft::regtype::text = ANY ('{bigint,integer,text,oid,name,boolean,jsonb,bigint[],double precision,timestamp with time zone}') LOOP
    n := n + 1;
    EXECUTE format('CREATE FUNCTION alien.o%s(%s, %s) RETURNS %s LANGUAGE plpgsql AS $f$ BEGIN RAISE ''alien %%'', %L; END $f$', n, o.l, o.r, o.result, o.name || ' of ' || o.l || ' and ' || o.r);
    EXECUTE format('CREATE OPERATOR alien.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = alien.o%s)', o.name, o.l, o.r, n);
  END LOOP;
END $$;
CREATE DOMAIN alien.text AS pg_catalog.text;
CREATE DOMAIN alien.tsvector AS pg_catalog.tsvector;
CREATE FUNCTION alien.unnest(bigint[]) RETURNS SETOF bigint LANGUAGE plpgsql AS 'BEGIN RAISE ''alien unnest''; END';
CREATE FUNCTION alien.max(bigint) RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RAISE ''alien max''; END';
SET search_path = alien, public, pg_catalog;
SELECT fhir_store_create('test_alien');
SET fhir.store = 'test_alien';
SELECT pg_catalog.count(fhir_update(r)) FROM (VALUES ('{"resourceType":"Patient","id":"p","name":[{"family":"Alien"}],"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">words</div>"}}'::jsonb),
  ('{"resourceType":"Observation","id":"o","status":"final","code":{"coding":[{"code":"c"}],"text":"code"},"subject":{"reference":"Patient/p"},"effectiveDateTime":"2020","valueQuantity":{"value":1}}'),
  ('{"resourceType":"SearchParameter","id":"sp","url":"http://example.org/sp","name":"sp","status":"draft","description":"d","code":"sp","base":["Patient"],"type":"token","expression":"Patient.gender"}')) v(r);
SELECT fhir_count('Observation', q) FROM pg_catalog.unnest('{code=c,date=ge2019,code=c&date=ge2019,patient.name=ali,code:text=cod,_content=code,value-quantity=gt0,code:not=d,_has:Provenance:target:_id=x,_sort=-date&status=final,_filter=patient.name co lie}'::pg_catalog.text[]) q;
SELECT (fhir_search('Observation', '_sort=patient.family,-date&_include=*&_revinclude=*&_count=1') OPERATOR(pg_catalog.->) 'total')::pg_catalog.text, fhir_delete('Observation', 'o') IS NOT NULL;
SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid OPERATOR(pg_catalog.=) a.attrelid JOIN pg_type t ON t.oid OPERATOR(pg_catalog.=) a.atttypid
  WHERE c.relnamespace OPERATOR(pg_catalog.=) 'test_alien'::regnamespace AND t.typnamespace OPERATOR(pg_catalog.=) 'alien'::regnamespace;
RESET fhir.store;
SELECT fhir_store_drop('test_alien', force => true);
RESET search_path;
SET client_min_messages = warning;
DROP SCHEMA alien CASCADE;
