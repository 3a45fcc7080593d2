-- Search by value sets and code hierarchies that are in the store.
SELECT fhir_store_create('search_test');
SET fhir.store = search_test;
CREATE FUNCTION ids(type text, query text) RETURNS text LANGUAGE sql AS
$$ SELECT coalesce(string_agg(id, ' '), '-') FROM fhir_search_rows($1, $2) $$;
\pset tuples_only on
SELECT count(fhir_update(r)) FROM (VALUES
 ('{"resourceType":"CodeSystem","id":"animals","url":"http://example.org/animals","status":"active","content":"complete","concept":[
   {"code":"mammal","concept":[{"code":"dog","concept":[{"code":"poodle"}]},{"code":"cat"}]},{"code":"bird"}]}'::jsonb),
 ('{"resourceType":"ValueSet","id":"dogs","url":"http://example.org/vs/dogs","status":"active","compose":{"include":[
   {"system":"http://example.org/animals","filter":[{"property":"concept","op":"is-a","value":"dog"}]}]}}'),
 ('{"resourceType":"ValueSet","id":"pets","url":"http://example.org/vs/pets","version":"1","status":"active","compose":{"include":[
   {"valueSet":["http://example.org/vs/dogs"]},{"system":"http://example.org/animals","concept":[{"code":"cat"},{"code":"bird"}]}],
   "exclude":[{"system":"http://example.org/animals","concept":[{"code":"bird"}]}]}}'),
 ('{"resourceType":"ValueSet","id":"all","url":"http://example.org/vs/all","status":"active","compose":{"include":[{"system":"http://example.org/animals"}]}}'),
 ('{"resourceType":"ValueSet","id":"expanded","url":"http://example.org/vs/expanded","status":"active","expansion":{"timestamp":"2020-01-01","contains":[
   {"system":"http://example.org/animals","code":"bird","contains":[{"system":"http://example.org/animals","code":"mammal"}]}]}}'),
 ('{"resourceType":"ValueSet","id":"circle","url":"http://example.org/vs/circle","status":"active","compose":{"include":[{"valueSet":["http://example.org/vs/circle"]}]}}'),
 ('{"resourceType":"ValueSet","id":"odd","url":"http://example.org/vs/odd","status":"active","compose":{"include":[
   {"system":"http://example.org/animals","filter":[{"property":"legs","op":"=","value":"4"}]}]}}'),
 ('{"resourceType":"ValueSet","id":"genders","url":"http://example.org/vs/genders","status":"active","compose":{"include":[
   {"system":"http://hl7.org/fhir/administrative-gender","concept":[{"code":"male"},{"code":"female"}]}]}}'),
 ('{"resourceType":"Condition","id":"c1","subject":{"reference":"Patient/a"},"code":{"coding":[{"system":"http://example.org/animals","code":"poodle"}]}}'),
 ('{"resourceType":"Condition","id":"c2","subject":{"reference":"Patient/b"},"code":{"coding":[{"system":"http://example.org/animals","code":"cat"}]}}'),
 ('{"resourceType":"Condition","id":"c3","subject":{"reference":"Patient/b"},"code":{"coding":[{"system":"http://example.org/animals","code":"bird"},{"code":"poodle"}]}}'),
 ('{"resourceType":"Condition","id":"c4","subject":{"reference":"Patient/b"},"code":{"coding":[{"system":"http://example.org/animals","code":"mammal"}]}}'),
 ('{"resourceType":"Condition","id":"c5","subject":{"reference":"Patient/b"}}'),
 ('{"resourceType":"Patient","id":"a","gender":"male"}'),
 ('{"resourceType":"Patient","id":"b","gender":"other"}')) v(r);
SELECT ids('Condition', 'code:in=http://example.org/vs/dogs'), ids('Condition', 'code:in=http://example.org/vs/pets'), ids('Condition', 'code:in=http://example.org/vs/pets|1'), ids('Condition', 'code:in=ValueSet/all'), ids('Condition', 'code:in=http://example.org/vs/expanded');
SELECT ids('Condition', 'code:not-in=http://example.org/vs/pets'), ids('Condition', 'code:not-in=http://example.org/vs/all');
SELECT ids('Patient', 'gender:in=http://example.org/vs/genders'), ids('Patient', 'gender:not-in=http://example.org/vs/genders'), ids('Condition', 'patient.gender:in=http://example.org/vs/genders');
SELECT ids('Condition', 'code:below=http://example.org/animals|dog'), ids('Condition', 'code:below=http://example.org/animals|mammal'), ids('Condition', 'code:above=http://example.org/animals|dog'), ids('Condition', 'code:above=http://example.org/animals|poodle');
\set VERBOSITY terse
SELECT ids('Condition', 'code:in=http://example.org/vs/none');
SELECT ids('Condition', 'code:in=http://example.org/vs/pets|2');
SELECT ids('Condition', 'code:in=http://example.org/vs/circle');
SELECT ids('Condition', 'code:in=http://example.org/vs/odd');
SELECT ids('Condition', 'code:below=dog');
SELECT ids('Condition', 'code:below=http://example.org/animals|fish');
SELECT ids('Condition', 'code:below=http://example.org/plants|rose');
DROP FUNCTION ids;
RESET fhir.store;
SELECT fhir_store_drop('search_test', force => true);
