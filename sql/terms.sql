-- Value sets and hierarchies that R4 defines (compiled in), beside and behind those in the store.
SELECT fhir_store_create('terms_test');
SET fhir.store = terms_test;
CREATE FUNCTION found(type text, query text) RETURNS text LANGUAGE sql AS
$$ SELECT coalesce(string_agg(id, ' '), '-') FROM fhir_search_rows($1, $2) $$;
CREATE FUNCTION member(system text, code text, url text) RETURNS text LANGUAGE sql AS
$$ SELECT coalesce((SELECT v::text FROM fhirpath(jsonb_build_object('resourceType', 'Basic', 'code', jsonb_build_object('coding',
   jsonb_build_array(jsonb_strip_nulls(jsonb_build_object('system', $1, 'code', $2))))), ('code.memberOf(''' || $3 || ''')')::fhirpath) v), 'empty') $$;
\pset tuples_only on
SELECT count(fhir_update(jsonb_build_object('resourceType', 'Observation', 'id', id, 'status', status, 'code', jsonb_build_object('coding', jsonb_build_array(
   jsonb_strip_nulls(jsonb_build_object('system', system, 'code', code))))))) FROM (VALUES
 ('o1', 'final', 'http://terminology.hl7.org/CodeSystem/v3-RoleCode', 'SON'),
 ('o2', 'amended', 'http://terminology.hl7.org/CodeSystem/v3-RoleCode', 'CHILD'),
 ('o3', 'final', 'http://terminology.hl7.org/CodeSystem/v3-RoleCode', 'FAMMEMB'),
 ('o4', 'final', 'http://terminology.hl7.org/CodeSystem/v3-RoleCode', 'HOSP'),
 ('o5', 'cancelled', 'http://terminology.hl7.org/CodeSystem/data-absent-reason', 'unknown'),
 ('o6', 'final', NULL, 'SON'),
 ('o7', 'final', 'http://loinc.org', '8867-4')) v(id, status, system, code);
SELECT count(fhir_update(r)) FROM (VALUES
 ('{"resourceType":"Patient","id":"p1","gender":"male","maritalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-MaritalStatus","code":"M"}]}}'::jsonb),
 ('{"resourceType":"Patient","id":"p2","gender":"other"}')) v(r);
-- R4's own: listed, whole system, is-a resolved when generated
SELECT found('Patient', 'gender:in=http://hl7.org/fhir/ValueSet/administrative-gender'), found('Patient', 'gender:in=http://hl7.org/fhir/ValueSet/administrative-gender|4.0.1'),
 found('Observation', 'status:in=http://hl7.org/fhir/ValueSet/observation-status');
SELECT found('Observation', 'code:in=http://hl7.org/fhir/ValueSet/data-absent-reason'), found('Observation', 'code:not-in=http://hl7.org/fhir/ValueSet/data-absent-reason');
SELECT found('Observation', 'code:in=http://terminology.hl7.org/ValueSet/v3-FamilyMember'), found('Observation', 'code:in=http://terminology.hl7.org/ValueSet/v3-FamilyMember,http://hl7.org/fhir/ValueSet/data-absent-reason'),
 found('Observation', 'code:not-in=http://terminology.hl7.org/ValueSet/v3-FamilyMember');
-- hierarchies
SELECT found('Observation', 'code:below=http://terminology.hl7.org/CodeSystem/v3-RoleCode|CHILD'), found('Observation', 'code:below=http://terminology.hl7.org/CodeSystem/v3-RoleCode|FAMMEMB'),
 found('Observation', 'code:above=http://terminology.hl7.org/CodeSystem/v3-RoleCode|SON'), found('Patient', 'gender:below=male'), found('Patient', 'gender:above=http://hl7.org/fhir/administrative-gender|other');
-- the same in _filter
SELECT found('Observation', '_filter=code in http://terminology.hl7.org/ValueSet/v3-FamilyMember and status eq final'), found('Observation', '_filter=code ni http://terminology.hl7.org/ValueSet/v3-FamilyMember'),
 found('Observation', '_filter=code ss http://terminology.hl7.org/CodeSystem/v3-RoleCode|CHILD or code sb http://terminology.hl7.org/CodeSystem/v3-RoleCode|HOSP');
-- the store goes first
SELECT count(fhir_update(r)) FROM (VALUES
 ('{"resourceType":"ValueSet","id":"g","url":"http://hl7.org/fhir/ValueSet/administrative-gender","version":"x","status":"active","compose":{"include":[{"system":"http://hl7.org/fhir/administrative-gender","concept":[{"code":"other"}]}]}}'::jsonb),
 ('{"resourceType":"CodeSystem","id":"t","url":"http://example.org/t","version":"1","status":"active","content":"complete","property":[{"code":"parent","type":"code"},{"code":"legs","type":"integer"}],"concept":[
   {"code":"a"},{"code":"b","property":[{"code":"parent","valueCode":"a"}]},{"code":"c","property":[{"code":"subsumedBy","valueCode":"b"},{"code":"legs","valueInteger":4}]},{"code":"d","property":[{"code":"child","valueCode":"c"}]}]}'),
 ('{"resourceType":"CodeSystem","id":"loop","url":"http://example.org/loop","status":"active","content":"complete","concept":[
   {"code":"x","property":[{"code":"parent","valueCode":"y"}]},{"code":"y","property":[{"code":"parent","valueCode":"x"}]}]}'),
 ('{"resourceType":"ValueSet","id":"one","url":"http://example.org/one","status":"active","compose":{"include":[{"valueSet":["http://example.org/two"]}]}}'),
 ('{"resourceType":"ValueSet","id":"two","url":"http://example.org/two","status":"active","compose":{"include":[{"valueSet":["http://example.org/one"]},{"system":"http://loinc.org","concept":[{"code":"8867-4"}]}]}}'),
 ('{"resourceType":"ValueSet","id":"but","url":"http://example.org/but","status":"active","compose":{"include":[{"system":"http://loinc.org"}],"exclude":[{"system":"http://loinc.org","concept":[{"code":"8867-4"}]}]}}'),
 ('{"resourceType":"ValueSet","id":"page","url":"http://example.org/page","status":"active","expansion":{"timestamp":"2020-01-01","total":5,"contains":[{"system":"http://loinc.org","code":"8867-4"}]}}')) v(r);
SELECT count(fhir_update(jsonb_build_object('resourceType', 'ValueSet', 'id', id, 'url', 'http://example.org/' || id, 'status', 'active', 'compose',
   jsonb_build_object('include', jsonb_build_array(jsonb_build_object('system', 'http://example.org/t', 'filter', jsonb_build_array(jsonb_build_object('property', p, 'op', op, 'value', v)))))))) FROM (VALUES
 ('isa', 'concept', 'is-a', 'a'), ('desc', 'concept', 'descendent-of', 'a'), ('isnota', 'concept', 'is-not-a', 'b'), ('gen', 'concept', 'generalizes', 'c'), ('eq', 'code', '=', 'd'),
 ('in', 'concept', 'in', 'a, d,z'), ('notin', 'concept', 'not-in', 'a,d'), ('re', 'code', 'regex', '[ab]|d'), ('legs', 'legs', '=', '4'), ('haslegs', 'legs', 'exists', 'false'), ('odd', 'legs', 'is-a', '4'), ('badre', 'code', 'regex', 'a(')) v(id, p, op, v);
SELECT found('Patient', 'gender:in=http://hl7.org/fhir/ValueSet/administrative-gender'), found('Patient', 'gender:in=http://hl7.org/fhir/ValueSet/administrative-gender|4.0.1'),
 found('Patient', 'gender:in=ValueSet/g');
SELECT vs, string_agg(code, ' ' ORDER BY code) FILTER (WHERE member('http://example.org/t', code, 'http://example.org/' || vs) = 'true') AS members,
 string_agg(DISTINCT member('http://example.org/t', code, 'http://example.org/' || vs), ' ') FROM unnest('{isa,desc,isnota,gen,eq,in,notin,re,legs,haslegs,odd,badre}'::text[]) vs, unnest('{a,b,c,d,z}'::text[]) code GROUP BY vs ORDER BY vs;
SELECT found('Observation', 'code:below=http://example.org/loop|x');
-- memberOf: what can't be told is empty
SELECT member('http://hl7.org/fhir/observation-status', 'final', 'http://hl7.org/fhir/ValueSet/observation-status') AS yes, member('http://hl7.org/fhir/observation-status', 'odd', 'http://hl7.org/fhir/ValueSet/observation-status') AS no,
 member('http://snomed.info/sct', '1', 'http://hl7.org/fhir/ValueSet/condition-code') AS unknown, member('http://snomed.info/sct', '160245001', 'http://hl7.org/fhir/ValueSet/condition-code') AS listed,
 member('http://loinc.org', 'x', 'http://example.org/but') AS uncertain, member('http://loinc.org', '8867-4', 'http://example.org/one') AS circle, member(NULL, 'final', 'http://hl7.org/fhir/ValueSet/observation-status') AS code_alone;
-- errors
SELECT found('Observation', 'code:in=http://hl7.org/fhir/ValueSet/condition-code');
SELECT found('Observation', 'code:in=http://hl7.org/fhir/ValueSet/administrative-gender|1');
SELECT found('Observation', 'code:in=http://example.org/one');
SELECT found('Observation', 'code:in=http://example.org/but');
SELECT found('Observation', 'code:not-in=http://example.org/page');
SELECT found('Observation', 'code:in=http://example.org/odd');
SELECT found('Observation', 'code:below=http://snomed.info/sct|404684003');
SELECT found('Observation', 'code:inn=http://example.org/odd');
SELECT found('Observation', '_filter=date in http://example.org/odd');
SET fhir.max_value_set_codes = 3;
SELECT found('Patient', 'gender:in=http://hl7.org/fhir/ValueSet/administrative-gender|4.0.1');
SELECT found('Observation', 'code:below=http://terminology.hl7.org/CodeSystem/v3-RoleCode|FAMMEMB');
RESET fhir.max_value_set_codes;
-- a change is seen at once, and gone with its savepoint
BEGIN;
SELECT found('Patient', 'gender:in=ValueSet/g');
SAVEPOINT s;
SELECT count(fhir_update('{"resourceType":"ValueSet","id":"g","url":"http://hl7.org/fhir/ValueSet/administrative-gender","version":"x","status":"active","compose":{"include":[{"system":"http://hl7.org/fhir/administrative-gender"}]}}'));
SELECT found('Patient', 'gender:in=ValueSet/g');
ROLLBACK TO s;
SELECT found('Patient', 'gender:in=ValueSet/g');
COMMIT;
DROP FUNCTION found;
DROP FUNCTION member;
RESET fhir.store;
SELECT fhir_store_drop('terms_test', force => true);
