-- The store: reading and writing resources. Writers are VOLATILE and PARALLEL UNSAFE; readers see the calling
-- statement's snapshot (STABLE), and use no backend-local state beyond caches, yet may raise errors whose
-- issues wait in the leader (PARALLEL RESTRICTED).

CREATE FUNCTION fhir_store_create(name text) RETURNS void
AS 'MODULE_PATHNAME', 'fhir_store_create' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION fhir_store_create(text) IS 'makes a FHIR store: a schema with its tables; choose it by the setting fhir.store';

CREATE FUNCTION fhir_store_drop(name text, force boolean DEFAULT false) RETURNS void
AS 'MODULE_PATHNAME', 'fhir_store_drop' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION fhir_store_drop(text, boolean) IS 'drops a FHIR store; one that holds data only with force => true';

CREATE FUNCTION fhir_create(resource jsonb, if_none_exist text DEFAULT NULL) RETURNS jsonb
AS 'MODULE_PATHNAME', 'fhir_create' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION fhir_create(jsonb, text) IS 'stores a new resource under a new id; with if_none_exist only if that search finds none';

CREATE FUNCTION fhir_read(type text, id text) RETURNS jsonb
AS 'MODULE_PATHNAME', 'fhir_read' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION fhir_read(text, text) IS 'current version of a resource; FH404 if unknown, FH410 if deleted';

CREATE FUNCTION fhir_vread(type text, id text, version_id text) RETURNS jsonb
AS 'MODULE_PATHNAME', 'fhir_vread' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION fhir_vread(text, text, text) IS 'a given version of a resource';

CREATE FUNCTION fhir_update(resource jsonb, if_match text DEFAULT NULL) RETURNS jsonb
AS 'MODULE_PATHNAME', 'fhir_update' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION fhir_update(jsonb, text) IS 'stores a new version of a resource, or a first one under the id it brings';

CREATE FUNCTION fhir_delete(type text, id text, if_match text DEFAULT NULL) RETURNS jsonb
AS 'MODULE_PATHNAME', 'fhir_delete' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION fhir_delete(text, text, text) IS 'deletes a resource; its history stays';

CREATE FUNCTION fhir_history(type text DEFAULT NULL, id text DEFAULT NULL, query text DEFAULT '') RETURNS jsonb
AS 'MODULE_PATHNAME', 'fhir_history' LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION fhir_history(text, text, text) IS 'history Bundle of a resource, a type or the store; query: _count, _since, _at, _total, _summary, _elements';

CREATE FUNCTION fhir_patch(type text, id text, patch jsonb, if_match text DEFAULT NULL) RETURNS jsonb
AS 'MODULE_PATHNAME', 'fhir_patch' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION fhir_patch(text, text, jsonb, text) IS 'patches a resource: an array is JSON Patch (RFC 6902), a Parameters resource is FHIRPath Patch';

CREATE FUNCTION fhir_transaction(bundle jsonb) RETURNS jsonb
AS 'MODULE_PATHNAME', 'fhir_transaction' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION fhir_transaction(bundle jsonb) IS 'runs a batch or transaction Bundle; answers the response Bundle';

CREATE FUNCTION fhir_json_patch(doc jsonb, patch jsonb) RETURNS jsonb
AS 'MODULE_PATHNAME', 'fhir_json_patch' LANGUAGE C IMMUTABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION fhir_json_patch(jsonb, jsonb) IS 'applies a JSON Patch (RFC 6902) to any JSON document';
