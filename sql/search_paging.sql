-- Paging: each match once, in order, forward and backward, for every kind of sort key, also while others write.
SELECT fhir_store_create('search_test');
SET fhir.store = search_test;
\pset tuples_only on
-- 300 observations: dates with ties, periods and none; values with ties and none; several codes
SELECT count(fhir_update(jsonb_strip_nulls(jsonb_build_object('resourceType', 'Observation', 'id', 'o' || i, 'status', CASE i % 7 WHEN 0 THEN 'amended' ELSE 'final' END,
  'code', jsonb_build_object('coding', jsonb_build_array(jsonb_build_object('system', 'urn:c', 'code', 'c' || i % 5))),
  'subject', CASE WHEN i % 11 > 0 THEN jsonb_build_object('reference', 'Patient/p' || i % 9) END,
  'effectiveDateTime', CASE WHEN i % 4 = 0 THEN to_char(date '2020-01-01' + i * 37 % 200, 'YYYY-MM-DD') END,
  'effectivePeriod', CASE WHEN i % 4 = 1 THEN jsonb_build_object('start', to_char(date '2020-01-01' + i * 53 % 200, 'YYYY-MM-DD'), 'end', '2021') END,
  'valueQuantity', CASE WHEN i % 3 > 0 THEN jsonb_build_object('value', i * 17 % 40) END)))) FROM generate_series(1, 300) i;
SELECT count(fhir_update(jsonb_build_object('resourceType', 'Patient', 'id', 'p' || i, 'name', jsonb_build_array(jsonb_build_object('family', 'F' || i % 4, 'given', jsonb_build_array('G' || i)))))) FROM generate_series(0, 8) i;

