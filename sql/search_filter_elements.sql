-- _filter on elements: what the index knows of it narrows the rows that are read; the answer is that of the documents.
\set VERBOSITY terse
\pset tuples_only on
\pset format unaligned
SET timezone = 'UTC';
SELECT fhir_store_create('filter_elements');
SET fhir.store = filter_elements;
CREATE FUNCTION encoded(t text) RETURNS text LANGUAGE sql AS $$ SELECT replace(replace(replace(t, '%', '%25'), '&', '%26'), '+', '%2B') $$;
-- filter: matches; how many differ from the documents; whether an index narrows it
CREATE FUNCTION elements(type text, param text, rest text) RETURNS text LANGUAGE sql AS $$
	WITH s AS MATERIALIZED (SELECT id FROM fhir_search_rows(type, '_filter=' || encoded(param || rest))),
	  m AS MATERIALIZED (SELECT id FROM fhir_search_rows(type) r WHERE fhir_matches(r.resource, param || ':~[]=' || encoded(rest)))
	SELECT format('%s: %s, %s%s', param || rest, (SELECT count(*) FROM s), (SELECT count(*) FROM (TABLE s EXCEPT TABLE m) x) + (SELECT count(*) FROM (TABLE m EXCEPT TABLE s) x),
	  CASE WHEN EXISTS (SELECT FROM fhir_explain(type, '_filter=' || encoded(param || rest)) e WHERE e LIKE 'WARNING%') THEN ', no index' ELSE '' END)
$$;
SELECT count(fhir_update(jsonb_build_object('resourceType', 'Patient', 'id', 'p' || i, 'name', jsonb_build_array(jsonb_build_object('use', (ARRAY['official', 'usual'])[1 + i % 2], 'family', (ARRAY['Ärger', 'Abel', 'O''Neil-Baker', 'van der Berg'])[1 + i % 4],
	'period', jsonb_build_object('start', (1990 + i % 20)::text)), jsonb_build_object('use', 'old', 'family', (ARRAY['Abel', 'Zimmer'])[1 + i % 2], 'given', jsonb_build_array('Ann' || i % 7))),
  'telecom', jsonb_build_array(jsonb_build_object('system', 'phone', 'value', (ARRAY['555-12', '556-', '(555) 9'])[1 + i % 3] || i), jsonb_build_object('system', 'email', 'value', '555' || i || '@example.org', 'rank', 1 + i % 5)),
  'identifier', jsonb_build_array(jsonb_build_object('system', 'urn:a' || i % 3, 'value', 'AB-' || i % 10), jsonb_build_object('system', 'urn:b', 'value', 'ab-' || i % 6, 'type', jsonb_build_object('coding', jsonb_build_array(jsonb_build_object('system', 'urn:t', 'code', 'MR'))))),
  'contact', jsonb_build_array(jsonb_build_object('gender', 'male', 'organization', jsonb_build_object('reference', 'Organization/o' || i % 4))), 'birthDate', (1960 + i % 30)::text))) FROM generate_series(1, 60) i;
SELECT count(fhir_update(jsonb_build_object('resourceType', 'Observation', 'id', 'b' || i, 'status', 'final', 'code', jsonb_build_object('text', 'Code number ' || i % 5, 'coding', jsonb_build_array(
	jsonb_build_object('system', 'http://loinc.org', 'code', 'L' || i % 6, 'display', 'Heart rate'), jsonb_build_object('system', 'http://other.org', 'code', 'L' || (i + 1) % 6))),
  'component', jsonb_build_array(jsonb_build_object('code', jsonb_build_object('coding', jsonb_build_array(jsonb_build_object('system', 'urn:c', 'code', 'C' || i % 4))), 'valueQuantity', jsonb_build_object('value', i, 'unit', 'mm', 'system', 'http://unitsofmeasure.org', 'code', 'mm')),
	jsonb_build_object('code', jsonb_build_object('coding', jsonb_build_array(jsonb_build_object('system', 'urn:c', 'code', 'D'))), 'valueString', 'word' || i))))) FROM generate_series(1, 40) i;

SELECT elements('Patient', 'telecom', t) FROM unnest(ARRAY['[system eq phone].value sw "555"', '[system eq phone].value sw "555-121"', '[system eq phone].value eq "(555) 932"', '[system eq PHONE].value sw "555"', '[system eq email].value co "37"', '[system eq email].value sw "5553"',
	'[system eq email].value eq "55537@EXAMPLE.org"', '[value eq "556-1" or rank gt 4].system eq phone', '[value eq "556-1" and rank gt 4].system eq phone', '[value eq "556-1" or value eq "556-4"].system eq phone', '[not (value eq "556-1")].value sw "556-1"', '[not (value eq "556-1")].system eq fax',
	'[value eq "556-1"].rank pr false', '.value sw "556-1"', '.rank ge 5', '[value ne "556-1"].value eq "556-1"', '.period.start gt 2000', '[system eq phone].value sw "-"']) t;
