-- fhir_http: every interaction, status and header. Ids, dates and times are masked.
\pset format unaligned
\pset tuples_only on
-- a store of its own
SELECT fhir_store_create('test_rest');
SET fhir.store = 'test_rest';
SET fhir.base_url = 'http://test/fhir';
CREATE FUNCTION http(method text, url text, headers jsonb DEFAULT '{}', body text DEFAULT '') RETURNS text LANGUAGE sql AS $$
  SELECT concat_ws(' ', r.status, nullif(r.headers - 'Content-Type', '{}'),
           regexp_replace(regexp_replace(regexp_replace(convert_from(r.body, 'UTF8') , '"last(Updated|Modified)":( ?)"[^"]*Z"', '"last\1":\2"T"', 'g'),
             '[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f-]{21}', 'UUID', 'g'), '"resourceType":"OperationOutcome","id":"UUID"', '"OperationOutcome"'))
    FROM (SELECT h.status, regexp_replace(regexp_replace(h.headers::text, '[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f-]{21}', 'UUID'), '"[^"]* GMT"', '"DATE"')::jsonb AS headers, h.body
            FROM fhir_http(method, url, headers, convert_to(body, 'UTF8')) h) r
$$;

-- update as create, read, vread, conditional read
SELECT http('PUT', '/Patient/p1', '{"content-type": "application/fhir+json; charset=utf-8"}', '{"resourceType":"Patient","id":"p1","active":true,"identifier":[{"system":"urn:s","value":"1"}]}');
SELECT http('GET', '/Patient/p1');
SELECT http('GET', '/Patient/p1?_pretty=true&_elements=active');
SELECT http('GET', '/Patient/p1?_summary=text');
SELECT http('HEAD', '/Patient/p1');
SELECT http('GET', '/Patient/p1', '{"if-none-match": "W/\"1\""}');
SELECT http('GET', '/Patient/p1', '{"if-none-match": "W/\"2\", W/\"3\""}') LIKE '200 %';
SELECT http('GET', '/Patient/p1', '{"if-modified-since": "Sat, 01 Jan 2050 00:00:00 GMT"}');
SELECT http('GET', '/Patient/p1', '{"if-modified-since": "Sat, 01 Jan 2000 00:00:00 GMT"}') LIKE '200 %';
SELECT http('PUT', '/Patient/p1', '{"if-match": "W/\"1\"", "prefer": "return=minimal"}', '{"resourceType":"Patient","id":"p1","active":false,"identifier":[{"system":"urn:s","value":"1"}]}');
SELECT http('PUT', '/Patient/p1', '{"if-match": "W/\"1\""}', '{"resourceType":"Patient","id":"p1","active":true}');
SELECT http('PUT', '/Patient/p1', '{"if-none-match": "*"}', '{"resourceType":"Patient","id":"p1","active":true}');
SELECT http('GET', '/Patient/p1/_history/1');
SELECT http('GET', '/Patient/p1/_history/3');

-- create, conditional create
SELECT http('POST', '/Patient', '{"prefer": "return=OperationOutcome"}', '{"resourceType":"Patient","id":"mine","birthDate":"1990-01-01"}');
SELECT http('POST', '/Observation', '{}', '{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p1"},"valueQuantity":{"value":1.10}}');
SELECT http('POST', '/Patient', '{"if-none-exist": "identifier=urn:s|1"}', '{"resourceType":"Patient"}');
SELECT http('POST', '/Patient', '{"if-none-exist": "identifier=urn:s|2", "prefer": "return=minimal"}', '{"resourceType":"Patient","identifier":[{"system":"urn:s","value":"2"}]}');
SELECT http('POST', '/Patient', '{"if-none-exist": "_lastUpdated=gt2000"}', '{"resourceType":"Patient"}');

-- patch
SELECT http('PATCH', '/Patient/p1', '{"content-type": "application/json-patch+json", "if-match": "W/\"2\""}', '[{"op":"replace","path":"/active","value":true}]');
SELECT http('PATCH', '/Patient?identifier=urn:s|1', '{"content-type": "application/json-patch+json"}', '[{"op":"add","path":"/gender","value":"other"},{"op":"remove","path":"/active"}]');
SELECT http('PATCH', '/Patient/p1', '{"content-type": "application/json-patch+json"}', '[{"op":"test","path":"/gender","value":"male"}]') LIKE '4%';
SELECT http('PATCH', '/Patient?identifier=urn:s|1', '{"content-type": "application/fhir+json"}',
  '{"resourceType":"Parameters","parameter":[{"name":"operation","part":[{"name":"type","valueCode":"delete"},{"name":"path","valueString":"Patient.gender"}]}]}');
