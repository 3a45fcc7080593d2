-- oracle.sql: compares one search with fhir_matches over every document of the type.
CREATE SCHEMA oracle;
CREATE TABLE oracle.docs AS
  SELECT r.type, r.id, fhir_document(v.doc) AS doc, r.last_updated AS changed FROM fhir.resource r JOIN fhir.version v USING (rid, version) WHERE NOT r.deleted LIMIT 0;

-- Contained resources: id is "Type/id#contained" of their container.
CREATE TABLE oracle.inside (type text, id text, container text, doc jsonb);

CREATE FUNCTION oracle.fill() RETURNS void LANGUAGE sql AS $$
  TRUNCATE oracle.docs;
  INSERT INTO oracle.docs SELECT r.type, r.id, fhir_read(r.type, r.id), r.last_updated FROM fhir.resource r WHERE NOT r.deleted;
  CREATE INDEX IF NOT EXISTS docs_type ON oracle.docs (type);
  TRUNCATE oracle.inside;
  INSERT INTO oracle.inside SELECT c ->> 'resourceType', d.type || '/' || d.id || '#' || (c ->> 'id'), d.type || '/' || d.id, c
  FROM oracle.docs d, jsonb_array_elements(d.doc -> 'contained') c WHERE c ? 'id';
$$;

