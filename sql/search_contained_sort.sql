-- _contained with _sort by values of what is contained: against the documents, ordered in SQL; pages forward and backward.
\set VERBOSITY terse
\pset tuples_only on
SET timezone = 'UTC';
SELECT fhir_store_create('contained_sort');
SET fhir.store = contained_sort;
CREATE FUNCTION sorted_ids(type text, query text) RETURNS text LANGUAGE sql AS
$$ SELECT coalesce(string_agg(id, ' '), '-') FROM fhir_search_rows($1, $2) $$;
-- 1 to 4 contained patients, with and without names, dates, gender; and patients of their own, one of which contains others
SELECT count(fhir_update(r)) FROM (SELECT jsonb_build_object('resourceType', 'Observation', 'id', 'b' || lpad(i::text, 2, '0'), 'status', 'final', 'code', jsonb_build_object('text', 'x'),
  'contained', (SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('resourceType', 'Patient', 'id', 'p' || k, 'gender', (ARRAY['male', 'female', NULL])[1 + (i * 7 + k * 5) % 3],
    'birthDate', CASE WHEN (i + k) % 4 > 0 THEN (1950 + (i * 13 + k * 7) % 9)::text END,
    'name', CASE WHEN (i * k) % 5 > 0 THEN jsonb_build_array(jsonb_build_object('family', (ARRAY['Ärger', 'abel', 'Zoe', 'baker'])[1 + (i * 3 + k) % 4], 'given', jsonb_build_array('G' || (i * k) % 6, 'H' || k))) END,
    'managingOrganization', CASE WHEN k % 2 = 0 THEN jsonb_build_object('reference', 'Organization/o' || (i + k) % 3) END))) FROM generate_series(1, 1 + i % 4) k)) r FROM generate_series(1, 14) i) x;
SELECT count(fhir_update(jsonb_strip_nulls(jsonb_build_object('resourceType', 'Patient', 'id', 'own' || i, 'gender', CASE WHEN i % 2 = 0 THEN 'male' END, 'birthDate', (1950 + i)::text,
  'name', jsonb_build_array(jsonb_build_object('family', (ARRAY['abel', 'Zoe'])[1 + i % 2])),
  'contained', CASE WHEN i = 3 THEN '[{"resourceType":"Patient","id":"in1","birthDate":"1940"},{"resourceType":"Patient","id":"in2","gender":"female","name":[{"family":"Muir"}]}]'::jsonb END)))) FROM generate_series(1, 5) i;
