-- Quantities in many units, composites of every kind, references and dates of every form: random documents and queries, search against fhir_matches. A fixed seed; any difference is an error.
CREATE TEMP TABLE doc (r jsonb);

DO $$
DECLARE
	units text[] := string_to_array('mg,g,kg,[lb_av],ug,Cel,[degF],K,%25,1,/min,Hz,mm[Hg],kPa,{score},mmol/L,mol/m3,10*3/uL,bogus%20unit', ',');
	numbers numeric[] := '{5.4, 0.0054, 100, 98.6, 37, 37.0, 310.15, 1, 0.5, 72, 1.2, 16.0, 120, -3.25, 0, 1e-7, 12345678.9, 0.01190496, 2449, 6}';
	prefixes text[] := '{"", eq, ne, gt, lt, ge, le, sa, eb, ap}';
	u text;
	d jsonb;
	q text;
	found bigint;
	expected bigint;
BEGIN
	PERFORM setseed(0.42);
	FOR i IN 1..150 LOOP
		u := replace(replace(units[1 + floor(random() * cardinality(units))], '%25', '%'), '%20', ' ');
		d := jsonb_build_object('resourceType', 'Observation', 'id', 'q' || i, 'status', 'final', 'category', '[{"coding": [{"system": "urn:k", "code": "q"}]}]'::jsonb,
			'code', jsonb_build_object('coding', jsonb_build_array(jsonb_build_object('system', 'urn:q', 'code', 'c' || i % 3))),
			'valueQuantity', jsonb_strip_nulls(jsonb_build_object('value', numbers[1 + floor(random() * 17)], 'comparator', ('{<,>}'::text[])[1 + floor(random() * 6)],
				'unit', CASE WHEN random() < 0.5 THEN u END, 'system', CASE WHEN random() < 0.8 THEN 'http://unitsofmeasure.org' WHEN random() < 0.5 THEN 'urn:other' END,
				'code', CASE WHEN random() < 0.9 THEN u END)));
		PERFORM fhir_update(d);
		INSERT INTO doc VALUES (d);
	END LOOP;
	FOR i IN 1..600 LOOP
		u := units[1 + floor(random() * cardinality(units))];
		q := prefixes[1 + floor(random() * 10)] || numbers[1 + floor(random() * 20)] ||
			('{"", "||", "|http://unitsofmeasure.org|", "|urn:other|"}'::text[])[1 + i % 4] || CASE WHEN i % 4 > 0 THEN u ELSE '' END;
		q := CASE WHEN random() < 0.5 THEN 'value-quantity=' ELSE 'code-value-quantity=' || ('{c1,urn:q|c1,urn:q|,|c1}'::text[])[1 + floor(random() * 4)] || '$' END || q;
		SELECT count(*) INTO expected FROM doc WHERE fhir_matches(r, q);
		found := fhir_count('Observation', q || '&category=urn:k|q');
		IF found <> expected THEN RAISE EXCEPTION '%: search %, fhir_matches %', q, found, expected; END IF;
	END LOOP;
END $$;

-- numbers of more digits than the index keeps find themselves, and are not unequal to themselves
SELECT count(fhir_update(jsonb_build_object('resourceType', 'RiskAssessment', 'id', 'long' || i, 'status', 'final', 'subject', '{"reference":"Patient/long"}'::jsonb,
	'prediction', jsonb_build_array(jsonb_build_object('probabilityDecimal', n))))) FROM unnest('{123456789012345678, 99999999999999999999, 1e20, 0.12345678901234567890, -99999999999999999999, 12345678901234567}'::numeric[]) WITH ORDINALITY x(n, i);
SELECT n, array(SELECT id FROM fhir_search_rows('RiskAssessment', 'subject=Patient/long&probability=' || n)) AS equal, fhir_count('RiskAssessment', 'subject=Patient/long&probability=ne' || n) AS unequal
	FROM unnest('{123456789012345678, 99999999999999999999, 1e20, 0.12345678901234567890, -99999999999999999999, 12345678901234567, 123456789012345}'::text[]) n;
SELECT count(fhir_delete('RiskAssessment', 'long' || i)) FROM generate_series(1, 6) i;

-- codes that only some systems have, in one component or two
CREATE FUNCTION coding() RETURNS jsonb LANGUAGE sql VOLATILE AS $$
	SELECT jsonb_strip_nulls(jsonb_build_object('system', ('{urn:a,urn:b}'::text[])[1 + floor(random() * 3)], 'code', ('{x,y,z}'::text[])[1 + floor(random() * 4)], 'display', 'd'))
$$;
CREATE FUNCTION concept() RETURNS jsonb LANGUAGE sql VOLATILE AS $$
	SELECT jsonb_build_object('coding', (SELECT jsonb_agg(coding()) FROM generate_series(1, 1 + floor(random() * 2)::int)))
