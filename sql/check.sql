-- The structural check: what is refused, where and why.
\pset format unaligned
\pset tuples_only on
CREATE FUNCTION pg_temp.chk(r text) RETURNS SETOF text LANGUAGE sql AS
$$SELECT code || ' @ ' || coalesce(expression, '-') || ': ' || diagnostics FROM fhir_check(r::jsonb)$$;

\echo == nothing wrong
SELECT pg_temp.chk('{"resourceType":"Patient"}');
SELECT pg_temp.chk('{"resourceType":"Patient","id":"a-1.B","_id":{"extension":[{"url":"http://x","valueCode":"y"}]},
 "active":true,"name":[{"id":"n 1","family":"Ö","given":["a",null,"c"],"_given":[null,{"extension":[{"url":"http://x","valueCode":"masked"}]},null]}],
 "_birthDate":{"extension":[{"url":"http://x","valueDateTime":"2020-02-29T23:59:60Z"}]},"birthDate":"2020-02",
 "multipleBirthInteger":2,"deceasedBoolean":false,"_deceasedBoolean":{"id":"d"},
 "contained":[{"resourceType":"Organization","id":"o","name":"O"}],
 "extension":[{"url":"http://x","extension":[{"url":"y","_valueString":{"extension":[{"url":"z","valueBoolean":true}]}}]}],
 "text":{"status":"empty","div":" <div xmlns=\"http://www.w3.org/1999/xhtml\"><p/></div>\n"}}');
SELECT pg_temp.chk('{"resourceType":"Observation","_status":{"extension":[{"url":"http://x","valueCode":"unknown"}]},
 "code":{"text":"t"},"valueQuantity":{"value":1.10},"component":[{"code":{"text":"c"},"valueInteger":-2147483648}]}');
SELECT pg_temp.chk('{"resourceType":"Bundle","type":"searchset","link":[{"relation":"self","url":"x"}],"entry":[{"link":[{"relation":"a","url":"b"}],
 "resource":{"resourceType":"Parameters","parameter":[{"name":"p","part":[{"name":"q","resource":{"resourceType":"Basic","code":{"text":"b"}}}]}]}}]}');

\echo == no resource
SELECT pg_temp.chk('[]');
SELECT pg_temp.chk('"Patient"');
SELECT pg_temp.chk('{}');
SELECT pg_temp.chk('{"resourceType":7}');
SELECT pg_temp.chk('{"resourceType":"patient"}');
SELECT pg_temp.chk('{"resourceType":"DomainResource"}');
SELECT pg_temp.chk('{"resourceType":"HumanName","family":"x"}');

\echo == names
SELECT pg_temp.chk('{"resourceType":"Patient","brithDate":"2020","_":1,"":2,"value":1,"a.b`c":{},"resourcetype":"x","_resourceType":{},"_nmae":{}}');
SELECT pg_temp.chk('{"resourceType":"Observation","status":"final","code":{"text":"t"},"value":{"value":1},"valueQuantity":{"valeu":1},"valueDate":"2020"}');
SELECT pg_temp.chk('{"resourceType":"Patient","name":[{"resourceType":"HumanName","_id":{"id":"x"}}],"extension":[{"url":"a","_url":{"id":"x"},"valueBoolean":true}]}');

\echo == kinds, arrays and nulls
SELECT pg_temp.chk('{"resourceType":"Patient","name":{"family":["x"]},"gender":5,"active":"true","maritalStatus":"M","birthDate":{"x":1},"photo":[],"contact":[[]],"link":[null],
 "telecom":[{"rank":"1","period":null}],"communication":[{}],"managingOrganization":{}}');
SELECT pg_temp.chk('{"resourceType":"Patient","name":[{"given":["a",null,null],"_given":[null,{"id":"x"}],"_prefix":[null],"_suffix":{"id":"s"},"suffix":["Dr"],"_use":[{"id":"x"}],"_family":{},"_text":"x"}]}');
SELECT pg_temp.chk('{"resourceType":"Patient","name":[{"given":["a",null],"_given":[{"id":"x","value":"y"},null]},{"_period":{"id":"p"}}]}');

\echo == cardinality
SELECT pg_temp.chk('{"resourceType":"Observation"}');
SELECT pg_temp.chk('{"resourceType":"MedicationRequest","status":"active","intent":"order"}');
SELECT pg_temp.chk('{"resourceType":"Observation","status":"final","code":{"text":"t"},"valueString":"a","valueInteger":1,"_valueTime":{"id":"t"},"effectiveDateTime":"2020"}');
SELECT pg_temp.chk('{"resourceType":"Patient","extension":[{"valueString":"x"},{"url":"a"},{"url":"b","valueString":"x","extension":[{"url":"c","valueString":"d"}]},{"url":"e","extension":[]}],"name":[{"id":"only"}]}');

