-- Contained resources: _contained, _containedType, and chains into them.
SET timezone = 'UTC';
SELECT fhir_store_create('contained_test');
SET fhir.store = contained_test;
SET fhir.base_url = 'http://here.org/fhir';
CREATE FUNCTION inside(type text, query text) RETURNS text LANGUAGE sql AS
$$ SELECT coalesce(string_agg(CASE mode WHEN 'match' THEN id ELSE '+' || id END, ' '), '-') FROM fhir_search_rows($1, $2) $$;
\pset tuples_only on
SELECT count(fhir_update(r)) FROM (VALUES
 ('{"resourceType":"Organization","id":"acme","name":"Acme"}'::jsonb),
 ('{"resourceType":"Medication","id":"own","status":"active","code":{"coding":[{"system":"http://rx","code":"A"}]},"manufacturer":{"reference":"Organization/acme"}}'),
 ('{"resourceType":"MedicationRequest","id":"r1","status":"active","intent":"order","subject":{"reference":"Patient/p"},"medicationReference":{"reference":"#m1"},
   "contained":[{"resourceType":"Medication","id":"m1","status":"active","code":{"coding":[{"system":"http://rx","code":"A","display":"Amoxicillin"}]},"manufacturer":{"reference":"#o"}},
                {"resourceType":"Medication","id":"m2","status":"inactive","code":{"coding":[{"system":"http://rx","code":"B"}]},"manufacturer":{"reference":"Organization/acme"}},
                {"resourceType":"Organization","id":"o","name":"Zeta Labs","alias":["Inner"]}]}'),
 ('{"resourceType":"MedicationRequest","id":"r2","status":"active","intent":"order","subject":{"reference":"Patient/p"},"medicationReference":{"reference":"#m1"},
   "contained":[{"resourceType":"Medication","id":"m1","status":"inactive","code":{"coding":[{"system":"http://rx","code":"A"}]},"batch":{"lotNumber":"7","expirationDate":"2024-06-01"}}]}'),
 ('{"resourceType":"MedicationRequest","id":"r3","status":"active","intent":"order","subject":{"reference":"Patient/p"},"medicationReference":{"reference":"Medication/own"}}'),
 ('{"resourceType":"Observation","id":"b1","status":"final","code":{"text":"x"},"subject":{"reference":"#p"},"contained":[{"resourceType":"Patient","id":"p","birthDate":"1980-05-05","name":[{"family":"Inner","given":["Zoë"]}]}]}'),
 ('{"resourceType":"Observation","id":"b2","status":"final","code":{"text":"x"},"subject":{"reference":"#p"},"performer":[{"reference":"#q"}],
   "contained":[{"resourceType":"Patient","id":"p","name":[{"family":"Other"}]},{"resourceType":"Patient","id":"q","name":[{"family":"Inner"}]}]}'),
 ('{"resourceType":"Patient","id":"p","name":[{"family":"Inner"}]}')) v(r);

