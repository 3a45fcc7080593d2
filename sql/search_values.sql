-- Quantities in many units and composites of every kind: random documents and queries, search against fhir_matches. A fixed seed; any difference is an error.
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
DROP FUNCTION value_or_none, concept, coding;
SELECT count(fhir_delete('Observation', id)) FROM (SELECT 'k' || i FROM generate_series(1, 200) i UNION ALL SELECT 'q' || i FROM generate_series(1, 150) i) t(id);
