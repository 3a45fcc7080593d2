-- What is not understood is refused by name, with what is near; or left out and told, when handling is lenient.
SELECT fhir_store_create('refused_test');
SET fhir.store = refused_test;
CREATE FUNCTION refused(type text, query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE d text; h text;
BEGIN
  RETURN fhir_count(type, query);
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS d = PG_EXCEPTION_DETAIL, h = PG_EXCEPTION_HINT;
  RETURN concat_ws(' / ', SQLSTATE, SQLERRM, nullif(d, ''), nullif(h, ''));
END $$;
\pset format unaligned
\pset tuples_only on
SELECT q2 || ': ' || refused('Patient', q2) FROM unnest('{_query=everyone,_maxresults=5,_graph=x,_in=x,_language=de,_score=1,_offset=3,_page=2,_has=x,
 gender:code-text=x,gender:text-advanced=x,gender:nto=x,gender:of-type=a|b|c,name:exac=x,_id:exact=1,_text:not=x,
 gendr=male,_sort:desc=birthdate,_has:Observation:patient:_count=2,_list:missing=true,_contaned=true,_sorts=x,_sort=birthdat,_elements=nam,_total=exact,_summary=yes,_count=-1,
 _include=Patient:generalpractitioner,_revinclude=Obsrvation:patient,_include=Patient:link:Patent,_has:Observation:patient:cod=1,
 general-practitioner:Practitoner.name=x,general-practitioner:Organisation=x,general-practitioner:Patient=x,organization:Practitioner=x,_has:Observaton:patient:code=1,_sort:asc=birthdate,_sort:desc=birthdate,_count:exact=1,_sort=_text,_sort=_list,GENDER=male,gender:NOT=male,organization:=x,_summary:not=text,gender:contains=x,_list=$current-allergies,_type=Patient,birthdate=1980-13,_contained=maybe}'::text[]) WITH ORDINALITY u(q, n), LATERAL (SELECT btrim(q, E' \n')) x(q2) ORDER BY n;
SELECT refused(NULL, '_type=Patent');
-- at system level without _type: what all types have
SELECT refused(NULL, 'gender=male'), refused(NULL, '_sort=birthdate'), refused(NULL, 'nope=1'), refused(NULL, '_tag=x&_sort=_profile'), refused(NULL, '_type=Patient,Person&gender=male');
-- lenient: left out, told in the Bundle, and not in the self link
SELECT convert_from(body, 'UTF8')::jsonb #>> '{link,0,url}', jsonb_path_query_array(convert_from(body, 'UTF8')::jsonb, '$.entry[*].resource.issue[*].diagnostics')
  FROM fhir_http('GET', '/Patient?gendr=male&_maxresults=3&gender:nto=x&birthdate=1980-13&_query=q&gender=male&_sort=nothing', '{"prefer":"handling=lenient"}', NULL);

-- as many values as allowed, of whatever parameter
SET fhir.max_search_values = 2;
SELECT q || ': ' || coalesce(refused('Patient', q), '?') FROM unnest('{"_id=a,b","_id=a,b,c","_id:not=a,b,c","gender=a,b,c","_lastUpdated=2001,2002,2003","_list=a,b,c","_content=a,b,c","general-practitioner._id=a,b,c"}'::text[]) q;
-- :above asks for each beginning of a URL or MIME type
SELECT refused('ValueSet', 'url:above=ab'), refused('ValueSet', 'url:above=a/b/c'), refused('PlanDefinition', 'depends-on:above=a/b/c'), refused('DocumentReference', 'contenttype:above=text/a;b'), refused('DocumentReference', 'contenttype:above=text/a');
RESET fhir.max_search_values;

-- _list with _type; functional lists are refused above
SELECT count(fhir_update(r)) FROM (VALUES ('{"resourceType":"Patient","id":"p"}'::jsonb), ('{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"}}'),
 ('{"resourceType":"List","id":"l","status":"current","mode":"working","entry":[{"item":{"reference":"Patient/p"}},{"item":{"reference":"Observation/o"}}]}')) v(r);
SELECT refused(NULL, '_list=l'), refused(NULL, '_list=l&_type=Patient'), refused(NULL, '_list=l&_type=Observation,Encounter'), refused('Patient', '_list=l');
-- at the end of a chain, and from the other side
SELECT refused('Observation', 'patient._list=l'), fhir_update('{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p"}}') IS NOT NULL, refused('Observation', 'patient._list=l'), refused('Observation', 'patient._list=none'), refused('Patient', '_has:Observation:patient:_list=l');

-- _total=estimate is an estimate: of many it reads none
SELECT count(fhir_create(jsonb_build_object('resourceType', 'Observation', 'status', CASE WHEN i % 10 = 0 THEN 'amended' ELSE 'final' END, 'code', '{"coding":[{"code":"k"}]}'::jsonb))) FROM generate_series(1, 3000) i;
ANALYZE refused_test.resource;
SELECT (b -> 'total')::int BETWEEN 2900 AND 3100 FROM fhir_search('Observation', '_total=estimate&_count=1') b;
SELECT (b -> 'total')::int BETWEEN 2400 AND 3100 FROM fhir_search('Observation', 'status=final&_total=estimate&_count=1') b;
SELECT b -> 'total' FROM fhir_search('Observation', 'status=final&_total=accurate&_count=1') b;
SELECT b -> 'total' FROM fhir_search('Observation', 'status=amended&_total=estimate&_count=1') b;
SELECT fhir_store_drop('refused_test', force => true);