SELECT http('PATCH', '/Patient/p1', '{"content-type": "application/fhir+json"}', '[{"op":"remove","path":"/active"}]');

-- conditional update and delete, delete, gone, undelete
SELECT http('PUT', '/Patient?identifier=urn:s|2', '{"prefer": "return=minimal"}', '{"resourceType":"Patient","identifier":[{"system":"urn:s","value":"2"}],"gender":"other"}');
SELECT http('PUT', '/Patient?_lastUpdated=gt2000', '{}', '{"resourceType":"Patient"}');
SELECT http('DELETE', '/Patient?identifier=urn:s|2', '{"prefer": "return=OperationOutcome"}');
SELECT http('DELETE', '/Patient?identifier=urn:s|none');
SELECT http('DELETE', '/Patient');
SELECT http('PUT', '/Basic/b1', '{"prefer": "return=minimal"}', '{"resourceType":"Basic","id":"b1","code":{"text":"x"}}');
SELECT http('DELETE', '/Basic/b1');
SELECT http('DELETE', '/Basic/b1');
SELECT http('DELETE', '/Basic/never');
SELECT http('GET', '/Basic/b1');
SELECT http('GET', '/Basic/b1/_history/2');
SELECT http('PUT', '/Basic/b1', '{"prefer": "return=minimal"}', '{"resourceType":"Basic","id":"b1","code":{"text":"y"}}');

-- conditions that do not hold change nothing: a version of the match, none, a list; a precondition comes before what it guards
SELECT http('PUT', '/Basic?code=urn:c|1', '{"if-match": "W/\"1\""}', '{"resourceType":"Basic","code":{"coding":[{"system":"urn:c","code":"1"}]}}');
SELECT http('PUT', '/Basic?code=urn:c|1', '{"if-none-match": "*", "prefer": "return=minimal"}', '{"resourceType":"Basic","code":{"coding":[{"system":"urn:c","code":"1"}]}}');
SELECT http('PUT', '/Basic?code=urn:c|1', '{"if-none-match": "*"}', '{"resourceType":"Basic","code":{"coding":[{"system":"urn:c","code":"1"}]}}') LIKE '412 %';
SELECT http('DELETE', '/Basic?code=urn:c|1', '{"if-match": "W/\"7\""}') LIKE '412 %', http('DELETE', '/Basic?code=urn:c|2', '{"if-match": "W/\"7\""}') LIKE '412 %';
SELECT http('PATCH', '/Basic?code=urn:c|1', '{"content-type": "application/json-patch+json", "if-match": "W/\"7\""}', '[{"op":"remove","path":"/subject"}]') LIKE '412 %';
SELECT http('DELETE', '/Basic?code=urn:c|1', '{"if-match": "W/\"7\", W/\"1\""}');
SELECT http('PUT', '/Basic/b0', '{"prefer": "return=minimal"}', '{"resourceType":"Basic","id":"b0","code":{"text":"x"}}') LIKE '201 %', http('DELETE', '/Basic/b0') LIKE '204 %';
SELECT http('PUT', '/Basic/b0', '{"if-match": "W/\"2\""}', '{"resourceType":"Basic","id":"b0","code":{"text":"x"}}');
SELECT http('PUT', '/Basic/b0', '{"if-none-match": "W/\"2\"", "prefer": "return=minimal"}', '{"resourceType":"Basic","id":"b0","code":{"text":"x"}}') LIKE '201 %';
SELECT http('PUT', '/Basic/never', '{"if-match": "*"}', '{"resourceType":"Basic","id":"never","code":{"text":"x"}}');
SELECT http('PUT', '/Basic/b0', '{"if-none-match": "one"}', '{"resourceType":"Basic","id":"b0","code":{"text":"x"}}');
-- a write that would not heed a parameter does nothing
SELECT http('POST', '/Patient?identifier=urn:s|77', '{}', '{"resourceType":"Patient"}');
SELECT http('PUT', '/Patient/p77?identifier=urn:s|77', '{}', '{"resourceType":"Patient","id":"p77"}');
SELECT http('DELETE', '/Patient/p77?_cascade=delete', '{}', NULL);
SELECT http('PATCH', '/Patient/p77?x', '{"content-type": "application/json-patch+json"}', '[]');
SELECT http('POST', '/?%5Fx=1', '{}', '{"resourceType":"Bundle","type":"batch"}');
SELECT http('PUT', '/Patient/p77?_format=json&_pretty=false', '{"prefer": "return=minimal"}', '{"resourceType":"Patient","id":"p77"}') ~ '^201', http('DELETE', '/Patient/p77?x=y', '{"prefer": "handling=lenient"}', NULL) ~ '^204';
-- what If-None-Exist is about may be written before the question mark, and has to agree; a question mark may stand in a value
SELECT http('POST', '/Basic', '{"if-none-exist": "http://test/fhir/Basic?code=http://c?x|1", "prefer": "return=minimal"}', '{"resourceType":"Basic","code":{"coding":[{"system":"http://c?x","code":"1"}]}}') LIKE '201 %';
SELECT http('POST', '/Basic', '{"if-none-exist": "code=http://c?x|1", "prefer": "return=minimal"}', '{"resourceType":"Basic","code":{"text":"x"}}') LIKE '200 %';
SELECT http('POST', '/Basic', '{"if-none-exist": "Patient?identifier=urn:s|1"}', '{"resourceType":"Basic","code":{"text":"x"}}');
-- the three forms of an HTTP date
SELECT http('GET', '/Patient/p1', jsonb_build_object('if-modified-since', d)) LIKE '304%' FROM unnest(ARRAY['Tuesday, 01-Jan-30 00:00:00 GMT', 'Tue Jan  1 00:00:00 2030', 'Sunday, 06-Nov-94 08:49:37 GMT', 'Sun Nov  6 08:49:37 1994', '2030-01-01']) d;

