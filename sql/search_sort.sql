-- Sorting by chains: the value of what a resource refers to.
SET timezone = 'UTC';
SELECT fhir_store_create('sort_test');
SET fhir.store = sort_test;
CREATE FUNCTION sorted(type text, query text) RETURNS text LANGUAGE sql AS
$$ SELECT coalesce(string_agg(id, ' '), '-') FROM fhir_search_rows($1, $2) $$;
\pset tuples_only on
SELECT count(fhir_update(r)) FROM (VALUES
 ('{"resourceType":"Organization","id":"o1","name":"Beta"}'::jsonb),
 ('{"resourceType":"Organization","id":"o2","name":"Alpha","partOf":{"reference":"Organization/o1"}}'),
 ('{"resourceType":"Practitioner","id":"d1","gender":"male","name":[{"family":"Zimmer","given":["Ann"]}]}'),
 ('{"resourceType":"Practitioner","id":"d2","gender":"female","name":[{"family":"Abel"},{"family":"Young"}]}'),
 ('{"resourceType":"Patient","id":"p1","gender":"male","birthDate":"1970-01-01","name":[{"family":"Carter"}],"managingOrganization":{"reference":"Organization/o1"},"generalPractitioner":[{"reference":"Practitioner/d1"},{"reference":"Practitioner/d2"}]}'),
 ('{"resourceType":"Patient","id":"p2","gender":"female","birthDate":"1960-01-01","name":[{"family":"Baker"},{"family":"Ärzte"}],"managingOrganization":{"reference":"Organization/o2"},"generalPractitioner":[{"reference":"Practitioner/d1"},{"reference":"Practitioner/gone"}]}'),
 ('{"resourceType":"Patient","id":"p3","gender":"female"}'),
 ('{"resourceType":"Group","id":"g1","type":"person","actual":true,"code":{"coding":[{"code":"x"}]}}'),
 ('{"resourceType":"Observation","id":"b1","status":"final","code":{"coding":[{"code":"k"}]},"subject":{"reference":"Patient/p1"},"effectiveDateTime":"2020-01-01"}'),
 ('{"resourceType":"Observation","id":"b2","status":"final","code":{"coding":[{"code":"k"}]},"subject":{"reference":"Patient/p2"},"effectiveDateTime":"2020-01-02"}'),
 ('{"resourceType":"Observation","id":"b3","status":"amended","code":{"coding":[{"code":"k"}]},"subject":{"reference":"Patient/p1"},"effectiveDateTime":"2020-01-03"}'),
 ('{"resourceType":"Observation","id":"b4","status":"final","code":{"coding":[{"code":"k"}]},"subject":{"reference":"Patient/p3"}}'),
 ('{"resourceType":"Observation","id":"b5","status":"final","code":{"coding":[{"code":"l"}]},"subject":{"reference":"Group/g1"}}'),
 ('{"resourceType":"Observation","id":"b6","status":"final","code":{"coding":[{"code":"k"}]}}'),
 ('{"resourceType":"Observation","id":"b7","status":"final","code":{"coding":[{"code":"k"}]},"subject":{"reference":"Patient/nobody"}}')) v(r);
SET fhir.base_url = 'http://here.org/fhir';
SELECT fhir_update('{"resourceType":"Observation","id":"b8","status":"final","code":{"coding":[{"code":"k"}]},"subject":{"reference":"http://here.org/fhir/Patient/p2"}}') ->> 'id';

-- ascending by the least (Ärzte folds to arzte), descending by the greatest value; missing last
SELECT sorted('Observation', '_sort=patient.family'), sorted('Observation', '_sort=-subject:Patient.family');
SELECT sorted('Observation', '_sort=subject.name'), sorted('Observation', '_sort=subject:Patient.birthdate'), sorted('Observation', '_sort=-patient.gender');
SELECT sorted('Observation', '_sort=patient.organization.name'), sorted('Observation', '_sort=-patient.organization.partof.name,-_id'), sorted('Observation', '_sort=subject:Patient._id');
SELECT sorted('Patient', '_sort=general-practitioner:Practitioner.family'), sorted('Patient', '_sort=-general-practitioner:Practitioner.family'), sorted('Patient', '_sort=-general-practitioner:Practitioner.gender');
-- several keys, with criteria
SELECT sorted('Observation', '_sort=patient.family,-date'), sorted('Observation', '_sort=status,patient.family,-_id'), sorted('Observation', 'status=final&subject.gender=male,female&_sort=-patient.birthdate');
-- Group's code is a token as well as Patient's gender: tokens of several types are one order
SELECT sorted('Observation', '_sort=subject:Group.code,-patient.gender');

