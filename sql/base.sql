-- Dates, decimals, hashes and ids of the base layer, through its test windows.
\pset format unaligned
CREATE FUNCTION t_date(text, int) RETURNS text AS '$libdir/fhir', 'fhir_test_date' LANGUAGE C STRICT;
CREATE FUNCTION t_decimal(text) RETURNS text AS '$libdir/fhir', 'fhir_test_decimal' LANGUAGE C STRICT;
CREATE FUNCTION t_dec64(numeric, boolean) RETURNS bigint AS '$libdir/fhir', 'fhir_test_dec64' LANGUAGE C STRICT;
CREATE FUNCTION t_hash(bytea, bigint) RETURNS bigint AS '$libdir/fhir', 'fhir_test_hash' LANGUAGE C STRICT;
CREATE FUNCTION t_uuid() RETURNS text AS '$libdir/fhir', 'fhir_test_uuid' LANGUAGE C STRICT VOLATILE;

-- kinds: 0 date, 1 dateTime, 2 instant, 3 time, 4 search, 5 FHIRPath
SELECT t, t_date(t, 1) FROM unnest(ARRAY['2020', '2020-02', '2020-02-29', '2019-12-31T23:59:59Z', '2020-01-01T00:00:00+14:00',
  '2016-12-31T23:59:60Z', '2020-01-01T10:11:12.5-05:30', '0001-01-01', '9999-12-31', '2020-01-01T10:11:12.1234567891Z']) t;
SELECT t, t_date(t, 3) FROM unnest(ARRAY['10:11:12', '00:00:00.25', '23:59:60']) t;
SELECT t, t_date(t, 4) FROM unnest(ARRAY['2020-01-01T10:11', '2020-01-01T10:11:12', '2020-01-01T10:11:12 02:00', '2020-01-01T10:11Z']) t;
SELECT t, t_date(t, 5) FROM unnest(ARRAY['2020T', '2020-01T', '2020-01-01T10', '2020-01-01T10:11-01:00', 'T10', 'T10:11', 'T10:11:12.345']) t;
-- every one of these is refused as dateTime
SELECT t FROM unnest(ARRAY['', '20', '0000', '2020-', '2020-1', '2020-13', '2020-00', '2020-02-30', '2019-02-29', '1900-02-29', '2020-01-01T',
  '2020-01-01T24:00:00Z', '2020-01-01T10:60:00Z', '2020-01-01T10:00:61Z', '2020-01-01T10:11', '2020-01-01T10:11:12', '2020-01-01T10:11:12.Z',
  '2020-01-01T10:11:12+14:01', '2020-01-01T10:11:12+1:00', '2020-01-01T10:11:12z', '2020-01-01 10:11:12Z', '2020-01T10:11:12Z', ' 2020', '2020 ',
  '２０２０', '2020-01-01T10:11:12Zx', '-2020', '+2020']) t WHERE t_date(t, 1) IS NOT NULL;
SELECT t_date('2020-01-01T00:00:00Z', 0) AS date, t_date('2020', 2) AS instant, t_date('10:11', 3) AS time, t_date('2020-01-01T10', 4) AS search;
-- intervals against PostgreSQL's calendar, every day of 400 years and more
SELECT count(*) AS days, count(*) FILTER (WHERE t_date(to_char(d, 'YYYY-MM-DD'), 1) IS DISTINCT FROM
    '3 ' || to_char(d, 'YYYY-MM-DD') || 'T00:00:00.000Z ' || to_char(d, 'YYYY-MM-DD') || 'T23:59:59.999999Z') AS wrong
  FROM generate_series(timestamp '1598-01-01', timestamp '2004-12-31', interval '1 day') d;

SELECT t, t_decimal(t) FROM unnest(ARRAY['100', '5.4', '5.40', '1e2', '100.00', '5.40e-3', '0', '-0', '-1.5', '1E+3', '0.00', '12e-1']) t;
SELECT t FROM unnest(ARRAY['', '-', '+1', '01', '-01', '.5', '5.', '1.e2', '1e', '1e+', '1e1001', '1e-1001', '1 ', ' 1', '1,5', 'NaN', 'Infinity', '0x1',
  '1_000', '--1', '1.2.3', '1e2.5', '١']) t WHERE t_decimal(t) IS NOT NULL;
-- dec64 keeps the order of numeric, and differs where they differ (16 digits)
WITH v AS (SELECT DISTINCT sign * m * ('1e' || e)::numeric AS n
             FROM unnest(ARRAY[1, -1]) sign, unnest(ARRAY[0, 1, 1.5, 9.999999999999999, 9.99999999999999, 2.5, 1.000000000000001]) m,
                  unnest(ARRAY[-20, -3, -1, 0, 1, 7, 50]) e),
     o AS (SELECT n, t_dec64(n, false) AS d, lag(n) OVER w AS pn, lag(t_dec64(n, false)) OVER w AS pd FROM v WINDOW w AS (ORDER BY n))
SELECT count(*), count(*) FILTER (WHERE pn IS NOT NULL AND NOT d > pd) AS wrong FROM o;
-- beyond 16 digits: down and up enclose; beyond the exponents: clamped in order
SELECT t_dec64(n, true) - t_dec64(n, false) AS width FROM unnest(ARRAY[1.0000000000000001, -1.0000000000000001, 0.12345678901234567, 5]) n;
SELECT t_dec64(9999999999999999.5, true) = t_dec64(10000000000000000, false) AS carries,
       t_dec64(('1' || repeat('0', 130))::numeric, false) < t_dec64(('1' || repeat('0', 130))::numeric, true) AS clamped,
       t_dec64(('1' || repeat('0', 130))::numeric, false) >= t_dec64(('1' || repeat('0', 120))::numeric, false) AS top,
       t_dec64(('0.' || repeat('0', 200) || '1')::numeric, false) AS bottom_down, t_dec64(('0.' || repeat('0', 200) || '1')::numeric, true) > 0 AS bottom_up;

-- hashes are part of the on-disk format: these values never change
SELECT t_hash('', 0), t_hash('a', 0), t_hash('abcdefgh', 0), t_hash('abcdefghi', 42), t_hash('\x00ff80', -1);

-- ids: form, order, uniqueness
SELECT bool_and(u ~ '^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$') AS v7, bool_and(u COLLATE "C" > p) AS rising,
       bool_and(abs(('x' || left(replace(u, '-', ''), 12))::bit(48)::bigint / 1000.0 - extract(epoch FROM clock_timestamp())) < 60) AS now
  FROM (SELECT u, lag(u) OVER (ORDER BY i) AS p FROM (SELECT i, t_uuid() AS u FROM generate_series(1, 5000) i) x) y WHERE p IS NOT NULL;
SET fhir.id_format = uuidv4;
SELECT count(DISTINCT u) AS distinct_ids, bool_and(u ~ '^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$') AS v4
  FROM (SELECT t_uuid() AS u FROM generate_series(1, 5000)) x;
RESET fhir.id_format;

-- what PostgreSQL's own errors become
CREATE FUNCTION t_error(text) RETURNS text AS '$libdir/fhir', 'fhir_test_error' LANGUAGE C STRICT;
SELECT s, t_error(s) FROM unnest(ARRAY['FH422', '25006', '40001', '40P01', '55P03', '23505', '57014', '57P01', '53100', '53200', '54001', '54000', '42501', '0A000',
  '22012', '42P01', 'XX000']) s;
DROP FUNCTION t_error, t_date, t_decimal, t_dec64, t_hash, t_uuid;
