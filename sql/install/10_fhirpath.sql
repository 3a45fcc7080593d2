-- ---- FHIRPath: the type, its functions, its operators ----

CREATE TYPE fhirpath;

CREATE FUNCTION fhirpath_in(cstring) RETURNS fhirpath
	AS 'MODULE_PATHNAME', 'fhirpath_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION fhirpath_in(cstring) IS 'I/O';
CREATE FUNCTION fhirpath_out(fhirpath) RETURNS cstring
	AS 'MODULE_PATHNAME', 'fhirpath_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION fhirpath_out(fhirpath) IS 'I/O';
CREATE FUNCTION fhirpath_recv(internal) RETURNS fhirpath
	AS 'MODULE_PATHNAME', 'fhirpath_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION fhirpath_recv(internal) IS 'I/O';
CREATE FUNCTION fhirpath_send(fhirpath) RETURNS bytea
	AS 'MODULE_PATHNAME', 'fhirpath_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION fhirpath_send(fhirpath) IS 'I/O';

CREATE TYPE fhirpath (
	INPUT = fhirpath_in,
	OUTPUT = fhirpath_out,
	RECEIVE = fhirpath_recv,
	SEND = fhirpath_send,
	INTERNALLENGTH = VARIABLE,
	ALIGNMENT = int4,
	STORAGE = extended
);
COMMENT ON TYPE fhirpath IS 'a parsed FHIRPath expression';

CREATE FUNCTION fhirpath(text) RETURNS fhirpath
	AS 'MODULE_PATHNAME', 'fhirpath_from_text' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION fhirpath(text) IS 'parses a FHIRPath expression';
CREATE FUNCTION text(fhirpath) RETURNS text
	AS 'MODULE_PATHNAME', 'fhirpath_to_text' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION text(fhirpath) IS 'the canonical text of a FHIRPath expression';
CREATE CAST (text AS fhirpath) WITH FUNCTION fhirpath(text);
CREATE CAST (fhirpath AS text) WITH FUNCTION text(fhirpath);

CREATE FUNCTION fhirpath_eq(fhirpath, fhirpath) RETURNS boolean
	AS 'MODULE_PATHNAME', 'fhirpath_eq' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION fhirpath_eq(fhirpath, fhirpath) IS 'implementation of = operator';
CREATE FUNCTION fhirpath_ne(fhirpath, fhirpath) RETURNS boolean
	AS 'MODULE_PATHNAME', 'fhirpath_ne' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION fhirpath_ne(fhirpath, fhirpath) IS 'implementation of <> operator';
CREATE FUNCTION fhirpath_hash(fhirpath) RETURNS integer
	AS 'MODULE_PATHNAME', 'fhirpath_hash' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION fhirpath_hash(fhirpath) IS 'hash';
CREATE FUNCTION fhirpath_hash_extended(fhirpath, bigint) RETURNS bigint
	AS 'MODULE_PATHNAME', 'fhirpath_hash_extended' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION fhirpath_hash_extended(fhirpath, bigint) IS 'hash';

CREATE OPERATOR = (
	LEFTARG = fhirpath, RIGHTARG = fhirpath, FUNCTION = fhirpath_eq, COMMUTATOR = =, NEGATOR = <>,
	RESTRICT = eqsel, JOIN = eqjoinsel, HASHES
);
COMMENT ON OPERATOR =(fhirpath, fhirpath) IS 'the same expression';
CREATE OPERATOR <> (
	LEFTARG = fhirpath, RIGHTARG = fhirpath, FUNCTION = fhirpath_ne, COMMUTATOR = <>, NEGATOR = =,
	RESTRICT = neqsel, JOIN = neqjoinsel
);
COMMENT ON OPERATOR <>(fhirpath, fhirpath) IS 'another expression';
CREATE OPERATOR CLASS fhirpath_hash_ops DEFAULT FOR TYPE fhirpath USING hash AS
	OPERATOR 1 =,
	FUNCTION 1 fhirpath_hash(fhirpath),
	FUNCTION 2 fhirpath_hash_extended(fhirpath, bigint);

-- STABLE: an expression may ask for the time (now()) and for other resources of the store (resolve(), memberOf()). PARALLEL
-- RESTRICTED: those are read as fhir_read reads them.
CREATE FUNCTION fhirpath(resource jsonb, path fhirpath, env jsonb DEFAULT NULL) RETURNS SETOF jsonb
	AS 'MODULE_PATHNAME', 'fhirpath_query' LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 5;
COMMENT ON FUNCTION fhirpath(jsonb, fhirpath, jsonb) IS
	'all items that a FHIRPath expression finds in a resource; env holds variables (%name)';

-- IMMUTABLE: expressions that ask for the time or for other resources are refused.
CREATE FUNCTION fhirpath_first(resource jsonb, path fhirpath, env jsonb DEFAULT NULL) RETURNS jsonb
	AS 'MODULE_PATHNAME', 'fhirpath_first' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION fhirpath_first(jsonb, fhirpath, jsonb) IS
	'the first item that a FHIRPath expression finds in a resource, or NULL';
CREATE FUNCTION fhirpath_exists(resource jsonb, path fhirpath, env jsonb DEFAULT NULL) RETURNS boolean
	AS 'MODULE_PATHNAME', 'fhirpath_exists' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION fhirpath_exists(jsonb, fhirpath, jsonb) IS
	'does a FHIRPath expression find anything in a resource?';
CREATE FUNCTION fhirpath_first_stable(resource jsonb, path fhirpath, env jsonb DEFAULT NULL) RETURNS jsonb
	AS 'MODULE_PATHNAME', 'fhirpath_first_stable' LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION fhirpath_first_stable(jsonb, fhirpath, jsonb) IS
	'as fhirpath_first, also for expressions that depend on the time or on other resources';
CREATE FUNCTION fhirpath_exists_stable(resource jsonb, path fhirpath, env jsonb DEFAULT NULL) RETURNS boolean
	AS 'MODULE_PATHNAME', 'fhirpath_exists_stable' LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION fhirpath_exists_stable(jsonb, fhirpath, jsonb) IS
	'as fhirpath_exists, also for expressions that depend on the time or on other resources';

CREATE FUNCTION fhirpath_matches(resource jsonb, path fhirpath) RETURNS boolean
	AS 'MODULE_PATHNAME', 'fhirpath_matches' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION fhirpath_matches(jsonb, fhirpath) IS 'implementation of @~ operator';
CREATE OPERATOR @~ (
	LEFTARG = jsonb, RIGHTARG = fhirpath, FUNCTION = fhirpath_matches, RESTRICT = contsel, JOIN = contjoinsel
);
COMMENT ON OPERATOR @~(jsonb, fhirpath) IS 'does the resource satisfy the FHIRPath criterion?';
