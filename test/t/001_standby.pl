# A hot standby answers every reading function, in a read-only transaction, as the primary does; a write there is refused.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use FhirTest;

my $primary = new_node('primary', streaming => 1);
$primary->safe_psql('postgres', qq{SELECT count(fhir_update('{"resourceType":"Device","id":"sample-purged","language":"$_"}')) }) for qw(sv fi);
load_sample($primary);
foreach my $file (synthea_bundles(2))
{
	$primary->safe_psql('postgres', 'SELECT fhir_transaction(' . sql_literal(slurp_file($file)) . '::jsonb) IS NOT NULL');
}
my $id = $primary->safe_psql('postgres',
	q{SELECT fhir_create('{"resourceType":"Patient","name":[{"family":"Moved"}]}')->>'id'});
$primary->safe_psql('postgres',
	qq{SELECT fhir_update('{"resourceType":"Patient","id":"$id","name":[{"family":"Moved"}],"active":true}') IS NOT NULL});
$primary->safe_psql('postgres', q{SELECT fhir_create('{"resourceType":"Patient"}'::jsonb || jsonb_build_object('language', 'sv')) IS NOT NULL});
my $gone = $primary->safe_psql('postgres', q{SELECT fhir_create('{"resourceType":"Basic","code":{"text":"x"}}')->>'id'});
$primary->safe_psql('postgres', qq{SELECT fhir_delete('Basic', '$gone') IS NOT NULL});

$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
# written after the standby began to follow
$primary->safe_psql('postgres', q{SELECT fhir_update('{"resourceType":"Patient","id":"late","name":[{"family":"Late"}]}') IS NOT NULL});
# rows that have moved, so that most hints where they are (resource.place) are wrong
$primary->safe_psql('postgres', q{DELETE FROM fhir.version WHERE ctid = (SELECT min(ctid) FROM fhir.version WHERE rid = (SELECT rid FROM fhir.resource WHERE id = 'sample-purged'))});
$primary->safe_psql('postgres', 'VACUUM FULL fhir.version');
$primary->wait_for_catchup($standby);

is($standby->safe_psql('postgres', 'SELECT pg_is_in_recovery()'), 't', 'the standby is one');

