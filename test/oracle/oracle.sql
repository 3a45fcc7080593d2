-- oracle.sql: compares one search with fhir_matches over every document of the type.
CREATE SCHEMA oracle;
CREATE TABLE oracle.docs AS
  SELECT r.type, r.id, fhir_document(v.doc) AS doc FROM fhir.resource r JOIN fhir.version v USING (rid, version) WHERE NOT r.deleted LIMIT 0;

CREATE FUNCTION oracle.fill() RETURNS void LANGUAGE sql AS $$
  TRUNCATE oracle.docs;
  INSERT INTO oracle.docs SELECT r.type, r.id, fhir_read(r.type, r.id) FROM fhir.resource r WHERE NOT r.deleted;
  CREATE INDEX IF NOT EXISTS docs_type ON oracle.docs (type);
$$;

-- Who refers to whom, by each reference parameter: for chains and _has.
CREATE TABLE oracle.refs (type text, id text, code text, target_type text, target_id text);
CREATE FUNCTION oracle.fill_refs() RETURNS void LANGUAGE plpgsql AS $$
DECLARE t text; p record; d record;
BEGIN
  TRUNCATE oracle.refs;
  FOR t IN SELECT DISTINCT type FROM oracle.docs LOOP
    FOR p IN SELECT * FROM fhir_search_parameters(t) x WHERE x.kind = 'reference' AND x.expression IS NOT NULL LOOP
      FOR d IN SELECT * FROM oracle.docs x WHERE x.type = t LOOP
        BEGIN
          INSERT INTO oracle.refs
          SELECT DISTINCT t, d.id, p.code, m[1], m[2] FROM fhirpath(d.doc, p.expression::fhirpath) f,
            LATERAL regexp_match(f->>'reference', '^([A-Z][A-Za-z]+)/([A-Za-z0-9.-]{1,64})(/_history/.*)?$') m WHERE jsonb_typeof(f) = 'object' AND m IS NOT NULL
            AND (m[1] = ANY (p.targets) OR 'Resource' = ANY (p.targets) OR p.targets = '{}');
        EXCEPTION WHEN OTHERS THEN NULL;
        END;
      END LOOP;
    END LOOP;
  END LOOP;
  CREATE INDEX IF NOT EXISTS refs_from ON oracle.refs (type, code);
  ANALYZE oracle.refs;
END $$;

-- Ids of type t that satisfy the query, found by looking at every document; chains and _has through oracle.refs.
CREATE FUNCTION oracle.brute(t text, q text) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
  ids text[]; hit text[]; there text[]; part text; name text; val text; hop text; want text; rest text; tt text; plain text := '';
BEGIN
  FOREACH part IN ARRAY string_to_array(q, '&') LOOP
    name := split_part(part, '=', 1);
    val := substr(part, length(name) + 1);
    IF name LIKE '\_has:%' THEN
      tt := split_part(name, ':', 2);
      hop := split_part(name, ':', 3);
      rest := substr(name, 8 + length(tt) + length(hop));
      there := oracle.brute(tt, rest || val);
      SELECT coalesce(array_agg(DISTINCT r.target_id), '{}') INTO hit FROM oracle.refs r
      WHERE r.type = tt AND r.code = hop AND r.target_type = t AND r.id = ANY (there);
    ELSIF name LIKE '%.%' THEN
      hop := split_part(split_part(name, '.', 1), ':', 1);
      want := nullif(split_part(split_part(name, '.', 1), ':', 2), '');
      rest := substr(name, length(split_part(name, '.', 1)) + 2);
      hit := '{}';
      FOR tt IN SELECT DISTINCT r.target_type FROM oracle.refs r WHERE r.type = t AND r.code = hop AND (want IS NULL OR r.target_type = want) LOOP
        there := oracle.brute(tt, rest || val);
        hit := hit || ARRAY(SELECT DISTINCT r.id FROM oracle.refs r WHERE r.type = t AND r.code = hop AND r.target_type = tt
          AND r.target_id = ANY (there));
      END LOOP;
    ELSE
      plain := plain || '&' || part;
      CONTINUE;
    END IF;
    ids := CASE WHEN ids IS NULL THEN hit ELSE ARRAY(SELECT unnest(ids) INTERSECT SELECT unnest(hit)) END;
  END LOOP;
  plain := substr(plain, 2);
  IF plain <> '' THEN -- an error shows even where no document is left to look at
    PERFORM fhir_matches(d.doc, plain) FROM (SELECT * FROM oracle.docs x WHERE x.type = t LIMIT 1) d;
  END IF;
  RETURN ARRAY(SELECT d.id FROM (SELECT * FROM oracle.docs x WHERE x.type = t AND (ids IS NULL OR x.id = ANY (ids)) OFFSET 0) d
    WHERE plain = '' OR fhir_matches(d.doc, plain) ORDER BY d.id);
END $$;

-- {"n": matches} when all agree, else what differs. "skip": the oracle does not know this kind of criterion.
CREATE FUNCTION oracle.compare(t text, q text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  s text[]; m text[]; c bigint; serr text; merr text; cerr text; smsg text; mmsg text;
BEGIN
  BEGIN
    m := oracle.brute(t, q);
  EXCEPTION WHEN OTHERS THEN merr := SQLSTATE; mmsg := SQLERRM;
  END;
  IF merr = 'FH501' THEN RETURN jsonb_build_object('skip', mmsg); END IF;
  BEGIN
    SELECT coalesce(array_agg(r.id ORDER BY r.id), '{}') INTO s FROM fhir_search_rows(t, q || '&_count=100000') r WHERE r.mode = 'match';
  EXCEPTION WHEN OTHERS THEN serr := SQLSTATE; smsg := SQLERRM;
  END;
  BEGIN
    c := fhir_count(t, q);
  EXCEPTION WHEN OTHERS THEN cerr := SQLSTATE;
  END;
  IF merr IS NOT NULL AND serr = merr AND cerr = merr THEN RETURN jsonb_build_object('error', merr); END IF;
  IF s = m AND c = cardinality(m) THEN RETURN jsonb_build_object('n', c); END IF;
  RETURN jsonb_build_object('differ', true, 'search', cardinality(s), 'count', c, 'matches', cardinality(m), 'search_error', serr || ': ' || smsg,
    'matches_error', merr || ': ' || mmsg, 'count_error', cerr,
    'only_search', (SELECT jsonb_agg(x) FROM (SELECT unnest(s) x EXCEPT SELECT unnest(m) LIMIT 3) z),
    'only_matches', (SELECT jsonb_agg(x) FROM (SELECT unnest(m) x EXCEPT SELECT unnest(s) LIMIT 3) z));
END $$;

-- Values that stand where the parameters of a type look: for the generator.
CREATE FUNCTION oracle.samples(t text, k int) RETURNS TABLE (code text, kind text, targets text[], v jsonb) LANGUAGE plpgsql AS $$
DECLARE p record; d jsonb;
BEGIN
  FOR p IN SELECT * FROM fhir_search_parameters(t) LOOP
    code := p.code; kind := p.kind; targets := p.targets; v := NULL;
    RETURN NEXT;
    CONTINUE WHEN p.expression IS NULL;
    FOR d IN SELECT x.doc FROM oracle.docs x WHERE x.type = t ORDER BY md5(x.id || k) LIMIT 40 LOOP
      BEGIN
        FOR v IN SELECT f FROM fhirpath(d, p.expression::fhirpath) f LIMIT 4 LOOP RETURN NEXT; END LOOP;
      EXCEPTION WHEN OTHERS THEN NULL;
      END;
    END LOOP;
  END LOOP;
END $$;
