-- History of a resource, a type and the store.
\set VERBOSITY terse
\pset format unaligned
\pset tuples_only on
CREATE FUNCTION entries(h jsonb) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT concat_ws(' ', e ->> 'fullUrl', e #>> '{request,method}', e #>> '{request,url}', e #>> '{response,status}', e #>> '{response,etag}', e #>> '{resource,meta,versionId}')
	FROM jsonb_array_elements(h -> 'entry') e $$;
-- the parameters of the link to the next page
CREATE FUNCTION next(h jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT split_part(l ->> 'url', '?', 2) FROM jsonb_array_elements(h -> 'link') l WHERE l ->> 'relation' = 'next' $$;
SELECT count(fhir_update(('{"resourceType":"Patient","id":"h1","active":' || b || '}')::jsonb)) FROM unnest('{true,false,true}'::text[]) b;
SELECT count(fhir_delete('Patient', 'h1'));
SELECT count(fhir_update('{"resourceType":"Patient","id":"h1"}'));
SELECT count(fhir_patch('Patient', 'h1', '[{"op":"add","path":"/gender","value":"male"}]'));
SELECT count(fhir_update('{"resourceType":"Group","id":"g1","type":"person","actual":true}'));
SELECT entries(fhir_history('Patient', 'h1'));
SELECT h ->> 'type', h ->> 'total', h #> '{entry,2,resource}' IS NULL, h -> 'link' FROM fhir_history('Patient', 'h1') h;
SELECT entries(fhir_history('Group')), fhir_history() ->> 'total', fhir_history('Device') -> 'total', fhir_history('Device') ? 'entry';
-- pages: each version once, in order
WITH RECURSIVE page(n, h) AS (SELECT 1, fhir_history(query => '_count=3&_total=accurate') UNION ALL
	SELECT n + 1, fhir_history(query => next(h)) FROM page WHERE next(h) IS NOT NULL AND n < 9)
SELECT count(DISTINCT n) AS pages, max(h ->> 'total') AS total, count(e), count(DISTINCT e) AS different,
	array_agg(e #>> '{response,lastModified}' ORDER BY n, i) = array_agg(e #>> '{response,lastModified}' ORDER BY e #>> '{response,lastModified}' DESC) AS sorted
FROM page, jsonb_array_elements(h -> 'entry') WITH ORDINALITY x(e, i);
SELECT fhir_history(query => '_count=3') ? 'total' AS counted, fhir_history('Patient', query => '_count=100') ? 'total' AS known;
SELECT fhir_history('Patient', NULL, '_count=0') ->> 'total', fhir_history('Patient', NULL, '_count=0') ? 'entry';
-- _since and _at: versions by their times
SELECT v.last_updated AS t3 FROM fhir.version v JOIN fhir.resource r USING (rid) WHERE r.id = 'h1' AND v.version = 3 \gset
SELECT entries(fhir_history('Patient', 'h1', '_since=' || to_char(:'t3'::timestamptz AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')));
SELECT entries(fhir_history('Patient', 'h1', '_at=' || to_char(:'t3'::timestamptz AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')));
SELECT fhir_history('Patient', 'h1', '_at=2001') ->> 'total', fhir_history('Patient', 'h1', '_at=2999') ->> 'total', fhir_history(query => '_since=2999') ->> 'total';
SELECT fhir_history('Patient', 'nobody');
SELECT fhir_history('Patient', 'h1', '_count=x');
SELECT fhir_history('Patient', 'h1', '_since=yesterday');
SELECT fhir_history('Patient', 'h1', '_cursor=1-2-3%27;');
SELECT fhir_history('Patient', 'h1', 'name=x');
SELECT fhir_history(NULL, 'h1');
-- parts of the resources, or their number alone; links keep what was asked for
SELECT (e -> 'resource') - 'meta', e #> '{resource,meta,tag}' IS NOT NULL FROM jsonb_array_elements(fhir_history('Patient', 'h1', '_elements=gender&_count=2') -> 'entry') e;
SELECT (e -> 'resource') - 'meta' FROM jsonb_array_elements(fhir_history('Group', NULL, '_elements=Patient.gender,Group.type&_count=1') -> 'entry') e;
SELECT h #> '{entry,0,resource}' ? 'active', h #> '{entry,0,resource,meta,tag,0,code}', h #>> '{link,0,url}', next(h) LIKE '_summary=text&_count=1&_pretty=true&_cursor=%' FROM fhir_history('Patient', 'h1', '_summary=text&_count=1&_pretty=true') h;
SELECT fhir_history('Patient', 'h1', '_summary=count') ->> 'total', fhir_history('Patient', 'h1', '_summary=count') ? 'entry', fhir_history('Patient', 'h1', '_summary=false&_count=1') #> '{entry,0,resource,meta}' ? 'tag';
SELECT fhir_history('Patient', 'h1', '_summary=all');
SELECT fhir_history('Patient', 'h1', '_elements=,');
-- with an absolute base
SET fhir.base_url = 'http://example.org/fhir';
SELECT h #>> '{entry,0,fullUrl}', h #>> '{link,0,url}' FROM fhir_history('Group', 'g1', '_count=5') h;
RESET fhir.base_url;
DROP FUNCTION entries, next;
TRUNCATE fhir.resource, fhir.version, fhir.ordered, fhir.string, fhir.term;
