-- Search across references of other kinds: canonical urls, versions, absolute urls of this server.
SET timezone = 'UTC';
SELECT fhir_store_create('references_test');
SET fhir.store = references_test;
CREATE FUNCTION refs(type text, query text) RETURNS text LANGUAGE sql AS
$$ SELECT coalesce(string_agg(CASE mode WHEN 'match' THEN id ELSE '+' || id || '/' || version_id END, ' '), '-') FROM fhir_search_rows($1, $2) $$;
\pset tuples_only on

-- q1 is the older version of q2's questionnaire; q3 has another url, without versions
SELECT count(fhir_update(r)) FROM (VALUES
 ('{"resourceType":"Questionnaire","id":"q1","url":"http://x.org/q","version":"1.0","status":"active","title":"Old"}'::jsonb),
 ('{"resourceType":"QuestionnaireResponse","id":"any","status":"completed","questionnaire":"http://x.org/q"}'),
 ('{"resourceType":"QuestionnaireResponse","id":"old","status":"completed","questionnaire":"http://x.org/q|1.0"}'),
 ('{"resourceType":"QuestionnaireResponse","id":"new","status":"in-progress","questionnaire":"http://x.org/q|2.0"}'),
 ('{"resourceType":"QuestionnaireResponse","id":"none","status":"completed","questionnaire":"http://x.org/q|3.0"}'),
 ('{"resourceType":"QuestionnaireResponse","id":"local","status":"completed","questionnaire":"Questionnaire/q3"}'),
 ('{"resourceType":"QuestionnaireResponse","id":"plain","status":"completed","questionnaire":"http://x.org/other"}'),
 ('{"resourceType":"Questionnaire","id":"q3","url":"http://x.org/other","status":"active","title":"Other"}')) v(r);
SELECT fhir_update('{"resourceType":"Questionnaire","id":"q2","url":"http://x.org/q","version":"2.0","status":"draft","title":"New"}') ->> 'id';

-- _include: |version means that one, no version the one that was changed last
SELECT refs('QuestionnaireResponse', '_include=QuestionnaireResponse:questionnaire&_id=' || id) FROM unnest('{any,old,new,none,local,plain}'::text[]) id;
SELECT refs('QuestionnaireResponse', '_include=*&_count=2&_sort=_id'), refs('QuestionnaireResponse', '_id=old&_include=QuestionnaireResponse:questionnaire:Questionnaire'), refs('QuestionnaireResponse', '_id=old&_include=QuestionnaireResponse:questionnaire:Patient');
-- _revinclude, _has and chains: the same, seen from there
SELECT refs('Questionnaire', '_revinclude=QuestionnaireResponse:questionnaire&_id=' || id) FROM unnest('{q1,q2,q3}'::text[]) id;
SELECT refs('Questionnaire', '_has:QuestionnaireResponse:questionnaire:status=completed'), refs('Questionnaire', '_has:QuestionnaireResponse:questionnaire:status=in-progress');
SELECT refs('QuestionnaireResponse', 'questionnaire.title=' || t) FROM unnest('{Old,New,Other}'::text[]) t;
SELECT refs('QuestionnaireResponse', 'questionnaire:Questionnaire.status=active&status=completed'), refs('QuestionnaireResponse', 'questionnaire.status=draft');
-- as values they are compared as text
SELECT refs('QuestionnaireResponse', 'questionnaire=http://x.org/q'), refs('QuestionnaireResponse', 'questionnaire=http://x.org/q|1.0'), refs('QuestionnaireResponse', 'questionnaire:below=http://x.org');
-- the older one is changed: now it is what the url means
SELECT fhir_update('{"resourceType":"Questionnaire","id":"q1","url":"http://x.org/q","version":"1.0","status":"retired","title":"Old"}') #>> '{meta,versionId}';
SELECT refs('QuestionnaireResponse', '_id=any&_include=QuestionnaireResponse:questionnaire'), refs('QuestionnaireResponse', 'questionnaire.title=New'), refs('QuestionnaireResponse', 'questionnaire.title=Old');
SELECT fhir_delete('Questionnaire', 'q1') ->> 'resourceType';
SELECT refs('QuestionnaireResponse', '_include=QuestionnaireResponse:questionnaire&_id=any'), refs('QuestionnaireResponse', 'questionnaire.title=Old'), refs('QuestionnaireResponse', 'questionnaire.title=New');

