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
RESET fhir.store;
SELECT fhir_store_drop('sn', force => true);
