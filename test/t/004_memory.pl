# A backend's memory stays flat over many calls, good and bad. Calls: FHIR_MEMORY_CALLS (100000; a million by hand).
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use FhirTest;

my $calls = $ENV{FHIR_MEMORY_CALLS} // 100_000;
my $node = new_node('memory', conf => "fsync = off\nsynchronous_commit = off\nshared_buffers = 32MB\nautovacuum = off\n");
load_sample($node);

# Each is called in one backend, in several rounds; the memory after the first rounds is the base.
my @kinds = (
	[ 'create', q{PERFORM fhir_create(jsonb_build_object('resourceType', 'Patient', 'name', jsonb_build_array(jsonb_build_object('family', 'F' || i)), 'birthDate', '1980-01-01'))}, 0.2 ],
	[ 'update', q{PERFORM fhir_update(jsonb_build_object('resourceType', 'Patient', 'id', 'm' || i % 10, 'multipleBirthInteger', i))}, 0.2 ],
	[ 'read', q{PERFORM fhir_read('Patient', 'sample-lindqvist')}, 1 ],
	[ 'search', q{PERFORM fhir_search('Observation', 'code=8480-6&_count=3&value-quantity=gt' || i % 100)}, 0.3 ],
	[ 'count', q{PERFORM fhir_count('Observation', 'date=ge20' || lpad((i % 25)::text, 2, '0'))}, 0.3 ],
	[ 'fhirpath', q{PERFORM fhirpath(fhir_read('Patient', 'sample-lindqvist'), ('name.given.where($this != ''' || i % 20 || ''')')::fhirpath)}, 0.5 ],
	[ 'matches', q{PERFORM fhir_matches('{"resourceType":"Patient","name":[{"family":"A"}]}', 'name=a' || i % 100)}, 0.5 ],
	[ 'http', q{PERFORM fhir_http('GET', '/Patient/sample-lindqvist', '{}', NULL)}, 0.5 ],
	[ 'bad JSON', q~BEGIN PERFORM fhir_http('POST', '/Patient', '{"content-type":"application/fhir+json"}', convert_to('{"resourceType":"Patient","x' || i || '":', 'UTF8')); EXCEPTION WHEN OTHERS THEN NULL; END~, 1 ],
	[ 'bad resource', q{BEGIN PERFORM fhir_create(jsonb_build_object('resourceType', 'Patient', 'x' || i, 1, 'birthDate', 'no')); EXCEPTION WHEN OTHERS THEN NULL; END}, 0.3 ],
	[ 'bad search', q{BEGIN PERFORM fhir_search('Patient', 'x' || i || '=1'); EXCEPTION WHEN OTHERS THEN NULL; END}, 0.3 ],
	[ 'bad path', q~BEGIN PERFORM fhirpath('{}', ('a.b(' || i)::fhirpath); EXCEPTION WHEN OTHERS THEN NULL; END~, 0.3 ]);

foreach my $k (@kinds)
{
	my ($name, $statement, $share) = @$k;
	my $n = int($calls * $share / 10);
	# ten rounds, each a statement of its own, and the sum of all memory contexts after each
	my $sql = '';
	for my $round (1 .. 10)
	{
		$sql .= "DO \$do\$ BEGIN FOR i IN " . ($n * ($round - 1) + 1) . ' .. ' . ($n * $round) . " LOOP $statement; END LOOP; END \$do\$;\n";
		$sql .= "SELECT sum(used_bytes) FROM pg_backend_memory_contexts WHERE name NOT LIKE 'CacheMemory%' AND parent IS DISTINCT FROM 'CacheMemoryContext';\n";
	}
	$sql .= "SELECT name, count(*), sum(used_bytes) FROM pg_backend_memory_contexts GROUP BY name ORDER BY 3 DESC LIMIT 5;\n";
	my $file = script_file("memory-$name.sql", $sql);
	my ($out, $err) = ('', '');
	my $ok = IPC::Run::run([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), '-f', $file ], '>', \$out, '2>', \$err);
	my @lines = split /\n/, $out;
	my @used = grep { /^\d+$/ } @lines;
	if (!$ok || @used != 10)
	{
		fail("$name: " . $n * 10 . " calls") or diag($err);
		next;
	}
	my $growth = $used[9] - $used[4];
	cmp_ok($growth, '<', 65536 + $n * 5 * 0.2, sprintf('%s: %d calls: %d kB half way, %d kB at the end', $name, $n * 10, $used[4] / 1024, $used[9] / 1024))
	  or diag(join "\n", @used, @lines[ -5 .. -1 ]);
}

# Nothing of the bad requests was written.
is($node->safe_psql('postgres', q{SELECT count(*) FROM fhir.resource r LEFT JOIN fhir.version v ON v.rid = r.rid AND v.version = r.version WHERE v.rid IS NULL}), '0', 'no half-written resource');
unlike(slurp_file($node->logfile), qr/server process .* was terminated by signal|PANIC/, 'no crash');

$node->stop;
done_testing();
