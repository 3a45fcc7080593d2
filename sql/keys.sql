-- Search keys: what each class of parameter makes of each FHIR type, and of odd data. A change of these hashes needs a new key version.
\pset format unaligned
\pset tuples_only on
CREATE FUNCTION keys_of(resource jsonb, place text) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT line FROM (SELECT concat_ws(' ', source, structure, form, lo, hi, '<' || value || '>') FROM fhir_keys(resource) WHERE source ~ place) l(line) ORDER BY line COLLATE "C"
$$;

-- every published parameter of every type resolves; those without keys are listed
SELECT count(DISTINCT url), count(DISTINCT (base, code)) FROM fhir_key_sources();
SELECT code FROM fhir_key_sources() WHERE expression IS NULL GROUP BY 1 ORDER BY code COLLATE "C";
SELECT DISTINCT (class || ' ' || regexp_replace(expression, '^[A-Za-z]+\.', '')) COLLATE "C" FROM fhir_key_sources()
	WHERE NOT path AND class <> 'composite' ORDER BY 1;

-- one place, one spelling, shared: subject and patient, code and combo-code
SELECT code, expression, target FROM fhir_key_sources('Observation') WHERE code IN ('patient', 'subject', 'combo-code', 'value-date', 'code-value-date');
SELECT code, expression FROM fhir_key_sources('Organization') WHERE code = 'name';
SELECT code, expression FROM fhir_key_sources('Condition') WHERE code ~ '^onset';
SELECT code, expression FROM fhir_key_sources('Group') WHERE code ~ 'value';

-- token
SELECT keys_of('{"resourceType": "Observation", "code": {"coding": [{"system": "http://loinc.org", "code": "1-8", "display": "Körper  GRÖSSE"},
	{"code": "x"}, {"system": "urn:only"}, {"display": "Körper  GRÖSSE"}, 5, null, {}], "text": "Other"}}', 'code$');
SELECT keys_of('{"resourceType": "Patient", "identifier": [{"system": "urn:s", "value": "7", "type": {"text": "Number", "coding": [{"system": "urn:t", "code": "MR"}]}},
	{"value": "8"}, {"system": "urn:s"}]}', 'identifier');
SELECT keys_of('{"resourceType": "Patient", "gender": "male", "active": true, "telecom": [{"system": "phone", "value": "1", "use": "home"}, {"system": "email", "value": "a@b"}],
	"deceasedDateTime": "2020-01"}', 'gender|active|telecom|deceased');
SELECT keys_of('{"resourceType": "MessageHeader", "eventUri": "urn:e"}', 'event');

-- reference
SELECT keys_of('{"resourceType": "Observation", "subject": {"reference": "Patient/1"}, "focus": [{"reference": "Patient/2/_history/3"}, {"reference": "#c"},
	{"reference": "http://other/fhir/Patient/1"}, {"reference": "urn:uuid:00000000-0000-0000-0000-000000000001"},
	{"identifier": {"system": "urn:s", "value": "9"}, "type": "Device"}, {"identifier": {"value": "9"}}, {"reference": ""}, {"reference": 5}, {}]}', 'subject|focus');
SET fhir.base_url = 'http://other/fhir';
SELECT keys_of('{"resourceType": "Observation", "focus": [{"reference": "http://other/fhir/Patient/1"}]}', 'focus');
RESET fhir.base_url;
SELECT keys_of('{"resourceType": "QuestionnaireResponse", "questionnaire": "http://q/1|2.0"}', 'questionnaire');
-- patient is missing when the subject is something else; both are without one
SELECT r->'subject'->>'reference', (SELECT count(*) FROM fhir_keys(r || '{"resourceType": "Observation"}') WHERE source = 'Observation.subject' AND form = 'missing')
	FROM unnest('{"{}", "{\"subject\": {\"reference\": \"Group/1\"}}", "{\"subject\": {\"reference\": \"Patient/1\"}}",
	"{\"subject\": {\"reference\": \"#a\"}, \"contained\": [{\"resourceType\": \"Patient\", \"id\": \"a\"}]}"}'::jsonb[]) r;

