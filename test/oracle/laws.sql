-- laws.sql: what searches must hold to among themselves, whatever they find (laws.mjs).

-- For each search, type (null: all) and query: ids of its matches in their order, or the SQLSTATE of its error.
CREATE FUNCTION oracle.sets(types text[], qs text[]) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE out jsonb := '[]'; ids jsonb; c bigint;
BEGIN
  FOR i IN 1 .. cardinality(qs) LOOP
    BEGIN
      SELECT coalesce(jsonb_agg(r.type || '/' || r.id) FILTER (WHERE r.mode = 'match'), '[]') INTO ids FROM fhir_search_rows(types[i], qs[i] || CASE WHEN qs[i] = '' THEN '' ELSE '&' END || '_count=100000') r;
      c := fhir_count(types[i], qs[i]);
      out := out || CASE WHEN c = jsonb_array_length(ids) THEN jsonb_build_array(ids) ELSE to_jsonb(format('count %s for %s', c, jsonb_array_length(ids))) END;
    EXCEPTION WHEN OTHERS THEN out := out || to_jsonb(SQLSTATE);
    END;
  END LOOP;
  RETURN jsonb_build_object('sets', out);
END $$;

CREATE FUNCTION oracle.without_urls(b jsonb) RETURNS jsonb LANGUAGE sql AS $$
  SELECT jsonb_build_object('total', b -> 'total', 'links', (SELECT jsonb_agg(jsonb_build_array(l ->> 'relation', split_part(l ->> 'url', '?', 2)) ORDER BY n) FROM jsonb_array_elements(b -> 'link') WITH ORDINALITY x(l, n)),
    'entries', coalesce((SELECT jsonb_agg(e - 'fullUrl' ORDER BY n) FROM jsonb_array_elements(b -> 'entry') WITH ORDINALITY x(e, n)), '[]')) $$;
