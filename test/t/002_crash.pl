# No acknowledged write is lost when a backend or the whole server is killed under load. The ledger of acknowledged writes is kept
# outside the database, by the clients. With synchronous_commit=off the same test loses writes: so it can fail.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use FhirTest;

my $clients = 4;
my $node = new_node('crash', conf => "fsync = on\nrestart_after_crash = on\nwal_writer_delay = 10s\n");

# One writer: a psql that creates Patients and Observations and updates, and prints what was acknowledged, a line each, with autocommit.
# Its output file is the ledger.
sub start_writer
{
	my ($n, $sync) = @_;
	my $sql = "SET synchronous_commit = $sync;\n";
	for my $i (1 .. 20000)
	{
		$sql .= sprintf(q{SELECT 'C', x->>'resourceType', x->>'id', x->'meta'->>'versionId' FROM fhir_create('%s') x;} . "\n", observation("w$n", $i));
		$sql .= sprintf(q{SELECT 'U', x->>'resourceType', x->>'id', x->'meta'->>'versionId' FROM fhir_update('{"resourceType":"Patient","id":"w%d","multipleBirthInteger":%d}') x;} . "\n", $n, $i);
	}
	my $file = script_file("writer-$n-$sync-" . int(rand(1e9)) . '.sql', $sql);
	my %w = (out => '', err => '');
	$w{ledger} = "$file.ledger";
	$w{run} = IPC::Run::start(
		[ 'psql', '-XAtq', '-F', ' ', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), '-f', $file ],
		'>', $w{ledger}, '2>', \$w{err});
	return \%w;
}

sub ledger
{
	my ($w) = @_;
	my @lines = split /\n/, slurp_file($w->{ledger});
	# psql may have died in the middle of a line
	return grep { /^[CU] \S+ \S+ \d+$/ } @lines;
}

# How many of those the store does not have, in that version.
sub lost
{
	my (@ledger) = @_;
	return 0 unless @ledger;
	my $values = join ',', map { my @f = split / /; "('$f[1]','$f[2]','$f[3]')" } @ledger;
	my $file = script_file('check-' . int(rand(1e9)) . '.sql', <<~SQL);
		CREATE FUNCTION pg_temp.there(t text, i text, v text) RETURNS boolean LANGUAGE plpgsql AS
		\$\$BEGIN RETURN fhir_vread(t, i, v)->'meta'->>'versionId' = v; EXCEPTION WHEN OTHERS THEN RETURN false; END\$\$;
		SELECT count(*) FROM (VALUES $values) l(t, i, v) WHERE NOT pg_temp.there(t, i, v);
		SQL
	my ($rc, $out, $err) = (0, '', '');
	IPC::Run::run([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), '-f', $file ], '>', \$out, '2>', \$err)
	  or die "check failed: $err";
	chomp $out;
	return $out;
}

sub wait_until_up
{
	for (1 .. 600)
	{
		return 1 if $node->psql('postgres', 'SELECT 1') == 0;
		sleep 0.1;
	}
	return 0;
}

# The killed server's children may hold its memory for a moment.
sub start_again
{
	for (1 .. 60)
	{
		$node->{_pid} = undef;
		return if $node->start(fail_ok => 1);
		sleep 0.5;
	}
	die 'the server does not start again';
}

# Search and the documents agree: what the keys find is what is stored.
sub consistent
{
	my ($what) = @_;
	is($node->safe_psql('postgres', q{SELECT fhir_count('Observation') - (SELECT count(*) FROM fhir.resource WHERE type = 'Observation' AND NOT deleted)}), '0', "$what: count by search = rows");
	is($node->safe_psql('postgres', q{SELECT fhir_count('Observation') - fhir_count('Observation', 'code=http://loinc.org|8480-6')}), '0', "$what: each is found by its key");
	is($node->safe_psql('postgres', q{SELECT count(*) FROM fhir.resource r LEFT JOIN fhir.version v ON v.rid = r.rid AND v.version = r.version WHERE v.rid IS NULL}), '0', "$what: each current row has its version");
	is($node->safe_psql('postgres', q{SELECT count(*) FROM fhir.ordered o LEFT JOIN fhir.resource r ON r.rid = o.rid WHERE r.rid IS NULL}), '0', "$what: no key without its resource");
}

# Runs the writers, calls $kill after a while, and returns the acknowledged writes.
sub under_load
{
	my ($sync, $seconds, $kill) = @_;
	my @w = map { start_writer($_, $sync) } 1 .. $clients;
	sleep $seconds;
	$kill->();
	for my $w (@w)
	{
		# the writers end by themselves when their connection breaks; those of a killed neighbour, too
		my $end = time + 60;
		while (time < $end && $w->{run}->pumpable) { $w->{run}->pump_nb; last unless $w->{run}->pumpable; sleep 0.05; }
		eval { $w->{run}->kill_kill(grace => 2) };
	}
	return map { ledger($_) } @w;
}

# ---- a backend is killed
my @done = under_load('on', 2, sub {
	my $killed = 0;

	# at one instant all of them may be at another statement, and one that was seen may have ended
	for my $try (1 .. 200)
	{
		my $pid = $node->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND query LIKE '%fhir_create%' AND pid <> pg_backend_pid() LIMIT 1});

		last if $killed = $pid && kill('KILL', $pid);
		sleep 0.05;
	}
	ok($killed, 'killed a backend under load');
});
ok(wait_until_up(), 'the server recovers from a killed backend');
cmp_ok(scalar @done, '>', 100, 'writes were acknowledged: ' . @done);
is(lost(@done), '0', 'none of them is lost');
consistent('after a killed backend');

# ---- the whole server is killed, three times over
foreach my $round (1 .. 3)
{
	my @acked = under_load('on', 1.5, sub { $node->kill9 });
	start_again();
	cmp_ok(scalar @acked, '>', 50, "round $round: writes were acknowledged: " . @acked);
	is(lost(@acked), '0', "round $round: kill -9 of the server lost none");
	push @done, @acked;
}
is(lost(@done), '0', 'all acknowledged writes of all rounds are there');
consistent('after kill -9');

# ---- the same with synchronous_commit = off: acknowledged before the WAL is out, so a kill of the server loses some
my $lost = 0;
foreach my $round (1 .. 5)
{
	my @acked = under_load('off', 1 + rand, sub {
		# every process at once, so that no WAL writer flushes afterwards
		my @pids = split /\n/, $node->safe_psql('postgres', 'SELECT pid FROM pg_stat_activity');
		my $postmaster = $node->{_pid};
		kill 'KILL', $postmaster, @pids;
		$node->kill9;
	});
	start_again();
	$lost = lost(@acked);
	last if $lost > 0;
}
cmp_ok($lost, '>', 0, "with synchronous_commit=off acknowledged writes get lost ($lost): this test can fail");
consistent('after kill -9 with synchronous_commit=off');

$node->stop;
done_testing();
