-- Ways that only many matches take: pages in the order of what is referred to, totals from the index alone, identities of what is referred to.
SET timezone = 'UTC';
SELECT fhir_store_create('plans_test');
SET fhir.store = plans_test;
\pset tuples_only on
-- p3, p8, ... have no name, p4, p9, ... two; those of a family stand together
SELECT count(fhir_update(jsonb_strip_nulls(jsonb_build_object('resourceType', 'Patient', 'id', 'p' || i, 'gender', CASE i % 2 WHEN 0 THEN 'male' ELSE 'female' END,
  'birthDate', (1950 + i)::text, 'name', CASE i % 5 WHEN 3 THEN NULL WHEN 4 THEN jsonb_build_array(jsonb_build_object('family', 'F' || i % 7), jsonb_build_object('family', 'Z' || i))
  ELSE jsonb_build_array(jsonb_build_object('family', 'F' || i % 7)) END)))) FROM generate_series(1, 30) i;
SELECT count(fhir_update(jsonb_build_object('resourceType', 'Practitioner', 'id', 'd' || i, 'name', jsonb_build_array(jsonb_build_object('family', 'D' || i))))) FROM generate_series(1, 4) i;
-- subjects: p1 to p33, of which three do not exist; performers: one to three, some of them patients; every 40th has no subject
SELECT count(fhir_update(jsonb_strip_nulls(jsonb_build_object('resourceType', 'Observation', 'id', 'o' || to_char(i, 'FM0000'), 'status', CASE i % 10 WHEN 0 THEN 'amended' ELSE 'final' END,
  'code', jsonb_build_object('coding', jsonb_build_array(jsonb_build_object('system', 'urn:c', 'code', 'c' || i % 3))),
  'effectiveDateTime', to_char(date '2020-01-01' + i % 400, 'YYYY-MM-DD'),
  'subject', CASE WHEN i % 40 > 0 THEN jsonb_build_object('reference', 'Patient/p' || 1 + i * 7 % 33) END,
  'performer', (SELECT jsonb_agg(jsonb_build_object('reference', CASE WHEN k = 2 THEN 'Patient/p' || 1 + i % 30 ELSE 'Practitioner/d' || 1 + (i + k) % 5 END)) FROM generate_series(0, i % 3) k)))))
  FROM generate_series(1, 1500) i;
ANALYZE plans_test.resource;

-- the order by the documents
CREATE VIEW o AS SELECT id, resource FROM fhir_search_rows('Observation');
CREATE VIEW f AS SELECT t.type || '/' || t.id AS ref, lower(n ->> 'family') AS family, t.resource ->> 'birthDate' AS birth
  FROM (SELECT * FROM fhir_search_rows('Patient') UNION ALL SELECT * FROM fhir_search_rows('Practitioner')) t LEFT JOIN LATERAL jsonb_array_elements(t.resource -> 'name') n ON true;