$$;
CREATE FUNCTION value_or_none() RETURNS jsonb LANGUAGE sql VOLATILE AS $$
	SELECT CASE floor(random() * 5) WHEN 0 THEN jsonb_build_object('valueCodeableConcept', concept()) WHEN 1 THEN jsonb_build_object('valueString', ('{Abc,abd,x}'::text[])[1 + floor(random() * 3)])
		WHEN 2 THEN '{"valueDateTime": "2020-02"}' WHEN 3 THEN '{}' ELSE jsonb_build_object('valueQuantity', jsonb_strip_nulls(jsonb_build_object('value', floor(random() * 5),
			'system', ('{http://unitsofmeasure.org}'::text[])[1 + floor(random() * 2)], 'code', ('{g,mg}'::text[])[1 + floor(random() * 2)]))) END
$$;
DO $$
DECLARE
	tokens text[] := '{x,y,urn:a|x,urn:b|x,urn:a|y,|x,|y,urn:a|,urn:b|,z,none}';
	codes text[] := '{code-value-quantity,component-code-value-quantity,combo-code-value-quantity,code-value-concept,component-code-value-concept,combo-code-value-concept,code-value-string,code-value-date}';
	d jsonb;
	p text;
	v text;
	q text;
	found bigint;
	expected bigint;
BEGIN
	PERFORM setseed(0.11);
	DELETE FROM doc;
	FOR i IN 1..200 LOOP
		d := jsonb_build_object('resourceType', 'Observation', 'id', 'k' || i, 'status', 'final', 'category', '[{"coding": [{"system": "urn:k", "code": "k"}]}]'::jsonb, 'code', concept()) || value_or_none();
		IF random() < 0.7 THEN
			d := d || jsonb_build_object('component', (SELECT jsonb_agg(jsonb_build_object('code', concept()) || value_or_none()) FROM generate_series(1, 1 + floor(random() * 3)::int)));
		END IF;
		PERFORM fhir_update(d);
		INSERT INTO doc VALUES (d);
	END LOOP;
	FOR i IN 1..1000 LOOP
		p := codes[1 + i % 8];
		v := CASE WHEN p ~ 'quantity' THEN ('{"", gt, le, ne}'::text[])[1 + floor(random() * 4)] || floor(random() * 4) ||
				('{"", |http://unitsofmeasure.org|g, |http://unitsofmeasure.org|mg, ||g}'::text[])[1 + floor(random() * 4)]
			WHEN p ~ 'concept' THEN tokens[1 + floor(random() * 11)] WHEN p ~ 'string' THEN ('{ab,abc,x}'::text[])[1 + floor(random() * 3)]
			ELSE ('{2020,2020-02,lt2020,ge2020-02-05}'::text[])[1 + floor(random() * 4)] END;
		q := p || CASE WHEN random() < 0.05 THEN ':missing=true' ELSE '=' || tokens[1 + floor(random() * 11)] || '$' || v || CASE WHEN random() < 0.2 THEN ',x$' || v ELSE '' END END;
		SELECT count(*) INTO expected FROM doc WHERE fhir_matches(r, q);
		found := fhir_count('Observation', q || '&category=urn:k|k');
		IF found <> expected THEN RAISE EXCEPTION '%: search %, fhir_matches %', q, found, expected; END IF;
	END LOOP;
END $$;
-- references of every form, with a base of our own; dates, periods and timings
SET fhir.base_url = 'http://own/fhir';
DO $$
DECLARE
	refs text[] := '{Patient/1,Patient/1/_history/2,Patient/2,Group/1,#c,#d,urn:uuid:aaaaaaaa-0000-0000-0000-000000000001,http://other/fhir/Patient/1,http://own/fhir/Patient/1,http://own/fhir/Patient/1/_history/2,http://other/fhir/Patient/1/_history/3,Device/1,http://x/notype,Nothing/1,Patient/a%20b}';
	asked text[] := '{1,2,Patient/1,Group/1,Patient/1/_history/2,Patient/1/_history/3,http://own/fhir/Patient/1,http://other/fhir/Patient/1,http://other/fhir/Patient/1/_history/3,urn:uuid:aaaaaaaa-0000-0000-0000-000000000001,Device/1,http://x/notype,http://own/fhir/Patient/1/_history/2,Location/1}';
	params text[] := '{subject,patient,subject:Patient,subject:Group,focus,subject:identifier,patient:identifier,focus:identifier,subject:missing,patient:missing,focus:missing,date,date,date,date:missing}';
	times text[] := '{2020,2020-02,2020-02-29,2020-02-29T23:30:00Z,2020-03-01T00:30:00+01:00,2020-02-29T12:00:00.5-11:00,2019-12-31,2021-01-01T00:00:00Z,1970}';
	prefixes text[] := '{"",eq,ne,gt,lt,ge,le,sa,eb,ap}';
	a text;
	b text;
	d jsonb;
	p text;
	q text;
	found bigint;
	expected bigint;