SELECT elements('Patient', 'identifier', t) FROM unnest(ARRAY['[system eq "urn:a1"].value eq AB-4', '[system eq "urn:a1"].value eq ab-4', '[system eq "URN:a1"].value eq ab-4', '[system eq "urn:none"].value pr true', '[type.coding.code eq MR].value eq ab-4', '[type eq urn:t|MR].value eq ab-4', '.system eq urn:a2']) t;
SELECT elements('Patient', 'name', t) FROM unnest(ARRAY['[use eq old].family eq abel', '[use eq old].family sw zim', '[family eq arger].period gt 2005', '[given eq ann3].family co im', '[family sw "o''neil"].use eq official', '[period sa 2008].family gt "b"', '[period co 2009-05].use eq usual', '[period po 2000].family eq "van der berg"']) t;
SELECT elements('Observation', 'code', t) FROM unnest(ARRAY['.coding[system eq "http://loinc.org"].code eq L3', '.coding[system eq "http://loinc.org"].code eq l3', '.coding[system eq "http://none.org"].code eq L3', '.coding eq http://other.org|L3', '[text sw "code num"].coding.code eq L2', '[coding.display eq "heart rate"].text eq "code number 4"', '.text sw "number"', '.coding[code eq L1 or code eq L2].system eq "http://other.org"']) t;
SELECT elements('Observation', 'component-code-value-quantity', t) FROM unnest(ARRAY['[code.coding.code eq C1].value gt 20', '[code eq urn:c|C2].value lt 1|ucum|cm', '[code.coding[system eq "urn:c"].code eq D].value eq word7', '[code eq D].value sw "word1"']) t;
SELECT elements('Observation', 'component-code', t) FROM unnest(ARRAY['.coding.code eq C1', '.coding[system eq "urn:c"].code sw c']) t;
-- what is there, whatever its value; what does not hold
SELECT fhir_update('{"resourceType":"Observation","id":"t1","status":"final","code":{"text":"Only a rather long text"},"bodySite":{"text":"x"}}') IS NOT NULL, fhir_update('{"resourceType":"Patient","id":"e1","name":[{"_family":{"extension":[{"url":"urn:x","valueString":"a"}]},"use":"old"}],"deceasedBoolean":false}') IS NOT NULL;
SELECT elements('Observation', 'code', t) FROM unnest(ARRAY['.coding[system eq "http://loinc.org"].display pr false', '.coding[system eq "http://loinc.org"].display pr true', '.coding pr false', '[not (coding pr false)].text co rather', '.coding.display co "art ra"', '.text ew "long text"', '.text ew "NG text"', '.text co mber', '[coding.display ew rate].text ne "Code number 1"', '[not (coding.code eq L1 or text co number)].text pr true']) t;
SELECT elements('Patient', 'name', t) FROM unnest(ARRAY['.family pr true', '.family pr false', '.given pr true', '[not (given pr false)].use eq official', '[not (given pr false and use eq old)].family pr true', '.family ew mer', '[family ew "BERG" and use eq official].period gt 2005', '.family ne abel', '[not (not (family eq zimmer))].use eq old']) t;
SELECT elements('Patient', 'telecom', t) FROM unnest(ARRAY['.value co "@example"', '.value ew "7@example.org"', '.value co 37', '.value ew ".org"', '[not (rank pr false)].system eq email']) t;
-- by a parameter of one's own; within containers by the documents
SET fhir.reindex_worker = off;
SELECT fhir_create('{"resourceType":"SearchParameter","status":"active","url":"http://x/contact-text","name":"rank","description":"rank","code":"telecom-value","base":["Patient"],"type":"string","expression":"Patient.telecom.value"}') ->> 'code';
CALL fhir_reindex();
SELECT elements('Patient', 'telecom', t) FROM unnest(ARRAY['.value co "37"', '[system eq email].value ew ".org"', '.value ne "556-1"', '.value pr true']) t;
SELECT fhir_update('{"resourceType":"Encounter","id":"e3","status":"finished","class":{"code":"AMB"},"subject":{"reference":"#p"},"contained":[{"resourceType":"Patient","id":"p","telecom":[{"system":"phone","value":"937 37"}]}]}') IS NOT NULL;
SELECT string_agg(id, ' ') FROM fhir_search_rows('Patient', '_contained=true&_containedType=contained&_filter=telecom.value co "7 37"');
SELECT string_agg(id, ' ') FROM fhir_search_rows('Encounter', '_filter=subject[telecom.value co "7 37"].gender pr false');
-- elements that are not there
SELECT elements('Patient', 'telecom', '[sytem eq phone].value eq 1');
SELECT elements('Patient', 'telecom', '.value.value eq 1');
SELECT elements('Observation', 'code', '.coding[system eq a].cod eq 1');
SELECT elements('Patient', 'birthdate', '.year eq 1');
-- at the end of a chain, among others, negated
SELECT string_agg(id, ' ') FROM fhir_search_rows('Patient', '_filter=telecom[system eq phone].value sw "556-1" and identifier[system eq urn:b].value eq ab-4 or not (telecom[system eq email].value sw "555")');
SELECT fhir_update('{"resourceType":"Encounter","id":"e1","status":"finished","class":{"code":"AMB"},"subject":{"reference":"Patient/p4"}}') IS NOT NULL;
SELECT string_agg(id, ' ') FROM fhir_search_rows('Encounter', '_filter=subject[identifier[system eq urn:b].value eq ab-4].telecom[system eq phone].value sw "556-"');
-- contained: what the container holds
SELECT fhir_update('{"resourceType":"Encounter","id":"e2","status":"finished","class":{"code":"AMB"},"contained":[{"resourceType":"Patient","id":"p","identifier":[{"system":"urn:in","value":"7"}],"telecom":[{"system":"phone","value":"777 1"}]}]}') IS NOT NULL;
SELECT string_agg(id, ' ') FROM fhir_search_rows('Patient', '_contained=true&_containedType=contained&_filter=identifier[system eq urn:in].value eq 7 and telecom[system eq phone].value sw "777"');
RESET fhir.store;
SELECT fhir_store_drop('filter_elements', force => true);
DROP FUNCTION encoded, elements;
