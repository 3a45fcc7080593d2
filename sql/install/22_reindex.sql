-- Search parameters of users: their keys for existing rows.

CREATE PROCEDURE fhir_reindex(batch integer DEFAULT 1000, everything boolean DEFAULT false)
AS 'MODULE_PATHNAME', 'fhir_reindex' LANGUAGE C;
COMMENT ON PROCEDURE fhir_reindex(integer, boolean) IS
'makes the search keys of existing rows for SearchParameters that wait for them, or with everything all keys anew; commits after each batch';

-- STABLE: reads a table. RESTRICTED: it runs a statement.
CREATE FUNCTION fhir_reindex_status(OUT id text, OUT url text, OUT code text, OUT bases text[], OUT state text, OUT done bigint, OUT total bigint,
	OUT queued timestamptz, OUT started timestamptz, OUT finished timestamptz, OUT error text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'fhir_reindex_status' LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION fhir_reindex_status() IS 'search parameters added by users, and how far the keys of existing rows are';