-- a Binary as what it holds: sent, read, and as a resource
SELECT http('PUT', '/Binary/c1', '{"content-type": "text/plain; charset=latin1", "x-security-context": "Patient/p1"}', 'as it is');
SELECT http('GET', '/Binary/c1', '{"accept": "image/png, text/*;q=0.5"}'), (SELECT headers ->> 'Content-Type' FROM fhir_http('GET', '/Binary/c1/_history/1', '{"accept": "text/plain"}'));
SELECT http('GET', '/Binary/c1', '{"accept": "image/png"}');
SELECT http('GET', '/Binary/c1', '{"accept": "text/plain, */*;q=0.1"}') LIKE '200 %"resourceType":"Binary"%', http('GET', '/Binary/c1', '{"accept": "text/plain", "if-none-match": "W/\"1\""}') LIKE '304 %', http('GET', '/Binary/none', '{"accept": "text/plain"}') LIKE '404 %';
SELECT http('POST', '/Binary', '{"content-type": "text/plain"}', '') LIKE '415 %', http('POST', '/Binary', '{"content-type": "application/json"}', '{"a":1}') LIKE '400 %', http('PATCH', '/Binary/c1', '{"content-type": "text/plain"}', 'x') LIKE '415 %';

-- histories
SELECT status, b->>'type', b->'total', jsonb_path_query_array(b, '$.entry[*].request.method'), jsonb_path_query_array(b, '$.entry[*].response.status')
  FROM fhir_http('GET', '/Basic/b1/_history'), fhir_json(convert_from(body, 'UTF8')) b;
