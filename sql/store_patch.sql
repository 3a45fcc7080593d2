-- JSON Patch and FHIRPath Patch.
\set VERBOSITY terse
\pset format unaligned
\pset tuples_only on
CREATE FUNCTION try(sql text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE r text; d text;
BEGIN EXECUTE sql INTO r; RETURN r;
EXCEPTION WHEN OTHERS THEN GET STACKED DIAGNOSTICS d = PG_EXCEPTION_DETAIL;
	RETURN SQLSTATE || ' ' || SQLERRM || CASE WHEN d <> '' THEN ' | ' || d ELSE '' END;
END $$;
-- a Parameters resource of one operation; value: a part's members
CREATE FUNCTION op(type text, path text, value jsonb DEFAULT NULL, name text DEFAULT NULL, i int DEFAULT NULL, src int DEFAULT NULL, dst int DEFAULT NULL) RETURNS jsonb
LANGUAGE sql AS $$ SELECT jsonb_build_object('resourceType', 'Parameters', 'parameter', jsonb_build_array(jsonb_build_object('name', 'operation', 'part',
	(SELECT jsonb_agg(p) FROM (VALUES (jsonb_build_object('name', 'type', 'valueCode', type)), (jsonb_build_object('name', 'path', 'valueString', path)),
		(jsonb_build_object('name', 'value') || value), (CASE WHEN name <> '' THEN jsonb_build_object('name', 'name', 'valueString', name) END),
		(CASE WHEN i >= 0 THEN jsonb_build_object('name', 'index', 'valueInteger', i) END), (CASE WHEN src >= 0 THEN jsonb_build_object('name', 'source', 'valueInteger', src) END),
		(CASE WHEN dst >= 0 THEN jsonb_build_object('name', 'destination', 'valueInteger', dst) END)) x(p) WHERE p IS NOT NULL)))) $$;
CREATE FUNCTION patch(p jsonb) RETURNS text LANGUAGE sql AS $$ SELECT try(format('SELECT fhir_patch(''Patient'', ''x'', %L) - ''meta'' - ''id'' - ''resourceType''', p)) $$;
SELECT count(fhir_update('{"resourceType":"Patient","id":"x","active":true,"name":[{"family":"A","given":["b","c"]}],"birthDate":"1970","_birthDate":{"id":"d"},
	"extension":[{"url":"http://e","valueDecimal":1.50}],"multipleBirthBoolean":false}'));
-- JSON Patch: each operation; digits stay
SELECT patch('[{"op":"test","path":"/extension/0/valueDecimal","value":1.5},{"op":"replace","path":"/name/0/given/1","value":"C"},
	{"op":"add","path":"/name/0/given/-","value":"d"},{"op":"copy","from":"/name/0","path":"/name/1"},{"op":"move","from":"/name/1/family","path":"/name/1/text"},{"op":"remove","path":"/name/1/given"}]');
SELECT patch(p) FROM unnest(ARRAY['[{"op":"test","path":"/active","value":false}]', '[{"op":"remove","path":"/nothing"}]', '[{"op":"add","path":"/name/7","value":{}}]',
	'[{"op":"replace","path":"/id","value":"y"}]', '[{"op":"replace","path":"/resourceType","value":"Group"}]', '[{"op":"replace","path":"","value":5}]', '[{"op":"add","path":"/birthDate","value":"20"}]',
	'[{"op":"frob","path":"/x"}]', '[{"op":"add","path":"name","value":1}]', '[{"path":"/x"}]', '[7]', '{"a":1}', '"x"', '[{"op":"move","from":"/name","path":"/name/0/x"}]']::jsonb[]) p;
-- FHIRPath Patch: each operation
SELECT patch(op('add', 'Patient', '{"valueCode":"male"}', 'gender'));
SELECT patch(op('add', 'Patient', '{"part":[{"name":"name","valueHumanName":{"text":"n"}},{"name":"telecom","valueContactPoint":{"value":"1"}}]}', 'contact'));
SELECT patch(op('add', 'Patient.contact[0]', '{"valueCode":"female"}', 'gender'));
SELECT patch(op('insert', 'Patient.name[0].given', '{"valueString":"a"}', i => 0));
SELECT patch(op('insert', 'Patient.address', '{"valueAddress":{"city":"Lund"}}', i => 0));
SELECT patch(op('move', 'Patient.name[0].given', src => 3, dst => 0));
SELECT patch(op('replace', 'Patient.birthDate', '{"valueDate":"1971-02-03"}'));
SELECT patch(op('replace', 'Patient.active', '{"valueBoolean":false}'));
SELECT patch(op('replace', 'Patient.multipleBirth', '{"valueInteger":2}'));
SELECT patch(op('replace', 'Patient.name.where(family=''A'').family', '{"valueString":"Å"}'));
SELECT patch(op('delete', 'Patient.name[0].given[0]'));
SELECT patch(op('delete', 'Patient.contact.name.text'));
SELECT patch(op('delete', 'Patient.extension.where(url=''http://e'')'));
SELECT patch(op('delete', 'Patient.photo'));
SELECT patch(p) FROM unnest(ARRAY[op('add', 'Patient', '{"valueCode":"male"}', 'gender'), op('add', 'Patient', '{"valueCode":"male"}', 'nmae'), op('add', 'Patient.photo', '{"valueString":"x"}', 'title'),
	op('delete', 'Patient.name'), op('replace', 'Patient.photo', '{"valueString":"x"}'), op('insert', 'Patient.name', '{"valueHumanName":{}}', i => 9), op('move', 'Patient.name', src => 0, dst => 5), op('delete', 'Patient'),
	op('explode', 'Patient'), op('add', 'Patient..', '{"valueCode":"male"}', 'gender'), op('add', 'Patient', NULL, 'gender'), '{"resourceType":"Parameters","parameter":[{"name":"x"}]}', '{"resourceType":"Parameters","parameter":[5]}']) p;
-- a patch of nothing, with preconditions, and of what is not there
SELECT try($$SELECT fhir_patch('Patient', 'x', '[]', 'W/"1"')$$);
SELECT try($$SELECT fhir_patch('Patient', 'nobody', '[]')$$);
SELECT count(fhir_delete('Patient', 'x'));
SELECT regexp_replace(try($$SELECT fhir_patch('Patient', 'x', '[]')$$), 'at [^ ]+', 'at …');
-- any document
SELECT fhir_json_patch('{"a":[1.10,{"b~/":null}]}', '[{"op":"copy","from":"/a/0","path":"/a/1/b~0~1"},{"op":"add","path":"/a/0","value":"x"}]');
DROP FUNCTION try, op, patch;
TRUNCATE fhir.resource, fhir.version, fhir.ordered, fhir.string, fhir.term;
