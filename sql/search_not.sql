-- :not where a place holds one of few codes: the index of the other codes answers, also those that fhir.check_mode lets in
SELECT fhir_store_create('sn');
SET fhir.store = 'sn';
SELECT count(fhir_update(format('{"resourceType":"Observation","id":"o%s","status":"%s","code":{"text":"c"}}', n, s)::jsonb))
  FROM (VALUES (1, 'final'), (2, 'amended'), (3, 'final')) v(n, s);
SET fhir.check_mode = structure;
SELECT count(fhir_update('{"resourceType":"Observation","id":"odd","status":"no such code","code":{"text":"c"}}'));
SELECT count(fhir_update('{"resourceType":"Observation","id":"none","code":{"text":"c"}}'));
SELECT count(fhir_update('{"resourceType":"Patient","id":"p1","gender":"male","active":true}'));
SELECT count(fhir_update('{"resourceType":"Patient","id":"p2"}'));
RESET fhir.check_mode;
SELECT q, (SELECT string_agg(id, ' ' ORDER BY id) FROM fhir_search_rows('Observation', q)) AS found
  FROM (VALUES ('status:not=final'), ('status:not=final,amended'), ('status:not=no such code'), ('status:missing=true'),
               ('status:not=final&status:not=amended'), ('code:not=x')) v(q);
SELECT q, (SELECT string_agg(id, ' ' ORDER BY id) FROM fhir_search_rows('Patient', q)) AS found
  FROM (VALUES ('gender:not=male'), ('gender:not=female'), ('active:not=true'), ('active:not=false')) v(q);
-- orders that several ranges of an index give together, and a criterion that the walked index answers
SELECT count(fhir_update(jsonb_build_object('resourceType', 'Condition', 'id', 'c' || n, 'subject', jsonb_build_object('reference', 'Patient/p1')) ||
       CASE n % 3 WHEN 0 THEN jsonb_build_object('onsetDateTime', to_char(date '2020-01-01' + n, 'YYYY-MM-DD'))
                  WHEN 1 THEN jsonb_build_object('onsetPeriod', jsonb_build_object('start', to_char(date '2020-01-01' - 100 * n, 'YYYY-MM-DD'))) ELSE '{}' END))
  FROM generate_series(1, 12) n;
SELECT q, (SELECT string_agg(e -> 'resource' ->> 'id', ' ' ORDER BY k) FROM jsonb_array_elements(fhir_search('Condition', q) -> 'entry') WITH ORDINALITY x(e, k)) AS found
  FROM (VALUES ('_sort=onset-date'), ('_sort=-onset-date'), ('_sort=onset-date,_id&onset-date=ge2020-01-05'), ('_sort=-onset-date&onset-date=ge2020-01-05&_count=3'),
               ('_sort=onset-date&onset-date=lt2018'), ('_sort=subject,-onset-date&_count=4')) v(q);
-- a value that nearly all have, at a place of no fixed list: the others are told by two indexes, whatever else they have there
SELECT count(fhir_update(jsonb_build_object('resourceType', 'Basic', 'id', to_char(n, 'FM0000'), 'code', jsonb_build_object('coding', jsonb_build_array(jsonb_build_object('system', 'urn:s', 'code', 'same'))))))
  FROM generate_series(1, 2500) n;
SET fhir.check_mode = structure;
SELECT count(fhir_update(jsonb_strip_nulls(jsonb_build_object('resourceType', 'Basic', 'id', id, 'code', code))))
  FROM (VALUES ('y1', '{"coding": [{"system": "urn:s", "code": "other"}]}'::jsonb), ('y2', '{"coding": [{"system": "urn:s"}]}'), ('y3', '{"text": "same"}'), ('y4', NULL),
               ('y5', '{"coding": [{"system": "urn:t", "code": "same"}]}'), ('y6', '{"coding": [{"code": "other"}, {"code": "same"}]}'), ('y7', '{"coding": [{"userSelected": true}]}')) v(id, code);
RESET fhir.check_mode;
SELECT count(fhir_update(resource || '{"code": {"coding": [{"system": "urn:s", "code": "changed"}]}}')) FROM fhir_search_rows('Basic', '_id=1000,2000');
SELECT count(fhir_update(resource || '{"code": {"coding": [{"system": "urn:s", "code": "same"}]}}')) FROM fhir_search_rows('Basic', '_id=1000');
SELECT count(fhir_delete('Basic', id)) FROM (VALUES ('1500'), ('y1')) v(id);
ANALYZE sn.resource;
SELECT q, (SELECT string_agg(e -> 'resource' ->> 'id', ' ' ORDER BY k) FROM jsonb_array_elements(fhir_search('Basic', q || '&_count=20') -> 'entry') WITH ORDINALITY x(e, k)) AS found, fhir_count('Basic', q) AS n,
       (SELECT string_agg(line, '') FROM fhir_explain('Basic', q || '&_count=20', true) line WHERE line LIKE '-- criterion%' OR line LIKE '   %rows' OR line LIKE 'WARNING%') AS by
  FROM (VALUES ('code:not=same'), ('code:not=urn:s|same'), ('code:not=same,other'), ('code:not=same&code:missing=false'), ('code:not=other&_sort=-_id')) v(q);
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT fhir_count('Basic', 'code:not=same'), count(*) FROM fhir_search_rows('Basic', 'code:not=same');
COMMIT;
RESET fhir.store;
SELECT fhir_store_drop('sn', force => true);
