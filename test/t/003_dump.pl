# pg_dump and pg_restore bring back everything: documents, versions, searches. DROP EXTENSION does not drop clinical data.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use FhirTest;

my $node = new_node('dump');
# What is purged leaves room that a restore does not have: rows move, and the hints where they are (resource.place) will be wrong.
$node->safe_psql('postgres', q{SELECT count(fhir_update(jsonb_build_object('resourceType', 'Device', 'id', 'purged' || i, 'language', 'sv'))) FROM generate_series(1, 3) i});
load_sample($node);
$node->safe_psql('postgres', q{DELETE FROM fhir.version v USING fhir.resource r WHERE r.rid = v.rid AND r.type = 'Device' AND r.id LIKE 'purged%'; DELETE FROM fhir.resource WHERE id LIKE 'purged%'});
foreach my $file (synthea_bundles(2))
{
	$node->safe_psql('postgres', 'SELECT fhir_transaction(' . sql_literal(slurp_file($file)) . '::jsonb) IS NOT NULL');
}
$node->safe_psql('postgres', q{SELECT fhir_update('{"resourceType":"Patient","id":"sample-moreau","name":[{"family":"Moreau-Petit"}]}') IS NOT NULL});
$node->safe_psql('postgres', q{SELECT fhir_delete('AllergyIntolerance', 'sample-penicillin-1') IS NOT NULL});
$node->safe_psql('postgres', q{SELECT fhir_store_create('clinic_b') IS NOT NULL});
$node->safe_psql('postgres', q{SET fhir.store = 'clinic_b'; SELECT fhir_update('{"resourceType":"Patient","id":"b1","name":[{"family":"Bee"}]}') IS NOT NULL});

sub strip { return "SELECT (($_[0]) #- '{meta,lastUpdated}'::text[]) - 'id'::text"; }
my %probe = (
	'documents' => q{SELECT count(*), md5(string_agg(type || id || version_id || last_updated || resource, ',' ORDER BY type, id)) FROM fhir_search_rows(NULL, '_count=1000')},
	'versions' => q{SELECT count(*), md5(string_agg(v.rid || '.' || v.version || coalesce(fhir_document(v.doc)::text, '-'), ',' ORDER BY v.rid, v.version)) FROM fhir.version v},
	'history' => strip("fhir_history('Patient', 'sample-moreau')"),
	'search by name' => strip("fhir_search('Patient', 'name=moreau')"),
	'search by value' => strip("fhir_search('Observation', 'value-quantity=gt140&_sort=date')"),
	'search by chain' => strip("fhir_search('Observation', 'subject:Patient.name=lind&_count=1000&_sort=_id')"),
	'search by words' => strip("fhir_search('Patient', '_content=moreau')"),
	'search :contains' => strip("fhir_search('Patient', 'name:contains=indq')"),
	'counts' => q{SELECT fhir_count('Observation'), fhir_count('Observation', 'date=ge2020'), fhir_count('Patient', 'gender:not=male')},
	'deleted' => q{SELECT count(*) FROM fhir_search_rows('AllergyIntolerance')},
	'second store' => q{SET fhir.store = 'clinic_b'; SELECT fhir_read('Patient', 'b1'), fhir_count('Patient', 'family=bee')});
my %before = map { $_ => $node->safe_psql('postgres', $probe{$_}) } keys %probe;

foreach my $format (qw(custom directory plain))
{
	my $file = "${PostgreSQL::Test::Utils::tmp_check}/dump.$format";
	command_ok([ 'pg_dump', '-d', $node->connstr('postgres'), '-F', $format, '-f', $file ], "pg_dump, $format");
	$node->safe_psql('postgres', "CREATE DATABASE copy_$format");
	if ($format eq 'plain')
	{
		command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr("copy_$format"), '-f', $file ], "restored, $format");
	}
	else
	{
		command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr("copy_$format"), $file ], "restored, $format");
	}
	foreach my $p (sort keys %probe)
	{
		my ($rc, $out, $err) = $node->psql("copy_$format", $probe{$p});
		is("$out$err", $before{$p}, "$format: $p: as before");
	}
	is($node->safe_psql("copy_$format", q{SELECT count(*) > 0, count(*) FILTER (WHERE fhir_read(r.type, r.id) IS DISTINCT FROM fhir_document(v.doc)) FROM fhir.resource r
		JOIN fhir.version v USING (rid, version) WHERE NOT deleted AND place <> v.ctid}), 't|0', "$format: what has moved is read as it is");
	is($node->safe_psql("copy_$format", q{SELECT fhir_update('{"resourceType":"Patient","id":"sample-moreau","active":true}')->'meta'->>'versionId'}), '3', "$format: the restored store takes writes");
	is($node->safe_psql("copy_$format", q{CALL fhir_reindex(everything => true); SELECT count(*) FROM fhir.resource r JOIN fhir.version v USING (rid, version) WHERE NOT deleted AND place <> v.ctid}),
		'0', "$format: a re-index finds all places");
	isnt($node->safe_psql("copy_$format", q{SELECT fhir_create('{"resourceType":"Patient"}')->>'id'}), '', "$format: and creates, rid not used twice");
}

# A dump of one store's schema and a restore of data only are what a DBA does with one tenant.
my $one = "${PostgreSQL::Test::Utils::tmp_check}/store.dump";
command_ok([ 'pg_dump', '-d', $node->connstr('postgres'), '-F', 'custom', '-n', 'clinic_b', '-f', $one ], 'pg_dump of one store');
$node->safe_psql('postgres', 'CREATE DATABASE one');
$node->safe_psql('one', 'SET client_min_messages = warning; CREATE EXTENSION fhir CASCADE');
command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('one'), $one ], 'restored into a database with the extension');
is($node->safe_psql('one', $probe{'second store'}), $before{'second store'}, 'the store answers as before');

# ---- DROP EXTENSION keeps the data, and CREATE EXTENSION finds it again
my $rows = $node->safe_psql('postgres', 'SELECT count(*) FROM fhir.version');
$node->psql('postgres', 'DROP EXTENSION fhir');
$node->psql('postgres', 'DROP EXTENSION fhir CASCADE');
is($node->safe_psql('postgres', 'SELECT count(*) FROM fhir.version'), $rows, 'DROP EXTENSION leaves the documents');
$node->safe_psql('postgres', 'SET client_min_messages = warning; CREATE EXTENSION IF NOT EXISTS fhir CASCADE');
foreach my $p (sort keys %probe)
{
	my ($rc, $out, $err) = $node->psql('postgres', $probe{$p});
	is("$out$err", $before{$p}, "created again: $p: as before");
}

$node->stop;
done_testing();