CREATE FUNCTION pages(type text, query text, n int) RETURNS TABLE (forth text, back text, walked bool) LANGUAGE plpgsql AS $$
DECLARE page jsonb := fhir_search(type, query || '&_count=' || n); link text; last jsonb;
BEGIN
  walked := EXISTS (SELECT FROM fhir_explain(type, query || '&_count=' || n) x WHERE x LIKE '-- page: walk in the order of what is referred to%');
  forth := ''; back := '';
  LOOP
    forth := forth || ' ' || (SELECT string_agg(e #>> '{resource,id}', ' ' ORDER BY k) FROM jsonb_array_elements(page -> 'entry') WITH ORDINALITY x(e, k));
    last := page;
    SELECT l ->> 'url' INTO link FROM jsonb_array_elements(page -> 'link') l WHERE l ->> 'relation' = 'next';
    EXIT WHEN link IS NULL;
    page := fhir_search(type, split_part(link, '?', 2));
  END LOOP;
  page := last;
  LOOP
    back := (SELECT string_agg(e #>> '{resource,id}', ' ' ORDER BY k) FROM jsonb_array_elements(page -> 'entry') WITH ORDINALITY x(e, k)) || ' ' || back;
    SELECT l ->> 'url' INTO link FROM jsonb_array_elements(page -> 'link') l WHERE l ->> 'relation' = 'previous';
    EXIT WHEN link IS NULL;
    page := fhir_search(type, split_part(link, '?', 2));
  END LOOP;
  forth := trim(forth); back := trim(back);
  RETURN NEXT;
END $$;
WITH want(query, ids) AS (
  SELECT '_sort=patient.family', (SELECT string_agg(id, ' ' ORDER BY s NULLS LAST, id) FROM (SELECT id, (SELECT min(family) FROM f WHERE ref = resource #>> '{subject,reference}') COLLATE "C" AS s FROM o) q)
  UNION ALL SELECT 'code=c1&_sort=-patient.family,date', (SELECT string_agg(id, ' ' ORDER BY s DESC NULLS LAST, at, id) FROM (SELECT id, resource ->> 'effectiveDateTime' AS at,
    (SELECT max(family) FROM f WHERE ref = resource #>> '{subject,reference}') COLLATE "C" AS s FROM o WHERE resource -> 'code' @> '{"coding":[{"code":"c1"}]}') q)
  UNION ALL SELECT 'status=final&_sort=-patient.birthdate', (SELECT string_agg(id, ' ' ORDER BY s DESC NULLS LAST, id) FROM (SELECT id, (SELECT min(birth) FROM f WHERE ref = resource #>> '{subject,reference}') AS s
    FROM o WHERE resource ->> 'status' = 'final') q)
  -- several references to several types
  UNION ALL SELECT 'code=c2&_sort=performer:Practitioner.family', (SELECT string_agg(id, ' ' ORDER BY s NULLS LAST, id) FROM (SELECT id, (SELECT min(family) FROM f, jsonb_array_elements(resource -> 'performer') p
    WHERE ref = p ->> 'reference' AND ref LIKE 'Prac%') COLLATE "C" AS s FROM o WHERE resource -> 'code' @> '{"coding":[{"code":"c2"}]}') q)
  UNION ALL SELECT 'code=c2&_sort=-performer:Practitioner.family,-performer:Patient.family', (SELECT string_agg(id, ' ' ORDER BY s DESC NULLS LAST, s2 DESC NULLS LAST, id) FROM (SELECT id,
    (SELECT max(family) FROM f, jsonb_array_elements(resource -> 'performer') p WHERE ref = p ->> 'reference' AND ref LIKE 'Prac%') COLLATE "C" AS s,
    (SELECT max(family) FROM f, jsonb_array_elements(resource -> 'performer') p WHERE ref = p ->> 'reference' AND ref LIKE 'Pat%') COLLATE "C" AS s2 FROM o WHERE resource -> 'code' @> '{"coding":[{"code":"c2"}]}') q))
SELECT query, n, walked, forth = ids AS forth, back = ids AS back FROM want, unnest('{40,150}'::int[]) n, pages('Observation', query, n);

-- the last pages: a walk that comes to the end of the order has found all that is left
WITH RECURSIVE page(n, q) AS (
  SELECT 1, 'status=final&_count=200'
  UNION ALL SELECT n + 1, (SELECT split_part(l ->> 'url', '?', 2) FROM jsonb_array_elements(fhir_search('Observation', q) -> 'link') l WHERE l ->> 'relation' = 'next') FROM page WHERE q IS NOT NULL)
SELECT n, (SELECT string_agg(line, ', ') FROM fhir_explain('Observation', q) line WHERE line LIKE '-- page%'), jsonb_array_length(fhir_search('Observation', q) -> 'entry') FROM page WHERE q IS NOT NULL ORDER BY n;

-- totals, before and after rows are deleted, moved and added: from the index, whatever VACUUM has done
CREATE FUNCTION totals() RETURNS TABLE (query text, same bool) LANGUAGE sql AS $$
  SELECT q, fhir_count('Observation', q) = (SELECT count(*) FROM o WHERE fhir_matches(resource, q))
  FROM unnest('{code=c1,"code=urn:c|c1,urn:c|c2",code=c1&status=final,code=c1&date=ge2020-06,code=c2&date=lt2020-03&status=amended,status:not=final,code=c0&code:not=c0,"code=c1&date=2020-02,2020-05-01","code:not=c1&status=amended"}'::text[]) q $$;
SELECT * FROM totals();
SELECT line FROM fhir_explain('Observation', 'code=c1&_summary=count') line WHERE line LIKE '-- total%';
-- of a resource with so many keys that they are out of line
SELECT fhir_update(jsonb_build_object('resourceType', 'List', 'id', 'long', 'status', 'current', 'mode', 'working', 'date', '2020', 'entry', (SELECT jsonb_agg(jsonb_build_object('item', jsonb_build_object('reference', 'Patient/x' || i))) FROM generate_series(1, 900) i))) #>> '{meta,versionId}';
SELECT fhir_count('List', q) FROM unnest('{status=current&code:not=x,item=Patient/x7&status:not=retired,item=Patient/x7&date=2020,item=Patient/x7&date=lt2020,item:missing=false&code:missing=true&code:not=x}'::text[]) q;
-- what can't match is estimated so
SELECT line FROM fhir_explain('Observation', '_has:Provenance:target:_id=x') line WHERE line LIKE 'criterion%';
SELECT count(fhir_delete('Observation', id)) FROM o WHERE id LIKE '%7';
SELECT count(fhir_update(jsonb_set(resource, '{code,coding,0,code}', '"c1"'))) FROM o WHERE id LIKE '%5';
SELECT bool_and(same) FROM totals();
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(fhir_update(jsonb_set(resource, '{code,coding,0,code}', '"c2"'))) FROM o WHERE id LIKE '%2';
SELECT bool_and(same) FROM totals();
ROLLBACK;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT bool_and(same) FROM totals();
SELECT count(*) FROM fhir_explain('Observation', 'code=c1&_summary=count') line WHERE line LIKE '-- total: entries%';
ROLLBACK;
VACUUM plans_test.resource;
SELECT bool_and(same) FROM totals();

-- _has: many refer to few
SELECT q, fhir_count('Patient', q) = (SELECT count(*) FROM fhir_search_rows('Patient') p WHERE EXISTS (SELECT FROM o WHERE resource #>> '{subject,reference}' = 'Patient/' || p.id
  AND fhir_matches(resource, split_part(q, ':', 4)))) FROM unnest('{_has:Observation:patient:code=c1,_has:Observation:patient:status=amended,_has:Observation:subject:date=2020-02-01}'::text[]) q;
-- and what refers to those
SELECT count(fhir_update(jsonb_build_object('resourceType', 'DiagnosticReport', 'id', 'r' || i, 'status', 'final', 'code', jsonb_build_object('coding', jsonb_build_array(jsonb_build_object('code', 'r' || i % 100), jsonb_build_object('code', 'm' || i % 3))),
  'result', jsonb_build_array(jsonb_build_object('reference', 'Observation/o' || to_char(i, 'FM0000')), jsonb_build_object('reference', 'Observation/o' || to_char(1 + i % 50, 'FM0000')))))) FROM generate_series(1, 600) i;
ANALYZE plans_test.resource;
CREATE TABLE d AS SELECT * FROM fhir_search_rows('DiagnosticReport');
CREATE TABLE s AS SELECT id, resource #>> '{subject,reference}' AS subject FROM o;
SELECT q, fhir_count('Patient', q) = n AS counted, (SELECT count(*) FROM jsonb_array_elements(fhir_search('Patient', q || '&_count=50') -> 'entry')) = n AS found, n,
       (SELECT string_agg(line, ', ') FROM fhir_explain('Patient', q || '&_count=50') line WHERE line LIKE '-- %') AS by
  FROM (SELECT q, (SELECT count(*) FROM fhir_search_rows('Patient') p WHERE EXISTS (SELECT FROM s, d, jsonb_array_elements(d.resource -> 'result') r
    WHERE s.subject = 'Patient/' || p.id AND r ->> 'reference' = 'Observation/' || s.id AND fhir_matches(d.resource, split_part(q, ':', 7)))) AS n
  FROM unnest('{_has:Observation:patient:_has:DiagnosticReport:result:code=r7,_has:Observation:patient:_has:DiagnosticReport:result:status=final,_has:Observation:patient:_has:DiagnosticReport:result:code=r99,_has:Observation:patient:_has:DiagnosticReport:result:code=m1}'::text[]) q) x;
DROP TABLE d, s;
DROP VIEW o, f;
DROP FUNCTION pages, totals;
SELECT fhir_store_drop('plans_test', true);