-- string, uri
SELECT keys_of('{"resourceType": "Patient", "name": [{"family": "Ångström", "given": ["Ana  Maria", "J."], "text": "x"}, {}], "address": [{"line": ["1 Rd"], "city": "Ulm"}]}', 'name|address');
SELECT structure, form, length(value) FROM fhir_keys(jsonb_build_object('resourceType', 'CodeSystem', 'description', repeat('ä word ', 400))) WHERE source ~ 'description' ORDER BY structure COLLATE "C", form COLLATE "C", 3;
SELECT keys_of('{"resourceType": "ValueSet", "url": "http://v/1", "meta": {"profile": ["http://p|1"], "source": "urn:x"}}', 'url|meta');

-- date: precision, open periods, timings, nonsense
SELECT keys_of(jsonb_build_object('resourceType', 'Observation') || v, 'effective')
	FROM unnest('{"{\"effectiveDateTime\": \"2020\"}", "{\"effectiveDateTime\": \"2020-02-29T10:00:00.5+02:00\"}", "{\"effectivePeriod\": {\"start\": \"2020-01-01\"}}",
	"{\"effectivePeriod\": {\"end\": \"2020-01-01\"}}", "{\"effectivePeriod\": {}}", "{\"effectiveTiming\": {\"event\": [\"2021\", \"2020\"]}}",
	"{\"effectiveDateTime\": \"2020-13-77\"}", "{\"effectiveDateTime\": 5}"}'::jsonb[]) v;

-- number, quantity: comparators, units, ranges, money
SELECT keys_of('{"resourceType": "ChargeItem", "factorOverride": -1.50, "priceOverride": {"value": 3, "currency": "EUR"}, "quantity": {"value": 5, "comparator": "<", "unit": "boxes"}}', 'Override|quantity');
SELECT keys_of('{"resourceType": "Observation", "valueQuantity": {"value": 5.4, "system": "http://unitsofmeasure.org", "code": "mg"}}', 'value');
SELECT keys_of('{"resourceType": "Library", "useContext": [{"code": {"code": "age"}, "valueRange": {"low": {"value": 1}}}]}', 'useContext');

-- position
SELECT keys_of('{"resourceType": "Location", "position": {"latitude": -37.7136, "longitude": 144.81}}', 'position');

-- composites: below the resource both forms of the code, times the value and its unit
SELECT keys_of('{"resourceType": "Observation", "component": [{"code": {"coding": [{"system": "urn:s", "code": "a"}]}, "valueQuantity": {"value": 1, "system": "urn:u", "code": "u"}},
	{"code": {"coding": [{"code": "b"}]}, "valueCodeableConcept": {"coding": [{"code": "v"}]}}]}', ' \$ ');

-- hostile documents: wrong shapes have no keys, and raise nothing
SELECT count(*) FROM fhir_keys('{"resourceType": "Observation", "code": [[{"coding": 5}]], "subject": "Patient/1", "status": {"a": [1]}, "component": {"code": {}},
	"valueQuantity": [{"value": "x"}], "effectivePeriod": "2020", "category": [null, [null], {"coding": {"code": "x"}}], "meta": [1], "identifier": {"value": {"x": 1}}}')
	WHERE form NOT IN ('missing', 'present');
SELECT fhir_keys('{"resourceType": "Nothing"}');
SELECT fhir_keys('[]');

-- member paths find what the FHIRPath engine finds
SELECT * FROM fhir_keys_verify('{"resourceType": "Observation", "status": "final", "code": {"coding": [{"code": "x"}]}, "component": [{"code": {"text": "a"}, "valueQuantity": {"value": 1}},
	{"code": {"text": "b"}, "valueCodeableConcept": {"text": "c"}}], "valueString": "s", "_status": {"id": "a"}, "effectivePeriod": {"start": "2020"}, "focus": [{"display": "x"}, {}]}');

-- keys are part of the format on disk
SELECT md5(string_agg(concat_ws(',', source, form, key, lo, hi), ' ' ORDER BY source COLLATE "C", form COLLATE "C", key, lo, hi)) FROM fhir_keys('{"resourceType": "Observation",
	"status": "final", "code": {"coding": [{"system": "http://loinc.org", "code": "1-8", "display": "Height"}]}, "subject": {"reference": "Patient/1"}, "effectiveDateTime": "2020-02-03",
	"valueQuantity": {"value": 5.4, "system": "urn:u", "code": "mg"}, "identifier": [{"system": "urn:s", "value": "7"}]}');
DROP FUNCTION keys_of;
