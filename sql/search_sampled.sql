-- SampledData as a quantity: by the bounds of its values (R4, definition of value-quantity); the search against fhir_matches.
SELECT fhir_store_create('sampled_test');
SET fhir.store = sampled_test;
CREATE FUNCTION samples(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE found text; expected text;
BEGIN
  SELECT coalesce(string_agg(id, ' ' ORDER BY id), '-') INTO found FROM fhir_search_rows('Observation', query);
  SELECT coalesce(string_agg(id, ' ' ORDER BY id), '-') INTO expected FROM fhir_search_rows('Observation') r WHERE fhir_matches(r.resource, query);
  RETURN found || CASE WHEN found = expected THEN '' ELSE ' BUT ' || expected END;
END $$;
\pset tuples_only on
SELECT count(fhir_update(jsonb_build_object('resourceType', 'Observation', 'id', id, 'status', 'final', 'code', '{"text":"ecg"}'::jsonb, 'valueSampledData', '{"period":10,"dimensions":1}'::jsonb || v))) FROM (VALUES
 ('a', '{"origin":{"value":0,"unit":"mV","system":"http://unitsofmeasure.org","code":"mV"},"data":"1 2.5 -3 E 2"}'::jsonb),
 ('b', '{"origin":{"value":100,"system":"http://unitsofmeasure.org","code":"mV"},"factor":0.5,"data":"10 20 30"}'),
 ('c', '{"origin":{"value":0},"factor":-2,"data":"1 L 4"}'),
 ('d', '{"origin":{"value":0},"data":"5 U"}'),
 ('e', '{"origin":{"value":0},"data":"E E"}'),
 ('f', '{"origin":{"value":7}}'),
 ('g', '{"origin":{"value":1,"unit":"V","system":"http://unitsofmeasure.org","code":"V"},"data":"1 2"}')) t(id, v);
SELECT q, samples('value-quantity=' || q) FROM unnest('{gt2,lt-2,lt0,ge115,le115,sa2,eb0,ap110,105,ne2,gt1000,gt1|http://unitsofmeasure.org|V,lt10|http://unitsofmeasure.org|mV,ge0||mV,gt2||V}'::text[]) q;
SELECT samples('value-quantity:missing=false'), samples('combo-value-quantity=gt100'), samples('code-value-quantity=x$gt1');
-- A number that is a Range is searched by its bounds, too, whatever their unit
CREATE FUNCTION chances(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE found text; expected text;
BEGIN
  SELECT coalesce(string_agg(id, ' ' ORDER BY id), '-') INTO found FROM fhir_search_rows('RiskAssessment', query);
  SELECT coalesce(string_agg(id, ' ' ORDER BY id), '-') INTO expected FROM fhir_search_rows('RiskAssessment') r WHERE fhir_matches(r.resource, query);
  RETURN found || CASE WHEN found = expected THEN '' ELSE ' BUT ' || expected END;
END $$;
SELECT count(fhir_update(jsonb_build_object('resourceType', 'RiskAssessment', 'id', id, 'status', 'final', 'subject', '{"reference":"Patient/p"}'::jsonb, 'prediction', jsonb_build_array(p)))) FROM (VALUES
 ('a', '{"probabilityRange":{"low":{"value":10,"code":"%","system":"http://unitsofmeasure.org"},"high":{"value":25,"code":"%","system":"http://unitsofmeasure.org"}}}'::jsonb),
 ('b', '{"probabilityRange":{"low":{"value":20,"code":"%","system":"http://unitsofmeasure.org"}}}'), ('c', '{"probabilityDecimal":22}'), ('d', '{"outcome":{"text":"x"}}')) v(id, p);
SELECT q, chances('probability' || q) FROM unnest('{=gt24,=lt15,=le10,=sa9,=eb23,=22,=ap12,=ne22,:missing=false,:missing=true}'::text[]) q;
SELECT string_agg(id, ' ') FROM fhir_search_rows('RiskAssessment', '_sort=probability');
DROP FUNCTION chances;
SELECT fhir_store_drop('sampled_test', force => true);
