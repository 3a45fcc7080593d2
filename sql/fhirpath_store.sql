-- FHIRPath over the store: resolve() and memberOf().
\pset format unaligned
\pset tuples_only on
SELECT fhir_store_create('fhirpath_store');
SET fhir.store = fhirpath_store;
SET fhir.base_url = 'http://example.org/fhir';
SELECT count(fhir_update(r)) FROM unnest(ARRAY['{"resourceType": "Patient", "id": "p1", "name": [{"family": "One"}]}', '{"resourceType": "Patient", "id": "p2", "name": [{"family": "Two"}]}',
	'{"resourceType": "CodeSystem", "id": "c", "url": "urn:cs", "status": "active", "content": "complete", "concept": [{"code": "a", "concept": [{"code": "b"}]}]}',
	'{"resourceType": "ValueSet", "id": "v1", "url": "urn:vs1", "version": "2", "status": "active", "compose": {"include": [{"system": "urn:cs"}, {"system": "urn:other", "concept": [{"code": "x"}]}], "exclude": [{"system": "urn:cs", "concept": [{"code": "b"}]}]}}',
	'{"resourceType": "ValueSet", "id": "v2", "url": "urn:vs2", "status": "active", "expansion": {"timestamp": "2020-01-01", "contains": [{"system": "urn:s", "code": "1", "contains": [{"system": "urn:s", "code": "2"}]}]}}',
	'{"resourceType": "ValueSet", "id": "v3", "url": "urn:vs3", "status": "active", "compose": {"include": [{"valueSet": ["urn:vs1", "urn:vs3"]}, {"system": "urn:f", "filter": [{"property": "p", "op": "=", "value": "v"}]}]}}']::jsonb[]) r;
SELECT fhir_delete('Patient', 'p2') ->> 'resourceType';

CREATE FUNCTION store_path(expr text, doc jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(jsonb_agg(v ORDER BY n), '[]')::text FROM fhirpath(doc, expr::fhirpath) WITH ORDINALITY t(v, n) $$;
SELECT store_path('link.other.resolve().select(id & '' '' & name.family)', '{"resourceType": "Patient", "link": [{"other": {"reference": "Patient/p1"}}, {"other": {"reference": "Patient/p2"}},
	{"other": {"reference": "Patient/none"}}, {"other": {"reference": "http://example.org/fhir/Patient/p1"}}, {"other": {"reference": "http://elsewhere.org/fhir/Patient/p1"}}, {"other": {"reference": "Patient/p1/_history/1"}}, {"other": {"display": "x"}}]}');
SELECT code, store_path('code.memberOf(''urn:vs1'')', jsonb_build_object('resourceType', 'Observation', 'code', jsonb_build_object('coding', jsonb_build_array(c)))) AS vs1,
	store_path('code.coding.memberOf(''urn:vs1|2'')', jsonb_build_object('resourceType', 'Observation', 'code', jsonb_build_object('coding', jsonb_build_array(c)))) AS vs1_2,
	store_path('code.memberOf(''urn:vs2'')', jsonb_build_object('resourceType', 'Observation', 'code', jsonb_build_object('coding', jsonb_build_array(c)))) AS vs2,
	store_path('code.memberOf(''urn:vs3'')', jsonb_build_object('resourceType', 'Observation', 'code', jsonb_build_object('coding', jsonb_build_array(c)))) AS vs3
FROM unnest(ARRAY['{"system": "urn:cs", "code": "a"}', '{"system": "urn:cs", "code": "b"}', '{"system": "urn:other", "code": "x"}', '{"system": "urn:s", "code": "2"}', '{"system": "urn:f", "code": "y"}', '{"code": "a"}', '{"system": "urn:cs"}']::jsonb[]) c, LATERAL (SELECT c::text AS code) n;
SELECT store_path('status.memberOf(''urn:vs2'')', '{"resourceType": "Observation", "status": "1"}'), store_path('code.memberOf(''urn:unknown'')', '{"resourceType": "Observation", "code": {"coding": [{"code": "a"}]}}'), store_path('code.memberOf(''urn:a,b|c$'')', '{"resourceType": "Observation", "code": {"coding": [{"code": "a"}]}}');
SELECT fhir_store_drop('fhirpath_store', true);