-- One search by all its doors: GET, POST, fhir_search, fhir_search_rows.
CREATE FUNCTION oracle.doors(t text, q text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE g record; p record; a jsonb; b jsonb; s jsonb; rows jsonb; want jsonb; e text := 'FH200'; r text := 'FH200';
BEGIN
  SELECT * INTO g FROM fhir_http('GET', '/' || coalesce(t, '') || '?' || q, '{}', NULL);
  SELECT * INTO p FROM fhir_http('POST', coalesce('/' || t, '') || '/_search', '{"content-type": "application/x-www-form-urlencoded"}', convert_to(q, 'UTF8'));
  BEGIN
    s := oracle.without_urls(fhir_search(t, q));
  EXCEPTION WHEN OTHERS THEN e := SQLSTATE;
  END;
  BEGIN
    SELECT coalesce(jsonb_agg(jsonb_build_array(x.mode, x.type, x.id) ORDER BY n), '[]') INTO rows FROM fhir_search_rows(t, q) WITH ORDINALITY x(type, id, version_id, last_updated, mode, resource, n);
  EXCEPTION WHEN OTHERS THEN r := SQLSTATE;
  END;
  IF g.status <> p.status OR 'FH' || g.status <> e OR r <> e THEN
    RETURN jsonb_build_object('differ', format('GET %s, POST %s, fhir_search %s, fhir_search_rows %s', g.status, p.status, e, r));
  END IF;
  IF g.status <> 200 THEN RETURN jsonb_build_object('error', e); END IF;
  a := oracle.without_urls(convert_from(g.body, 'UTF8')::jsonb);
  b := oracle.without_urls(convert_from(p.body, 'UTF8')::jsonb);
  SELECT coalesce(jsonb_agg(jsonb_build_array(x #>> '{search,mode}', x #>> '{resource,resourceType}', x #>> '{resource,id}') ORDER BY n), '[]') INTO want
  FROM jsonb_array_elements(s -> 'entries') WITH ORDINALITY y(x, n);
  RETURN jsonb_build_object('n', jsonb_array_length(rows), 'differ', CASE WHEN a <> b THEN 'GET and POST differ' WHEN a <> s THEN 'GET and fhir_search differ' WHEN rows <> want THEN 'fhir_search and fhir_search_rows differ' END);
END $$;

-- A page's link to the next, made into something else: another place (a character at share `at` of the cursor), another search.
CREATE FUNCTION oracle.forge(t text, q text, other_t text, other_q text, at float, letter text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE c text; forged text; trial record; n int := 0;
BEGIN
  BEGIN
    c := substring(oracle.link(fhir_search(t, q || '&_count=1'), 'next') FROM '_cursor=([^&]*)');
  EXCEPTION WHEN OTHERS THEN RETURN jsonb_build_object('error', SQLSTATE);
  END;
  IF c IS NULL THEN RETURN '{"n": 0}'; END IF;
  forged := overlay(c PLACING letter FROM 1 + floor(at * length(c))::int FOR 1);
  FOR trial IN SELECT * FROM (VALUES (t, q, forged, 'a changed letter'), (t, q, left(c, floor(at * length(c))::int), 'a part'), (t, q, c || letter, 'a letter more'),
      (other_t, '', c, 'another type'), (t, other_q, c, 'other criteria'), (t, q || '&_sort=_lastUpdated,-_id,_id', c, 'another order')) x(type, query, cursor, what)
    WHERE cursor <> c OR type <> t OR query <> q
  LOOP
    BEGIN
      PERFORM fhir_search(trial.type, trial.query || CASE WHEN trial.query = '' THEN '' ELSE '&' END || '_cursor=' || trial.cursor);
      RETURN jsonb_build_object('differ', 'accepted: ' || trial.what, 'cursor', c, 'forged', trial.cursor);
    EXCEPTION WHEN OTHERS THEN
      IF SQLERRM NOT LIKE '%\_cursor%' AND trial.what NOT LIKE '%other%' THEN RETURN jsonb_build_object('differ', SQLSTATE || ' ' || SQLERRM || ' for ' || trial.what); END IF;
    END;
    n := n + 1;
  END LOOP;
  RETURN jsonb_build_object('n', n);
END $$;

-- With Prefer: handling=lenient a pair that is not understood is left out, and told; without it is refused.
CREATE FUNCTION oracle.lenient(t text, q text, pair text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE plain record; l record; s record; a jsonb; b jsonb;
BEGIN
  SELECT * INTO plain FROM fhir_http('GET', '/' || t || '?' || q || '&_count=1000', '{}', NULL);
  IF plain.status <> 200 THEN RETURN jsonb_build_object('error', 'FH' || plain.status); END IF;
  SELECT * INTO l FROM fhir_http('GET', '/' || t || '?' || q || '&_count=1000&' || pair, '{"prefer": "handling=lenient"}', NULL);
  SELECT * INTO s FROM fhir_http('GET', '/' || t || '?' || pair || '&' || q || '&_count=1000', '{"prefer": "handling=strict"}', NULL);
  IF l.status <> 200 OR s.status <> 400 THEN RETURN jsonb_build_object('differ', format('lenient %s, strict %s', l.status, s.status), 'pair', pair); END IF;
  a := convert_from(plain.body, 'UTF8')::jsonb;
  b := convert_from(l.body, 'UTF8')::jsonb;
  RETURN jsonb_build_object('n', jsonb_array_length(oracle.names(a, 'match')), 'pair', pair, 'differ', CASE WHEN oracle.names(a, 'match') <> oracle.names(b, 'match') THEN 'matches differ'
    WHEN jsonb_array_length(oracle.names(b, 'outcome')) <> 1 THEN 'no outcome' WHEN oracle.link(a, 'self') <> oracle.link(b, 'self') THEN 'self: ' || oracle.link(b, 'self') WHEN a -> 'total' <> b -> 'total' THEN 'total' END);
END $$;

-- _filter on elements, narrowed by what an index knows, and the same on every document. negated: not (...).
CREATE FUNCTION oracle.elements(t text, code text, rest text, negated boolean) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE s text[]; m text[]; q text; serr text; merr text;
  esc CONSTANT text[] := ARRAY['%', '&', '+', '#', '='];
BEGIN
  q := CASE WHEN negated THEN 'not (' || code || rest || ')' ELSE code || rest END;
  FOR i IN 1 .. 5 LOOP q := replace(q, esc[i], '%' || to_hex(ascii(esc[i]))); rest := replace(rest, esc[i], '%' || to_hex(ascii(esc[i]))); END LOOP;
  BEGIN
    SELECT coalesce(array_agg(r.id ORDER BY r.id), '{}') INTO s FROM fhir_search_rows(t, '_filter=' || q) r;
  EXCEPTION WHEN OTHERS THEN serr := SQLSTATE;
  END;
  BEGIN
    SELECT coalesce(array_agg(d.id ORDER BY d.id), '{}') INTO m FROM oracle.docs d WHERE d.type = t AND fhir_matches(d.doc, code || ':~[]=' || rest) <> negated;
  EXCEPTION WHEN OTHERS THEN merr := SQLSTATE;
  END;
  -- the evaluation alone does not know of names that no element has
  IF serr IS NOT NULL OR merr IS NOT NULL THEN RETURN CASE WHEN serr = merr OR serr = 'FH400' THEN jsonb_build_object('error', serr) ELSE jsonb_build_object('differ', true, 'search', serr, 'documents', merr) END; END IF;
  RETURN CASE WHEN s = m THEN jsonb_build_object('n', cardinality(s)) ELSE jsonb_build_object('differ', true, 'search', cardinality(s), 'documents', cardinality(m),
    'only_search', (SELECT jsonb_agg(x) FROM (SELECT unnest(s) x EXCEPT SELECT unnest(m) LIMIT 3) z), 'only_documents', (SELECT jsonb_agg(x) FROM (SELECT unnest(m) x EXCEPT SELECT unnest(s) LIMIT 3) z)) END;
END $$;