-- every match as a row: own evaluation of the parameters
CREATE TEMP TABLE patient AS
SELECT r.type, r.id, n AS part, CASE WHEN n = 0 THEN r.id ELSE r.id || '#' || (c ->> 'id') END AS name, c ->> 'birthDate' AS birthdate, c ->> 'gender' AS gender,
  lower(replace(c #>> '{name,0,family}', 'Ä', 'A')) AS family, (SELECT min(lower(g)) FROM jsonb_array_elements_text(c #> '{name,0,given}') g) AS given_least,
  (SELECT max(lower(g)) FROM jsonb_array_elements_text(c #> '{name,0,given}') g) AS given_greatest, c #>> '{managingOrganization,reference}' AS organization
FROM fhir_search_rows(NULL) r, LATERAL (SELECT r.resource c, 0 n UNION ALL SELECT e, k::int FROM jsonb_array_elements(r.resource -> 'contained') WITH ORDINALITY x(e, k)) c
WHERE c ->> 'resourceType' = 'Patient';
CREATE FUNCTION expected(alone boolean, own boolean, keys text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE out text; columns text; aggregates text;
BEGIN
  SELECT string_agg(format('%s(%I) AS k%s', CASE WHEN k LIKE '-%' THEN 'max' ELSE 'min' END, CASE ltrim(k, '-') WHEN 'given' THEN CASE WHEN k LIKE '-%' THEN 'given_greatest' ELSE 'given_least' END ELSE ltrim(k, '-') END, n), ', '),
    string_agg(format('k%s COLLATE "C" %s NULLS LAST', n, CASE WHEN k LIKE '-%' THEN 'DESC' ELSE 'ASC' END), ', ' ORDER BY n) INTO aggregates, columns FROM unnest(string_to_array(keys, ',')) WITH ORDINALITY u(k, n);
  EXECUTE format('SELECT string_agg(name, '' '' ORDER BY %s, type COLLATE "C", id COLLATE "C", part) FROM (SELECT type, id, %s AS name, min(part) AS part, %s FROM patient WHERE part > 0 OR %L GROUP BY type, id%s) x',
    columns, CASE WHEN alone THEN 'min(name)' ELSE 'id' END, aggregates, own, CASE WHEN alone THEN ', part' ELSE '' END) INTO out;
  RETURN out;
END $$;
SELECT keys, alone, own, sorted_ids('Patient', format('_contained=%s&_containedType=%s&_sort=%s', CASE WHEN own THEN 'both' ELSE 'true' END, CASE WHEN alone THEN 'contained' ELSE 'container' END, keys)) = expected(alone, own, keys) AS same
FROM unnest(ARRAY['birthdate', '-birthdate', 'family', '-family,birthdate', 'gender,-birthdate', '-gender,family,-given', 'given', '-given,organization', 'organization,-family', '-organization']) keys, (VALUES (true), (false)) a(alone), (VALUES (true), (false)) o(own)
ORDER BY 1, 2, 3;
SELECT sorted_ids('Patient', '_contained=true&_sort=birthdate'), sorted_ids('Patient', '_contained=both&_containedType=contained&birthdate=ge1957&_sort=-birthdate,family');
-- with the dates and ids of the containers as keys among others; a criterion; system level; by score
SELECT sorted_ids('Patient', '_contained=true&_containedType=contained&gender=male&_sort=-_id,birthdate') = (SELECT string_agg(name, ' ' ORDER BY id COLLATE "C" DESC, birthdate NULLS LAST, part) FROM patient WHERE part > 0 AND gender = 'male');
SELECT sorted_ids('Patient', '_contained=both&_sort=family,-_lastUpdated&gender=female') = (SELECT string_agg(id, ' ' ORDER BY family NULLS LAST, last_updated DESC, id COLLATE "C") FROM (SELECT p.id, min(family) AS family, min(last_updated) AS last_updated
  FROM patient p JOIN fhir_search_rows(NULL) r USING (type, id) WHERE p.gender = 'female' GROUP BY 1) x);
SELECT sorted_ids(NULL, '_contained=true&_containedType=contained&_sort=_profile&_count=3'), sorted_ids('Patient', '_contained=true&_containedType=contained&_content=muir&_sort=-_score,family');

-- pages
CREATE FUNCTION walk(type text, query text, relation text) RETURNS text LANGUAGE plpgsql AS $$
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
      FROM (SELECT coalesce(string_agg(coalesce(regexp_replace(e ->> 'fullUrl', '.*/', ''), e #>> '{resource,id}'), ' ' ORDER BY n), '') ids FROM jsonb_array_elements(page -> 'entry') WITH ORDINALITY x(e, n)) i;
    SELECT l ->> 'url' INTO link FROM jsonb_array_elements(page -> 'link') l WHERE l ->> 'relation' = relation;
    EXIT WHEN link IS NULL;
    page := fhir_search(type, split_part(link, '?', 2));
  END LOOP;
  RETURN trim(out);
END $$;
SET fhir.base_url = 'http://here.org/fhir';
SELECT q, n, walk('Patient', q || '&_count=' || n, 'next') = sorted_ids('Patient', q) AS next, walk('Patient', q || '&_count=' || n, 'previous') = sorted_ids('Patient', q) AS previous
FROM (VALUES ('_contained=true&_containedType=contained&_sort=gender,-birthdate'), ('_contained=both&_containedType=contained&_sort=-family,given'), ('_contained=both&_sort=birthdate'), ('_contained=true&_sort=-gender,family')) v(q), generate_series(1, 7, 3) n ORDER BY 1, 2;
SELECT fhir_search('Patient', '_contained=both&_containedType=contained&_sort=family&_count=2&_total=accurate') -> 'total', fhir_count('Patient', '_contained=both&_containedType=contained&_sort=family'), fhir_search('Patient', '_contained=true&_sort=family&_count=2&_total=accurate') -> 'total', fhir_search('Patient', '_contained=true&_sort=family&_count=0') -> 'total';
SELECT jsonb_path_query_array(fhir_search('Patient', '_contained=both&_containedType=contained&_sort=-birthdate&_count=2&_elements=birthDate&gender=male'), '$.entry[*].fullUrl');

-- a parameter of one's own; what is refused; how it runs
SET fhir.reindex_worker = off;
SELECT fhir_create('{"resourceType":"SearchParameter","status":"active","url":"http://x/second","name":"second","description":"second","code":"second","base":["Patient"],"type":"string","expression":"Patient.name.given[1]"}') ->> 'code';
CALL fhir_reindex();
SELECT sorted_ids('Patient', '_contained=true&_containedType=contained&_sort=-second,birthdate&birthdate=lt1953');
SELECT sorted_ids('Patient', '_contained=true&_sort=nonsense');
SELECT sorted_ids('Patient', '_contained=true&_sort=gender.name');
SELECT substring(e FROM 'WARNING.*|-- page.*') FROM fhir_explain('Patient', '_contained=true&_sort=gender') e WHERE e ~ 'WARNING: every|-- page';
-- several texts of the dictionary at once, as criteria on containers and on others
SELECT sorted_ids('Observation', 'code:text=x,y,xy&_contained=both&_containedType=contained&_count=2');

-- chains: to resources of the store, to others in the container, to the container itself
SELECT count(fhir_update(r)) FROM (VALUES ('{"resourceType":"Organization","id":"o0","name":"Middle"}'::jsonb), ('{"resourceType":"Organization","id":"o1","name":"Last","alias":["zz"],"partOf":{"reference":"Organization/o0"}}'), ('{"resourceType":"Organization","id":"o2","name":"Omega"}'),
  ('{"resourceType":"MedicationRequest","id":"c1","status":"active","intent":"order","subject":{"reference":"Patient/own1"},"medicationReference":{"reference":"#m"},"supportingInformation":[{"reference":"#n"},{"reference":"#k"}],"contained":[
     {"resourceType":"Medication","id":"m","manufacturer":{"reference":"#o"}}, {"resourceType":"Medication","id":"n","manufacturer":{"reference":"Organization/o1"}}, {"resourceType":"Medication","id":"k"}, {"resourceType":"Organization","id":"o","name":"First","partOf":{"reference":"Organization/o2"}}]}'),
  ('{"resourceType":"Medication","id":"c2","manufacturer":{"reference":"#o"},"contained":[{"resourceType":"Organization","id":"o","name":"Nearly last"}]}'),
  ('{"resourceType":"Encounter","id":"e1","status":"planned","class":{"code":"AMB"},"reasonReference":[{"reference":"#a"},{"reference":"#b"}],"contained":[{"resourceType":"Observation","id":"a","status":"final","code":{"text":"y"},"encounter":{"reference":"#"}},{"resourceType":"Observation","id":"b","status":"final","code":{"text":"y"}}]}'),
  ('{"resourceType":"Encounter","id":"e2","status":"arrived","class":{"code":"AMB"},"reasonReference":[{"reference":"#a"}],"contained":[{"resourceType":"Observation","id":"a","status":"final","code":{"text":"y"},"encounter":{"reference":"#"}}]}')) v(r);
SELECT sorted_ids('Medication', '_contained=both&_containedType=contained&_sort=manufacturer.name'), sorted_ids('Medication', '_contained=both&_containedType=contained&_sort=-manufacturer.name'), sorted_ids('Medication', '_contained=both&_sort=-manufacturer.name');
SELECT sorted_ids('Medication', '_contained=true&_containedType=contained&_sort=manufacturer.partof.name'), sorted_ids('Medication', '_contained=true&_containedType=contained&_sort=-manufacturer:Organization._id'), sorted_ids('Medication', '_contained=true&_containedType=contained&_sort=manufacturer._lastUpdated');
SELECT sorted_ids('Observation', '_contained=true&_containedType=contained&code:text=y&_sort=encounter.status'), sorted_ids('Observation', '_contained=true&_containedType=contained&code:text=y&_sort=-encounter.status');
SELECT walk('Medication', '_contained=both&_containedType=contained&_sort=-manufacturer.name&_count=1', 'next'), walk('Medication', '_contained=both&_containedType=contained&_sort=-manufacturer.name&_count=2', 'previous');
SELECT count(*) FROM fhir_explain('Medication', '_contained=both&_sort=manufacturer.name') e WHERE e = '-- order: values of what a document refers to, by identity';

-- many containers: the first pages come in the order of the index, whichever contained resource of a container matches
SELECT count(fhir_update(jsonb_build_object('resourceType', 'Observation', 'id', 'm' || i, 'status', 'final', 'code', jsonb_build_object('text', 'z'), 'performer', '[{"reference":"#p1"},{"reference":"#p2"}]'::jsonb, 'contained', (SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('resourceType', 'Patient', 'id', 'p' || k,
  'gender', CASE WHEN (i + k) % 2 = 0 THEN 'other' ELSE 'unknown' END, 'birthDate', CASE WHEN i % 7 > 0 THEN to_char('1800-01-01'::date + (i * 7919 + k * 104729) % 50000, 'YYYY-MM-DD') END,
  'name', jsonb_build_array(jsonb_build_object('family', chr(97 + (i * 31 + k * 7) % 26) || lpad(((i * 7919 + k * 31) % 1000)::text, 3, '0'))))))  FROM generate_series(1, 2) k)))) FROM generate_series(1, 2500) i;
ANALYZE contained_sort.resource;
CREATE TEMP TABLE many AS SELECT 'm' || i AS id, k AS part, 'm' || i || '#p' || k AS name, c ->> 'birthDate' AS birthdate, c ->> 'gender' AS gender, c #>> '{name,0,family}' AS family
  FROM generate_series(1, 2500) i, LATERAL (SELECT e AS c, n AS k FROM jsonb_array_elements(fhir_read('Observation', 'm' || i) -> 'contained') WITH ORDINALITY x(e, n)) x;
SELECT DISTINCT substring(e FROM 'WARNING: every.*|-- page: [^,]*') FROM fhir_explain('Patient', '_contained=true&gender=other&_sort=birthdate&_count=5') e WHERE e ~ 'WARNING: every|-- page' ORDER BY 1;
SELECT sorted_ids('Patient', '_contained=true&gender=other&_sort=birthdate,family&_count=7') = (SELECT string_agg(id, ' ' ORDER BY n) FROM (SELECT id, row_number() OVER (ORDER BY min(birthdate), min(family), id COLLATE "C") n FROM many WHERE gender = 'other' AND birthdate IS NOT NULL GROUP BY id) x WHERE n <= 7) AS containers,
  sorted_ids('Patient', '_contained=true&_containedType=contained&gender=other&_sort=-family,birthdate&_count=9') = (SELECT string_agg(name, ' ' ORDER BY n) FROM (SELECT name, row_number() OVER (ORDER BY family DESC, birthdate NULLS LAST, id COLLATE "C", part) n FROM many WHERE gender = 'other') x WHERE n <= 9) AS contained;
RESET fhir.store;
SELECT fhir_store_drop('contained_sort', force => true);
DROP FUNCTION sorted_ids, expected, walk;
