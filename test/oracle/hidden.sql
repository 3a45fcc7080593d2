-- hidden.sql: one search as text: all pages forward, the first ones back, rows and count; without the time at which it ran.
CREATE SCHEMA diff;
CREATE TABLE diff.hidden (type text COLLATE "C", id text COLLATE "C", PRIMARY KEY (type, id));
CREATE FUNCTION diff.page(t text, path text, q text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE r record;
BEGIN
  IF path IS NULL THEN RETURN fhir_search(t, q) #- '{meta,lastUpdated}'; END IF;
  SELECT * INTO r FROM fhir_http('GET', path || '?' || q, '{}', NULL);
  IF r.status <> 200 THEN RAISE EXCEPTION USING ERRCODE = 'FH' || r.status, MESSAGE = convert_from(r.body, 'UTF8')::jsonb ->> 'issue'; END IF;
  RETURN convert_from(r.body, 'UTF8')::jsonb #- '{meta,lastUpdated}' #- '{id}';
END $$;
CREATE FUNCTION diff.link(b jsonb, rel text) RETURNS text LANGUAGE sql AS
$$ SELECT split_part(l ->> 'url', '?', 2) FROM jsonb_array_elements(b -> 'link') l WHERE l ->> 'relation' = rel $$;
CREATE FUNCTION diff.answer(t text, path text, q text, size int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE b jsonb; out text := ''; l text; n int := 0;
BEGIN
  BEGIN
    b := diff.page(t, path, q || CASE WHEN q = '' THEN '' ELSE '&' END || '_count=' || size);
    LOOP
      out := out || b;
      l := diff.link(b, 'next');
      n := n + 1;
      EXIT WHEN l IS NULL OR n > 12;
      b := diff.page(t, path, l);
    END LOOP;
    FOR i IN 1 .. 3 LOOP
      l := diff.link(b, 'previous');
      EXIT WHEN l IS NULL;
      b := diff.page(t, path, l);
      out := out || b;
    END LOOP;
    IF path IS NULL THEN
      out := out || fhir_count(t, q) || (SELECT coalesce(string_agg(r.type || r.id || r.mode, ','), '') FROM fhir_search_rows(t, q) r)
        || (fhir_search(t, q || '&_summary=count') ->> 'total');
    END IF;
  EXCEPTION WHEN OTHERS THEN
    out := out || SQLSTATE || ' ' || SQLERRM;
  END;
  RETURN out;
END $$;