-- by default contained resources are not found; true: only they, both: they and others
SELECT inside('Medication', 'code=A'), inside('Medication', 'code=A&_contained=false'), inside('Medication', 'code=A&_contained=true'), inside('Medication', 'code=A&_contained=both');
SELECT inside('Medication', '_contained=true'), inside('Medication', '_contained=true&_containedType=contained'), inside('Medication', '_contained=both&_containedType=contained');
SELECT inside('Medication', 'code=A&status=inactive&_contained=true&_containedType=contained'), inside('Medication', 'code=B&status=active&_contained=true'), inside('Medication', 'status:not=active&_contained=true&_containedType=contained');
SELECT inside('Medication', 'code:text=amox&_contained=true'), inside('Medication', 'expiration-date=2024-06&_contained=true'), inside('Medication', 'manufacturer:missing=true&_contained=true&_containedType=contained'), inside('Medication', '_id=m2&_contained=true');
SELECT inside('Patient', 'family=inner&_contained=true&_containedType=contained'), inside('Patient', 'name:contains=nne&birthdate=lt1990&_contained=both&_containedType=contained'), inside('Patient', 'given=zoe&_contained=true'), inside('Patient', '_filter=family eq "Inner" and not (birthdate gt 1970)&_contained=true&_containedType=contained');
-- criteria on what contained resources refer to, within their container and outside
SELECT inside('Medication', 'manufacturer=Organization/acme&_contained=true&_containedType=contained'), inside('Medication', 'manufacturer.name=acme&_contained=both&_containedType=contained'), inside('Medication', 'manufacturer.name=zeta&_contained=true&_containedType=contained');
-- nobody refers to them from outside; they have no date of change
SELECT inside('Patient', '_has:Observation:subject:status=final&_contained=true'), inside('Medication', '_lastUpdated=gt2000&_contained=true'), inside('Medication', '_lastUpdated=gt2000&_contained=both&_containedType=contained');
SELECT inside('MedicationRequest', 'medication._lastUpdated:missing=true'), inside('MedicationRequest', 'medication._lastUpdated:missing=false'), inside('MedicationRequest', '_filter=medication[_lastUpdated pr false].code eq A');
-- every type
SELECT inside(NULL, '_contained=true&_containedType=contained'), inside(NULL, '_type=Organization,Medication&_contained=true&_containedType=contained'), inside(NULL, '_id=p&_contained=both&_containedType=contained');
SELECT fhir_count('Medication', 'code=A&_contained=true'), fhir_count('Medication', '_contained=true'), fhir_count('Medication', '_contained=true&_containedType=contained'), fhir_count('Medication', '_contained=both&_containedType=contained'), fhir_count('Medication', 'code=Z&_contained=true&_containedType=contained');
-- includes follow from what is answered
SELECT inside('Medication', 'code=B&_contained=true&_containedType=contained&_include=Medication:manufacturer'), inside('Medication', 'code=B&_contained=true&_include=MedicationRequest:patient'), inside('Medication', '_contained=both&_containedType=contained&_revinclude=MedicationRequest:medication&code=A');

-- the Bundle
SELECT e ->> 'fullUrl', e #>> '{resource,resourceType}', e #>> '{resource,id}', e -> 'search' FROM jsonb_array_elements(fhir_search('Medication', 'code=A&_contained=both&_containedType=contained') -> 'entry') e;
SELECT e ->> 'fullUrl', e #>> '{resource,resourceType}', e -> 'search' FROM jsonb_array_elements(fhir_search('Medication', 'code=A&_contained=true&_elements=status') -> 'entry') e;
SELECT jsonb_path_query_array(fhir_search('Medication', 'code=B&_contained=true&_containedType=contained&_elements=status'), '$.entry[*].resource');
SELECT fhir_search('Medication', '_contained=both&_containedType=contained&_count=2&_total=accurate') -> 'total', fhir_search('Medication', '_contained=both&_containedType=contained') -> 'total', fhir_search('Medication', '_contained=true&_summary=count&_containedType=contained') -> 'total';

-- pages end within containers; forwards and backwards
CREATE FUNCTION walk_contained(type text, query text, relation text) RETURNS text LANGUAGE plpgsql AS $$
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
      FROM (SELECT coalesce(string_agg(regexp_replace(e ->> 'fullUrl', '.*/', ''), ' ' ORDER BY n), '') ids FROM jsonb_array_elements(page -> 'entry') WITH ORDINALITY x(e, n)) i;
    SELECT l ->> 'url' INTO link FROM jsonb_array_elements(page -> 'link') l WHERE l ->> 'relation' = relation;
    EXIT WHEN link IS NULL;
    page := fhir_search(type, split_part(link, '?', 2));
  END LOOP;
  RETURN trim(out);
END $$;
SELECT q, n, walk_contained(t, q || '&_count=' || n, 'next') = inside(t, q) AS next, walk_contained(t, q || '&_count=' || n, 'previous') = inside(t, q) AS previous
  FROM (VALUES ('Medication', '_contained=both&_containedType=contained'), ('Medication', '_contained=true'), (NULL, '_contained=true&_containedType=contained'), ('Patient', 'family=inner&_contained=both&_containedType=contained&_sort=-_lastUpdated')) v(t, q), generate_series(1, 3) n ORDER BY 1, 2;

