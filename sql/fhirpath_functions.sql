-- FHIRPath: functions, dates, quantities and logic beyond HL7's suite.
\pset format unaligned
\pset tuples_only on
CREATE FUNCTION run(expr text, doc jsonb DEFAULT '{}') RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN expr || ' -> ' || (SELECT coalesce(jsonb_agg(v ORDER BY n), '[]')::text FROM fhirpath(doc, expr::fhirpath) WITH ORDINALITY t(v, n));
EXCEPTION WHEN OTHERS THEN
	RETURN expr || ' -> ' || sqlstate || ': ' || sqlerrm;
END $$;

-- dates: partial values, zones, undecidable comparisons
SELECT run(e) FROM unnest(ARRAY['@2020 = @2020', '@2020 = @2020-01', '@2020 < @2021-01', '@2020-01 < @2020', '@2020-01-01T10:00Z = @2020-01-01T12:00+02:00',
	'@2020-01-01T10:00Z = @2020-01-01T10:00', '@2020-01-01T10:00Z < @2020-01-03T10:00', '@2020-01-01T10:00Z > @2020-01-01', '@2020-01-01T10:00:00.0 = @2020-01-01T10:00:00',
	'@2020-01-01T10:00 = @2020-01-01T10:00:00', '@T10:00 < @T10:01:30', '@T10:00 = @2020', '@2020-01-01 ~ @2020-01-01T', '@2020 ~ @2020-01', '@2019-12-31T23:30-01:00 = @2020-01-01T00:30Z',
	'@2020-12-31 = ''2020-12-31''', '@2020-01-01 in (@2020-01 | @2020-01-01)', '@2020 != @2021', '(@2020 | @2021-05 | @2019).max()']) e;
-- date arithmetic
SELECT run(e) FROM unnest(ARRAY['@2020-02-29 + 1 year', '@2020-01-31 + 1 month', '@2020-03-31 - 1 month', '@2014 + 24 months', '@2014 + 23 months', '@2016 + 365 days', '@2026-02 + 5 weeks',
	'@2026-02 + 4 weeks', '@2020-01-01T00:00:00Z - 1 second', '@2020-01-01T23:59:59.999 + 1 millisecond', '@2020-01-01T00:00:00 + 1.5 seconds', '@2020-01-01T00:00:00.0 + 1.5 seconds',
	'@T23:30 + 1 hour', '@T01:00:00 + 48 hours', '@T10:00 + 1 day', '@9999-12-31 + 1 day', '@0001-01-01 - 1 day', '@2020 + 100000000000000000000 years', '@2020-01-01 + 1 ''mo''',
	'@2020-01-01T10 + 90 minutes', '@2020-01-01 + 36 hours', '@2020-01-01 + {}', '1 day + @2020-01-01', '@2020-01-01 - @2019-01-01']) e;
