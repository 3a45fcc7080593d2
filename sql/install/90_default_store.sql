-- The default store, unless a schema of its name exists: pg_restore brings that schema (and then its tables) by itself.
DO $$
BEGIN
	IF NOT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'fhir') THEN
		PERFORM @extschema@.fhir_store_create('fhir');
	END IF;
END
$$;
