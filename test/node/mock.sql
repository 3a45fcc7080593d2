-- A stand-in for the extension, to test the gateway alone: a fhir_http whose answer the request's path chooses,
-- so that slow statements, big bodies, errors and restarts come when a test wants them. For a throwaway
-- database only: it enters the extension in the catalog by hand, so that the gateway's version check passes.
CREATE TABLE mock (id text PRIMARY KEY, body bytea);

CREATE FUNCTION fhir_http(text, text, jsonb, bytea,
						  OUT status int, OUT headers jsonb, OUT body bytea)
LANGUAGE plpgsql AS $$
DECLARE
	path text := split_part($2, '?', 1);
	query text := split_part($2, '?', 2);
	id text := split_part(path, '/', 3);
BEGIN
	status := 200;
	headers := '{"Content-Type": "application/fhir+json", "ETag": "W/\"1\""}';
	CASE split_part(path, '/', 2)
		WHEN 'echo' THEN
			body := convert_to(jsonb_build_object('method', $1, 'url', $2, 'headers', $3, 'length', length($4),
				'md5', md5($4))::text, 'UTF8');
		WHEN 'mirror' THEN
			body := $4;
		WHEN 'sleep' THEN
			PERFORM pg_sleep(id::float);
			body := '{}';
		WHEN 'big' THEN
			body := convert_to('"' || repeat('0123456789abcdef', id::int / 16) || '"', 'UTF8');
		WHEN 'raise' THEN
			RAISE EXCEPTION 'raised by request' USING ERRCODE = id;
		WHEN 'status' THEN
			status := id;
			IF status NOT IN (204, 304) THEN
				body := '{}';
			END IF;
		WHEN 'header' THEN
			headers := headers || jsonb_build_object('X-Split', E'a\r\nX-Injected: b', E'X-Name\r\nX-Injected', 'c', 'X-Fine', 'd');
			body := '{}';
		WHEN 'bad' THEN
			status := 7;
		WHEN 'Thing' THEN
			IF $1 = 'PUT' THEN
				INSERT INTO mock VALUES (id, $4);
				PERFORM pg_sleep(coalesce(nullif(query, ''), '0')::float);
				status := 201;
				body := $4;
				headers := headers || jsonb_build_object('Location', ($3->>'x-fhir-base') || path);
			ELSE
				IF id LIKE 'fail-%' THEN
					RAISE EXCEPTION 'raised by request' USING ERRCODE = substr(id, 6);
				END IF;
				PERFORM pg_sleep(coalesce(nullif(query, ''), '0')::float);
				SELECT m.body INTO body FROM mock m WHERE m.id = split_part(path, '/', 3);
				IF NOT found THEN
					status := 404;
					body := '{"resourceType":"OperationOutcome"}';
				END IF;
			END IF;
		ELSE
			status := 404;
			body := '{"resourceType":"OperationOutcome"}';
	END CASE;
END $$;

INSERT INTO pg_catalog.pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
VALUES (16000, 'fhir', 10, 'public'::regnamespace, false, '0.1');