SELECT status, b->>'type', jsonb_array_length(b->'entry') FROM fhir_http('GET', '/Patient/_history?_count=3'), fhir_json(convert_from(body, 'UTF8')) b;
SELECT status, b->>'type', jsonb_array_length(b->'entry') > 5 FROM fhir_http('GET', '/_history'), fhir_json(convert_from(body, 'UTF8')) b;
SELECT http('GET', '/Patient/nobody/_history');
-- links lead on in the form that was asked for; what is not understood is passed by if the client says so, and is in no link
SELECT status, l ->> 'relation', regexp_replace(l ->> 'url', '_cursor=.*', '_cursor=...') FROM fhir_http('GET', '/_history?_format=json&_pretty=true&_count=1&_summary=true'), jsonb_array_elements(convert_from(body, 'UTF8')::jsonb -> 'link') l;
SELECT status, l ->> 'relation', regexp_replace(l ->> 'url', '_cursor=.*', '_cursor=...') FROM fhir_http('GET', '/Patient?_format=application/fhir%2Bjson&_pretty=true&_count=1&_elements=id'), jsonb_array_elements(convert_from(body, 'UTF8')::jsonb -> 'link') l;
SELECT http('GET', '/Patient/_history?hair=red&_count=1'), (SELECT convert_from(body, 'UTF8')::jsonb #>> '{link,0,url}' FROM fhir_http('GET', '/Patient/_history?hair=red&_count=1&_sort=hair', '{"prefer": "handling=lenient"}'));

-- search: GET, POST, system, compartment
CREATE FUNCTION found(method text, url text, headers jsonb DEFAULT '{}', body text DEFAULT '') RETURNS text LANGUAGE sql AS $$
  SELECT concat_ws(' ', status, b->>'type', b->>'total', jsonb_path_query_array(b, '$.entry[*].resource.id ? (@ starts with "p")'), jsonb_array_length(b->'entry'),
                   jsonb_path_query_first(b, '$.link[*] ? (@.relation == "self").url'), b->'issue'->0->>'diagnostics')
    FROM fhir_http(method, url, headers, convert_to(body, 'UTF8')) h, fhir_json(convert_from(h.body, 'UTF8')) b $$;
SELECT found('GET', '/Patient?identifier=urn:s|1&_format=json');
SELECT found('GET', '/Patient?identifier=urn:s|1', '{"x-fhir-base": "https://other.example.org/r4/"}');
SELECT found('POST', '/Patient/_search?_total=accurate', '{"content-type": "application/x-www-form-urlencoded"}', 'identifier=urn%3As%7C1');
SELECT found('POST', '/Patient/_search?identifier=urn:s|1');
SELECT found('GET', '/?_type=Patient,Basic&_id=p1');
SELECT found('POST', '/_search', '{"content-type": "application/x-www-form-urlencoded"}', '_type=Patient&_id=p1');
SELECT found('GET', '/Patient/p1/Observation');
SELECT found('GET', '/Patient?nope=1');
SELECT found('GET', '/Patient?nope=1&_id=p1', '{"prefer": "handling=lenient"}');

-- batch and transaction
SELECT http('POST', '/', '{}', '{"resourceType":"Bundle","type":"transaction","entry":[
  {"fullUrl":"urn:uuid:05efabf0-4be2-4561-91ce-51548425acb9","resource":{"resourceType":"Patient","active":true},"request":{"method":"POST","url":"Patient"}},
  {"resource":{"resourceType":"Basic","id":"b2","code":{"text":"x"},"subject":{"reference":"urn:uuid:05efabf0-4be2-4561-91ce-51548425acb9"}},"request":{"method":"PUT","url":"Basic/b2"}},
  {"request":{"method":"GET","url":"Basic/b1"}}]}');
SELECT http('POST', '/', '{}', '{"resourceType":"Bundle","type":"batch","entry":[
  {"request":{"method":"GET","url":"Patient?identifier=urn:s|1&_elements=id"}},
  {"request":{"method":"GET","url":"Patient/nobody"}},
  {"request":{"method":"GET","url":"http://test/fhir/Basic/b1","ifNoneMatch":"W/\"3\""}},
  {"request":{"method":"DELETE","url":"Basic/b2"}}]}');
SELECT http('POST', '/', '{}', '{"resourceType":"Bundle","type":"transaction","entry":[
  {"resource":{"resourceType":"Basic","id":"b3","code":{"text":"x"}},"request":{"method":"PUT","url":"Basic/b3"}},
  {"resource":{"resourceType":"Patient","nope":1},"request":{"method":"POST","url":"Patient"}}]}');
SELECT http('GET', '/Basic/b3');
-- conditional reads in a Bundle are those of a GET; a condition on the version, also where the criteria select it
SELECT http('POST', '/', '{}', '{"resourceType":"Bundle","type":"batch","entry":[
  {"request":{"method":"GET","url":"Basic/b1","ifModifiedSince":"2999-01-01T00:00:00Z"}},
  {"request":{"method":"GET","url":"Basic/b1","ifModifiedSince":"2000-01-01T00:00:00Z"}},
  {"request":{"method":"GET","url":"Basic/b1","ifModifiedSince":"yesterday"}},
  {"request":{"method":"GET","url":"Basic/b1","ifNoneMatch":"*"}},
  {"request":{"method":"GET","url":"Basic/b1/_history/1","ifNoneMatch":"W/\"7\", W/\"1\""}},
  {"request":{"method":"DELETE","url":"Patient?identifier=urn:s|1","ifMatch":"W/\"77\""}},
  {"resource":{"resourceType":"Patient"},"request":{"method":"PUT","url":"Patient?identifier=urn:s|1","ifNoneMatch":"*"}},
  {"resource":{"resourceType":"Basic","code":{"text":"x"}},"request":{"method":"POST","url":"Basic","ifNoneExist":"Patient?identifier=urn:s|1"}},
  {"request":{"method":"GET","url":"http://test/fhir2/Basic/b1"}}]}');