BEGIN
	PERFORM setseed(0.77);
	DELETE FROM doc;
	FOR i IN 1..150 LOOP
		a := times[1 + floor(random() * 9)];
		b := times[1 + floor(random() * 9)];
		d := jsonb_build_object('resourceType', 'Observation', 'id', 'r' || i, 'status', 'final', 'category', '[{"coding": [{"system": "urn:k", "code": "r"}]}]'::jsonb,
			'code', '{"text": "t"}'::jsonb, 'contained', '[{"resourceType": "Patient", "id": "c"}, {"resourceType": "Group", "id": "d", "type": "person", "actual": true}]'::jsonb) ||
			CASE i % 7 WHEN 0 THEN '{}' WHEN 1 THEN jsonb_build_object('effectivePeriod', jsonb_build_object('start', a)) WHEN 2 THEN jsonb_build_object('effectivePeriod', jsonb_build_object('end', a))
			WHEN 3 THEN jsonb_build_object('effectivePeriod', jsonb_build_object('start', least(a, b), 'end', greatest(a, b)))
			WHEN 4 THEN jsonb_build_object('effectiveTiming', jsonb_build_object('event', jsonb_build_array(a, b)))
			WHEN 5 THEN jsonb_build_object('effectiveTiming', jsonb_build_object('repeat', jsonb_build_object('boundsPeriod', jsonb_build_object('start', a))))
			ELSE jsonb_build_object('effectiveDateTime', a) END;
		IF random() < 0.8 THEN
			d := d || jsonb_build_object('subject', jsonb_strip_nulls(jsonb_build_object('reference', CASE WHEN random() < 0.7 THEN refs[1 + floor(random() * 15)] END,
				'type', ('{Patient,Group}'::text[])[1 + floor(random() * 6)], 'display', 'x', 'identifier', CASE WHEN random() < 0.4 THEN
				jsonb_strip_nulls(jsonb_build_object('system', CASE WHEN random() < 0.6 THEN 'urn:i' END, 'value', CASE WHEN random() < 0.8 THEN 'v' END)) END)));
		END IF;
		IF random() < 0.6 THEN
			d := d || jsonb_build_object('focus', (SELECT jsonb_agg(jsonb_build_object('reference', refs[1 + floor(random() * 15)])) FROM generate_series(1, 2)));
		END IF;
		BEGIN
			PERFORM fhir_update(d);
			INSERT INTO doc VALUES (d);
		EXCEPTION WHEN SQLSTATE 'FH422' THEN NULL; -- an identifier without anything is no resource's
		END;
	END LOOP;
	FOR i IN 1..600 LOOP
		p := params[1 + i % 15];
		q := p || '=' || CASE WHEN p ~ 'missing' THEN ('{true,false}'::text[])[1 + floor(random() * 2)] WHEN p ~ 'identifier' THEN ('{v,urn:i|v,|v,urn:i|,w}'::text[])[1 + floor(random() * 5)]
			WHEN p = 'date' THEN prefixes[1 + floor(random() * 10)] || replace(times[1 + floor(random() * 9)], '+', '%2B')
			WHEN p ~ ':' THEN ('{1,2}'::text[])[1 + floor(random() * 2)] ELSE asked[1 + floor(random() * 14)] END;
		SELECT count(*) INTO expected FROM doc WHERE fhir_matches(r, q);
		found := fhir_count('Observation', q || '&category=urn:k|r');
		IF found <> expected THEN RAISE EXCEPTION '%: search %, fhir_matches %', q, found, expected; END IF;
	END LOOP;
END $$;
RESET fhir.base_url;
SELECT count(*) > 100 AS "documents were stored" FROM doc;
DROP FUNCTION value_or_none, concept, coding;
SELECT count(fhir_delete('Observation', id)) > 400 AS deleted FROM (SELECT 'k' || i FROM generate_series(1, 200) i UNION ALL SELECT p || i FROM generate_series(1, 150) i, unnest('{q,r}'::text[]) p) t(id)
	WHERE fhir_count('Observation', '_id=' || id) = 1;
-- several types: that a key is not there says something of its own type only
SELECT fhir_store_create('absence_test');
SET fhir.store = absence_test;
SELECT count(fhir_update(r)) FROM (VALUES ('{"resourceType":"Patient","id":"m","gender":"male"}'::jsonb), ('{"resourceType":"Patient","id":"none"}'), ('{"resourceType":"Person","id":"f","gender":"female"}'), ('{"resourceType":"Person","id":"nothing"}')) v(r);
SELECT q, (SELECT string_agg(type || '/' || id, ' ') FROM fhir_search_rows(NULL, '_type=Patient,Person&' || q)) FROM unnest('{gender=http://hl7.org/fhir/administrative-gender|,gender:in=http://hl7.org/fhir/ValueSet/administrative-gender,
gender:not-in=http://hl7.org/fhir/ValueSet/administrative-gender,gender:not=male,_filter=gender ne male,_filter=gender pr true,gender:missing=false,gender:missing=true}'::text[]) WITH ORDINALITY u(x, n), LATERAL (SELECT btrim(x, E' \n')) v(q) ORDER BY n;
SELECT fhir_store_drop('absence_test', force => true);
