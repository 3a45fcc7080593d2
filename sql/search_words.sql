-- _text and _content: what counts, where its words are kept, and that every change reaches them.
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS fhir CASCADE;
SELECT fhir_store_create('sw');
SET fhir.store = sw;

CREATE FUNCTION put(doc jsonb) RETURNS text LANGUAGE sql AS $$ SELECT fhir_update(doc)->>'id' $$;
-- the ids that a search finds, and how many documents it and fhir_matches() disagree on
CREATE FUNCTION find(t text, q text) RETURNS text LANGUAGE sql AS $$
	WITH s AS (SELECT id FROM fhir_search_rows(t, q || '&_count=100000') WHERE mode = 'match'),
		m AS (SELECT r.id FROM sw.resource r JOIN sw.version v USING (rid, version) WHERE NOT r.deleted AND r.type = t AND fhir_matches(fhir_document(v.doc), q))
	SELECT concat_ws(' ', (SELECT string_agg(id, ',' ORDER BY id) FROM s), '(' || fhir_count(t, q) || ')',
		(SELECT 'DIFFERS' FROM s FULL JOIN m USING (id) WHERE s.id IS NULL OR m.id IS NULL LIMIT 1)) $$;
CREATE FUNCTION words(i text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(substr(u.lexeme, 1, 1) || ':' || substr(u.lexeme, 5), ' ' ORDER BY substr(u.lexeme, 5) COLLATE "C")
	FROM sw.word w JOIN sw.resource r USING (rid), unnest(w.words) u WHERE r.id = i $$;

SELECT put('{"resourceType": "Observation", "id": "o1", "status": "final", "category": [{"coding": [{"code": "vital-signs", "display": "Vital Signs"}]}],
	"code": {"coding": [{"system": "http://loinc.org", "code": "8302-2", "display": "Body Height"}]}, "subject": {"reference": "Patient/p1", "display": "Zoë Smith"},
	"effectiveDateTime": "2020-01-02", "valueQuantity": {"value": 1.8, "unit": "metre", "system": "http://unitsofmeasure.org", "code": "m"},
	"text": {"status": "generated", "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\">Tall <b>chap</b>, as seen</div>"}, "note": [{"text": "Without shoes; wearing socks"}]}');
SELECT put('{"resourceType": "Observation", "id": "o2", "status": "final", "code": {"text": "Body Height"}, "valueQuantity": {"value": 180, "unit": "centimeter",
	"system": "http://unitsofmeasure.org", "code": "cm"}}');
SELECT put('{"resourceType": "Observation", "id": "o3", "status": "final", "code": {"text": "Height of the socks"}, "valueQuantity": {"value": 2, "unit": "m",
	"system": "http://unitsofmeasure.org", "code": "m"}}');
SELECT put('{"resourceType": "Patient", "id": "p1", "name": [{"family": "Smith", "given": ["Zoë"], "_given": [{"extension": [{"url": "urn:x", "valueString": "calling"}]}]}],
	"identifier": [{"system": "urn:mrn", "value": "A-4711"}], "birthDate": "1970-05-06", "contact": [{"name": {"text": "Ann <Bo>"}}],
	"contained": [{"resourceType": "Organization", "id": "c1", "name": "Inner Clinic", "text": {"status": "generated", "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\">hidden</div>"}}],
	"managingOrganization": {"reference": "#c1"}, "photo": [{"contentType": "image/png", "data": "c29ja3M="}]}');
-- what is in the dictionary needs no side row
SELECT words('o1'), words('o2'), words('o3'), words('p1');

SELECT q, find('Observation', q) FROM unnest(ARRAY['_content=height', '_content=body height', '_content=BODY', '_content=eight', '_content=socks', '_content=8302', '_content=8302-2',
	'_content=8302-3', '_content=-2', '_content=metre', '_content=m', '_content=cent,chap', '_content=zoe', '_content=smith tall', '_content=final', '_content=vital-signs',
	'_text=tall', '_text=chap seen', '_text=shoes', '_text=div', '_text=xmlns', '_content=xhtml', '_content=loinc', '_content=patient', '_content=2020', '_content=p1', '_content=o1',
	'_content=nosuch', '_content=socks&status=final', '_content=socks&_text=tall', '_content=shoes; wearing', '_content=shoes;']) q;
