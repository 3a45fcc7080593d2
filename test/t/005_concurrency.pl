# Many writers at once: transactions and batches over the same resources do not deadlock, conditional creates make no duplicates,
# updates of one resource count every version.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use FhirTest;

my $node = new_node('concurrency', conf => "fsync = off\ndeadlock_timeout = 200ms\nlog_lock_waits = on\n");
load_sample($node);

sub bench
{
	my ($what, $clients, $transactions, $sql) = @_;
	my $file = script_file(($what =~ s/\W+/-/gr) . '.sql', $sql);
	my ($out, $err) = ('', '');
	my $ok = IPC::Run::run([ 'pgbench', '-n', '-c', $clients, '-j', 2, '-t', $transactions, '-f', $file, $node->connstr('postgres') ], '>', \$out, '2>', \$err);
	ok($ok, "$what: no client failed") or diag(substr($err, 0, 2000));
	like($out, qr{processed: @{[ $clients * $transactions ]}/@{[ $clients * $transactions ]}}, "$what: every transaction was done");
	return;
}

# Bundles that write the same ten resources in random order.
bench('bundles', 8, 100, <<'SQL');
SELECT fhir_transaction(jsonb_build_object('resourceType', 'Bundle', 'type', 'transaction', 'entry',
  (SELECT jsonb_agg(jsonb_build_object('resource', jsonb_build_object('resourceType', 'Patient', 'id', 'p' || i, 'multipleBirthInteger', (random() * 1000)::int),
     'request', jsonb_build_object('method', 'PUT', 'url', 'Patient/p' || i)) ORDER BY random()) FROM generate_series(1, 10) i)));
SQL
is($node->safe_psql('postgres', q{SELECT string_agg(DISTINCT fhir_read('Patient', 'p' || i)->'meta'->>'versionId', ',') FROM generate_series(1, 10) i}),
	'800', 'bundles: each resource has one version for each bundle');
is($node->safe_psql('postgres', q{SELECT count(*) - count(DISTINCT (rid, version)) FROM fhir.version}), '0', 'bundles: no version twice');

# Batches keep every row's lock to their end, too: of resources that are there, beside transactions; of new ones; on conditions.
bench('batches', 8, 100, <<'SQL');
SELECT fhir_transaction(jsonb_build_object('resourceType', 'Bundle', 'type', CASE WHEN random() < 0.7 THEN 'batch' ELSE 'transaction' END, 'entry',
  (SELECT jsonb_agg(jsonb_build_object('resource', jsonb_build_object('resourceType', 'Patient', 'id', 'p' || i, 'multipleBirthInteger', (random() * 1000)::int),
     'request', jsonb_build_object('method', 'PUT', 'url', 'Patient/p' || i)) ORDER BY random()) FROM generate_series(1, 10) i)));
SQL
is($node->safe_psql('postgres', q{SELECT string_agg(DISTINCT fhir_read('Patient', 'p' || i)->'meta'->>'versionId', ',') FROM generate_series(1, 10) i}),
	'1600', 'batches: each resource has one version for each Bundle');
bench('batches of new resources', 8, 60, <<'SQL');
\set k random(1, 100)
SELECT fhir_transaction(jsonb_build_object('resourceType', 'Bundle', 'type', 'batch', 'entry',
  (SELECT jsonb_agg(jsonb_build_object('resource', jsonb_build_object('resourceType', 'Patient', 'id', 'q' || i, 'multipleBirthInteger', (random() * 1000)::int),
     'request', jsonb_build_object('method', 'PUT', 'url', 'Patient/q' || i)) ORDER BY random()) FROM generate_series(:k, :k + 10) i)));
SELECT fhir_transaction(jsonb_build_object('resourceType', 'Bundle', 'type', 'batch', 'entry',
  (SELECT jsonb_agg(jsonb_build_object('resource', jsonb_build_object('resourceType', 'Basic', 'code', '{"text":"x"}'::jsonb, 'identifier', jsonb_build_array(jsonb_build_object('system', 'urn:q', 'value', 'k' || i))),
     'request', jsonb_build_object('method', 'POST', 'url', 'Basic', 'ifNoneExist', 'identifier=urn:q|k' || i)) ORDER BY random()) FROM generate_series(:k, :k + 10) i)));
SQL
is($node->safe_psql('postgres', q{SELECT fhir_count('Basic', 'identifier=urn:q|') = count(DISTINCT resource->'identifier'->0->>'value') AND count(*) > 50 FROM fhir_search_rows('Basic', 'identifier=urn:q|&_count=1000')}), 't', 'batches: each condition creates once');
$node->safe_psql('postgres', q{SELECT count(fhir_delete('Basic', id)) FROM fhir_search_rows('Basic', 'identifier=urn:q|&_count=1000')});

