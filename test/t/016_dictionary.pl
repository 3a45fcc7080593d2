# Dictionaries of a store's own: trained by themselves as the store grows, on a primary; documents packed with one are read everywhere that
# they can be seen: by old snapshots, on a standby that follows, after a crash, a promotion, a dump and a restore.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use FhirTest;

my $node = new_node('primary', streaming => 1, conf => "max_worker_processes = 8\n");
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;

sub make
{
	my ($n, $first, $last, $store) = @_;
	return $n->safe_psql('postgres', sprintf(q{SET fhir.store = '%s'; SELECT count(fhir_create(jsonb_set('%s'::jsonb, '{identifier,0,value}', to_jsonb('n' || i)))) FROM generate_series(%d, %d) i},
		$store // 'fhir', observation('p', 'x'), $first, $last));
}

sub dictionaries { my ($n, $db) = @_; return $n->safe_psql($db // 'postgres', 'SELECT count(*) FROM fhir.dictionary'); }

# Documents by format; each is read as its row says.
sub formats
{
	my ($n, $db) = @_;
	return $n->safe_psql($db // 'postgres', q{SELECT string_agg(f || ':' || bad, ' ' ORDER BY f) FROM (SELECT get_byte(v.doc, 0) AS f, count(*) FILTER (WHERE fhir_document(v.doc) ->> 'id' <> r.id) AS bad
		FROM fhir.version v JOIN fhir.resource r USING (rid) WHERE doc IS NOT NULL GROUP BY 1) x});
}

sub session
{
	my ($n) = @_;
	my %s = (in => '', out => '', err => '');
	$s{run} = IPC::Run::start([ 'psql', '-XAtq', '-d', $n->connstr('postgres') ], '<', \$s{in}, '>', \$s{out}, '2>', \$s{err}, IPC::Run::timeout(120));
	return \%s;
}

sub ask
{
	my ($s, $sql) = @_;
	$s->{out} = '';
	$s->{in} .= "$sql;\n\\echo =end=\n";
	$s->{run}->pump until $s->{out} =~ /=end=/;
	return $s->{out} =~ s/\n?=end=\n//r;
}

# ---- nothing happens to a small store
make($node, 1, 2000);
is(dictionaries($node), '0', 'a small store has no dictionary');
my $old = session($node);
ask($old, 'BEGIN ISOLATION LEVEL REPEATABLE READ');
is(ask($old, q{SELECT fhir_count('Observation')}), '2000', 'an old snapshot');
my $reader = session($standby);
ask($reader, 'BEGIN ISOLATION LEVEL REPEATABLE READ');
is(ask($reader, 'SELECT count(fhir_document(doc)) FROM fhir.version') > 0, 1, '... and one on the standby');

# ---- a store that grows gets one by itself; transactions of several resources, as applications write
make($node, $_ * 500, $_ * 500 + 499) foreach (4 .. 12);
ok($node->poll_query_until('postgres', 'SELECT count(*) = 1 FROM fhir.dictionary'), 'a worker trains a dictionary when the store has grown');
make($node, 7000, 7100);
is(formats($node), '2:0 3:0', 'later documents are packed with it, earlier ones stay');
cmp_ok($node->safe_psql('postgres', q{SELECT round(avg(octet_length(doc)) FILTER (WHERE get_byte(doc, 0) = 3) / avg(octet_length(doc)) FILTER (WHERE get_byte(doc, 0) = 2), 2) FROM fhir.version}), '<', 0.8,
	'... and take less room');

# ---- the old snapshot: reads what it sees, writes, and reads that
my $id = ask($old, qq{SELECT fhir_create('} . observation('p', 'old') . q{') ->> 'id'});
is(ask($old, qq{SELECT fhir_read('Observation', '$id') #>> '{identifier,0,value}'}), 'old', 'a transaction from before the training reads what it writes');
is(ask($old, q{SELECT fhir_count('Observation')}), '2001', '... and sees what it saw');
is(ask($old, qq{SELECT get_byte(doc, 0) FROM fhir.version JOIN fhir.resource r USING (rid) WHERE r.id = '$id'}), '3', '... packed with the dictionary that its snapshot does not see');
ask($old, 'COMMIT');
is($old->{err}, '', '... without an error');

# ---- the standby, which was following while it was trained
$node->wait_for_catchup($standby);
is(ask($reader, 'SELECT count(*) FROM (SELECT fhir_document(doc) FROM fhir.version OFFSET 0) x') > 0, 1, 'an old snapshot of the standby goes on');
ask($reader, 'COMMIT');
is(ask($reader, qq{SELECT fhir_read('Observation', '$id') #>> '{identifier,0,value}'}), 'old', 'the same session reads the new documents');
is($reader->{err}, '', '... without an error');
is($standby->safe_psql('postgres', q{SET default_transaction_read_only = on; SELECT fhir_count('Observation', 'identifier=n7050'), count(*) FROM fhir_search_rows('Observation', 'identifier=n7050')}), '1|1',
	'searches of the standby read them');
is(formats($standby), '2:0 3:0', 'every document of the standby is read');
my ($rc, $out, $err) = $standby->psql('postgres', 'SELECT fhir_dictionary_train()');
ok($rc != 0 && $err =~ /read-only|recovery/, 'a standby trains none');
$_->{run}->finish foreach ($old, $reader);

# ---- one at a time, and nobody waits for a trainer but another one
{
	$node->safe_psql('postgres', q{SELECT fhir_store_create('busy')});
	make($node, 1, 1000, 'busy');
	my $trainer = session($node);
	ask($trainer, q{SET fhir.store = 'busy'; BEGIN});
	is(ask($trainer, 'SELECT stored FROM fhir_dictionary_train()'), 't', 'a training that does not commit yet');
	is($node->safe_psql('postgres', q{SET lock_timeout = '5s'; SET fhir.store = 'busy'; SELECT fhir_update('{"resourceType": "Patient", "id": "meanwhile"}') ->> 'id'}), 'meanwhile', 'others write meanwhile');
	($rc, $out, $err) = $node->psql('postgres', q{SET lock_timeout = '500ms'; SET fhir.store = 'busy'; SELECT stored FROM fhir_dictionary_train()});
	like($err, qr/lock timeout/, 'another trainer waits');
	is($node->safe_psql('postgres', 'SELECT count(*) FROM busy.version WHERE get_byte(doc, 0) = 3'), '0', 'nobody uses what is not committed');

	# the server dies in the middle
	$node->stop('immediate');
	eval { $trainer->{run}->finish };
	$node->start;
	is($node->safe_psql('postgres', 'SELECT count(*) FROM busy.dictionary'), '0', 'of a training that had not committed nothing is left');
	is($node->safe_psql('postgres', q{SET fhir.store = 'busy'; SELECT stored FROM fhir_dictionary_train()}), 't', '... and the next one works');
	is(formats($node), '2:0 3:0', 'all documents are there after the crash');
}

# ---- what can't be had is noted, not tried again with each write
{
	$node->safe_psql('postgres', q{SELECT fhir_store_create('noise')});
	# nearly all of it is taken out of the text before it is packed
	$node->safe_psql('postgres', q{SET fhir.store = 'noise'; SELECT count(fhir_create(jsonb_build_object('resourceType', 'Basic', 'code', '{"text": "x"}'::jsonb, 'identifier',
		(SELECT jsonb_agg(jsonb_build_object('value', md5(i || '.' || k)::uuid)) FROM generate_series(1, 60) k)))) FROM generate_series(1, 4200) i});
	ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM noise.store_info WHERE name = 'dictionary_tried'}), 'a training that is not worth it is noted');
	is($node->safe_psql('postgres', q{SET fhir.store = 'noise'; SELECT count(*) FROM noise.dictionary}), '0', '... and nothing stored');
	$node->safe_psql('postgres', q{SET fhir.store = 'noise'; SELECT count(fhir_create('{"resourceType": "Basic", "code": {"text": "x"}}')) FROM generate_series(1, 200)});
	my @trained = slurp_file($node->logfile) =~ /trained a dictionary for FHIR store "noise"/g;
	is(scalar @trained, 1, '... and not tried again before the store has grown');
	$node->safe_psql('postgres', q{SELECT fhir_store_create('manual')});
	$node->safe_psql('postgres', q{SET fhir.store = 'manual'; SET fhir.dictionary = 'manual'; SELECT count(fhir_create('{"resourceType": "Basic", "code": {"text": "x"}}')) FROM generate_series(1, 4200)});
	is($node->safe_psql('postgres', 'SELECT count(*) FROM manual.dictionary'), '0', 'fhir.dictionary = manual: no worker');
}

# ---- a store that has grown sixteenfold is trained anew: what it holds now may be of another kind; documents of both dictionaries stay
{
	$node->safe_psql('postgres', q{SELECT fhir_store_create('grown')});
	make($node, 1, 300, 'grown');
	is($node->safe_psql('postgres', q{SET fhir.store = 'grown'; SELECT stored FROM fhir_dictionary_train()}), 't', 'a dictionary of few resources');
	cmp_ok($node->safe_psql('postgres', 'SELECT 16 * rid FROM grown.dictionary'), '>', 4200, 'which is due again after 4,200, and before 8,192');
	my $more = sub {
		my ($rid) = @_;
		$node->safe_psql('postgres', sprintf(q{SET fhir.store = 'grown'; SELECT count(fhir_create(jsonb_build_object('resourceType', 'Immunization', 'status', 'completed',
			'vaccineCode', '{"coding": [{"system": "http://hl7.org/fhir/sid/cvx", "code": "140", "display": "Influenza, seasonal, injectable, preservative free"}]}'::jsonb,
			'patient', jsonb_build_object('reference', 'Patient/' || i, 'display', 'Patient ' || i), 'occurrenceDateTime', '2024-05-01T10:00:00Z', 'primarySource', true,
			'lotNumber', 'L' || i))) FROM generate_series((SELECT max(rid) FROM grown.resource) + 1, %d) i}, $rid));
	};
	$more->(4200);
	$node->safe_psql('postgres', q{SET fhir.store = 'grown'; SELECT fhir_create('{"resourceType": "Basic", "code": {"text": "x"}}')});
	is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'fhir dictionary'}), '0', 'sooner no worker starts');
	is($node->safe_psql('postgres', 'SELECT count(*) FROM grown.dictionary'), '1', '... and nothing is trained');
	$more->(8300);
	ok($node->poll_query_until('postgres', 'SELECT count(*) = 2 FROM grown.dictionary'), 'past it a worker trains the second dictionary');
	$more->(8400);
	is($node->safe_psql('postgres', q{SELECT count(DISTINCT substr(doc, 2, 4)) FROM grown.version WHERE get_byte(doc, 0) = 3}), '2', 'new documents are packed with it');
	is($node->safe_psql('postgres', q{SET fhir.store = 'grown'; SELECT count(*) FILTER (WHERE fhir_document(v.doc) ->> 'id' IS DISTINCT FROM r.id), count(*) > 4000 FROM grown.version v JOIN grown.resource r USING (rid)}),
		'0|t', 'documents without, of the first and of the second are read');
}

# ---- dump and restore
my $probe = q{SELECT md5(string_agg(r.id || v.version || fhir_document(v.doc), ',' ORDER BY r.id, v.version)) FROM fhir.version v JOIN fhir.resource r USING (rid)};
my $before = $node->safe_psql('postgres', $probe);
command_ok([ 'pg_dump', '-d', $node->connstr('postgres'), '-F', 'custom', '-f', "${PostgreSQL::Test::Utils::tmp_check}/dictionary.dump" ], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE copy');
command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('copy'), "${PostgreSQL::Test::Utils::tmp_check}/dictionary.dump" ], 'restored');
is($node->safe_psql('copy', $probe), $before, 'the restored documents are read as before');
is($node->safe_psql('copy', q{SELECT fhir_update('{"resourceType": "Patient", "id": "restored"}') ->> 'id'}), 'restored', 'and written');
is(formats($node, 'copy'), '2:0 3:0', 'with the same dictionary');

# ---- promoted, it packs with the dictionary that it has
$node->wait_for_catchup($standby);
$node->stop;
$standby->promote;
is($standby->safe_psql('postgres', q{SELECT fhir_create('} . observation('p', 'promoted') . q{') #>> '{identifier,0,value}'}), 'promoted', 'after promotion: writes work');
is($standby->safe_psql('postgres', q{SELECT get_byte(doc, 0) FROM fhir.version ORDER BY rid DESC LIMIT 1}), '3', '... packed with the dictionary of the primary');
is(dictionaries($standby), '1', '... which is not trained again');

done_testing();