SELECT q, find('Patient', q) FROM unnest(ARRAY['_content=smith', '_content=zoe', '_content=calling', '_content=a-4711', '_content=4711', '_content=1970', '_content=bo', '_content=inner',
	'_content=hidden', '_text=hidden', '_content=c29ja3m', '_content=png', '_content=mrn']) q;
SELECT fhir_count(NULL, '_content=smith'), fhir_count(NULL, '_type=Patient&_content=smith'), fhir_count(NULL, '_text=tall');
SELECT fhir_count('Observation', 'patient._content=inner'), fhir_count('Patient', '_has:Observation:patient:_content=socks');
SELECT fhir_count('Organization', '_contained=true&_content=clin'), fhir_count('Organization', '_contained=true&_text=hidden'), fhir_count('Organization', '_contained=true&_content=smith');
SELECT fhir_count('Observation', '_content=%25');
SELECT fhir_count('Observation', '_content:exact=x');

-- each change reaches the words
SELECT put('{"resourceType": "Observation", "id": "o1", "status": "final", "code": {"text": "Body Height"}, "note": [{"text": "Wearing boots"}]}');
SELECT words('o1'), find('Observation', '_content=socks'), find('Observation', '_content=boots'), find('Observation', '_text=tall');
SELECT fhir_patch('Observation', 'o1', '[{"op": "replace", "path": "/note/0/text", "value": "Wearing clogs"}]')->>'id';
SELECT words('o1'), find('Observation', '_content=clogs'), find('Observation', '_content=boots');
SELECT fhir_delete('Observation', 'o1')->>'resourceType';
SELECT words('o1'), find('Observation', '_content=clogs'), find('Observation', '_content=body');
SELECT put('{"resourceType": "Observation", "id": "o1", "status": "final", "code": {"text": "Body Height"}, "note": [{"text": "Barefoot"}]}');
SELECT words('o1'), find('Observation', '_content=barefoot');
SELECT jsonb_array_length(fhir_transaction('{"resourceType": "Bundle", "type": "transaction", "entry": [
	{"resource": {"resourceType": "Observation", "id": "o1", "status": "final", "code": {"text": "Body Height"}}, "request": {"method": "PUT", "url": "Observation/o1"}},
	{"resource": {"resourceType": "Observation", "id": "o4", "status": "final", "code": {"text": "x"}, "note": [{"text": "Barefoot again"}]}, "request": {"method": "PUT", "url": "Observation/o4"}}]}')->'entry');
SELECT words('o1'), words('o4'), find('Observation', '_content=barefoot');
-- a change that leaves the words alone leaves their row alone
SELECT count(*) AS rows_before, max(ctid) AS at FROM sw.word \gset
SELECT put('{"resourceType": "Observation", "id": "o4", "status": "amended", "code": {"text": "x"}, "note": [{"text": "Barefoot again"}]}');
SELECT count(*) = :rows_before, max(ctid) = :'at' FROM sw.word;

-- long words are kept by their start; a document of very many words has several rows
SELECT put(jsonb_build_object('resourceType', 'Basic', 'id', 'b1', 'code', '{"text": "long"}'::jsonb, 'text', jsonb_build_object('status', 'generated', 'div',
	'<div xmlns="http://www.w3.org/1999/xhtml">' || repeat('ä', 100) || 'x ' || (SELECT string_agg('w' || i || 'y', ' ') FROM generate_series(1, 20000) i) || '</div>')));
SELECT put(jsonb_build_object('resourceType', 'Basic', 'id', 'b2', 'code', '{"text": "long"}'::jsonb, 'text', jsonb_build_object('status', 'generated', 'div',
	'<div xmlns="http://www.w3.org/1999/xhtml">' || repeat('a', 100) || 'z</div>')));
SELECT count(*) FROM sw.word w JOIN sw.resource r USING (rid) WHERE r.id = 'b1';
SELECT find('Basic', '_text=' || repeat('a', 100)), find('Basic', '_text=' || repeat('a', 100) || 'x'), find('Basic', '_text=' || repeat('a', 100) || 'z'),
	find('Basic', '_text=w1y w19999y'), find('Basic', '_text=w20001y'), find('Basic', '_content=w77y-w78y'), find('Basic', '_content=w9999y long');

