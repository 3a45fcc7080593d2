-- Search. STABLE: it reads tables with the caller's snapshot. PARALLEL RESTRICTED: it runs statements (SPI) and caches their plans in the backend.
CREATE FUNCTION fhir_search(type text, query text DEFAULT '') RETURNS jsonb
AS 'MODULE_PATHNAME', 'fhir_search' LANGUAGE C STABLE PARALLEL RESTRICTED COST 10000;
COMMENT ON FUNCTION fhir_search(text, text) IS
'searchset Bundle of the resources of a type (NULL: of all types) that satisfy a query such as name=peter&birthdate=ge1990';

CREATE FUNCTION fhir_search_rows(type text, query text DEFAULT '', OUT type text, OUT id text, OUT version_id integer,
                                 OUT last_updated timestamptz, OUT mode text, OUT resource jsonb) RETURNS SETOF record
AS 'MODULE_PATHNAME', 'fhir_search_rows' LANGUAGE C STABLE PARALLEL RESTRICTED COST 10000 ROWS 1000;
COMMENT ON FUNCTION fhir_search_rows(text, text) IS
'the same search as rows, for joins; all matches unless the query has _count';

CREATE FUNCTION fhir_count(type text, query text DEFAULT '') RETURNS bigint
AS 'MODULE_PATHNAME', 'fhir_count' LANGUAGE C STABLE PARALLEL RESTRICTED COST 10000;
COMMENT ON FUNCTION fhir_count(text, text) IS 'exact number of resources that satisfy a query';

-- VOLATILE: EXPLAIN is a command, which functions that are not volatile may not run.
CREATE FUNCTION fhir_explain(type text, query text, "analyze" boolean DEFAULT false) RETURNS SETOF text
AS 'MODULE_PATHNAME', 'fhir_explain' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION fhir_explain(text, text, boolean) IS
'how a search runs, line by line: how many resources of the type there are; for each criterion its shape, the index that answers it and the rows that it is thought
to leave (with analyze: and those that it leaves, if rows need not be asked one by one), with a WARNING where no index answers it; then each statement in its order (--), its SQL, its parameters, and
PostgreSQL''s plan. With analyze the plans are run and timed';