-- parts, spans, boundaries, precision
SELECT run(e) FROM unnest(ARRAY['@2020-02-03T04:05:06.789+05:30.select(yearOf() | monthOf() | dayOf() | hourOf() | minuteOf() | secondOf() | millisecondOf() | timezoneOffsetOf())', '@2020.monthOf()',
	'@2020-02-03T04:05Z.dateOf() | @2020-02-03T04:05Z.timeOf()', '@2025-01-02.duration(@2025-01-07, ''week'')', '@2025-01-02.difference(@2025-01-07, ''week'')', '@2024-12-01.duration(@2025-09-01, ''year'')',
	'@2024-12-01.difference(@2025-09-01, ''year'')', '@2020-03-31.duration(@2020-02-29, ''month'')', '@T10:00.duration(@T12:30, ''hour'')', '@T10.duration(@T12:30, ''minute'')', '@2020.duration(@2021, ''fortnight'')',
	'1.lowBoundary() | 1.highBoundary()', '0.0.lowBoundary(1) | 0.0.highBoundary(1)', '12.5.lowBoundary(0) | 12.5.highBoundary(0)', '@2016-02.highBoundary() | @2016-02.lowBoundary()',
	'@2016-02-03T04:05.highBoundary() | @2016-02-03T04:05Z.lowBoundary()', '@T10.highBoundary() | @T10.lowBoundary(4)', '@2016.lowBoundary(5)', '1.5 ''mg''.highBoundary(2)', '''x''.lowBoundary()',
	'1.50.precision() | @2020-01.precision() | @2020-01-01T10Z.precision()']) e;

-- quantities
SELECT run(e) FROM unnest(ARRAY['1 ''cm'' = 10.0 ''mm''', '1 ''cm'' = 1 ''m''', '1 ''cm'' = 1 ''s''', '1 ''cm'' != 1 ''s''', '23 ''Cel'' = 73.4 ''[degF]''', '1 year = 1 ''a''', '1 year ~ 1 ''a''', '1 year = 12 months',
	'1 month = 30 days', '1 year = 12 ''mo''', '1 week = 7 ''d''', '1 hour = 3600 ''s''', '2.1 ''cm'' ~ 21 ''mm''', '21 ''mm'' ~ 2 ''cm''', '1 year ~ 11 months', '1 ''nonsense'' = 1 ''nonsense''', '1 ''nonsense'' = 2 ''mg''',
	'1 ''m'' + 5 ''cm''', '1 ''m'' - 5 ''s''', '3 ''m'' * 2', '2 * 3 ''m''', '3 ''m'' * 2 ''m''', '6 ''m2'' / 2 ''m''', '6 ''m'' / 0', '-3 ''m''', '1 day + 12 hours', '(1 ''m'' | 5 ''cm'').sum()', '(1 ''kg'' | 500 ''g'').max()',
	'3 ''m'' > 2', '1 ''1'' = 1', '10 ''mg/dL'' = 0.1 ''g/L''', '1 ''[lb_av]'' > 450 ''g''', '7 days.toQuantity(''wk'')', '182.5 days.toQuantity(''a'')', '1 ''m''.toQuantity(''cm'')', '1 ''m''.toQuantity(''s'')',
	'37 ''Cel''.toQuantity(''K'')', '''1 \''mg\''''.toQuantity()', '''4 days''.toQuantity()', '''4 apples''.toQuantity()', '4.5 ''mg''.toString() | 4 days.toString()', '1 ''mg''.value | 1 ''mg''.unit', '3 ''m'' mod 2 ''m''']) e;

-- numbers
SELECT run(e) FROM unnest(ARRAY['2147483647 + 1', '2147483647L + 1', '9223372036854775807L + 1', '2147483647 * 1.0 + 1', '2.power(31)', '1 / 3', '7 div 2 | -7 div 2', '7 mod -3', '-7 mod 3', '5.5 mod 0.7', '1.10 + 2.20', '1.0 = 1 and 1.0 ~ 1.04', '2.power(10) | 2.power(-1) | 2.power(0.5)',
	'0.power(-1) | 10.power(100000)', '(-8).power(1.5)', '1000000.ln() | 0.ln()', '8.log(2) | 8.log(1) | 8.log(0)', '1.5.round() | 2.5.round() | (-1.5).round() | 1.005.round(2)', '1.9.truncate() | (-1.9).truncate() | (-1.1).floor() | 1.1.ceiling()',
	'3000000000.5.floor()', '2.sqrt() | 4.sqrt()', '1.exp() | 5000.exp()', '(1 | 2 | 3).avg() | (1.5 | 2).sum() | {}.sum()', '(''b'' | ''a'').min() | (3 | 1.5).max()', '(1 | ''a'').sum()', '(2|3|4|5|6|7|8|9|10|11|12|13|14|15).aggregate($total * $total, 99999.5).toString().length()',
	'''1e5''.toDecimal() | ''+1.50''.toDecimal() | ''.5''.toDecimal()', '''2147483648''.toInteger() | ''2147483648''.toLong()', '1.5.toInteger() | 1.0.toInteger()', '''yes''.toBoolean() | ''N''.toBoolean() | ''2''.toBoolean() | 0.0.toBoolean()',
	'''2020-01-01T10:00''.toDate() | ''2020-13''.toDate()', '''10:30''.toTime() | ''25:00''.toTime()', '(1 | 2).toInteger()', '1.abs() | (-2.5).abs()', '+''a''', '-(1 | 2)']) e;

-- strings
SELECT run(e) FROM unnest(ARRAY['''äöü😀x''.length() | ''äöü😀x''.substring(3, 1) | ''äöü😀x''.indexOf(''x'')', '''ÄÖÜß''.lower() | ''äöüß''.upper()', '''Ä  b'' ~ ''ä b ''', '''abcabc''.lastIndexOf(''b'') | ''abc''.lastIndexOf(''x'')', '''abc''.substring(1, 0) | ''abc''.substring(1, -1) | ''abc''.substring(3)',
	'''a.b''.split(''.'').count() | ''ab''.split('''')', '(1 | 2).join('','')', '(''a'' | ''b'').join()', '{}.join('','')', '1.length()', '''x''.contains({})', '''a'' & {} & ''b''', '''a'' + {}', '1 & ''a''',
	'''abc''.matches(''(?i)ABC'') | ''abc''.matches(''ABC'', ''i'') | ''abc''.matches(''B'')', '''first\nsecond''.matches(''^second'') | ''first\nsecond''.matches(''^second'', ''m'')', '''abc''.matchesFull(''b'') | ''abc''.matchesFull(''a|abc'')', '''a1b''.matches(''\\d'') and ''ab c''.matches(''\\bc'')',
	'''11/30/1972''.replaceMatches(''\\b(?<month>\\d{1,2})/(?<day>\\d{1,2})/(?<year>\\d{2,4})\\b'', ''${day}-${month}-${year}'')', '''aaabaa''.replaceMatches(''a(a)'', ''<$1$$>'')', '''a\\b''.replaceMatches(''b'', ''\\1'')', '''abc''.matches(''('')', '''abc''.matches(''a'', ''q'')', '''x[y]''.matches(''[[\\]]'')', '''Größe''.matches(''^\\w+$'')',
	'''a\tb''.escape(''json'') | ''<a href=\"x\">&''.escape(''html'')', '''&lt;&#65;&#x42;&amp;&nbsp;''.unescape(''html'') | ''\\u0041\\n\\ud83d\\ude00''.unescape(''json'')', '''é''.encode(''hex'') | ''c3a9''.decode(''hex'') | ''zz''.decode(''hex'') | ''ff''.decode(''hex'')', '''a''.encode(''rot13'')', '''?>''.encode(''base64'') | ''?>''.encode(''urlbase64'')']) e;

-- logic, collections, control
SELECT run(e) FROM unnest(ARRAY['(true | true).allTrue() | {}.allTrue() | {}.anyTrue() | (false | false).anyTrue()', '(false).allFalse() | (true | false).anyFalse()', '({} and false) | ({} or true) | ({} xor true)', '({} implies true) | (true implies {}) | ({} implies false)', '(1 | 2) and true', '''x'' and true', '{}.not()', '(1 | 2).all($this > 0) | {}.all(false) | {}.exists() | (1 | 2).exists($this > 1)',
	'(1 | 2 | 2).count() | 1.combine(1).combine(2).distinct().count() | 1.combine(1).isDistinct()', '(1 | 2).subsetOf(1 | 2 | 3) | (1 | 5).subsetOf(1 | 2) | (1 | 2 | 3).supersetOf(1) | {}.subsetOf({})', '1.combine(2).combine(3).combine(2).exclude(2)', '1.combine(2).combine(2).intersect(2 | 3)', '(1 | 2 | 3)[1] | (1 | 2)[5] | (1 | 2)[-1]', '(1|2|3).skip(-1).count() | (1|2|3).take(-1).count() | (1|2|3).last() | (1|2|3).tail().first() | {}.first()', '(1|2).single()', '(1|2|3).where($index > 0)', '(1|2|3).select($this * $index)', '(3|1|2).sort() | {}.sort()', '(3|1|2).sort($this desc)', '(''b'' | ''a'' | ''c'').sort(-$this)',
	'(1 in {}) | ({} in (1 | 2)) | ((1|2) contains {}) | ({} contains 1)', '(1 | 2) in (1 | 2)', '{}.coalesce(5) | coalesce({}, {}, 3 | 4)', 'iif({}, 1, 2) | iif(false, 1)', 'iif(true, 1, 1.power(''x''))', '(1|2).iif(true, 1)', '(1|2|3|4).aggregate(iif($total.empty(), $this, iif($this > $total, $this, $total)))', '(1|2).repeat(iif($this < 4, $this + 1, {}))', '1.repeatAll(iif($this < 3, ($this + 1).combine($this + 1), {}))', '((1 | 2) = (2 | 1)) | ((1 | 2) ~ (2 | 1))', '((1 | 2) = {}) | ({} ~ {})', '1.trace(''t'').trace(''u'', $this + 1)', '({} = 1) | ((1 | 2) = 1)', '1.is(Integer, String)', 'today() = now().dateOf() and timeOfDay() = now().timeOf() and now() = now()', 'now().toString().matches(''^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}(Z|[+-]\\d\\d:\\d\\d)$'')']) e;

-- FHIR's own
\set bundle '{"resourceType": "Bundle", "type": "collection", "entry": [{"fullUrl": "urn:uuid:1", "resource": {"resourceType": "Patient", "id": "p"}}, {"fullUrl": "http://x/Observation/o", "resource": {"resourceType": "Observation", "id": "o", "subject": {"reference": "urn:uuid:1"}, "performer": [{"reference": "Patient/p"}, {"reference": "Nobody/x"}], "code": {"coding": [{"code": "a"}]}}}]}'
SELECT run('entry.resource.ofType(Observation).select(subject | performer).resolve().id', :'bundle');
SELECT run('Bundle.entry.resource.where($this is Patient).id | entry[1].resource.subject.reference', :'bundle');
SELECT run('descendants().ofType(Reference).reference.count() | children().count()', :'bundle');
SELECT run('entry.resource.getResourceKey() | entry.resource.performer.getReferenceKey(Patient)', :'bundle');
SELECT run('conformsTo(''http://hl7.org/fhir/StructureDefinition/Resource'')', :'bundle'), run('conformsTo(''urn:x'')', :'bundle');
SELECT run('code.memberOf(''urn:vs'')', '{"resourceType": "Observation", "code": {"text": "x"}}');
SELECT run('checkModifiers(''urn:a'').id', '{"resourceType": "Patient", "id": "1", "modifierExtension": [{"url": "urn:a"}]}'), run('checkModifiers(''urn:b'').id', '{"resourceType": "Patient", "id": "1", "modifierExtension": [{"url": "urn:a"}]}');
SELECT run('text.div.htmlChecks()', jsonb_build_object('resourceType', 'Patient', 'text', jsonb_build_object('div', d))) FROM unnest(ARRAY['<div xmlns="http://www.w3.org/1999/xhtml">x</div>', '<div> </div>', '<div><p>x</div>', '<div><script>x</script></div>', '<div><a href="javascript:x">y</a></div>', '<p>x</p>', '<div onclick="x">y</div>', '<div><img src="a.png"/></div>']) d;
SELECT run('value.ofType(Quantity) < 5 ''mg''', '{"resourceType": "Observation", "valueQuantity": {"value": 4, "comparator": "<", "code": "mg"}}');
SELECT run('onset + 1 year', '{"resourceType": "Condition", "onsetDateTime": "2020-02-29"}'), run('onset = 3 years and onset ~ 3 ''a''', '{"resourceType": "Condition", "onsetAge": {"value": 3, "system": "http://unitsofmeasure.org", "code": "a"}}');

-- JSON of no known type
SELECT run('a.b | c[1].d', '{"a": {"b": [1, [2, 3]]}, "c": [{"d": 1}, {"d": "x"}]}'), run('$this', '[1, "a", null, {"b": 2}]'), run('$this', '5'), run('descendants().count()', '{"a": {"b": 1}}');