-- relevance: the share of the words that was asked for, and how often they are there
SELECT put(('{"resourceType": "Condition", "id": "' || i || '", "subject": {"reference": "Patient/p1"}, "note": [{"text": "' || t || '"}]}')::jsonb)
	FROM (VALUES ('c1', 'hypertension'), ('c2', 'hyper'), ('c3', 'hyper, hyper and hypertension'), ('c4', 'hypertensive'), ('c5', 'nothing')) v(i, t);
CREATE FUNCTION scores(q text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg((e #>> '{resource,id}') || ' ' || coalesce(e #>> '{search,score}', '-'), ', ' ORDER BY n)
	FROM jsonb_array_elements(fhir_search('Condition', q)->'entry') WITH ORDINALITY x(e, n) $$;
SELECT scores('_content=hyper&_sort=-_score');
SELECT scores('_content=hyper&_sort=_score,_id&_elements=id');
SELECT scores('_content=hyper'), scores('_id=c1'), scores('_id=c1,c2&_sort=_score');
SELECT scores('_content=hyper and,hypertension&_sort=-_score');
-- pages
SELECT b #>> '{entry,0,resource,id}', scores(split_part((SELECT l ->> 'url' FROM jsonb_array_elements(b -> 'link') l WHERE l ->> 'relation' = 'next'), '?', 2))
	FROM fhir_search('Condition', '_content=hyper&_sort=-_score&_count=1') b;
DROP FUNCTION scores;

-- how it runs
SELECT line FROM fhir_explain('Observation', '_content=height') line WHERE line ~ '^(criterion|WARNING)';
SELECT line FROM fhir_explain('Observation', '_content=m') line WHERE line ~ '^(criterion|WARNING)';
SELECT line FROM fhir_explain('Observation', '_content=barefoot') line WHERE line ~ '^(criterion|WARNING)';
SELECT line FROM fhir_explain('Basic', '_text=w1y') line WHERE line ~ '^(criterion|WARNING)';

-- markup: entities are their characters, what is in tags and comments does not count, and ">" may stand anywhere
SELECT put(jsonb_build_object('resourceType', 'Basic', 'id', 'markup', 'code', '{"text": "x"}'::jsonb, 'text', jsonb_build_object('status', 'generated', 'div',
  '<div xmlns="http://www.w3.org/1999/xhtml">caf&#233; M&uuml;ller &#x3b1;lpha &beta;-blocker AT&amp;T 5&nbsp;mg &lt;low&gt; d&eacute;j&#224;<br title="in>side"/><!-- hidden - it''s --> a&b &nosuch; '
  || repeat('a>', 20000) || '</div>')));
SELECT v, find('Basic', '_id=markup&_text=' || v), fhir_matches(fhir_read('Basic', 'markup'), '_text=' || v) FROM unnest('{café,cafe,muller,αlpha,β-block,at%26t,mg,low,deja,a>a,b}'::text[]) v;
SELECT v, find('Basic', '_id=markup&_text=' || v), fhir_matches(fhir_read('Basic', 'markup'), '_text=' || v) FROM unnest('{uuml,233,amp,nbsp,gt,in,side,title,hidden,nosuch}'::text[]) v;

-- a store that was made before there were words: they are made by the re-index
DROP TABLE sw.word;
CREATE ROLE sw_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA sw TO sw_reader;
UPDATE sw.resource SET key_version = 2, side_sig = 0;
UPDATE sw.store_info SET value = '2' WHERE name = 'key_version';
SET fhir.reindex_worker = off;
\c -
SET fhir.store = sw;
SET fhir.reindex_worker = off;
SELECT fhir_count('Observation', '_content=barefoot');
SELECT put('{"resourceType": "Observation", "id": "o5", "status": "amended", "code": {"text": "x"}, "note": [{"text": "Barefoot at last"}]}');
CALL fhir_reindex();
SELECT find('Observation', '_content=barefoot'), find('Observation', '_content=height'), find('Basic', '_text=w1y');
SELECT has_table_privilege('sw_reader', 'sw.word', 'SELECT'), has_table_privilege('sw_reader', 'sw.word', 'INSERT');

DROP FUNCTION put, find, words;
SET client_min_messages = warning;
SELECT fhir_store_drop('sw', force => true);
DROP ROLE sw_reader;
