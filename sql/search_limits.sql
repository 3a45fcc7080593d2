-- Limits of a search are settings; each is an error that names it, in SQL and over fhir_http.
\set VERBOSITY terse
\pset tuples_only on
\pset format unaligned
SELECT fhir_store_create('limits');
SET fhir.store = limits;
CREATE FUNCTION try(sql text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE r text; d text; h text; c text;
BEGIN EXECUTE sql INTO r; RETURN r;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS d = PG_EXCEPTION_DETAIL, h = PG_EXCEPTION_HINT, c = PG_DATATYPE_NAME;
	RETURN concat_ws(' | ', SQLSTATE || ' ' || SQLERRM, nullif(d, ''), nullif(h, ''), nullif(c, ''));
END $$;
CREATE FUNCTION rest(url text) RETURNS text LANGUAGE sql AS
$$ SELECT concat_ws(' ', status, headers ->> 'Retry-After', b #>> '{issue,0,code}', b #>> '{issue,0,diagnostics}') FROM (SELECT status, headers, convert_from(body, 'UTF8')::jsonb b FROM fhir_http('GET', url, '{}', NULL)) x $$;
SELECT count(fhir_update(jsonb_build_object('resourceType', 'Patient', 'id', 'p' || i, 'name', jsonb_build_array(jsonb_build_object('family', 'F' || i, 'use', 'usual')), 'link', jsonb_build_array(jsonb_build_object('other', jsonb_build_object('reference', 'Patient/p' || i + 1), 'type', 'seealso'))))) FROM generate_series(1, 3000) i;

-- time: every document is read, which takes longer than a millisecond
SET fhir.search_timeout = '1ms';
SELECT try($$SELECT fhir_count('Patient', '_filter=name.use co "nobody"')$$);
SELECT try($$SELECT fhir_search('Patient', '_filter=name.use co "nobody"')$$);
SELECT try($$SELECT count(*) FROM fhir_search_rows('Patient', '_filter=name.use co "nobody"')$$);
SELECT try($$SELECT count(*) FROM fhir_explain('Patient', '_filter=name.use co "nobody"', true)$$);
SELECT try($$SELECT fhir_create('{"resourceType":"Patient"}', '_filter=name.use co "nobody"')$$);
SELECT try($$SELECT fhir_search('Patient', '_contained=both&_sort=family')$$);
SELECT rest('/Patient?_filter=name.use%20co%20%22nobody%22');
-- the session goes on; no timer is left
SELECT count(*) FROM generate_series(1, 300000) i WHERE i % 7 = 3;
SET fhir.search_timeout = '10min';
SELECT fhir_count('Patient', '_filter=name.family co "nobody"'), fhir_count('Patient', '_filter=name.family sw "f29"');
-- an error of its own stays what it is
SELECT try($$SELECT fhir_count('Patient', 'famly=x')$$);
-- PostgreSQL's own limit is none of the search's
SET statement_timeout = '20ms';
SELECT rest('/Patient?_filter=' || string_agg('name.use%20co%20nobody' || i, '%20or%20')) FROM generate_series(1, 10) i;
RESET statement_timeout;
RESET fhir.search_timeout;

-- steps of chains, included resources, parameters, values
SET fhir.max_chain_depth = 1;
SELECT try($$SELECT fhir_count('Patient', 'link:Patient.link:Patient.name=x')$$);
SET fhir.max_include = 1;
SELECT try($$SELECT fhir_search('Patient', '_include=Patient:link&_count=5')$$);
SET fhir.max_search_parameters = 2;
SELECT try($$SELECT fhir_count('Patient', 'name=a&name=b&name=c')$$);
SET fhir.max_search_values = 2;
SELECT try($$SELECT fhir_count('Patient', 'name=a,b,c')$$);
-- a page is no limit: the rest is behind its links
SET fhir.max_count = 2;
SELECT jsonb_array_length(b -> 'entry'), jsonb_path_query_array(b, '$.link[*].relation') FROM fhir_search('Patient', 'name=f1&_count=100') b;
RESET fhir.store;
SELECT fhir_store_drop('limits', force => true);
DROP FUNCTION try, rest;
