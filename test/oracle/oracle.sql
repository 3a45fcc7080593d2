-- oracle.sql: compares one search with fhir_matches over every document of the type.
CREATE SCHEMA oracle;
CREATE TABLE oracle.docs AS
  SELECT r.type, r.id, fhir_document(v.doc) AS doc FROM fhir.resource r JOIN fhir.version v USING (rid, version) WHERE NOT r.deleted LIMIT 0;

CREATE FUNCTION oracle.fill() RETURNS void LANGUAGE sql AS $$
  TRUNCATE oracle.docs;
  INSERT INTO oracle.docs SELECT r.type, r.id, fhir_read(r.type, r.id) FROM fhir.resource r WHERE NOT r.deleted;
  CREATE INDEX IF NOT EXISTS docs_type ON oracle.docs (type);
$$;

-- {"n": matches} when all agree, else what differs. "skip": the oracle does not know this kind of criterion.
CREATE FUNCTION oracle.compare(t text, q text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  s text[]; m text[]; c bigint; serr text; merr text; cerr text; smsg text; mmsg text;
BEGIN
  BEGIN
    SELECT coalesce(array_agg(d.id ORDER BY d.id), '{}') INTO m FROM oracle.docs d WHERE d.type = t AND fhir_matches(d.doc, q);
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
