-- FHIRPath: the type, the language and its errors; what HL7's own suite leaves out.
\pset format unaligned
\pset tuples_only on
\set VERBOSITY default
\set SHOW_CONTEXT never

-- all items as one array, or the error
CREATE FUNCTION fp(expr text, doc jsonb DEFAULT '{}', env jsonb DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN (SELECT coalesce(jsonb_agg(v ORDER BY n), '[]')::text FROM fhirpath(doc, expr::fhirpath, env) WITH ORDINALITY t(v, n));
EXCEPTION WHEN OTHERS THEN
	RETURN sqlstate || ': ' || sqlerrm;
END $$;
CREATE TABLE doc (id text PRIMARY KEY, r jsonb);
INSERT INTO doc VALUES ('p', '{"resourceType": "Patient", "id": "p", "active": true, "birthDate": "1974-12-25",
	"_birthDate": {"id": "b", "extension": [{"url": "urn:time", "valueDateTime": "1974-12-25T14:35:45-05:00"}]},
	"name": [{"use": "official", "family": "Chalmers", "given": ["Peter", "James"]}, {"use": "usual", "given": ["Jim", null], "_given": [null, {"extension": [{"url": "urn:x", "valueString": "y"}]}]}],
	"deceasedBoolean": false, "multipleBirthInteger": 2, "contained": [{"resourceType": "Organization", "id": "o", "name": "Org"}],
	"managingOrganization": {"reference": "#o"}, "generalPractitioner": [{"reference": "Practitioner/1"}], "link": [{"other": {"reference": "Patient/q"}, "type": "seealso"}]}'),
	('o', '{"resourceType": "Observation", "id": "o", "status": "final", "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]}, "effectiveDateTime": "2020-02",
	"valueQuantity": {"value": 185.50, "unit": "lbs", "system": "http://unitsofmeasure.org", "code": "[lb_av]"},
	"component": [{"valueQuantity": {"value": 1, "code": "mg"}}, {"valueString": "s"}, {"valueCodeableConcept": {"text": "t"}}]}');
CREATE FUNCTION fpd(expr text, doc text) RETURNS text LANGUAGE sql AS $$ SELECT fp(expr, r) FROM doc d WHERE d.id = doc $$;

-- canonical text
SELECT e::fhirpath FROM unnest(ARRAY['name . given[ 0 ]', '(((1+2)))*3', '1+(2*3)', '1-(2-3)', '(1-2)-3', '-(1)', '(-1).abs()', '-1.abs()', 'a.`b c`.`div`.contains.`and`',
	$$'it\'s \u0041 \/ \`'$$, '@2015T', '@2015-02-04T14:34:28.123+10:00', '@T14', '4 days', '4''mg''', '1 is System.Integer and (2 as Integer) = 2', 'a|b|c', 'a|(b|c)', 'x.sort(a desc,b)',
	'%`a-b` | %''c d'' | %e', '5L + 00012 + 3000000000', 'iif ( a , b )', '(a.b).c', '(a is Quantity).not()', '/* c */ a // d', 'a in (b contains c)', 'true and (false or not())']) e;
SELECT count(*), count(*) FILTER (WHERE e::fhirpath = e::fhirpath::text::fhirpath) FROM unnest(ARRAY['a.b', '1 + 1', $$'\\\n\f'$$, '-(-1)', 'a - -b', '(a as Patient).c']) e;

-- equality, hash, binary form, casts
SELECT 'a.b[0]'::fhirpath = ' a . b [0]'::fhirpath, 'a'::fhirpath <> 'b'::fhirpath, count(DISTINCT hashes) FROM (SELECT fhirpath_hash(e::fhirpath) FROM unnest(ARRAY['a+b', 'a  +b', '(a)+b']) e) h(hashes);
SELECT p, count(*) FROM (SELECT e::fhirpath p FROM unnest(ARRAY['a+b', 'a  +b', 'c']) e) x GROUP BY p ORDER BY p::text;
SELECT encode(fhirpath_send('name.given'), 'escape');
CREATE TABLE stored (p fhirpath);
INSERT INTO stored VALUES ('Patient.name.where(use = ''official'').given.first()'), (('repeat(' || repeat('a.', 3000) || 'b)')::fhirpath);
SELECT fhirpath_first(r, p) FROM stored, doc WHERE doc.id = 'p' AND length(p::text) < 100;
SELECT length(p::text), pg_column_size(p) < 65536 FROM stored ORDER BY 1 DESC LIMIT 1;

-- syntax errors have a position and a caret
SELECT 'Patient.name.'::fhirpath;
SELECT E'1 +\n  é + $that'::fhirpath;
SELECT '''open'::fhirpath;
SELECT '1 /* open'::fhirpath;
SELECT 'name.first(1)'::fhirpath;
SELECT 'name.nofunction()'::fhirpath;
SELECT 'value is Nonsense'::fhirpath;
SELECT '@2015-02-30'::fhirpath;
SELECT '1 fortnight'::fhirpath;
SELECT '@T10:00Z'::fhirpath;
SELECT ''::fhirpath;
SELECT '''\ud800x'''::fhirpath;

-- run-time errors name the place in the expression and in the resource
SELECT fhirpath(r, 'name.select(given + ''x'')') FROM doc WHERE id = 'p';
SELECT fhirpath(r, 'Patient.name.single()') FROM doc WHERE id = 'p';
SELECT fhirpath(r, 'name.family.first() + 1') FROM doc WHERE id = 'p';
SELECT fhirpath('{}', '%nope');
SELECT fhirpath('{}', '1', '[]');

-- strict mode
SET fhir.fhirpath_strict = on;
SELECT 'Patient.nmae'::fhirpath;
SELECT 'Patient.name.where(use = ''x'').givn'::fhirpath;
SELECT 'Observation.value.unit | Patient.contained.name | Patient.deceased.foo'::fhirpath;
SELECT fhirpath(r, 'nmae') FROM doc WHERE id = 'p';
SELECT fhirpath(r, 'descendants().reference.count()') FROM doc WHERE id = 'p';
RESET fhir.fhirpath_strict;
SELECT fpd('Patient.nmae', 'p'), fpd('nmae', 'p'), fpd('Observation.valueQuantity', 'o');

-- limits
SET fhir.fhirpath_max_steps = 10000;
SELECT fhirpath('{}', '(1|2|3|4|5|6|7|8|9).repeat($this + 1)');
RESET fhir.fhirpath_max_steps;
SELECT left(fp(repeat('(', 20000) || '1' || repeat(')', 20000)), 80);
SELECT fp('(1|2|3|4|5|6|7|8|9|10|11|12|13|14|15|16|17|18|19|20|21|22|23|24|25|26|27|28|29|30).aggregate($total & $total, ''x'').length()');

-- immutable and stable
SELECT fhirpath_exists(r, 'birthDate < today()') FROM doc WHERE id = 'p';
SELECT fhirpath_exists_stable(r, 'birthDate < today()'), fhirpath_first_stable(r, 'managingOrganization.resolve().name') FROM doc WHERE id = 'p';
SELECT fhirpath_first(r, 'managingOrganization.resolve()') FROM doc WHERE id = 'p';
SELECT r @~ 'now().exists()' FROM doc WHERE id = 'p';
SELECT id, r @~ 'active', r @~ 'active = false', r @~ 'status = ''final''' FROM doc ORDER BY id;
CREATE TABLE pat (r jsonb, family text GENERATED ALWAYS AS (fhirpath_first(r, 'name.family') #>> '{}') STORED);
CREATE INDEX ON pat (fhirpath_exists(r, 'name.given'));
CREATE INDEX ON pat (family) WHERE r @~ 'active';
INSERT INTO pat SELECT r FROM doc;
SELECT family FROM pat WHERE r @~ 'active';

-- results keep their types
SELECT fp($$1 | 1.50 | 'x' | true | @2015-02 | @2015T | @T14:30 | 4 days | 4.0 'mg' | 1.type()$$);
SELECT fpd('value | name[1].given | birthDate', 'o'), fpd('name[1].given | birthDate', 'p');
SELECT count(*) FROM fhirpath(NULL, '1') a, fhirpath('{}', NULL) b;

-- variables
SELECT fp('%a + 1', '{}', '{"a": 41}'), fp('%d + 1 day', '{}', '{"d": "@2020-02-28"}'), fp('%o.x.y', '{}', '{"o": {"x": [{"y": 1}, {"y": 2}]}}'),
	fp('%q > 3 ''mg''', '{}', '{"q": {"value": 1, "code": "g"}}'), fp('%p.name.given', '{}', '{"p": {"resourceType": "Patient", "name": [{"given": ["A"]}]}}');
SELECT fp('%sct | %loinc | %ucum | %`vs-x` | %`ext-y`'), fpd('name.first().select(%resource.id & %context.id & %rootResource.id)', 'p');
SELECT fp('defineVariable(''x'', 1).select(%x + 1) | %x'), fp('(1|2).select(defineVariable(''y'', $this).select(%y))'), fp('1.defineVariable(''context'')'),
	fp('1.defineVariable(''a'').defineVariable(''a'')');

-- context type, choice elements, types
SELECT fpd('Patient.id | Resource.id | DomainResource.id | Observation.id', 'p');
SELECT fpd('Observation.value.ofType(Quantity).unit | Observation.component.value.as(string) | (component.value as CodeableConcept).text', 'o');
SELECT fpd('multipleBirth is integer and multipleBirth.is(Integer).not() and deceased is boolean and deceased.not()', 'p');
SELECT fpd('effective is dateTime and effective.as(DateTime) = @2020-02T and (effective as date).empty()', 'o');
SELECT fpd('contained.is(Organization) and contained.is(DomainResource) and contained.ofType(Patient).empty() and contained.type().name = ''Organization''', 'p');
SELECT fpd('component.value.as(Quantity).value', 'o'), fpd('name.as(HumanName)', 'p'), fp('(1 | ''a'').as(Integer)'), fp('(1 | ''a'').ofType(Integer)');
SELECT fp('1 is Any and 1.is(System.Any)'), fp('{} is Integer'), fp('1L is Long and 3000000000 is Long and 1 is Integer and 1.0 is Decimal');

-- primitive extensions
SELECT fpd('birthDate.extension(''urn:time'').value | birthDate.id | name.given.extension.value', 'p');
SELECT fpd('name.given.select(hasValue())', 'p'), fpd('name[1].given.count() | name[1].given[1].hasValue()', 'p'), fpd('name[1].given.getValue()', 'p'), fpd('birthDate.getValue().is(System.Date)', 'p');
SELECT fpd('name.given.where($this = ''Jim'').exists()', 'p'), fpd('name[1].given[1] = ''x''', 'p'), fpd('name[1].given[1] > ''x''', 'p');
-- numbers of any length that a decimal may have, and no longer ones
SELECT length(fhirpath('{}', (repeat('9', n) || tail)::fhirpath)::text) >= n AS answered FROM unnest(ARRAY[999, 1000]) n, unnest(ARRAY['', ' ''mg''', ' days', ' ''mg'' + 1 ''mg''']) tail;
SELECT repeat('9', 1001)::fhirpath;
SELECT (repeat('9', 1001) || ' ''mg''')::fhirpath;
SELECT ('1.' || repeat('9', 999) || ' ''mg''')::fhirpath;
SELECT fhirpath('{}', (repeat('9', 40000) || ' days')::fhirpath);