-- Who refers to whom, by each reference parameter: for chains and _has.
CREATE TABLE oracle.refs (type text, id text, code text, target_type text, target_id text, canonical boolean);
-- "#" in a contained resource: its container. Orders lead there, criteria do not.
CREATE TABLE oracle.around (type text, id text, code text, container_type text, container_id text);
CREATE FUNCTION oracle.fill_refs() RETURNS void LANGUAGE plpgsql AS $$
DECLARE t text; p record; d record;
BEGIN
  TRUNCATE oracle.refs, oracle.around;
  FOR t IN SELECT type FROM oracle.docs UNION SELECT type FROM oracle.inside LOOP
    FOR p IN SELECT * FROM fhir_search_parameters(t) x WHERE x.kind = 'reference' AND x.expression IS NOT NULL LOOP
      FOR d IN SELECT x.id, x.doc, x.type || '/' || x.id AS container FROM oracle.docs x WHERE x.type = t UNION ALL SELECT x.id, x.doc, x.container FROM oracle.inside x WHERE x.type = t LOOP
        BEGIN
          INSERT INTO oracle.refs
          SELECT DISTINCT t, d.id, p.code, m[1], m[2], false FROM fhirpath(d.doc, p.expression::fhirpath) f,
            LATERAL regexp_match(f->>'reference', '^([A-Z][A-Za-z]+)/([A-Za-z0-9.-]{1,64})(/_history/.*)?$') m WHERE jsonb_typeof(f) = 'object' AND m IS NOT NULL
            AND (m[1] = ANY (p.targets) OR 'Resource' = ANY (p.targets) OR p.targets = '{}');
          -- canonicals: a type and id, or a url: of those of one type that have it the newest, or the one of the version named
          INSERT INTO oracle.refs
          SELECT DISTINCT t, d.id, p.code, x.type, x.id, true FROM fhirpath(d.doc, CASE WHEN p.expression ~ 'resolve\(' THEN '{}' ELSE p.expression END::fhirpath) f,
            LATERAL (SELECT DISTINCT ON (y.type) y.type, y.id FROM oracle.docs y WHERE (y.type = ANY (p.targets) OR 'Resource' = ANY (p.targets) OR p.targets = '{}')
                AND (f #>> '{}' = y.type || '/' || y.id OR (y.doc ->> 'url' = split_part(f #>> '{}', '|', 1)
                  AND (f #>> '{}' NOT LIKE '%|%' OR y.doc ->> 'version' = split_part(f #>> '{}', '|', 2))))
              ORDER BY y.type, y.changed DESC) x
          WHERE jsonb_typeof(f) = 'string';
          -- "#id": within the container; a restriction by resolve() is evaluated branch by branch
          INSERT INTO oracle.refs
          SELECT DISTINCT t, d.id, p.code, i.type, i.id, false FROM regexp_split_to_table(p.expression, ' \| ') e,
            LATERAL fhirpath(d.doc, regexp_replace(e, '\.where\(resolve\(\) is (\w+)\)', '')::fhirpath) f
            JOIN oracle.inside i ON i.container = d.container AND i.id = d.container || CASE jsonb_typeof(f) WHEN 'object' THEN f ->> 'reference' ELSE f #>> '{}' END
            WHERE coalesce(i.type = (regexp_match(e, 'resolve\(\) is (\w+)'))[1], i.type = ANY (p.targets) OR 'Resource' = ANY (p.targets) OR p.targets = '{}');
          INSERT INTO oracle.around
          SELECT DISTINCT t, d.id, p.code, split_part(d.container, '/', 1), split_part(d.container, '/', 2) FROM regexp_split_to_table(p.expression, ' \| ') e,
            LATERAL fhirpath(d.doc, regexp_replace(e, '\.where\(resolve\(\) is (\w+)\)', '')::fhirpath) f
            WHERE d.id LIKE '%#%' AND CASE jsonb_typeof(f) WHEN 'object' THEN f ->> 'reference' ELSE f #>> '{}' END = '#'
              AND coalesce(split_part(d.container, '/', 1) = (regexp_match(e, 'resolve\(\) is (\w+)'))[1], split_part(d.container, '/', 1) = ANY (p.targets) OR 'Resource' = ANY (p.targets) OR p.targets = '{}');
        EXCEPTION WHEN OTHERS THEN NULL;
        END;
      END LOOP;
    END LOOP;
  END LOOP;
  CREATE INDEX IF NOT EXISTS refs_from ON oracle.refs (type, code);
  ANALYZE oracle.refs;
END $$;

-- Ids of type t that satisfy the query, found by looking at every document; chains and _has through oracle.refs.
-- within: among contained resources instead, to which no _has leads.
CREATE FUNCTION oracle.brute(t text, q text, within boolean DEFAULT false) RETURNS text[] LANGUAGE plpgsql AS $$
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
      WHERE r.type = tt AND r.code = hop AND r.target_type = t AND r.id = ANY (there) AND r.target_id NOT LIKE '%#%' AND NOT within;
    ELSIF name LIKE '%.%' THEN
      hop := split_part(split_part(name, '.', 1), ':', 1);
      want := nullif(split_part(split_part(name, '.', 1), ':', 2), '');
      rest := substr(name, length(split_part(name, '.', 1)) + 2);
      hit := '{}';
      FOR tt IN SELECT DISTINCT r.target_type FROM oracle.refs r WHERE r.type = t AND r.code = hop AND (want IS NULL OR r.target_type = want) LOOP
        there := oracle.brute(tt, rest || val) || oracle.brute(tt, rest || val, true);
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
  IF within THEN
    RETURN ARRAY(SELECT d.id FROM (SELECT * FROM oracle.inside x WHERE x.type = t AND (ids IS NULL OR x.id = ANY (ids)) OFFSET 0) d
      WHERE plain = '' OR fhir_matches(d.doc, plain) ORDER BY d.id);
  END IF;
  RETURN ARRAY(SELECT d.id FROM (SELECT * FROM oracle.docs x WHERE x.type = t AND (ids IS NULL OR x.id = ANY (ids)) OFFSET 0) d
    WHERE plain = '' OR fhir_matches(d.doc, plain) ORDER BY d.id);
END $$;

-- {"n": matches} when all agree, else what differs. "skip": the oracle does not know this kind of criterion.
-- within: by _contained=true, each contained resource a match.
CREATE FUNCTION oracle.compare(t text, q text, within boolean DEFAULT false) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  s text[]; m text[]; c bigint; serr text; merr text; cerr text; smsg text; mmsg text;
BEGIN
  BEGIN
    m := oracle.brute(t, q, within);
  EXCEPTION WHEN OTHERS THEN merr := SQLSTATE; mmsg := SQLERRM;
  END;
  IF merr = 'FH501' THEN RETURN jsonb_build_object('skip', mmsg); END IF;
  IF within THEN q := q || '&_contained=true&_containedType=contained'; END IF;
  BEGIN
    SELECT coalesce(array_agg(x.id ORDER BY x.id), '{}') INTO s FROM (SELECT CASE WHEN within THEN r.type || '/' ELSE '' END || r.id AS id, r.mode FROM fhir_search_rows(t, q || '&_count=100000') r) x WHERE x.mode = 'match';
  EXCEPTION WHEN OTHERS THEN serr := SQLSTATE; smsg := SQLERRM;
  END;
  BEGIN
    c := fhir_count(t, q);
  EXCEPTION WHEN OTHERS THEN cerr := SQLSTATE;
  END;
  -- what is answered can be explained
  IF serr IS NULL AND hashtext(q) % 4 = 0 THEN
    BEGIN
      PERFORM fhir_explain(t, q, hashtext(q) % 8 = 0);
    EXCEPTION WHEN OTHERS THEN serr := 'fhir_explain'; smsg := SQLSTATE || ' ' || SQLERRM;
    END;
  END IF;
  IF merr IS NOT NULL AND serr = merr AND cerr = merr THEN RETURN jsonb_build_object('error', merr); END IF;
  IF serr IS NULL AND s = m AND c = cardinality(m) THEN RETURN jsonb_build_object('n', c); END IF;
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
  -- any string of the documents, whether it counts as a text or not
  kind := 'words'; targets := '{}';
  FOR d IN SELECT x.doc FROM oracle.docs x WHERE x.type = t ORDER BY md5(x.id || k) LIMIT 60 LOOP
    code := '_content';
    FOR v IN SELECT s FROM jsonb_path_query(d, '$.** ? (@.type() == "string")') s ORDER BY md5(s::text || k) LIMIT 10 LOOP RETURN NEXT; END LOOP;
    code := '_text';
    v := d #> '{text,div}';
    IF jsonb_typeof(v) = 'string' THEN RETURN NEXT; END IF;
  END LOOP;
END $$;

-- ---- whole searches: order, pages, includes, result controls (whole.mjs)

-- What each parameter finds in each document, and who refers to whom by canonical URL: material for the evaluation in JavaScript.
CREATE TABLE oracle.vals (type text, id text, code text, kind text, v jsonb);
-- The type that a reference names: by itself, as a contained resource, or in Reference.type. Whether such a resource is there does not matter.
CREATE FUNCTION oracle.names_type(doc jsonb, ref jsonb) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(CASE WHEN ref ->> 'reference' LIKE '#%' THEN (SELECT c ->> 'resourceType' FROM jsonb_array_elements(doc -> 'contained') c WHERE '#' || (c ->> 'id') = ref ->> 'reference')
    ELSE (regexp_match(ref ->> 'reference', '(?:^|/)([A-Z][A-Za-z]+)/[A-Za-z0-9.-]{1,64}(?:/_history/[A-Za-z0-9.-]+)?$'))[1] END, ref ->> 'type') $$;
CREATE FUNCTION oracle.fill_vals() RETURNS void LANGUAGE plpgsql AS $$
DECLARE t text; p record; d record;
BEGIN
  TRUNCATE oracle.vals;
  FOR t IN SELECT type FROM oracle.docs UNION SELECT type FROM oracle.inside LOOP
    FOR p IN SELECT * FROM fhir_search_parameters(t) x WHERE x.kind NOT IN ('composite', 'special') AND x.expression IS NOT NULL LOOP
      FOR d IN SELECT x.id, x.doc FROM oracle.docs x WHERE x.type = t UNION ALL SELECT x.id, x.doc FROM oracle.inside x WHERE x.type = t LOOP
        BEGIN
          INSERT INTO oracle.vals SELECT t, d.id, p.code, p.kind, f
          FROM regexp_split_to_table(CASE WHEN p.expression ~ 'resolve\(' THEN p.expression END, ' \| ') e,
            LATERAL fhirpath(d.doc, regexp_replace(e, '\.where\(resolve\(\) is (\w+)\)', '')::fhirpath) f
          WHERE e !~ 'resolve' OR oracle.names_type(d.doc, f) = (regexp_match(e, 'resolve\(\) is (\w+)'))[1]
          UNION ALL SELECT t, d.id, p.code, p.kind, f FROM fhirpath(d.doc, CASE WHEN p.expression ~ 'resolve\(' THEN '{}' ELSE p.expression END::fhirpath) f;
        EXCEPTION WHEN OTHERS THEN NULL;
        END;
      END LOOP;
    END LOOP;
  END LOOP;
END $$;

-- Ids of type t that satisfy a tree: {"q": criteria}, {"ids": [...]} or by type {"ids": {...}}, {"and": [...]}, {"or": [...]}, {"not": tree}.
CREATE FUNCTION oracle.eval(t text, tree jsonb) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE ids text[]; part text[]; sub jsonb;
BEGIN
  IF tree ? 'q' THEN
    RETURN CASE WHEN tree ->> 'q' = '' THEN ARRAY(SELECT id FROM oracle.docs WHERE type = t) ELSE oracle.brute(t, tree ->> 'q') END;
  ELSIF tree ? 'ids' THEN
    sub := CASE jsonb_typeof(tree -> 'ids') WHEN 'object' THEN coalesce(tree -> 'ids' -> t, '[]') ELSE tree -> 'ids' END;
    RETURN ARRAY(SELECT id FROM oracle.docs WHERE type = t INTERSECT SELECT jsonb_array_elements_text(sub));
  ELSIF tree ? 'not' THEN
    ids := oracle.eval(t, tree -> 'not');
    RETURN ARRAY(SELECT id FROM oracle.docs WHERE type = t EXCEPT SELECT unnest(ids));
  END IF;
  FOR sub IN SELECT * FROM jsonb_array_elements(coalesce(tree -> 'and', tree -> 'or')) LOOP
    part := oracle.eval(t, sub);
    ids := CASE WHEN ids IS NULL THEN part WHEN tree ? 'and' THEN ARRAY(SELECT unnest(ids) INTERSECT SELECT unnest(part))
      ELSE ARRAY(SELECT unnest(ids) UNION SELECT unnest(part)) END;
  END LOOP;
  RETURN coalesce(ids, '{}');
END $$;

-- A page, by fhir_search or, where path is given, over fhir_http.
CREATE FUNCTION oracle.page(t text, path text, q text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE r record;
BEGIN
  IF path IS NULL THEN RETURN fhir_search(t, q); END IF;
  SELECT * INTO r FROM fhir_http('GET', path || '?' || q, '{}', NULL);
  IF r.status <> 200 THEN
    RAISE EXCEPTION USING ERRCODE = 'FH' || r.status, MESSAGE = convert_from(r.body, 'UTF8');
  END IF;
  RETURN convert_from(r.body, 'UTF8')::jsonb;
END $$;
CREATE FUNCTION oracle.link(b jsonb, rel text) RETURNS text LANGUAGE sql AS
$$ SELECT split_part(l ->> 'url', '?', 2) FROM jsonb_array_elements(b -> 'link') l WHERE l ->> 'relation' = rel $$;
CREATE FUNCTION oracle.names(b jsonb, what text) RETURNS jsonb LANGUAGE sql AS $$
  SELECT coalesce(jsonb_agg(coalesce(substring(e ->> 'fullUrl' FROM '[A-Z][A-Za-z]+/[^/#]+#.*$'), (e #>> '{resource,resourceType}') || '/' || (e #>> '{resource,id}')) ORDER BY n), '[]')
  FROM jsonb_array_elements(b -> 'entry') WITH ORDINALITY x(e, n) WHERE e #>> '{search,mode}' = what $$;

-- All pages of a search by "next", with page sizes that change on the way, and back by "previous" from the last one.
CREATE FUNCTION oracle.walk(t text, path text, q text, sizes int[], docs boolean) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE b jsonb; pages jsonb := '[]'; back jsonb := '[]'; l text; k int := 0; sample jsonb; amp text := CASE WHEN q = '' THEN '' ELSE '&' END;
  resize CONSTANT text := '(^|&)_count=\d+';
BEGIN
  b := oracle.page(t, path, q || amp || '_count=' || sizes[1]);
  IF docs THEN sample := b -> 'entry'; END IF;
  LOOP
    pages := pages || jsonb_build_object('m', oracle.names(b, 'match'), 'i', oracle.names(b, 'include'), 'o', jsonb_array_length(oracle.names(b, 'outcome')), 'total', b -> 'total',
      'first', oracle.link(b, 'first') IS NOT NULL, 'previous', oracle.link(b, 'previous') IS NOT NULL, 'self', oracle.link(b, 'self'), 'n', sizes[1 + k % cardinality(sizes)]);
    l := oracle.link(b, 'next');
    EXIT WHEN l IS NULL;
    k := k + 1;
    IF k > 5000 THEN RAISE EXCEPTION 'pages do not end'; END IF;
    b := oracle.page(t, path, regexp_replace(l, resize, '\1_count=' || sizes[1 + k % cardinality(sizes)]));
  END LOOP;
  k := 0;
  LOOP
    l := oracle.link(b, 'previous');
    EXIT WHEN l IS NULL;
    k := k + 1;
    IF k > 5000 THEN RAISE EXCEPTION 'pages backward do not end'; END IF;
    b := oracle.page(t, path, regexp_replace(l, resize, '\1_count=' || sizes[cardinality(sizes) - k % cardinality(sizes)]));
    back := jsonb_build_array(oracle.names(b, 'match')) || back;
  END LOOP;
  RETURN jsonb_build_object('pages', pages, 'back', back, 'sample', sample);
END $$;

-- Both answers to one whole search; errors by their SQLSTATE.
CREATE FUNCTION oracle.whole(types text[], tree jsonb, t text, path text, q text, rate float[], docs boolean, contained text, explain text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE want jsonb := '{}'; got jsonb; x text; n int := 0; merr text; mmsg text; serr text; smsg text; ids text[]; inside text[]; rows jsonb; c bigint; xerr text;
BEGIN
  BEGIN
    FOREACH x IN ARRAY types LOOP
      ids := oracle.eval(x, tree);
      n := n + cardinality(ids);
      want := want || jsonb_build_object(x, to_jsonb(ids));
    END LOOP;
    IF contained IS NOT NULL THEN
      inside := CASE WHEN contained = '' THEN ARRAY(SELECT x.id FROM oracle.inside x WHERE x.type = t) ELSE oracle.brute(t, contained, true) END;
      n := n + cardinality(inside);
    END IF;
  EXCEPTION WHEN OTHERS THEN merr := SQLSTATE; mmsg := SQLERRM;
  END;
  -- a contained resource is known by its fullUrl alone
  IF contained IS NOT NULL THEN PERFORM set_config('fhir.base_url', 'http://oracle.example.org', true); END IF;
  BEGIN
    got := oracle.walk(t, path, q, ARRAY(SELECT 1 + floor(r * (2 + n / 4))::int FROM unnest(rate) r), docs);
    IF path IS NULL OR contained IS NOT NULL THEN
      SELECT coalesce(jsonb_agg(r.type || '/' || r.id) FILTER (WHERE r.mode = 'match'), '[]') INTO rows FROM fhir_search_rows(t, q || CASE WHEN q = '' THEN '' ELSE '&' END || '_count=100000') r;
      c := fhir_count(t, q);
    END IF;
  EXCEPTION WHEN OTHERS THEN serr := SQLSTATE; smsg := SQLERRM;
  END;
  IF path IS NULL AND explain <> '' AND serr IS NULL THEN
    BEGIN
      PERFORM fhir_explain(t, q, explain = 'run');
    EXCEPTION WHEN OTHERS THEN xerr := SQLSTATE || ' ' || SQLERRM;
    END;
  END IF;
  RETURN jsonb_build_object('explain_error', xerr, 'inside', to_jsonb(inside), 'want', want, 'got', got, 'rows', rows, 'count', c, 'want_error', merr, 'got_error', serr, 'want_message', mmsg, 'got_message', smsg);
END $$;