-- a search by POST is a read, wherever it stands: by the query, by Parameters, of a type, a compartment, the system
SELECT http('POST', '/', '{}', '{"resourceType":"Bundle","type":"transaction","entry":[
  {"request":{"method":"POST","url":"Patient/_search?_elements=id&_count=1"},"resource":{"resourceType":"Parameters","parameter":[{"name":"identifier","valueString":"urn:s|1"},{"name":"_total","valueCode":"accurate"},{"name":"active:missing","valueBoolean":true}]}},
  {"request":{"method":"POST","url":"_search?_summary=count&_type=Basic"}},
  {"request":{"method":"POST","url":"Patient/p1/Observation/_search?_summary=count"}},
  {"request":{"method":"PUT","url":"Basic/post"},"resource":{"resourceType":"Basic","id":"post","code":{"text":"a & b"}}},
  {"request":{"method":"POST","url":"http://test/fhir/Basic/_search"},"resource":{"resourceType":"Parameters","parameter":[{"name":"code:text","valueString":"A & B"},{"name":"_summary","valueCode":"count"}]}}]}');
SELECT http('POST', '/', '{}', '{"resourceType":"Bundle","type":"batch","entry":[
  {"request":{"method":"POST","url":"Patient/_search"},"resource":{"resourceType":"Patient"}},
  {"request":{"method":"POST","url":"Patient/_search"},"resource":{"resourceType":"Parameters","parameter":[{"name":"name"}]}},
  {"request":{"method":"POST","url":"Patient/_search?hair=red"}},
  {"request":{"method":"POST","url":"Patient/_search","ifNoneExist":"name=x"}},
  {"request":{"method":"GET","url":"Patient/_search"}}]}');
-- Prefer is for every entry that writes: the resource as this entry left it, or an OperationOutcome
SELECT http('POST', '/', '{"prefer": "return=representation"}', '{"resourceType":"Bundle","type":"batch","entry":[
  {"resource":{"resourceType":"Basic","id":"b4","code":{"text":"one"}},"request":{"method":"PUT","url":"Basic/b4"}},
  {"resource":{"resourceType":"Basic","id":"b4","code":{"text":"two"}},"request":{"method":"PUT","url":"Basic/b4"}},
  {"resource":{"resourceType":"Basic","id":"b5"},"request":{"method":"PUT","url":"Basic/b5"}},
  {"request":{"method":"HEAD","url":"Basic/b4"}}]}');
SELECT http('POST', '/', '{"prefer": "return=representation"}', '{"resourceType":"Bundle","type":"transaction","entry":[
  {"fullUrl":"urn:uuid:05efabf0-4be2-4561-91ce-51548425acb9","resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient","ifNoneExist":"identifier=urn:s|1"}},
  {"resource":{"resourceType":"Basic","code":{"text":"x"},"subject":{"reference":"urn:uuid:05efabf0-4be2-4561-91ce-51548425acb9"}},"request":{"method":"POST","url":"Basic"}},
  {"resource":{"resourceType":"Binary","contentType":"application/json-patch+json","data":"W3sib3AiOiJyZXBsYWNlIiwicGF0aCI6Ii9jb2RlL3RleHQiLCJ2YWx1ZSI6InRocmVlIn1d"},"request":{"method":"PATCH","url":"Basic/b4"}},
  {"request":{"method":"DELETE","url":"Basic/b1"}}]}');
SELECT http('POST', '/', '{"prefer": "return=OperationOutcome"}', '{"resourceType":"Bundle","type":"transaction","entry":[
  {"resource":{"resourceType":"Basic","id":"b6","code":{"text":"x"}},"request":{"method":"PUT","url":"Basic/b6"}},
  {"resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient","ifNoneExist":"identifier=urn:s|1"}},
  {"request":{"method":"DELETE","url":"Basic/b4"}},
  {"request":{"method":"GET","url":"Basic/b6"}}]}');
