-- Long values: strings are indexed in overlapping pieces, terms by their start; what a query holds beyond is compared on the document. Search and
-- fhir_matches must agree wherever a piece begins or ends.
CREATE FUNCTION differs(doc jsonb, query text) RETURNS boolean LANGUAGE sql AS $$
	SELECT (fhir_count(doc->>'resourceType', '_id=' || (doc->>'id') || '&' || query) = 1) <> fhir_matches(doc, query)
$$;
CREATE FUNCTION encoded(text) RETURNS text LANGUAGE sql AS $$ SELECT replace($1, ' ', '%20') $$;

DO $$
DECLARE
	words text;
	doc jsonb;
	q text;
	n int;
	at int;
BEGIN
	-- 5,000 bytes, some of them accents and letters that fold to two
	SELECT string_agg(md5(i::text) || CASE i % 7 WHEN 0 THEN 'é ' WHEN 3 THEN 'ß' WHEN 5 THEN '  Ü' ELSE ' ' END, '') INTO words FROM generate_series(1, 140) i;
	doc := jsonb_build_object('resourceType', 'CodeSystem', 'id', 'long', 'status', 'draft', 'content', 'complete', 'description', words,
		'url', 'http://example.org/' || repeat('seg/', 400) || 'end');
	PERFORM fhir_update(doc);
	FOR i IN 0..120 LOOP
		n := 3 + (i * 61) % 700;
		at := 1 + (i * 397) % (length(words) - n);
		FOREACH q IN ARRAY ARRAY['description:contains=' || encoded(substr(words, at, n)), 'description:contains=' || encoded(substr(words, at, n)) || 'q',
			'description=' || encoded(left(words, 900 + i * 2)), 'description=' || encoded(left(words, 900 + i * 2)) || 'q', 'description=' || encoded(substr(words, at, n))] LOOP
			IF differs(doc, q) THEN RAISE EXCEPTION 'search and fhir_matches differ: %', q; END IF;
		END LOOP;
	END LOOP;
	FOREACH n IN ARRAY ARRAY[18, 22, 1000, 1019, 1020, 1023, 1024, 1025, 1199, 1618, 1622, 2000] LOOP
		FOREACH q IN ARRAY ARRAY['url=', 'url:below=', 'url:above='] LOOP
			IF differs(doc, q || left(doc->>'url', n)) OR differs(doc, q || left(doc->>'url', n) || 'x') OR differs(doc, q || (doc->>'url') || '/' || n) THEN
				RAISE EXCEPTION 'search and fhir_matches differ: % %', q, n;
			END IF;
		END LOOP;
	END LOOP;
	doc := jsonb_build_object('resourceType', 'Observation', 'id', 'long', 'status', 'final', 'code', jsonb_build_object('text', words));
	PERFORM fhir_update(doc);
	FOREACH n IN ARRAY ARRAY[1, 40, 1000, 1015, 1020, 1024, 1030, 2000, length(words)] LOOP
		IF differs(doc, 'code:text=' || encoded(left(words, n))) OR differs(doc, 'code:text=' || encoded(left(words, n)) || 'q') THEN
			RAISE EXCEPTION 'search and fhir_matches differ: code:text, %', n;
		END IF;
	END LOOP;
END $$;
SELECT fhir_count('CodeSystem', 'description:contains=' || substr(md5('70'), 1, 20)) AS "in the middle",
	fhir_count('CodeSystem', 'description=' || md5('1')) AS "at the start";
DROP FUNCTION differs, encoded;
SELECT count(fhir_delete(t, 'long')) FROM unnest('{CodeSystem, Observation}'::text[]) t;