# Conditional creates of few identifiers by many clients.
bench('conditional creates', 8, 100, <<'SQL');
\set k random(1, 40)
SELECT fhir_create(('{"resourceType":"Patient","identifier":[{"system":"urn:c","value":"k' || :k || '"}]}')::jsonb, 'identifier=urn:c|k' || :k);
SQL
is($node->safe_psql('postgres', q{SELECT count(*) = count(DISTINCT resource->'identifier'->0->>'value') AND count(*) BETWEEN 35 AND 40 FROM fhir_search_rows('Patient', 'identifier=urn:c|&_count=1000')}), 't',
	'conditional creates: one Patient for each identifier');

# The same inside transaction Bundles, with a reference to the conditional create.
bench('conditional creates in bundles', 8, 60, <<'SQL');
\set k random(1, 20)
\set l random(1, 20)
SELECT fhir_transaction(('{"resourceType":"Bundle","type":"transaction","entry":[
 {"fullUrl":"urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a","resource":{"resourceType":"Patient","identifier":[{"system":"urn:b","value":"k' || :k || '"}]},"request":{"method":"POST","url":"Patient","ifNoneExist":"identifier=urn:b|k' || :k || '"}},
 {"fullUrl":"urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0b","resource":{"resourceType":"Organization","name":"o","identifier":[{"system":"urn:b","value":"k' || :l || '"}]},"request":{"method":"POST","url":"Organization","ifNoneExist":"identifier=urn:b|k' || :l || '"}},
 {"resource":{"resourceType":"Basic","code":{"text":"x"},"subject":{"reference":"urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a"}},"request":{"method":"POST","url":"Basic"}}]}')::jsonb);
SQL
is($node->safe_psql('postgres', q{SELECT count(*) = count(DISTINCT resource->'identifier'->0->>'value') FROM fhir_search_rows('Patient', 'identifier=urn:b|&_count=1000')}), 't',
	'conditional creates in bundles: one Patient for each identifier');
is($node->safe_psql('postgres', q{SELECT count(*) = count(DISTINCT resource->'identifier'->0->>'value') FROM fhir_search_rows('Organization', 'identifier=urn:b|&_count=1000')}), 't',
	'... and one Organization');
is($node->safe_psql('postgres', q{SELECT fhir_count('Basic') = fhir_count('Basic', 'subject:Patient.identifier=urn:b|')}), 't', '... and every reference leads to one of them');

# Updates of one resource: no version is lost or made twice.
bench('updates of one resource', 8, 200, <<'SQL');
SELECT fhir_update('{"resourceType":"Patient","id":"one","multipleBirthInteger":1}'::jsonb || jsonb_build_object('multipleBirthInteger', (random() * 1000)::int));
SQL
is($node->safe_psql('postgres', q{SELECT fhir_read('Patient', 'one')->'meta'->>'versionId'}), '1600', 'updates: the versions are counted');
is($node->safe_psql('postgres', q{SELECT count(*) FROM generate_series(1, 1600) v WHERE fhir_vread('Patient', 'one', v::text)->>'id' = 'one'}), '1600', 'updates: every version is there');

# Optimistic locking: of those that name the same version, one wins.
$node->safe_psql('postgres', q{SELECT fhir_update('{"resourceType":"Patient","id":"lock"}') IS NOT NULL; CREATE TABLE won(n int)});
bench('if_match', 8, 25, <<'SQL');
DO $$ DECLARE v text := fhir_read('Patient', 'lock')->'meta'->>'versionId'; BEGIN
  PERFORM fhir_update(jsonb_build_object('resourceType', 'Patient', 'id', 'lock', 'multipleBirthInteger', (random() * 1000)::int), 'W/"' || v || '"');
  INSERT INTO won VALUES (1);
EXCEPTION WHEN SQLSTATE 'FH412' THEN NULL; END $$;
SQL
is($node->safe_psql('postgres', q{SELECT (fhir_read('Patient', 'lock')->'meta'->>'versionId')::int - 1 = (SELECT count(*) FROM won)}), 't', 'if_match: each winner made one version');

my $log = slurp_file($node->logfile);
unlike($log, qr/deadlock detected/, 'no deadlock');
unlike($log, qr/was terminated by signal|PANIC/, 'no crash');
$node->stop;
done_testing();