-- references to a version include that version; two versions are two entries
SELECT count(fhir_update(r)) FROM (VALUES
 ('{"resourceType":"Patient","id":"p1","gender":"male"}'::jsonb),
 ('{"resourceType":"Observation","id":"v1","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p1/_history/1"}}'),
 ('{"resourceType":"Observation","id":"v2","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p1/_history/2"}}'),
 ('{"resourceType":"Observation","id":"v3","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p1"}}'),
 ('{"resourceType":"Observation","id":"v4","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p1/_history/7"}}'),
 ('{"resourceType":"Observation","id":"v5","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p1/_history/01"}}')) v(r);
SELECT fhir_update('{"resourceType":"Patient","id":"p1","gender":"female"}') #>> '{meta,versionId}';
SELECT refs('Observation', '_include=Observation:subject&_id=' || id) FROM unnest('{v1,v2,v3,v4,v5}'::text[]) id;
SELECT id, version_id, resource ->> 'gender' FROM fhir_search_rows('Observation', '_include=Observation:patient') WHERE mode = 'include';
SELECT refs(NULL, '_type=Patient,Observation&_id=p1,v1&_include=Observation:subject');
SELECT refs('Patient', '_revinclude=Observation:subject'), refs('Observation', 'subject.gender=male'), refs('Observation', 'subject.gender=female');
SELECT fhir_delete('Patient', 'p1') ->> 'resourceType';
SELECT refs('Observation', '_include=Observation:subject&_id=v1');

-- absolute references below fhir.base_url are references to this store
SET fhir.base_url = 'http://here.org/fhir';
SELECT count(fhir_update(r)) FROM (VALUES
 ('{"resourceType":"Patient","id":"p2","gender":"other"}'::jsonb),
 ('{"resourceType":"Observation","id":"a1","status":"final","code":{"text":"x"},"subject":{"reference":"http://here.org/fhir/Patient/p2"}}'),
 ('{"resourceType":"Observation","id":"a2","status":"final","code":{"text":"x"},"subject":{"reference":"http://here.org/fhir/Patient/p2/_history/1"}}'),
 ('{"resourceType":"Observation","id":"a3","status":"final","code":{"text":"x"},"subject":{"reference":"http://there.org/fhir/Patient/p2"}}'),
 ('{"resourceType":"QuestionnaireResponse","id":"abs","status":"completed","questionnaire":"http://here.org/fhir/Questionnaire/q3"}')) v(r);
SELECT refs('Observation', '_include=Observation:subject&_id=' || id) FROM unnest('{a1,a2,a3}'::text[]) id;
SELECT refs('Patient', '_revinclude=Observation:subject&_id=p2'), refs('Observation', 'subject.gender=other'), refs('Patient', '_has:Observation:subject:status=final');
SELECT refs('QuestionnaireResponse', '_id=abs&_include=QuestionnaireResponse:questionnaire'), refs('QuestionnaireResponse', 'questionnaire.title=Other');
-- a version of a resource elsewhere is found without the version, too
SELECT count(fhir_update(r)) FROM (VALUES
 ('{"resourceType":"Observation","id":"a4","status":"final","code":{"text":"x"},"subject":{"reference":"http://there.org/fhir/Patient/p2/_history/3"}}'::jsonb),
 ('{"resourceType":"Observation","id":"a5","status":"final","code":{"text":"x"},"subject":{"reference":"http://there.org/fhir/Patient/p22/_history/3"}}')) v(r);
SELECT q, refs('Observation', q), (SELECT string_agg(o.id, ' ' ORDER BY o.id) FROM fhir_search_rows('Observation') o WHERE fhir_matches(o.resource, q)) AS matches
  FROM unnest('{subject,patient}'::text[]) p, unnest('{/_history/3,/_history/4,""}'::text[]) v, LATERAL (SELECT p || '=http://there.org/fhir/Patient/p2' || v) x(q);
-- a composite of a reference and a code: both of one element
SELECT fhir_update('{"resourceType":"DocumentReference","id":"d","status":"current","content":[{"attachment":{"url":"http://example.org/x"}}],
 "relatesTo":[{"code":"appends","target":{"reference":"DocumentReference/one"}},{"code":"replaces","target":{"reference":"DocumentReference/two"}}]}') #>> '{meta,versionId}';
SELECT q, refs('DocumentReference', 'relationship=' || q), fhir_matches(resource, 'relationship=' || q) FROM fhir_search_rows('DocumentReference'),
 unnest('{DocumentReference/one$appends,one$appends,one$replaces,two$http://hl7.org/fhir/document-relationship-type|replaces,"one$replaces,two$replaces",three$appends}'::text[]) q;
SELECT fhir_store_drop('references_test', force => true);
