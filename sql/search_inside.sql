-- Chains into what stands in the place of a reference itself: Bundle.composition and Bundle.message.
\pset tuples_only on
\pset format unaligned
SELECT fhir_store_create('inside_test');
SET fhir.store = 'inside_test';
CREATE FUNCTION found(type text, query text) RETURNS text LANGUAGE sql AS
$$ SELECT coalesce(string_agg(id, ' ' ORDER BY id COLLATE "C"), '-') FROM fhir_search_rows(type, query) $$;
-- a document; one whose Composition has no id, and a Patient under another fullUrl; a message; a collection
SELECT count(fhir_update(r)) FROM (VALUES
 ('{"resourceType":"Patient","id":"p","name":[{"family":"Stored"}]}'::jsonb),
 ('{"resourceType":"Bundle","id":"d1","type":"document","identifier":{"value":"1"},"timestamp":"2020-01-01T00:00:00Z","entry":[
   {"fullUrl":"http://example.org/Composition/c","resource":{"resourceType":"Composition","id":"c","status":"final","type":{"coding":[{"system":"http://loinc.org","code":"34133-9"}]},"subject":{"reference":"Patient/p"},"date":"2020-05-01","author":[{"reference":"#a"}],"title":"First","contained":[{"resourceType":"Practitioner","id":"a","name":[{"family":"Author"}]}]}},
   {"fullUrl":"http://example.org/Patient/p","resource":{"resourceType":"Patient","id":"p","name":[{"family":"Bundled"}],"managingOrganization":{"reference":"urn:uuid:6a2b0f3c-6a3c-4a0d-9f8e-0d3c5a3d9c11"}}},
   {"fullUrl":"urn:uuid:6a2b0f3c-6a3c-4a0d-9f8e-0d3c5a3d9c11","resource":{"resourceType":"Organization","name":"Clinic"}}]}'),
 ('{"resourceType":"Bundle","id":"d2","type":"document","identifier":{"value":"2"},"timestamp":"2020-01-01T00:00:00Z","entry":[
   {"fullUrl":"urn:uuid:6a2b0f3c-6a3c-4a0d-9f8e-0d3c5a3d9c12","resource":{"resourceType":"Composition","status":"preliminary","type":{"text":"note"},"subject":{"reference":"Patient/q"},"date":"2021","author":[{"display":"x"}],"title":"Second"}},
   {"fullUrl":"http://example.org/Patient/other","resource":{"resourceType":"Patient","id":"q","name":[{"family":"Elsewhere"}]}}]}'),
 ('{"resourceType":"Bundle","id":"m","type":"message","entry":[{"fullUrl":"http://example.org/MessageHeader/h","resource":{"resourceType":"MessageHeader","id":"h","eventCoding":{"system":"urn:e","code":"admit"},"source":{"endpoint":"http://example.org/from"},"focus":[{"reference":"Patient/p"}]}}]}'),
 ('{"resourceType":"Bundle","id":"o","type":"collection","entry":[{"resource":{"resourceType":"Patient","id":"p","name":[{"family":"Collected"}]}}]}')) v(r);
SELECT q || ': ' || found('Bundle', q) FROM unnest('{composition=c,composition=Composition/c,message=h,message=c,composition:missing=false,composition:missing=true,message:missing=false,
 composition.type=34133-9,composition.type=http://loinc.org|34133-9,composition:Composition.title=sec,composition.title=first\,second,composition.date=lt2021,composition.status:not=final,composition.type:missing=true,message.event=urn:e|admit,message.event=other,message.source-uri=http://example.org/from,
 composition.patient=p,composition.patient=Patient/p,composition.subject:Patient.family=stored,composition.subject:Patient.family=bundled,composition.subject:Patient.family=elsewhere,composition.patient.organization.name=clin,composition.patient.organization.name=x,composition.author:Practitioner.family=auth,message.focus:Patient.family=stored,message.focus:Patient.family=collected,
 composition.type=34133-9&composition.title=second,_filter=composition.title sw f,composition._id=c,composition._lastUpdated=gt2000,_contained=true,_has:List:item:_id=x}'::text[]) WITH ORDINALITY u(x, n), LATERAL (SELECT btrim(x, E' \n')) y(q) ORDER BY n;
-- not the resource of the store that has its id
SELECT fhir_update('{"resourceType":"Composition","id":"c","status":"final","type":{"text":"x"},"date":"1999","author":[{"display":"x"}],"title":"Stored"}') #>> '{meta,versionId}';
SELECT found('Bundle', 'composition.title=stored'), found('Bundle', 'composition.title=first'), found('Composition', '_has:Bundle:composition:type=document'), found('Composition', 'title=first');
-- the index narrows which documents are read
SELECT substring(l FROM '^criterion.{50}') FROM fhir_explain('Bundle', 'composition.type=34133-9') l WHERE l ~ '^criterion|warning';
-- keys follow the document
SELECT fhir_update('{"resourceType":"Bundle","id":"d1","type":"document"}') IS NOT NULL, found('Bundle', 'composition.title=first'), found('Bundle', 'composition:missing=false');
DROP FUNCTION found;
RESET fhir.store;
SELECT fhir_store_drop('inside_test', force => true);