SELECT http('POST', '/', '{"prefer": "return=minimal"}', '{"resourceType":"Bundle","type":"batch","entry":[
  {"resource":{"resourceType":"Basic","id":"b6","code":{"text":"y"}},"request":{"method":"PUT","url":"Basic/b6"}}]}');

-- capabilities
SELECT status, b->>'fhirVersion', b #>> '{implementation,url}', jsonb_array_length(b #> '{rest,0,resource}') AS types,
       jsonb_path_query_array(b, '$.rest[0].resource[*] ? (@.type == "Patient").interaction[*].code'), jsonb_path_query_array(b, '$.rest[0].interaction[*].code')
  FROM fhir_http('GET', '/metadata', '{"accept": "application/json"}'), fhir_json(convert_from(body, 'UTF8')) b;
SELECT fhir_check(fhir_capabilities());
-- as any resource in part; nothing is told that isn't served
SELECT http('GET', '/metadata?_elements=fhirVersion') LIKE '%SUBSETTED%"fhirVersion":"4.0.1"%', length(http('GET', '/metadata?_summary=true')) < length(http('GET', '/metadata')), http('GET', '/metadata?_summary=x') LIKE '400 %';
SELECT count(*) FROM jsonb_path_query(fhir_capabilities(), '$.rest[0].resource[*].searchParam[*] ? (@.name == "_query")');
-- what is listed works: no _query of each type
SELECT jsonb_path_query_array(c, '$.rest[0].searchParam[*].name'), jsonb_path_query_array(c, '$.rest[0].resource[*] ? (@.type == "Patient").searchParam[*].name ? (@ starts with "_")')
  FROM fhir_capabilities() c;

-- 400, 404, 405, 406, 415: findings all at once
SELECT http('POST', '/Patient', '{"x-request-id": "abc-1"}', '{"resourceType":"Patient","active":"yes","nope":1,"birthDate":"2020-13-01"}');
SELECT http('POST', '/Patient', '{}', '{"resourceType":"Observation"}');
SELECT http('PUT', '/Patient/p1', '{}', '{"resourceType":"Patient"}');
SELECT http('POST', '/Patient');
SELECT http('GET', '/Nope/1');
SELECT http('GET', '/Patient/$everything');
SELECT http('GET', '/Patient/nobody');
SELECT http('POST', '/Patient/p1', '{}', '{}');
SELECT http('DELETE', '/metadata');
SELECT http('BREW', '/');
SELECT http('GET', '/Patient/p1?_format=xml');
SELECT http('GET', '/Patient/p1', '{"accept": "application/fhir+xml;q=1, text/html"}');
SELECT http('GET', '/Patient/p1', '{"accept": "application/fhir+json;fhirVersion=4.0, */*;q=0"}') LIKE '200 %';
SELECT http('POST', '/Patient', '{"content-type": "application/fhir+xml"}', '<Patient/>');

-- a read-only transaction reads, and refuses writes; reading takes no transaction id
BEGIN READ ONLY;
SELECT http('GET', '/Patient/p1') LIKE '200 %', found('GET', '/Patient?_id=p1');
SELECT http('PUT', '/Patient/p1', '{}', '{"resourceType":"Patient","id":"p1"}');
COMMIT;
BEGIN;
SELECT http('GET', '/Patient/p1') LIKE '200 %', http('GET', '/Patient?_id=p1') LIKE '200 %', http('GET', '/Patient/p1/_history') LIKE '200 %', http('GET', '/Patient/x') LIKE '404 %';
SELECT pg_current_xact_id_if_assigned() IS NULL AS no_xid;
-- an error is a response: the transaction goes on
SELECT http('POST', '/Patient', '{}', '{') LIKE '400 %', http('PUT', '/Patient/p9', '{}', '{"resourceType":"Patient","id":"p9"}') LIKE '201 %';
COMMIT;
SELECT http('GET', '/Patient/p9') LIKE '200 %';
-- PostgreSQL's own errors are told in general words: no SQL, no names of tables
BEGIN;
ALTER TABLE test_rest.version RENAME TO away;
SELECT http('GET', '/Patient/p9');
ROLLBACK;
DROP FUNCTION http, found;
RESET fhir.store;
SELECT fhir_store_drop('test_rest', force => true);
