-- _filter: the grammar and the operators of R4, 3.1.3.
SET timezone = 'UTC';
SELECT fhir_store_create('filter_test');
SET fhir.store = filter_test;
CREATE FUNCTION filtered(type text, filter text) RETURNS text LANGUAGE sql AS
$$ SELECT coalesce(string_agg(id, ' '), '-') FROM fhir_search_rows($1, '_filter=' || replace(replace(replace($2, '%', '%25'), '&', '%26'), '+', '%2B')) $$;
\pset tuples_only on
SELECT count(fhir_update(r)) FROM (VALUES
 ('{"resourceType":"Patient","id":"p1","gender":"male","birthDate":"1970-05-01","active":true,"name":[{"family":"Carter","given":["Peter","James"]}],
   "telecom":[{"system":"phone","value":"555-1234","use":"home"},{"system":"email","value":"peter@example.org","rank":2}],
   "identifier":[{"system":"urn:a","value":"1"},{"system":"urn:b","value":"2"}],"contact":[{"gender":"female","name":{"family":"Roe"}}]}'::jsonb),
 ('{"resourceType":"Patient","id":"p2","gender":"female","birthDate":"1980","name":[{"family":"carter, jr"}],
   "telecom":[{"system":"phone","value":"peter@example.org","period":{"start":"2020-01-01","end":"2020-12-31"}},{"system":"email","value":"555-1234"}],"identifier":[{"system":"urn:a","value":"1"}]}'),
 ('{"resourceType":"Patient","id":"p3","name":[{"family":"Zimmer"},{"family":"Ärzte","given":["Ann"]}],"generalPractitioner":[{"reference":"Practitioner/d1"},{"reference":"Practitioner/d2"}]}'),
 ('{"resourceType":"Practitioner","id":"d1","gender":"male","name":[{"family":"Abel"}]}'),
 ('{"resourceType":"Practitioner","id":"d2","gender":"female","name":[{"family":"Young"}]}'),
 ('{"resourceType":"Observation","id":"b1","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8867-4"}]},"subject":{"reference":"Patient/p1"},"effectivePeriod":{"start":"2020-01-10","end":"2020-02-10"},"valueQuantity":{"value":5.4,"system":"http://unitsofmeasure.org","code":"mg","unit":"mg"}}'),
 ('{"resourceType":"Observation","id":"b2","status":"amended","code":{"coding":[{"system":"http://loinc.org","code":"8867-4"}]},"subject":{"reference":"Patient/p2"},"effectiveDateTime":"2020-02-05"}')) v(r);

