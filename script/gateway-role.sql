-- gateway-role.sql: a role for the gateway, with what it needs on the store "fhir" and nothing else. Run it as the tables' owner in the
-- database of the extension, again after an upgrade that brings new tables; then give the role a password (\password fhir_gateway).
-- For gateways that only read leave out the grant of INSERT, UPDATE and DELETE.
DO $$
BEGIN
	IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'fhir_gateway') THEN
		CREATE ROLE fhir_gateway LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION;
	END IF;
	EXECUTE format('GRANT CONNECT ON DATABASE %I TO fhir_gateway', current_database());
END $$;
GRANT USAGE ON SCHEMA fhir TO fhir_gateway;
GRANT SELECT ON ALL TABLES IN SCHEMA fhir TO fhir_gateway;
GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA fhir TO fhir_gateway;