-- chains lead into contained resources without being asked (R4: "evaluated inside contained resources")
SELECT inside('MedicationRequest', 'medication.code=A'), inside('MedicationRequest', 'medication:Medication.code=http://rx|B'), inside('MedicationRequest', 'medication.status=inactive'), inside('MedicationRequest', 'medication.status:not=active');
SELECT inside('MedicationRequest', 'medication.manufacturer.name=zeta'), inside('MedicationRequest', 'medication.manufacturer.name=acme'), inside('MedicationRequest', 'medication.expiration-date=ge2024&intent=order'), inside('MedicationRequest', 'medication.manufacturer:missing=true');
SELECT inside('Observation', 'subject.family=inner'), inside('Observation', 'performer:Patient.family=inner'), inside('Observation', 'patient.family=other&performer:Patient.family=inner'), inside('Observation', 'subject:Patient.birthdate=1980'), inside('Observation', '_filter=subject.family eq "Other" or status eq amended');
SELECT inside('Observation', 'subject.family=inner&_sort=-_id'), fhir_count('Observation', 'subject.family=inner,other'), inside('Patient', '_has:Observation:subject:code:text=x');

-- against the documents, by fhir_matches: the same, whatever is asked
SELECT t, q FROM (VALUES ('Medication', 'code=A'), ('Medication', 'code=A&status=active'), ('Medication', 'status:not=inactive'), ('Medication', 'manufacturer:missing=false'), ('Patient', 'family=inner,other&birthdate:missing=true'), ('Patient', 'birthdate=ge1980'), ('Organization', 'name=z')) v(t, q)
 WHERE inside(t, q || '&_contained=true&_containedType=contained') IS DISTINCT FROM (SELECT coalesce(string_agg(r.id || '#' || (c ->> 'id'), ' ' ORDER BY r.type COLLATE "C", r.id COLLATE "C", n), '-')
   FROM fhir_search_rows(NULL) r, jsonb_array_elements(r.resource -> 'contained') WITH ORDINALITY x(c, n) WHERE c ->> 'resourceType' = t AND fhir_matches(c, q));

-- keys follow the document; a deleted container contains nothing
SELECT fhir_update('{"resourceType":"Observation","id":"b1","status":"final","code":{"text":"x"}}') #>> '{meta,versionId}';
SELECT inside('Patient', 'family=inner&_contained=true'), inside('Observation', 'subject.family=inner');
SELECT fhir_delete('MedicationRequest', 'r2') ->> 'resourceType';
SELECT inside('Medication', 'code=A&_contained=true'), inside('MedicationRequest', 'medication.code=A');

-- a parameter of one's own works on them, too
SELECT fhir_create('{"resourceType":"SearchParameter","status":"active","url":"http://x/lot","name":"lot","description":"lot","code":"lot","base":["Medication"],"type":"string","expression":"Medication.batch.lotNumber"}') ->> 'code';
CALL fhir_reindex();
SELECT inside('Medication', 'lot=7&_contained=true'), inside('Medication', 'lot:missing=true&_contained=true&_containedType=contained');
SELECT fhir_update('{"resourceType":"MedicationRequest","id":"r4","status":"active","intent":"order","subject":{"reference":"Patient/p"},"medicationReference":{"reference":"#m"},"contained":[{"resourceType":"Medication","id":"m","batch":{"lotNumber":"7"}}]}') ->> 'id';
SELECT inside('Medication', 'lot=7&_contained=true&_containedType=contained'), inside('MedicationRequest', 'medication.lot=7');

-- what is refused
\set VERBOSITY terse
SELECT inside('Medication', '_contained=yes');
SELECT inside('Medication', '_contained=true&_containedType=all');
SELECT inside('Medication', '_contained=true&_sort=manufacturer.name');
SELECT inside('Medication', '_contained=true&_cursor=x');
SELECT fhir_contained_count((SELECT doc FROM contained_test.version LIMIT 1), 1000000);
SELECT count(*) > 5 FROM fhir_explain('Medication', 'code=A&_contained=both', true);
SELECT fhir_store_drop('contained_test', force => true);