-- through canonicals
SELECT count(fhir_update(r)) FROM (VALUES
 ('{"resourceType":"Questionnaire","id":"q1","url":"http://x.org/q","version":"1","status":"active","title":"Zzz"}'::jsonb),
 ('{"resourceType":"Questionnaire","id":"q2","url":"http://x.org/r","status":"active","title":"Aaa"}'),
 ('{"resourceType":"QuestionnaireResponse","id":"a","status":"completed","questionnaire":"http://x.org/q|1"}'),
 ('{"resourceType":"QuestionnaireResponse","id":"b","status":"completed","questionnaire":"http://x.org/q|2"}'),
 ('{"resourceType":"QuestionnaireResponse","id":"c","status":"completed","questionnaire":"http://x.org/r"}')) v(r);
SELECT sorted('QuestionnaireResponse', '_sort=questionnaire.title'), sorted('QuestionnaireResponse', '_sort=-questionnaire.title');
-- more shapes than a session keeps plans for: what such an order looks up runs within a statement whose plan must stay
WITH k AS (SELECT unnest('{authored,-authored,status,-status,_lastUpdated,-_lastUpdated}'::text[]) k)
SELECT sorted('QuestionnaireResponse', format('_sort=%squestionnaire.title,%s,%s,%s', d, a.k, b.k, c.k)), count(*) FROM unnest('{"",-}'::text[]) d, k a, k b, k c GROUP BY 1 ORDER BY 1;

-- each page by its links, forwards and backwards, gives the same order
CREATE FUNCTION walk_pages(type text, query text, relation text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE page jsonb := fhir_search(type, query); link text; out text := '';
BEGIN
  IF relation = 'previous' THEN
    LOOP
      SELECT l ->> 'url' INTO link FROM jsonb_array_elements(page -> 'link') l WHERE l ->> 'relation' = 'next';
      EXIT WHEN link IS NULL;
      page := fhir_search(type, split_part(link, '?', 2));
    END LOOP;
  END IF;
  LOOP
    SELECT CASE relation WHEN 'next' THEN out || ' ' || ids ELSE ids || ' ' || out END INTO out
      FROM (SELECT string_agg(e #>> '{resource,id}', ' ' ORDER BY n) ids FROM jsonb_array_elements(page -> 'entry') WITH ORDINALITY x(e, n)) i;
    SELECT l ->> 'url' INTO link FROM jsonb_array_elements(page -> 'link') l WHERE l ->> 'relation' = relation;
    EXIT WHEN link IS NULL;
    page := fhir_search(type, split_part(link, '?', 2));
  END LOOP;
  RETURN trim(out);
END $$;
SELECT s, n, walk_pages('Observation', '_sort=' || s || '&_count=' || n, 'next') = sorted('Observation', '_sort=' || s) AS next,
       walk_pages('Observation', '_sort=' || s || '&_count=' || n, 'previous') = sorted('Observation', '_sort=' || s) AS previous
  FROM unnest('{patient.family,-patient.family,"-patient.birthdate,status","patient.organization.name,-date"}'::text[]) s, generate_series(1, 3, 2) n;
-- by SQL over the documents: an independent order
SELECT sorted('Observation', '_sort=patient.birthdate') = string_agg(o.resource ->> 'id', ' ' ORDER BY p.resource ->> 'birthDate' NULLS LAST, o.resource ->> 'id')
  FROM fhir_search_rows('Observation') o LEFT JOIN fhir_search_rows('Patient') p ON split_part(o.resource #>> '{subject,reference}', 'Patient/', 2) = p.id;

-- what has no order is refused
\set VERBOSITY default
SELECT sorted('Observation', '_sort=code.name');
SELECT sorted('Observation', '_sort=patient.color');
SELECT sorted('Observation', '_sort=subject.birthdat');
SELECT sorted('Observation', '_sort=date:missing');
SELECT sorted('Observation', '_sort=subject.identifier:of-type');
SELECT sorted(NULL, '_type=Patient,Group&_sort=characteristic-value');
\set VERBOSITY terse
SELECT sorted('Organization', '_sort=' || repeat('partof.', 40) || 'name');
SELECT fhir_store_drop('sort_test', force => true);