\echo == resources inside
SELECT pg_temp.chk('{"resourceType":"Patient","contained":[{"id":"x"},{"resourceType":"Foo"},{"resourceType":"Organization","nmae":"x"},"x"]}');
SELECT pg_temp.chk('{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"put"}},{"resource":{"resourceType":"Patient","gender":"x","contact":[{"name":{"given":["a",5]}}]}}]}');

\echo == formats
CREATE FUNCTION pg_temp.ext(type text, v jsonb) RETURNS text LANGUAGE sql AS
$$SELECT coalesce((SELECT diagnostics FROM fhir_check(jsonb_build_object('resourceType', 'Basic', 'code', '{"text":"x"}'::jsonb, 'extension',
 jsonb_build_array(jsonb_build_object('url', 'u', 'value' || type, v))))), type || ' ' || v || ' ok')$$;
SELECT pg_temp.ext(t, v::jsonb) FROM (VALUES
 ('Date', '["2020","2020-12","2024-02-29","2023-02-29","2020-13","2020-1","20200101","2020-01-01T00:00:00Z","0000","","02020"]'),
 ('DateTime', '["2020","2020-01-01T10:00:00Z","2020-01-01T10:00:00.123456789-05:00","2020-01-01T10:00:00","2020-01-01T10:00Z","2020-01-01T24:00:00Z","2020-01-01 10:00:00Z","2020-01-01T10:00:00+15:00"]'),
 ('Instant', '["2020-01-01T10:00:00.5Z","2020-01-01","2020-01-01T10:00:00"]'),
 ('Time', '["23:59:59","23:59:60.25","24:00:00","10:00","10:00:00Z"]'),
 ('Integer', '[0,-2147483648,2147483647,2147483648,-2147483649,1.5,1.0,"1",1e400]'),
 ('PositiveInt', '[1,0,-1,2147483648]'), ('UnsignedInt', '[0,-1]'), ('Decimal', '[1.10,-0.0,1e-100,"1.1",true]'),
 ('Id', '["a","A-b.9","a_b","a/b","0123456789012345678901234567890123456789012345678901234567890123","01234567890123456789012345678901234567890123456789012345678901234"]'),
 ('Code', '["a b","a  b"," a","a ","a\tb"]'), ('Uri', '["x:y","a b","x\ny"]'), ('Oid', '["urn:oid:1.2.3","urn:oid:2.0.1","urn:oid:3.1","urn:oid:1","urn:oid:1.","urn:oid:1.02","1.2.3"]'),
 ('Uuid', '["urn:uuid:c757873d-ec9a-4326-a141-556f43239520","urn:uuid:C757873D-ec9a-4326-a141-556f43239520","c757873d-ec9a-4326-a141-556f43239520"]'),
 ('Base64Binary', '["QUJD","QUI=","QQ==","QQ=","QQ=Q","Q===","QU JD\nQUJD","QU*D",""]'), ('String', '[" ","a\nb",""]'), ('Boolean', '[true,"true",1,null]')) AS f (t, vs),
 jsonb_array_elements(vs::jsonb) v;
SELECT left(pg_temp.ext('String', to_jsonb(repeat('ä', 1024 * 1024))), 30), left(pg_temp.ext('String', to_jsonb(repeat('ä', 1024 * 1024 + 1))), 120);
SELECT pg_temp.chk('{"resourceType":"Patient","text":{"status":"empty","div":"<p>x</p>"}}');

\echo == codes
SELECT pg_temp.chk('{"resourceType":"Patient","gender":"Female","contact":[{"gender":"mael"}],"link":[{"other":{"reference":"x"},"type":"xyz-zzy"}]}');

\echo == at most fhir.max_issues
SET fhir.max_issues = 2;
SELECT count(*) FROM fhir_check('{"resourceType":"Patient","a":1,"b":2,"c":3}');
RESET fhir.max_issues;

\echo == fhir.check_mode = structure: some findings are warnings
SET fhir.check_mode = structure;
SELECT severity, code, expression FROM fhir_check('{"resourceType":"Observation","status":"done","category":[{"id":"x"}],"extension":[{"url":"u"}],"x":1}');
SET fhir.max_issues = 1;
SELECT severity, code, expression FROM fhir_check('{"resourceType":"Observation","status":"done","category":[{"id":"x"}],"x":1,"yy":1}');
RESET fhir.max_issues;

