# Search parameters of users: no write is missed while existing rows are indexed; crash, restart, standby, promotion, dump and
# restore leave a state that goes on. In the end every search is held against fhir_matches, which knows no keys.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);
use FhirTest;

my $node = new_node('primary', streaming => 1, conf => "fhir.reindex_worker = off\nmax_worker_processes = 8\n");
my $rows = 6000;
$node->safe_psql('postgres', qq{
SELECT count(fhir_update(jsonb_build_object('resourceType', 'Patient', 'id', 'p' || i, 'multipleBirthInteger', i % 7, 'maritalStatus',
  jsonb_build_object('coding', jsonb_build_array(jsonb_build_object('system', 'urn:m', 'code', chr(65 + i % 4)))),
  'contact', jsonb_build_array(jsonb_build_object('name', jsonb_build_object('family', 'Contact' || i % 50)))))) FROM generate_series(1, $rows) i});

sub parameter
{
	my ($id, $type, $expression, $status) = @_;
	return sprintf(q{SELECT fhir_update('{"resourceType":"SearchParameter","id":"%s","url":"http://example.org/%s","name":"x","status":"%s","description":"x","code":"%s","base":["Patient"],"type":"%s","expression":"%s"}') IS NOT NULL},
		$id, $id, $status // 'active', $id, $type, $expression);
}

sub state
{
	my ($n, $code, $db) = @_;
	return $n->safe_psql($db // 'postgres', "SELECT state FROM fhir_reindex_status() WHERE code = '$code'");
}

# Matches of the search and of fhir_matches that the other does not have.
sub differences
{
	my ($n, $db, @queries) = @_;
	my $sum = 0;
	foreach my $q (@queries)
	{
		$sum += $n->safe_psql($db, qq{
WITH s AS MATERIALIZED (SELECT id FROM fhir_search_rows('Patient', '$q')),
  m AS MATERIALIZED (SELECT id FROM fhir_search_rows('Patient') r WHERE fhir_matches(r.resource, '$q'))
SELECT (SELECT count(*) FROM (TABLE s EXCEPT TABLE m) x) + (SELECT count(*) FROM (TABLE m EXCEPT TABLE s) x)});
	}
	return $sum;
}

sub session
{
	my ($n, $db) = @_;
	my %s = (in => '', out => '', err => '');
	$s{run} = IPC::Run::start([ 'psql', '-XAtq', '-d', $n->connstr($db // 'postgres') ], '<', \$s{in}, '>', \$s{out}, '2>', \$s{err}, IPC::Run::timeout(120));
	return \%s;
}

# Sends SQL and waits for its end; what was printed.
sub ask
{
	my ($s, $sql) = @_;
	$s->{out} = '';
	$s->{in} .= "$sql;\n\\echo =end=\n";
	$s->{run}->pump until $s->{out} =~ /=end=/;
	return $s->{out} =~ s/\n?=end=\n//r;
}

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

my @births = ('births=3', 'births=lt2', 'births:missing=true');

# ---- a writer that began before the parameter and goes on after it
{
	my $writer = session($node);
	ask($writer, q{BEGIN});
	ask($writer, q{SELECT fhir_update('{"resourceType":"Patient","id":"early","multipleBirthInteger":3}') IS NOT NULL});
	$node->safe_psql('postgres', parameter('births', 'number', 'Patient.multipleBirth as integer'));
	my $runner = session($node);
	$runner->{in} .= "CALL fhir_reindex(500);\n\\echo =end=\n";
	$runner->{run}->pump_nb;
	$node->poll_query_until('postgres', q{SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE 'CALL fhir_reindex%' AND wait_event_type = 'Lock'}) or die;
	is(state($node, 'births'), 'waiting', 'existing rows are not indexed while a writer that knows nothing of the parameter is at work');
	is($node->safe_psql('postgres', q{SELECT fhir_update('{"resourceType":"Patient","id":"other","multipleBirthInteger":3}')->>'id'}), 'other', 'others write meanwhile');
	ask($writer, q{SELECT fhir_update('{"resourceType":"Patient","id":"p1","multipleBirthInteger":3}') IS NOT NULL});
	ask($writer, q{COMMIT});
	$runner->{run}->pump until $runner->{out} =~ /=end=/;
	is($runner->{err}, '', 'the re-index ended');
	is(state($node, 'births'), 'ready', '... and the parameter is served');
	is($node->safe_psql('postgres', q{SELECT count(*) FROM fhir_search_rows('Patient', 'births=3&_id=early,other,p1')}), '3', '... with the writes of all three');
	is(differences($node, 'postgres', @births), 0, '... and all others');
	$_->{run}->finish foreach ($writer, $runner);
}

# ---- an old snapshot does not rely on keys that it can't see
{
	my $old = session($node);
	ask($old, q{BEGIN ISOLATION LEVEL REPEATABLE READ});
	is(ask($old, q{SELECT count(*) FROM fhir_search_rows('Patient', 'births=3')}) > 800, 1, 'a parameter that was ready before the snapshot');
	$node->safe_psql('postgres', parameter('kin', 'string', 'Patient.contact.name'));
	$node->safe_psql('postgres', 'CALL fhir_reindex()');
	ask($old, q{SELECT fhir_count('Patient', 'kin=contact7')});
	like($old->{err}, qr/search parameter "kin" of Patient is not ready yet/, 'one that became ready after the snapshot is not used');
	ask($old, q{ROLLBACK});
	is(ask($old, q{SELECT fhir_count('Patient', 'kin=contact7')}), $node->safe_psql('postgres', q{SELECT count(*) FROM fhir_search_rows('Patient') r WHERE fhir_matches(r.resource, 'kin=contact7')}),
		'... and is used by the next transaction of the same session');
	$old->{run}->finish;
}

# ---- rows that others hold are waited for, and nobody waits for the runner
{
	my $holder = session($node);
	$node->safe_psql('postgres', parameter('since', 'token', 'Patient.maritalStatus.coding.code'));
	ask($holder, q{BEGIN});
	# of the keys that are to come, none is written by this transaction: it is rolled back
	ask($holder, q{SELECT rid FROM fhir.resource WHERE id = 'p5' FOR UPDATE});
	my $runner = session($node);
	$runner->{in} .= "CALL fhir_reindex(500);\n\\echo =end=\n";
	$runner->{run}->pump_nb;
	# FOR UPDATE takes no writer's lock on the table: the runner comes as far as the row
	$node->poll_query_until('postgres', q{SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE 'CALL fhir_reindex%' AND wait_event_type = 'Lock' AND wait_event IN ('transactionid', 'tuple')}) or die;
	is($node->safe_psql('postgres', q{SET lock_timeout = '2s'; SELECT fhir_update('{"resourceType":"Patient","id":"p6","multipleBirthInteger":1}')->>'id'}), 'p6',
		'a row of the same batch can be written while the runner waits for another');
	is(state($node, 'since'), 'running', 'the row is not passed over');
	ask($holder, 'ROLLBACK');
	$runner->{run}->pump until $runner->{out} =~ /=end=/;
	is($runner->{err}, '', 'the runner goes on');
	is(differences($node, 'postgres', 'since=B', 'since=urn:m|B', 'since:missing=true'), 0, 'every row has its keys');
	$_->{run}->finish foreach ($holder, $runner);
}

# ---- many writers, while the background worker indexes
$node->append_conf('postgresql.conf', 'fhir.reindex_worker = on');
$node->reload;
{
	my $file = script_file('writers.sql', <<'SQL');
\set i random(1, 6300)
\set v random(0, 6)
\set d random(1, 20)
SELECT CASE WHEN :d = 1 THEN fhir_delete('Patient', 'p' || :i) WHEN :d = 2 THEN fhir_create('{"resourceType":"Patient","language":"sv"}'::jsonb || jsonb_build_object('multipleBirthInteger', :v))
 WHEN :d = 3 THEN fhir_transaction(jsonb_build_object('resourceType', 'Bundle', 'type', 'transaction', 'entry', (SELECT jsonb_agg(jsonb_build_object('resource',
   jsonb_build_object('resourceType', 'Patient', 'id', 'p' || i, 'gender', 'male', 'multipleBirthInteger', :v), 'request', jsonb_build_object('method', 'PUT', 'url', 'Patient/p' || i))) FROM generate_series(:i, :i + 9) i)))
 ELSE fhir_update(jsonb_build_object('resourceType', 'Patient', 'id', 'p' || :i, 'multipleBirthInteger', :v, 'language', CASE :v WHEN 1 THEN 'sv' ELSE 'de' END,
   'maritalStatus', jsonb_build_object('coding', jsonb_build_array(jsonb_build_object('system', 'urn:m', 'code', chr(65 + :v)))),
   'contact', jsonb_build_array(jsonb_build_object('name', jsonb_build_object('family', 'Contact' || :v))))) END IS NOT NULL;
SQL
	my ($out, $err) = ('', '');
	my $writers = IPC::Run::start([ 'pgbench', '-n', '-c', 4, '-j', 2, '-T', 12, '-f', $file, $node->connstr('postgres') ], '>', \$out, '2>', \$err);
	sleep 1;
	foreach my $p ([ 'tongue', 'token', 'Patient.language' ], [ 'status', 'token', 'Patient.maritalStatus' ], [ 'siblings', 'number', 'Patient.multipleBirth as integer' ])
	{
		$node->safe_psql('postgres', parameter(@$p));
		sleep 0.7;
	}
	# changed while it is being indexed, and one that ends
	$node->safe_psql('postgres', parameter('status', 'token', 'Patient.maritalStatus | Patient.language'));
	$node->safe_psql('postgres', parameter('kin', 'string', 'Patient.contact.name', 'retired'));
	ok($node->poll_query_until('postgres', q{SELECT count(*) = 5 AND bool_and(state = 'ready') FROM fhir_reindex_status()}), 'the worker indexed all while writers were at work')
	  or diag($node->safe_psql('postgres', 'SELECT * FROM fhir_reindex_status()'));
	$writers->finish;
	like($out, qr/number of failed transactions: 0 /, 'no writer failed') or diag("$out$err");
	is(differences($node, 'postgres', @births, 'siblings=3', 'siblings:missing=true', 'tongue=sv', 'tongue:not=sv', 'tongue:missing=true', 'status=B', 'status=sv', 'status=urn:m|C', 'since=C'), 0,
		'every search finds what fhir_matches says');
	is($node->safe_psql('postgres', q{SELECT count(*) FROM fhir.string s JOIN fhir.resource r USING (rid) WHERE r.type = 'Patient'}), '0', 'the retired parameter has left no keys');
	is($node->safe_psql('postgres', q{SELECT count(*) - count(DISTINCT (key, lo, hi, rid)) FROM fhir.ordered}), '0', 'no side row is there twice');
	is($node->safe_psql('postgres', q{SELECT count(*) FROM fhir.resource r, LATERAL (SELECT count(*) n FROM fhir.ordered o WHERE o.rid = r.rid) o WHERE o.n <> cardinality(r.ord) / 3}), '0',
		'side rows and the rows they belong to agree');
}

# ---- somebody who has rights on the tables, but is not their owner
$node->safe_psql('postgres', q{CREATE ROLE keeper LOGIN; GRANT USAGE ON SCHEMA fhir TO keeper; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA fhir TO keeper;
	GRANT USAGE ON ALL SEQUENCES IN SCHEMA fhir TO keeper; CREATE ROLE stranger LOGIN});
$node->safe_psql('postgres', parameter('mine', 'token', 'Patient.language'), extra_params => [ '-U', 'keeper' ]);
ok($node->poll_query_until('postgres', q{SELECT state = 'ready' FROM fhir_reindex_status() WHERE code = 'mine'}), 'the worker indexes what a role other than the owner has stored');
{
	my ($rc, $out, $err) = $node->psql('postgres', parameter('theirs', 'token', 'Patient.language'), extra_params => [ '-U', 'stranger' ]);
	like($err, qr/permission denied/, 'a role without rights stores none');
	($rc, $out, $err) = $node->psql('postgres', 'CALL fhir_reindex(everything => true)', extra_params => [ '-U', 'stranger' ]);
	like($err, qr/permission denied/, '... and re-indexes nothing');
}
is(differences($node, 'postgres', 'mine=sv'), 0, '... with all its keys');

# ---- killed in the middle
$node->append_conf('postgresql.conf', 'fhir.reindex_worker = off');
$node->reload;
{
	$node->safe_psql('postgres', parameter('again', 'number', 'Patient.multipleBirth as integer') =~ s/as integer/as integer | Patient.multipleBirth.as(integer)/r);
	my $runner = session($node);
	$runner->{in} .= "CALL fhir_reindex(5);\n";
	$runner->{run}->pump_nb;
	$node->poll_query_until('postgres', q{SELECT done > 500 FROM fhir_reindex_status() WHERE code = 'again'}) or die;
	$node->kill9;
	eval { $runner->{run}->finish };
	start_again();
	is(state($node, 'again'), 'running', 'after kill -9: not ready');
	my ($rc, $out, $err) = $node->psql('postgres', q{SELECT fhir_count('Patient', 'again=3')});
	like($err, qr/not ready yet.*\d+ of \d+ resources are indexed/s, '... so not served, and the hint tells the progress');
	is($node->safe_psql('postgres', q{SELECT fhir_update('{"resourceType":"Patient","id":"meanwhile","multipleBirthInteger":3}')->>'id'}), 'meanwhile', '... writes go on');
	my $done = $node->safe_psql('postgres', q{SELECT done FROM fhir_reindex_status() WHERE code = 'again'});
	cmp_ok($done, '>', 500, '... from where it was');
	$node->append_conf('postgresql.conf', 'fhir.reindex_worker = on');
	$node->reload;
	# any session that touches the store finds the work and has it done
	$node->safe_psql('postgres', q{SELECT fhir_count('Patient', 'gender=male')});
	ok($node->poll_query_until('postgres', q{SELECT state = 'ready' FROM fhir_reindex_status() WHERE code = 'again'}), 'a worker goes on with it by itself');
	is(differences($node, 'postgres', 'again=3', 'again=gt4', 'again:missing=true'), 0, '... and nothing is missing');
}

# ---- a standby serves it; after promotion it goes on with what waits
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
{
	my $reader = session($standby);
	like(ask($reader, q{SELECT fhir_count('Patient', 'again=3')}), qr/^\d+$/, 'the standby serves it');
	$node->safe_psql('postgres', parameter('late', 'token', 'Patient.language'));
	$node->poll_query_until('postgres', q{SELECT state = 'ready' FROM fhir_reindex_status() WHERE code = 'late'}) or die;
	$node->wait_for_catchup($standby);
	is(ask($reader, q{SELECT fhir_count('Patient', 'late=sv')}), $node->safe_psql('postgres', q{SELECT fhir_count('Patient', 'late=sv')}), 'a session on the standby learns of a new one');
	my ($rc, $out, $err) = $standby->psql('postgres', 'CALL fhir_reindex()');
	like($err, qr/cannot execute fhir_reindex\(\) during recovery/, 'a standby re-indexes nothing');
	$reader->{run}->finish;
	$node->append_conf('postgresql.conf', 'fhir.reindex_worker = off');
	$node->reload;
}

# ---- dump and restore, with one that waits, and a composite of users' parameters
$node->safe_psql('postgres', q{SELECT fhir_update(jsonb_build_object('resourceType', 'SearchParameter', 'id', 'pair', 'url', 'http://example.org/pair', 'name', 'x', 'status', 'active', 'description', 'x',
  'code', 'pair', 'base', '["Patient"]'::jsonb, 'type', 'composite', 'expression', 'Patient', 'component', '[{"definition":"http://example.org/since","expression":"maritalStatus.coding.code"},
  {"definition":"http://example.org/siblings","expression":"multipleBirth.as(integer)"}]'::jsonb)) IS NOT NULL; CALL fhir_reindex()});
$node->safe_psql('postgres', parameter('waits', 'token', 'Patient.language'));
is(differences($node, 'postgres', 'pair=B$1', 'pair=C$gt1'), 0, 'a composite of parameters of users is served');
my $dump = "${PostgreSQL::Test::Utils::tmp_check}/searchparam.dump";
command_ok([ 'pg_dump', '-d', $node->connstr('postgres'), '-F', 'custom', '-f', $dump ], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE copy');
command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('copy'), $dump ], 'pg_restore');
is($node->safe_psql('copy', q{SELECT fhir_count('Patient', 'late=sv')}), $node->safe_psql('postgres', q{SELECT fhir_count('Patient', 'late=sv')}), 'restored: served as before');
is(differences($node, 'copy', 'pair=B$1', 'pair=C$gt1'), 0, 'restored: so is a composite');
is(state($node, 'waits', 'copy'), 'waiting', 'restored: what waited waits');
$node->psql('copy', q{SELECT fhir_delete('SearchParameter', 'siblings')}, stderr => \my $kept);
like($kept, qr/is a component of composite parameter "pair"/, 'restored: its components are kept');
$node->safe_psql('copy', 'CALL fhir_reindex()');
is(differences($node, 'copy', 'waits=sv', @births), 0, 'restored: and is indexed');

$node->wait_for_catchup($standby);
$node->stop;
$standby->promote;
is(state($standby, 'waits'), 'waiting', 'promoted: what waited waits');
$standby->safe_psql('postgres', q{SET fhir.reindex_worker = on; SELECT fhir_count('Patient', 'late=sv')});
ok($standby->poll_query_until('postgres', q{SELECT state = 'ready' FROM fhir_reindex_status() WHERE code = 'waits'}), 'promoted: it is indexed');
is(differences($standby, 'postgres', 'waits=sv', @births), 0, 'promoted: and served');
unlike(slurp_file($_->logfile), qr/was terminated by signal 11|PANIC|deadlock detected/, 'no crash, no deadlock: ' . $_->name) foreach ($node, $standby);
$standby->stop;
done_testing();
