-- Search: each feature on a handful of resources. ids() lists what matches, in the order of the answer.
SET timezone = 'UTC';
SELECT fhir_store_create('search_test');
SET fhir.store = search_test;
CREATE FUNCTION ids(type text, query text) RETURNS text LANGUAGE sql AS
$$ SELECT coalesce(string_agg(CASE mode WHEN 'match' THEN id ELSE '+' || id END, ' '), '-') FROM fhir_search_rows($1, $2) $$;
\set VERBOSITY default
\pset tuples_only on

SELECT count(fhir_update(r)) FROM (VALUES
 ('{"resourceType":"Organization","id":"o1","name":"General Hospital","address":[{"city":"Zürich"}]}'::jsonb),
 ('{"resourceType":"Organization","id":"o2","name":"Lab North","partOf":{"reference":"Organization/o1"}}'),
 ('{"resourceType":"Organization","id":"o3","name":"Lab South","partOf":{"reference":"Organization/o2"}}'),
 ('{"resourceType":"Practitioner","id":"d1","name":[{"family":"Welby","given":["Marcus"]}]}'),
 ('{"resourceType":"Patient","id":"p1","active":true,"gender":"male","birthDate":"1974-12-25",
   "name":[{"family":"Müller","given":["Peter","James"]}],"managingOrganization":{"reference":"Organization/o2"},
   "identifier":[{"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"MR"}]},"system":"urn:mrn","value":"12345"}],
   "telecom":[{"system":"phone","value":"555 1234"},{"system":"email","value":"p@example.org"}]}'),
 ('{"resourceType":"Patient","id":"p2","active":false,"gender":"female","birthDate":"1980-02","name":[{"family":"van de Heuvel","given":["Amy"]}],
   "generalPractitioner":[{"reference":"Practitioner/d1"}],"identifier":[{"system":"urn:mrn","value":"777"},{"value":"12345"}],
   "meta":{"tag":[{"system":"urn:tags","code":"vip"}],"profile":["http://example.org/StructureDefinition/a"]}}'),
 ('{"resourceType":"Patient","id":"p3","gender":"female","birthDate":"1990","deceasedDateTime":"2020-05-01","name":[{"family":"muller","given":["Zoë"]}],
   "managingOrganization":{"reference":"Organization/o3"}}'),
 ('{"resourceType":"Patient","id":"p4","name":[{"text":"100% O''Neil, Jr."}],"managingOrganization":{"identifier":{"system":"urn:orgs","value":"north"}}}'),
 ('{"resourceType":"Observation","id":"b1","status":"final","subject":{"reference":"Patient/p1"},"effectiveDateTime":"2020-03-10T10:00:00Z",
   "code":{"text":"Body weight","coding":[{"system":"http://loinc.org","code":"29463-7","display":"Body Weight"}]},
   "valueQuantity":{"value":70.5,"unit":"kg","system":"http://unitsofmeasure.org","code":"kg"}}'),
 ('{"resourceType":"Observation","id":"b2","status":"amended","subject":{"reference":"Patient/p1"},"effectivePeriod":{"start":"2020-03-01","end":"2020-03-31"},
   "code":{"coding":[{"system":"http://loinc.org","code":"29463-7"}]},"performer":[{"reference":"Practitioner/d1"}],
   "valueQuantity":{"value":72000,"unit":"gram","system":"http://unitsofmeasure.org","code":"g"}}'),
 ('{"resourceType":"Observation","id":"b3","status":"final","subject":{"reference":"Patient/p2"},"effectiveDateTime":"2021-01",
   "code":{"coding":[{"system":"http://loinc.org","code":"85354-9","display":"Blood pressure panel"}]},
   "component":[{"code":{"coding":[{"system":"http://loinc.org","code":"8480-6"}]},"valueQuantity":{"value":142,"system":"http://unitsofmeasure.org","code":"mm[Hg]"}},
                {"code":{"coding":[{"system":"http://loinc.org","code":"8462-4"}]},"valueQuantity":{"value":91,"system":"http://unitsofmeasure.org","code":"mm[Hg]"}}]}'),
 ('{"resourceType":"Observation","id":"b4","status":"final","subject":{"reference":"Patient/p3"},"effectivePeriod":{"start":"2019-06-01"},
   "code":{"coding":[{"code":"29463-7"}]},"valueQuantity":{"value":155,"unit":"lbs"}}'),
 ('{"resourceType":"Observation","id":"b5","status":"final","code":{"text":"no subject"},"hasMember":[{"reference":"Observation/b1"},{"reference":"Observation/b5"}]}'),
 ('{"resourceType":"ValueSet","id":"v1","url":"http://example.org/vs/a/b","status":"active"}'),
 ('{"resourceType":"ValueSet","id":"v2","url":"http://example.org/vs/abc","status":"draft"}'),
 ('{"resourceType":"RiskAssessment","id":"r1","status":"final","subject":{"reference":"Patient/p1"},"prediction":[{"probabilityDecimal":0.54}]}'),
 ('{"resourceType":"List","id":"l1","status":"current","mode":"working","entry":[{"item":{"reference":"Patient/p3"}},{"item":{"reference":"Patient/p1"}},{"item":{"reference":"Observation/b1"}}]}')
) v(r);

-- order without _sort is by id
SELECT ids('Patient', '');

-- token: code, system|code, |code, system|; OR, AND, :not
SELECT ids('Patient', 'gender=female'), ids('Patient', 'gender=male,female'), ids('Patient', 'gender:not=female');
SELECT ids('Patient', 'identifier=12345'), ids('Patient', 'identifier=urn:mrn|12345'), ids('Patient', 'identifier=|12345'), ids('Patient', 'identifier=urn:mrn|');
SELECT ids('Patient', 'identifier=urn:mrn|12345,urn:mrn|777&gender=female');
SELECT ids('Patient', 'identifier:of-type=http://terminology.hl7.org/CodeSystem/v2-0203|MR|12345');
SELECT ids('Patient', 'active=true'), ids('Patient', 'active=false'), ids('Patient', 'phone=555 1234'), ids('Patient', 'email=p@example.org');
SELECT ids('Patient', 'deceased=true'), ids('Patient', 'deceased=false');
SELECT ids('Observation', 'code:text=body'), ids('Observation', 'code:text=BLOOD pres'), ids('Observation', 'code:text=pressure');
SELECT ids('Patient', '_tag=vip'), ids('Patient', '_tag=urn:tags|'), ids('Patient', '_profile=http://example.org/StructureDefinition/a'), ids('Patient', '_id=p3,p1,nobody');
SELECT ids('Patient', 'gender:missing=true'), ids('Patient', 'gender:missing=false'), ids('Observation', 'subject:missing=true');

-- string: starts with, folded for case and accents; :exact; :contains; escapes
SELECT ids('Patient', 'family=mull'), ids('Patient', 'family=MÜL'), ids('Patient', 'family:exact=Müller'), ids('Patient', 'family:exact=Mul');
SELECT ids('Patient', 'name=heu'), ids('Patient', 'name:contains=heu'), ids('Patient', 'given=zoe,james'), ids('Organization', 'address=zurich');
SELECT ids('Patient', 'name:contains=neil\,'), ids('Patient', 'name=100%25'), ids('Patient', 'name:contains=_'), ids('Patient', 'name:contains=%25');

-- dates: by precision, as intervals
SELECT ids('Patient', 'birthdate=1974-12-25'), ids('Patient', 'birthdate=1974'), ids('Patient', 'birthdate=1980-02-03'), ids('Patient', 'birthdate=ne1974');
SELECT ids('Patient', 'birthdate=gt1980'), ids('Patient', 'birthdate=ge1980-02'), ids('Patient', 'birthdate=lt1980-02-15'), ids('Patient', 'birthdate=le1980'), ids('Patient', 'birthdate=sa1980'), ids('Patient', 'birthdate=eb1990');
SELECT ids('Observation', 'date=2020-03'), ids('Observation', 'date=2020-03-10'), ids('Observation', 'date=ap2020-03-10'), ids('Observation', 'date=gt2021'), ids('Observation', 'date=ge2020-03-10T10:00:00Z&date=lt2021');
SELECT ids('Observation', 'date=2020-03-10T12:00:00+02:00'), ids('Observation', 'date=2020-03-10T12:00:00%2B02:00'), ids('Observation', 'date=sa2019'), ids('Observation', 'date=eb2021');
SELECT ids('Patient', '_lastUpdated=gt2020'), ids('Patient', '_lastUpdated=lt2020');

-- numbers and quantities: implicit precision; units by UCUM
SELECT ids('RiskAssessment', 'probability=0.5'), ids('RiskAssessment', 'probability=0.54'), ids('RiskAssessment', 'probability=gt0.5'), ids('RiskAssessment', 'probability=0.540'), ids('RiskAssessment', 'probability=0.6');
SELECT ids('Observation', 'value-quantity=70.5'), ids('Observation', 'value-quantity=70|http://unitsofmeasure.org|kg'), ids('Observation', 'value-quantity=72|http://unitsofmeasure.org|kg'), ids('Observation', 'value-quantity=gt70|http://unitsofmeasure.org|kg');
SELECT ids('Observation', 'value-quantity=155||lbs'), ids('Observation', 'value-quantity=72000||gram'), ids('Observation', 'value-quantity=72000||g'), ids('Observation', 'value-quantity=ap71||kg');

-- references
SELECT ids('Observation', 'subject=Patient/p1'), ids('Observation', 'subject=p1'), ids('Observation', 'subject:Patient=p2'), ids('Observation', 'patient=p3'), ids('Observation', 'performer=Practitioner/d1');
SELECT ids('Patient', 'organization:identifier=urn:orgs|north'), ids('Patient', 'organization:identifier=north');

-- uri
SELECT ids('ValueSet', 'url=http://example.org/vs/a/b'), ids('ValueSet', 'url:below=http://example.org/vs/a'), ids('ValueSet', 'url:below=http://example.org/vs'), ids('ValueSet', 'url:above=http://example.org/vs/abc/d');

-- composite
SELECT ids('Observation', 'code-value-quantity=29463-7$gt71'), ids('Observation', 'code-value-quantity=http://loinc.org|29463-7$gt71|http://unitsofmeasure.org|kg');
SELECT ids('Observation', 'component-code-value-quantity=8480-6$gt140'), ids('Observation', 'component-code-value-quantity=8462-4$gt140'), ids('Observation', 'combo-code-value-quantity=8480-6$gt140|http://unitsofmeasure.org|mm[Hg]');

-- chains, _has, _filter, _list
SELECT ids('Observation', 'subject.name=mull'), ids('Observation', 'subject:Patient.gender=female&status=final'), ids('Observation', 'patient.organization.name=lab'), ids('Observation', 'patient.organization.partof.name=general');
SELECT ids('Observation', 'subject.name:contains=ULL'), ids('Observation', 'subject._id=p2'), ids('Observation', 'subject.gender:not=male');
SELECT ids('Patient', '_has:Observation:patient:code=29463-7'), ids('Patient', '_has:Observation:subject:value-quantity=gt71'), ids('Practitioner', '_has:Patient:general-practitioner:_has:Observation:patient:code=85354-9'), ids('Organization', '_has:Patient:organization:family=mull');
SELECT ids('Observation', 'patient._has:RiskAssessment:subject:probability=gt0.1'), ids('Patient', '_has:Observation:patient:code:not=29463-7');
SELECT ids('Patient', '_filter=gender eq female and (birthdate gt 1985 or family sw "van")'), ids('Patient', '_filter=not (gender eq female)'), ids('Patient', '_filter=name co "ULL" or birthdate pr false');
SELECT ids('Patient', '_list=l1'), ids('Observation', '_list=l1');

-- near: true distance; _text and _content: words of the narrative, of everything
SELECT count(fhir_update(r)) FROM (VALUES
 ('{"resourceType":"Location","id":"paris","name":"Paris","position":{"latitude":48.8566,"longitude":2.3522},
   "text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">The <b>capital</b> of France</div>"}}'::jsonb),
 ('{"resourceType":"Location","id":"versailles","description":"royal château","position":{"latitude":48.8049,"longitude":2.1204}}'),
 ('{"resourceType":"Location","id":"fiji","position":{"latitude":-17.0,"longitude":179.99}}'),
 ('{"resourceType":"Location","id":"nowhere","name":"France"}')) v(r);
SELECT ids('Location', 'near=48.85|2.35'), ids('Location', 'near=48.85|2.35|5'), ids('Location', 'near=48.85|2.35|17500|m'), ids('Location', 'near=48.85|2.35|11|[mi_i]'), ids('Location', 'near=-17|-179.99|5|km'), ids('Location', 'near=90|0|5000|km'), ids('Location', 'near=90|0|4600|km');
SELECT ids('Location', '_text=capital'), ids('Location', '_text=France cap'), ids('Location', '_text=pital'), ids('Location', '_content=france'), ids('Location', '_content=CHATEAU'), ids('Location', '_content=b,royal');
SELECT fhir_count('Location', 'near=x|y'), 1;
SELECT fhir_count('Location', 'near=48|2|5|kg'), 1;

-- sorting: missing values last
SELECT ids('Patient', '_sort=birthdate'), ids('Patient', '_sort=-birthdate'), ids('Patient', '_sort=family'), ids('Patient', '_sort=-family'), ids('Patient', '_sort=gender,-birthdate'), ids('Patient', '_sort=-_id');
SELECT ids('Observation', '_sort=date'), ids('Observation', '_sort=-date'), ids('Observation', '_sort=value-quantity'), ids('Observation', 'subject:missing=false&_sort=subject,-date');

-- includes (+)
SELECT ids('Observation', 'code=29463-7&_include=Observation:subject'), ids('Observation', '_id=b1&_include=Observation:subject&_include:iterate=Patient:organization&_include:iterate=Organization:partof');
SELECT ids('Patient', '_id=p1&_revinclude=Observation:patient'), ids('Patient', '_id=p2&_revinclude=Observation:subject&_include=Patient:general-practitioner'), ids('Observation', '_id=b5&_include:iterate=Observation:has-member');
SELECT ids('Observation', '_id=b2&_include=*'), ids('Observation', '_id=b2&_include=Observation:performer:Patient'), ids('Observation', '_id=b2&_include=Observation:*:Practitioner');

-- system level
SELECT ids(NULL, '_type=Patient,Organization&_count=3'), ids(NULL, '_id=p1,b1,o1'), ids(NULL, '_type=Organization,List'), ids(NULL, '_tag=vip');

-- counts
SELECT fhir_count('Patient'), fhir_count('Patient', 'gender=female'), fhir_count(NULL, '_type=Patient,Observation'), fhir_count('Patient', 'name=nobody');

-- Bundle: total, links, paging both ways
CREATE FUNCTION link(bundle jsonb, relation text) RETURNS text LANGUAGE sql AS
$$ SELECT l ->> 'url' FROM jsonb_array_elements($1 -> 'link') l WHERE l ->> 'relation' = $2 $$;
CREATE FUNCTION bundle_ids(bundle jsonb) RETURNS jsonb LANGUAGE sql AS
$$ SELECT jsonb_path_query_array($1, '$.entry[*].resource.id') $$;
SELECT fhir_search('Patient', 'gender=female&_elements=birthDate') #- '{meta}' #- '{entry,0,resource,meta,lastUpdated}' #- '{entry,1,resource,meta,lastUpdated}';
-- of a type, each by itself; a type that none is asked of is whole
SELECT e #>> '{resource,resourceType}', (e -> 'resource') - 'meta' FROM jsonb_array_elements(fhir_search('Patient', '_id=p1&_include=Patient:organization&_elements=Patient.gender,Organization.active') -> 'entry') e;
SELECT e #>> '{resource,resourceType}', e #> '{resource,meta,tag}' IS NULL AS whole FROM jsonb_array_elements(fhir_search('Patient', '_id=p1&_include=Patient:organization&_elements=Organization.name') -> 'entry') e;
SELECT fhir_search('Patient', '_elements=Organization.gender');
SELECT b -> 'total', b -> 'entry', link(b, 'self') FROM fhir_search('Patient', 'family=nobody') b;
SELECT b -> 'total', b -> 'entry' FROM fhir_search('Patient', '_summary=count') b;
SELECT b -> 'total', bundle_ids(b) FROM fhir_search('Patient', '_count=1&_total=accurate&gender=female') b;
SELECT b -> 'total', bundle_ids(b) FROM fhir_search('Patient', '_count=1&gender=female') b;
SELECT fhir_search('Patient', '_sort=-birthdate&_count=2') AS page1 \gset
SELECT bundle_ids(:'page1'), link(:'page1', 'self'), link(:'page1', 'previous');
SELECT fhir_search('Patient', split_part(link(:'page1', 'next'), '?', 2)) AS page2 \gset
SELECT bundle_ids(:'page2'), link(:'page2', 'next'), link(:'page2', 'first');
SELECT bundle_ids(fhir_search('Patient', split_part(link(:'page2', 'previous'), '?', 2)));
SELECT jsonb_path_query(fhir_search('Patient', '_id=p1&_summary=true'), '$.entry[0].resource.keyvalue().key') #>> '{}';
SELECT fhir_search('Patient', '_id=p2&_include=Patient:general-practitioner') @@ '$.entry[1].search.mode == "include"';

-- what is not understood is refused by name
\set VERBOSITY terse
SELECT fhir_count('Patient', 'famly=x');
SELECT fhir_count('Patient', 'gender:nott=x');
SELECT fhir_count('Patient', 'birthdate=yesterday');
SELECT fhir_count('Observation', 'value-quantity=heavy');
SELECT fhir_count('Observation', 'code-value-quantity=29463-7');
SELECT fhir_count('Observation', 'subject.color=x');
SELECT fhir_count('Observation', 'code.name=x');
SELECT fhir_count('Patient', '_has:Observation:code:status=final');
SELECT fhir_count('Patient', 'gender=');
SELECT fhir_count('Patient', 'gender=male,');
SELECT fhir_count('Patient', 'a%zz=1');
SELECT fhir_count('Patient', 'name=%00');
SELECT fhir_count('Patient', 'name=%ff');
SELECT fhir_search('Patient', '_count=-1');
SELECT fhir_search('Patient', '_sort=hair');
SELECT fhir_search('Patient', '_include=Patient:gender');
SELECT fhir_search('Patient', '_total=many');
SELECT fhir_search('Patient', '_cursor=abc');
SELECT fhir_search('Observation', split_part(link(:'page1', 'next'), '?', 2));
SELECT fhir_search('Patient', '_query=everyone');
SELECT fhir_count('Patient', '_filter=gender eq');
SELECT fhir_count('Patient', '_filter=(gender eq male');
SELECT fhir_count('Nobody');
SELECT fhir_count('Patient', 'name=x'';DROP TABLE fhir.resource;--');

-- a deleted resource is found no more; a change is found at once, also within its transaction
BEGIN;
SELECT fhir_update('{"resourceType":"Patient","id":"p4","gender":"other"}') ->> 'id';
SELECT ids('Patient', 'gender=other'), ids('Patient', 'name:contains=neil');
SELECT fhir_delete('Patient', 'p4') ->> 'resourceType';
SELECT ids('Patient', 'gender=other'), ids('Patient', ''), ids('Patient', 'gender:missing=true');
ROLLBACK;

-- a search writes nothing
BEGIN TRANSACTION READ ONLY;
SELECT ids('Patient', 'name=peter&_has:Observation:patient:code:text=body');
SELECT pg_current_xact_id_if_assigned();
ROLLBACK;
DROP FUNCTION ids, link, bundle_ids;
RESET fhir.store;
SELECT fhir_store_drop('search_test', force => true);