-- Called by the statements of search. Not for applications: they may change.
CREATE FUNCTION fhir_keys_any(keys bigint[], sorted bigint[]) RETURNS boolean
AS 'MODULE_PATHNAME', 'fhir_keys_any' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
COMMENT ON FUNCTION fhir_keys_any(bigint[], bigint[]) IS 'internal to search: is any element in the sorted array?';
CREATE FUNCTION fhir_ordered_any(ord bigint[], boxes bigint[]) RETURNS boolean
AS 'MODULE_PATHNAME', 'fhir_ordered_any' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 3;
COMMENT ON FUNCTION fhir_ordered_any(bigint[], bigint[]) IS 'internal to search: does any (key, lo, hi) lie in any of the boxes?';
CREATE FUNCTION fhir_ordered_value(ord bigint[], keys bigint[], highest boolean) RETURNS bigint
AS 'MODULE_PATHNAME', 'fhir_ordered_value' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 3;
COMMENT ON FUNCTION fhir_ordered_value(bigint[], bigint[], boolean) IS 'internal to search: lowest or highest start under any of the keys';
CREATE FUNCTION fhir_near(ord bigint[], latitude_key bigint, longitude_key bigint, latitude float8, longitude float8, metres float8) RETURNS boolean
AS 'MODULE_PATHNAME', 'fhir_near' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
COMMENT ON FUNCTION fhir_near(bigint[], bigint, bigint, float8, float8, float8) IS 'internal to search: is the position within so many metres?';
CREATE FUNCTION fhir_identity(type text, id text) RETURNS bigint
AS 'MODULE_PATHNAME', 'fhir_identity' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 3;
COMMENT ON FUNCTION fhir_identity(text, text) IS 'internal to search: hash of Type/id, as in resource.refs';
CREATE FUNCTION fhir_sort_text(stored bytea, code text, highest boolean) RETURNS text
AS 'MODULE_PATHNAME', 'fhir_sort_text' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION fhir_sort_text(bytea, text, boolean) IS 'internal to search: text that a parameter sorts by';
-- STABLE: the number means something during one search only. RESTRICTED: to the backend that runs it.
CREATE FUNCTION fhir_contained_count(stored bytea, program bigint) RETURNS integer
AS 'MODULE_PATHNAME', 'fhir_contained_count' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED COST 1000;
COMMENT ON FUNCTION fhir_contained_count(bytea, bigint) IS 'internal to search: how many contained resources satisfy the criteria';
-- STABLE: references below fhir.base_url are the store's own.
CREATE FUNCTION fhir_search_references(stored bytea, code text) RETURNS text[]
AS 'MODULE_PATHNAME', 'fhir_search_references' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION fhir_search_references(bytea, text) IS 'internal to search: what a reference parameter leads to, as Type/id';
CREATE FUNCTION fhir_search_referred(keys bigint[], refs bigint[], salts bigint[]) RETURNS bigint[]
AS 'MODULE_PATHNAME', 'fhir_search_referred' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 3;
COMMENT ON FUNCTION fhir_search_referred(bigint[], bigint[], bigint[]) IS 'internal to search: which identities does a row refer to at these places?';
-- STABLE: the number means something during one search only. RESTRICTED: to the backend that runs it.
CREATE FUNCTION fhir_search_refers(identity bigint, question bigint) RETURNS boolean
AS 'MODULE_PATHNAME', 'fhir_search_refers' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED COST 1000;
COMMENT ON FUNCTION fhir_search_refers(bigint, bigint) IS 'internal to search: does any resource refer to that of this identity as a _has asks?';
-- VOLATILE: the answer depends on the rows before. RESTRICTED: they are remembered in the backend.
CREATE FUNCTION fhir_search_known(keys bigint[], refs bigint[], salts bigint[], question bigint) RETURNS boolean
AS 'MODULE_PATHNAME', 'fhir_search_known' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED COST 3;
COMMENT ON FUNCTION fhir_search_known(bigint[], bigint[], bigint[], bigint) IS 'internal to search: what is known of what a row refers to, NULL: nothing';
CREATE FUNCTION fhir_search_learn(keys bigint[], refs bigint[], salts bigint[], question bigint, answer boolean) RETURNS boolean
AS 'MODULE_PATHNAME', 'fhir_search_learn' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED COST 3;
COMMENT ON FUNCTION fhir_search_learn(bigint[], bigint[], bigint[], bigint, boolean) IS 'internal to search: remembers the answer, which it returns';
-- STABLE: references below fhir.base_url are the store's own; canonicals are looked up (SPI, so RESTRICTED).
CREATE FUNCTION fhir_sort_references(stored bytea, code text, target text) RETURNS text[]
AS 'MODULE_PATHNAME', 'fhir_sort_references' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED COST 100;
COMMENT ON FUNCTION fhir_sort_references(bytea, text, text) IS 'internal to search: ids of the resources of a type that a reference parameter leads to';
CREATE FUNCTION fhir_search_score(stored bytea, texts text[]) RETURNS bigint
AS 'MODULE_PATHNAME', 'fhir_search_score' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 500;
COMMENT ON FUNCTION fhir_search_score(bytea, text[]) IS 'internal to search: how well a document fits _text and _content, in millionths';
-- STABLE: "ap" on dates depends on the time of the transaction.
CREATE FUNCTION fhir_search_recheck(stored bytea, name text, value text) RETURNS boolean
AS 'MODULE_PATHNAME', 'fhir_search_recheck' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 500;
COMMENT ON FUNCTION fhir_search_recheck(bytea, text, text) IS 'internal to search: one criterion on one document';