-- and, or: from left to right, neither first
SELECT filtered('Patient', 'gender eq male or gender eq female and birthdate ge 1975'), filtered('Patient', 'gender eq male or (gender eq female and birthdate ge 1975)'), filtered('Patient', 'not (gender eq male or gender eq female)'), filtered('Patient', 'not gender eq male and birthdate pr true');
-- strings: equal but for case and accents; starts, contains, ends; order of code points
SELECT filtered('Patient', 'family eq "CARTER"'), filtered('Patient', 'family eq carter'), filtered('Patient', 'family eq "carter, jr"'), filtered('Patient', 'family eq arzte'), filtered('Patient', 'given eq pete');
SELECT filtered('Patient', 'family sw "cart"'), filtered('Patient', 'family co "R, J"'), filtered('Patient', 'family ew "TER"'), filtered('Patient', 'name ew "mes"'), filtered('Patient', 'family gt "carter"'), filtered('Patient', 'family ge "carter"'), filtered('Patient', 'family lt carter'), filtered('Patient', 'family le "carter"');
SELECT filtered('Patient', 'family eq "caf\u00e9"'), filtered('Patient', 'family eq "c\u0061rter"'), filtered('Patient', 'family eq "a\"b\\c"');
-- ne: some value is unequal; no value is none
SELECT filtered('Patient', 'gender ne male'), filtered('Patient', 'identifier ne urn:a|1'), filtered('Patient', 'family ne carter'), filtered('Patient', 'birthdate ne 1980'), filtered('Patient', 'active ne true'), filtered('Observation', 'code ne loinc|8867-4');
-- dates: within, overlapping; tokens with names for systems; references; quantities
SELECT filtered('Observation', 'date po 2020-02'), filtered('Observation', 'date po 2020-02-11'), filtered('Observation', 'date co 2020-01-15'), filtered('Observation', 'date co 2020'), filtered('Observation', 'date sa 2020-01 and status eq amended'), filtered('Patient', 'birthdate co 1980-03-01');
SELECT filtered('Observation', 'code eq loinc|8867-4'), filtered('Observation', 'code eq "http://loinc.org|8867-4"'), filtered('Observation', 'subject re Patient/p1'), filtered('Observation', 'value-quantity eq 5.4|ucum|mg'), filtered('Observation', 'value-quantity lt 1|http://unitsofmeasure.org|g'), filtered('Observation', 'code-value-quantity eq 8867-4$gt5'), filtered('Observation', 'code-value-quantity ne 8867-4$gt6');
SELECT filtered('Patient', '_id eq p1 or _id eq p3'), filtered('Patient', '_id ne p1'), filtered('Patient', '_lastUpdated gt 2000'), filtered('Patient', 'gender pr false'), filtered('Patient', '_has:Observation:patient:status eq final');
-- chains; brackets: one resource satisfies both
SELECT filtered('Observation', 'subject.family ew ter'), filtered('Observation', 'subject.gender ne male'), filtered('Patient', 'general-practitioner.family eq abel and general-practitioner.gender eq female'), filtered('Patient', 'general-practitioner[gender eq female].family eq abel'), filtered('Patient', 'general-practitioner[gender eq female].family eq young'), filtered('Observation', 'subject[gender eq male and birthdate lt 1975].name co "ete"');
SELECT filtered('Observation', 'patient[_id eq p2].telecom[system eq phone].value sw "peter"');
-- a type where a reference may lead to several; elements that only one of a parameter's places has
SELECT filtered('Observation', 'subject:Patient.name co "ete"'), filtered('Observation', 'subject:Patient[name co "ete"].gender eq male'), filtered('Observation', 'subject:Group.code pr true'), filtered('Observation', 'value-quantity.unit eq mg'), filtered('Observation', 'value-quantity[not (unit eq kg)].value gt 5');
-- brackets on elements: one element satisfies both
SELECT filtered('Patient', 'telecom[system eq phone].value eq 555-1234'), filtered('Patient', 'telecom[system eq email].value ew "example.org"'), filtered('Patient', 'telecom[system eq phone and use eq home].value pr true'), filtered('Patient', 'telecom[not (system eq phone)].rank ge 2'), filtered('Patient', 'telecom[period po 2020-06].value co "@"'), filtered('Patient', 'telecom[use eq work or rank gt 1].system ne phone'), filtered('Patient', 'telecom[system eq phone].rank pr false');
SELECT filtered('Patient', 'identifier[system eq "urn:b"].value eq 2'), filtered('Patient', 'name[family eq zimmer].given pr true'), filtered('Patient', 'name[family eq "ärzte"].given eq ann'), filtered('Observation', 'code[coding.system eq "http://loinc.org"].coding.code sw "8867"'), filtered('Patient', 'telecom[period.start ge 2020 and system eq "phone"].value ne "x]"');
SELECT fhir_count('Patient', '_filter=telecom[system eq phone].value eq 555-1234&gender=male');

-- what is refused
SELECT filtered('Patient', 'gender xx male');
SELECT filtered('Patient', 'gender eq male and');
SELECT filtered('Patient', 'gender eq male gender');
SELECT filtered('Patient', 'gender sw ma');
SELECT filtered('Patient', 'birthdate ew 1970');
SELECT filtered('Patient', 'family po 1970');
SELECT filtered('Patient', 'telecom[system eq phone].value');
SELECT filtered('Patient', 'telecom[system eq phone.value eq 1');
SELECT filtered('Patient', 'telecom[system eq phone] eq 1');
SELECT filtered('Patient', 'telecom[system is phone].value eq 1');
SELECT filtered('Patient', 'general-practitioner[color eq red].family eq abel');
SELECT filtered('Patient', 'family eq "abc');
SELECT filtered('Patient', 'family eq "\ud800"');
SELECT filtered('Patient', 'gender pr yes');
SELECT filtered('Patient', 'color eq red');
SELECT filtered('Patient', repeat('(', 200000));
SELECT fhir_count('Patient', 'family:~ew=ter');
SELECT fhir_store_drop('filter_test', force => true);