CREATE FUNCTION page_ids(b jsonb) RETURNS text[] LANGUAGE sql AS
$$ SELECT coalesce(array_agg(e #>> '{resource,id}' ORDER BY n), '{}') FROM jsonb_array_elements(b -> 'entry') WITH ORDINALITY x(e, n) WHERE e #>> '{search,mode}' = 'match' $$;
CREATE FUNCTION page_link(b jsonb, rel text) RETURNS text LANGUAGE sql AS
$$ SELECT split_part(l ->> 'url', '?', 2) FROM jsonb_array_elements(b -> 'link') l WHERE l ->> 'relation' = rel $$;
-- All pages forward, then all pages backward, against the whole at once and against the order that SQL gives.
CREATE FUNCTION walk(t text, q text, n int, expected text[] DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE b jsonb; forth text[] := '{}'; back text[]; whole text[]; pages int := 1;
BEGIN
  SELECT coalesce(array_agg(id), '{}') INTO whole FROM fhir_search_rows(t, q);
  b := fhir_search(t, q || '&_count=' || n);
  forth := page_ids(b);
  WHILE page_link(b, 'next') IS NOT NULL LOOP
    b := fhir_search(t, page_link(b, 'next'));
    forth := forth || page_ids(b);
    pages := pages + 1;
  END LOOP;
  back := page_ids(b);
  WHILE page_link(b, 'previous') IS NOT NULL LOOP
    b := fhir_search(t, page_link(b, 'previous'));
    back := page_ids(b) || back;
  END LOOP;
  RETURN format('%s matches on %s pages%s%s%s', cardinality(whole), pages, CASE WHEN forth <> whole THEN ', FORWARD DIFFERS' END,
    CASE WHEN back <> whole THEN ', BACKWARD DIFFERS' END, CASE WHEN expected <> whole THEN ', ORDER DIFFERS' END);
END $$;
CREATE VIEW o AS SELECT id COLLATE "C" AS id, resource r, coalesce(resource ->> 'effectiveDateTime', resource #>> '{effectivePeriod,start}') d,
  (resource #>> '{valueQuantity,value}')::numeric v, resource #>> '{code,coding,0,code}' c FROM fhir_search_rows('Observation');

SELECT walk('Observation', '', 7, (SELECT array_agg(id ORDER BY id) FROM o));
SELECT walk('Observation', '_sort=date', 7, (SELECT array_agg(id ORDER BY d, id) FROM o));
SELECT walk('Observation', '_sort=-date', 7, (SELECT array_agg(id ORDER BY d DESC NULLS LAST, id) FROM o));
SELECT walk('Observation', '_sort=value-quantity,-date', 13, (SELECT array_agg(id ORDER BY v, d DESC NULLS LAST, id) FROM o));
SELECT walk('Observation', '_sort=-value-quantity', 13, (SELECT array_agg(id ORDER BY v DESC NULLS LAST, id) FROM o));
SELECT walk('Observation', '_sort=code,-value-quantity,date', 11, (SELECT array_agg(id ORDER BY c COLLATE "C", v DESC NULLS LAST, d, id) FROM o));
SELECT walk('Observation', '_sort=-_id', 50, (SELECT array_agg(id ORDER BY id DESC) FROM o));
SELECT walk('Observation', '_sort=_lastUpdated', 50), walk('Observation', '_sort=-_lastUpdated', 50);
SELECT walk('Observation', 'code=urn:c|c1&_sort=-date', 9, (SELECT array_agg(id ORDER BY d DESC NULLS LAST, id) FROM o WHERE c = 'c1'));
SELECT walk('Observation', 'date=ge2020-03&date=lt2020-06&_sort=date', 9, (SELECT array_agg(id ORDER BY d, id) FROM o WHERE d < '2020-06' AND (d >= '2020-03' OR r ? 'effectivePeriod')));
SELECT walk('Observation', 'date=ge2020-03&_sort=-date', 9, (SELECT array_agg(id ORDER BY d DESC, id) FROM o WHERE d >= '2020-03' OR r ? 'effectivePeriod'));
SELECT walk('Observation', 'status:not=final&_sort=date', 4, (SELECT array_agg(id ORDER BY d, id) FROM o WHERE r ->> 'status' <> 'final'));
SELECT walk('Observation', 'date:missing=true', 9, (SELECT array_agg(id ORDER BY id) FROM o WHERE d IS NULL));
SELECT walk('Observation', 'patient.family=f1,f2', 9, (SELECT array_agg(id ORDER BY id) FROM o WHERE r #>> '{subject,reference}' ~ '[1256]$'));
SELECT walk('Patient', '_sort=family', 2), walk('Patient', '_sort=-family,given', 2), walk('Patient', '_has:Observation:patient:code=c1&_sort=-family', 2);
SELECT walk(NULL, '_type=Patient,Observation&_lastUpdated=gt2020', 40);

-- under handling=lenient, too: the links hold nothing of what is ignored, not even a part of it
CREATE FUNCTION walk_leniently(t text, q text, OUT self text, OUT ids text, OUT ignored text) LANGUAGE plpgsql AS $$
DECLARE b jsonb; forth text[] := '{}'; q2 text := q;
BEGIN
  LOOP
    SELECT convert_from(body, 'UTF8')::jsonb INTO b FROM fhir_http('GET', '/' || t || '?' || q2, '{"prefer":"handling = \"lenient\""}', NULL);
    self := coalesce(self, b #>> '{link,0,url}');
    ignored := coalesce(ignored, jsonb_path_query_array(b, '$.entry[*].resource.issue[*].diagnostics')::text);
    forth := forth || page_ids(b);
    q2 := page_link(b, 'next');
    EXIT WHEN q2 IS NULL;
  END LOOP;
  ids := array_to_string(forth, ' ');
END $$;
SELECT l.* FROM unnest('{nope=1&_count=3,_sort=-family&birthdate=x&_count=4,"_sort=-family,nope&_count=4",_sort=-family&_sort=nope&_count=4,_type=Patient&_count=5,_summary=text&_include=Patient:link&_count=8}'::text[]) q, walk_leniently('Patient', q) l;
SELECT jsonb_path_query_array(convert_from(body, 'UTF8')::jsonb, '$.entry[0].resource.keyvalue().key') FROM fhir_http('GET', '/Patient?_id=p1&_elements=birthDate,nope', '{"prefer":"handling=lenient"}', NULL);
-- of a control with one value the last counts, and the links hold that one
SELECT self, ids FROM walk_leniently('Patient', '_count=2&_summary=true&_count=5&_summary=false');
SELECT fhir_count('Patient', '_sort=' || repeat('family,', 7) || '_id&_sort=given');

-- rows that others add, change and delete meanwhile neither repeat nor hide those that stay
CREATE FUNCTION walk_while_writing() RETURNS text LANGUAGE plpgsql AS $$
DECLARE b jsonb; seen text[] := '{}'; i int := 0;
BEGIN
  b := fhir_search('Observation', '_sort=-date&_count=10&date:missing=false');
  LOOP
    seen := seen || page_ids(b);
    EXIT WHEN page_link(b, 'next') IS NULL;
    i := i + 1;
    PERFORM fhir_update(jsonb_build_object('resourceType', 'Observation', 'id', 'new' || i, 'status', 'final', 'code', '{"text":"n"}'::jsonb, 'effectiveDateTime', to_char(date '2020-01-01' + i * 20 % 200, 'YYYY-MM-DD')));
    PERFORM fhir_delete('Observation', seen[cardinality(seen)]); -- the very row that the cursor names
    b := fhir_search('Observation', page_link(b, 'next'));
  END LOOP;
  RETURN format('%s of the first 150, %s twice', (SELECT count(DISTINCT s) FROM unnest(seen) s WHERE s LIKE 'o%'), (SELECT count(*) FROM (SELECT s FROM unnest(seen) s GROUP BY s HAVING count(*) > 1) x));
END $$;
SELECT walk_while_writing();
-- a page from which all has been deleted leads to what is left
CREATE FUNCTION around_nothing(sort text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE b jsonb; ahead text; behind text; n int := 0; whole text[]; back text[] := '{}';
BEGIN
  PERFORM fhir_update(jsonb_strip_nulls(jsonb_build_object('resourceType', 'Person', 'id', 'e' || i, 'birthDate', CASE WHEN i % 3 > 0 THEN '200' || i * 7 % 10 END, 'name', jsonb_build_array(jsonb_build_object('family', 'N' || i * 3 % 10))))) FROM generate_series(1, 9) i;
  b := fhir_search('Person', '_count=3&_sort=' || sort);
  b := fhir_search('Person', page_link(b, 'next'));
  ahead := page_link(b, 'next');
  behind := page_link(b, 'previous');
  PERFORM fhir_delete('Person', id) FROM unnest(page_ids(fhir_search('Person', ahead))) id;
  SELECT array_agg(id) INTO whole FROM fhir_search_rows('Person', '_sort=' || sort);
  b := fhir_search('Person', ahead);
  n := jsonb_array_length(coalesce(b -> 'entry', '[]'));
  WHILE page_link(b, 'previous') IS NOT NULL LOOP
    b := fhir_search('Person', page_link(b, 'previous'));
    back := page_ids(b) || back;
  END LOOP;
  PERFORM fhir_delete('Person', id) FROM unnest(page_ids(fhir_search('Person', behind))) id;
  b := fhir_search('Person', behind);
  RETURN format('%s ahead, back to all: %s; %s behind, on: %s, %s', n, back = whole, jsonb_array_length(coalesce(b -> 'entry', '[]')), page_ids(fhir_search('Person', page_link(b, 'next'))) = whole[4:], page_link(b, 'previous') IS NULL);
END $$;
SELECT s || ': ' || around_nothing(s) FROM unnest('{_id,-_id,birthdate,-birthdate,name,"-name,birthdate",_lastUpdated,-gender}'::text[]) s;
SELECT page_ids(fhir_search('Person', page_link(fhir_search('Person', page_link(b, 'next')), 'previous'))) = page_ids(b) FROM fhir_search('Person', '_count=2') b;
DROP VIEW o;
DROP FUNCTION walk, walk_while_writing, walk_leniently, around_nothing, page_ids, page_link;
RESET fhir.store;
SELECT fhir_store_drop('search_test', force => true);