# Each must answer the same, byte by byte, on both, in a read-only transaction. Searches say when they ran nowhere but in meta.lastUpdated
# of the Bundle and in its id, which are left out.
sub strip { return "SELECT (($_[0]) #- '{meta,lastUpdated}'::text[]) - 'id'::text - 'timestamp'::text"; }
my @reads = (
	[ 'fhir_read', q{SELECT fhir_read('Patient', 'sample-lindqvist')} ],
	[ 'fhir_read of a later write', q{SELECT fhir_read('Patient', 'late')} ],
	[ 'fhir_vread', qq{SELECT fhir_vread('Patient', '$id', '1')} ],
	[ 'fhir_history of an instance', strip(qq{fhir_history('Patient', '$id')}) ],
	[ 'fhir_history of a type', strip(qq{fhir_history('Patient')}) ],
	[ 'fhir_history of the system', strip(qq{fhir_history()}) ],
	[ 'fhir_search', strip(qq{fhir_search('Patient', 'name=lind')}) ],
	[ 'fhir_search: sort, include', strip(qq{fhir_search('Observation', 'code=8480-6&_sort=-date&_include=Observation:subject&_total=accurate')}) ],
	[ 'fhir_search: chain', strip(qq{fhir_search('Observation', 'subject:Patient.name=lind&_count=5')}) ],
	[ 'fhir_search: _has', strip(qq{fhir_search('Patient', '_has:Condition:patient:code=38341003')}) ],
	[ 'fhir_search: quantity', strip(qq{fhir_search('Observation', 'value-quantity=gt140')}) ],
	[ 'fhir_search: :contains', strip(qq{fhir_search('Patient', 'name:contains=indq')}) ],
	[ 'fhir_search: words', strip(qq{fhir_search('Patient', '_content=lind&_sort=-_score')}) ],
	[ 'fhir_search of the system', strip(qq{fhir_search(NULL, '_type=Patient,Condition')}) ],
	[ 'fhir_search_rows', q{SELECT type, id, version_id, last_updated, mode, resource FROM fhir_search_rows('Observation', 'patient=sample-lindqvist') ORDER BY id} ],
	[ 'fhir_count', q{SELECT fhir_count('Observation', 'code=8480-6')} ],
	[ 'fhir_matches', q{SELECT count(*) FROM fhir_search_rows('Patient') r WHERE fhir_matches(r.resource, 'gender=female')} ],
	[ 'fhir_explain', q{SELECT count(*) > 0 FROM fhir_explain('Observation', 'code=8480-6')} ],
	[ 'fhirpath', q{SELECT fhirpath(fhir_read('Patient', 'sample-lindqvist'), 'name.given')} ],
	[ 'fhir_capabilities', q{SELECT fhir_capabilities() - 'date'} ],
	[ 'fhir_http: read', q{SELECT status, convert_from(body, 'UTF8') FROM fhir_http('GET', '/Patient/sample-lindqvist', '{}', NULL)} ],
	[ 'fhir_http: search', q{SELECT status, ((convert_from(body, 'UTF8')::jsonb) #- '{meta,lastUpdated}'::text[]) - 'id'::text FROM fhir_http('GET', '/Patient?name=lind', '{}', NULL)} ],
	[ 'fhir_http: metadata', q{SELECT status, convert_from(body, 'UTF8')::jsonb - 'date' FROM fhir_http('GET', '/metadata', '{}', NULL)} ]);
foreach my $node ($primary, $standby)
{
	is($node->safe_psql('postgres', q{SELECT count(*) > 0, count(*) FILTER (WHERE fhir_read(r.type, r.id) IS DISTINCT FROM fhir_document(v.doc)) FROM fhir.resource r
		JOIN fhir.version v USING (rid, version) WHERE NOT deleted AND place <> v.ctid}), 't|0', 'what has moved is read as it is');
}
foreach my $r (@reads)
{
	my ($name, $sql) = @$r;
	my $ro = "BEGIN TRANSACTION READ ONLY; $sql; COMMIT;";
	my ($rc1, $want, $err1) = $primary->psql('postgres', $ro);
	my ($rc2, $got, $err2) = $standby->psql('postgres', $ro);
	ok($rc1 == 0 && length $want && $rc2 == 0 && $got eq $want, "$name: the same on the standby")
	  or diag("primary ($rc1): " . substr($want, 0, 300) . " $err1\nstandby ($rc2): " . substr($got, 0, 300) . " $err2");
}

# Errors of reading are the same as well.
foreach my $sql (q{SELECT fhir_read('Patient', 'nobody')}, qq{SELECT fhir_read('Basic', '$gone')}, q{SELECT fhir_search('Patient', 'nope=1')})
{
	my (undef, undef, $want) = $primary->psql('postgres', "\\set VERBOSITY sqlstate\n$sql");
	my (undef, undef, $got) = $standby->psql('postgres', "\\set VERBOSITY sqlstate\n$sql");
	like($got, qr/FH4\d\d/, "$sql fails with a FHIR error on the standby");
	is($got, $want, '... the same as on the primary');
}

# Writing is refused, clearly.
my @writes = (
	q{SELECT fhir_create('{"resourceType":"Patient"}')},
	q{SELECT fhir_update('{"resourceType":"Patient","id":"late"}')},
	q{SELECT fhir_delete('Patient', 'late')},
	q{SELECT fhir_patch('Patient', 'late', '[{"op":"add","path":"/active","value":true}]')},
	q{SELECT fhir_transaction('{"resourceType":"Bundle","type":"transaction","entry":[{"resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient"}}]}')},
	q{SELECT fhir_store_create('second')});
foreach my $sql (@writes)
{
	my ($rc, $out, $err) = $standby->psql('postgres', $sql);
	ok($rc != 0 && $err =~ /read-only|recovery/, "refused on the standby: $sql") or diag("$rc $out $err");
}
my ($rc, $out, $err) = $standby->psql('postgres',
	q{SELECT status, convert_from(body, 'UTF8') FROM fhir_http('POST', '/Patient', '{"content-type":"application/fhir+json"}', '{"resourceType":"Patient"}'::bytea)});
ok($rc != 0 ? $err =~ /read-only/ : $out =~ /^(405|5\d\d)\|.*OperationOutcome/s, 'fhir_http refuses a write on the standby') or diag("$rc $out $err");

# Promoted, it takes writes and still has everything.
my $count = $primary->safe_psql('postgres', q{SELECT fhir_count('Observation'), fhir_count('Patient')});
$primary->stop;
$standby->promote;
is($standby->safe_psql('postgres', q{SELECT fhir_count('Observation'), fhir_count('Patient')}), $count, 'after promotion: the same counts');
is($standby->safe_psql('postgres', q{SELECT fhir_update('{"resourceType":"Patient","id":"late","active":false}')->'meta'->>'versionId'}), '2', 'after promotion: writes work');

done_testing();
