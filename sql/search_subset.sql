-- _summary and _elements: what is left of matches and of what is included.
SELECT fhir_store_create('subset_test');
SET fhir.store = subset_test;
CREATE FUNCTION shown(type text, query text) RETURNS SETOF text LANGUAGE sql AS
$$ SELECT (e #>> '{search,mode}') || ' ' || (e -> 'resource' #- '{meta,lastUpdated}' #- '{meta,versionId}' #- '{meta,tag,0,system}')::text FROM jsonb_array_elements(fhir_search($1, $2) -> 'entry') e $$;
\pset tuples_only on
SELECT count(fhir_update(r)) FROM (VALUES
 ('{"resourceType":"Patient","id":"p","active":true,"gender":"male","name":[{"family":"Pan"}],"contact":[{"name":{"family":"Hook"}}],"birthDate":"1990","_birthDate":{"extension":[{"url":"http://x.org/e","valueString":"about"}]}}'::jsonb),
 ('{"resourceType":"Observation","id":"o","status":"final","code":{"id":"c1","coding":[{"code":"k"}],"extension":[{"url":"http://x.org/e","valueString":"gone"}]},"subject":{"reference":"Patient/p"},"effectiveDateTime":"2020","note":[{"text":"n"}],
   "valueCodeableConcept":{"extension":[{"url":"http://x.org/e","valueString":"nothing else"}]},"component":[{"code":{"text":"part"},"interpretation":[{"text":"high"}],"valueInteger":1}]}'),
 ('{"resourceType":"Observation","id":"q","status":"final","code":{"coding":[{"code":"k"}]}}')) v(r);

-- the elements are those of the matches; of what is included, those that are named with its type
SELECT shown('Observation', '_id=o&_include=Observation:subject&_elements=note');
SELECT shown('Observation', '_id=o&_include=Observation:subject&_elements=note,Patient.birthDate');
SELECT shown('Observation', '_id=o&_include=Observation:subject&_elements=Patient.gender');
SELECT shown('Observation', '_id=q&_elements=Observation.value,Observation.effectiveDateTime');
SELECT shown(NULL, '_type=Patient,Observation&_id=p,q&_elements=name,Observation.note');
\set VERBOSITY terse
SELECT shown('Observation', '_elements=Patient.code');
SELECT shown('Observation', '_elements=birthDate');
SELECT shown('Observation', '_elements=code.text');

-- at every depth what is marked so; what would be left empty stays as it is
SELECT shown('Observation', '_id=o&_summary=true&_include=Observation:subject');
SELECT shown('Observation', '_id=q&_summary=text'), shown('Observation', '_id=q&_summary=data');
-- rows show the same
SELECT q, array_agg(r.resource ORDER BY r.mode DESC, r.id) = (SELECT array_agg(e -> 'resource') FROM jsonb_array_elements(fhir_search('Observation', q) -> 'entry') e) AS same
  FROM unnest('{_id=o&_include=Observation:subject&_elements=code,"_id=o&_include=Observation:subject&_elements=code,Patient.gender",_id=o&_summary=true&_include=Observation:subject,_id=q&_summary=text,_id=q&_summary=data,_id=o&_summary=false}'::text[]) q, fhir_search_rows('Observation', q) r GROUP BY q ORDER BY q COLLATE "C";
SELECT fhir_store_drop('subset_test', force => true);
