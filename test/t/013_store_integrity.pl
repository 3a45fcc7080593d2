# After a mixed load of many writers the tables agree with each other, and every index with its table: rows go to the
# table access method directly, so that this is ours to prove.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use FhirTest;

my $node = new_node('integrity', conf => "fsync = off\n");
load_sample($node);

my $file = script_file('mixed.sql', <<'SQL');
\set k random(1, 100)
\set o random(1, 7)
SELECT CASE :o
 WHEN 1 THEN fhir_update(jsonb_build_object('resourceType', 'Patient', 'id', 'm' || :k, 'birthDate', '19' || (10 + :k % 80),
   'name', jsonb_build_array(jsonb_build_object('family', 'n' || (random() * 9)::int))))
 WHEN 2 THEN fhir_delete('Patient', 'm' || :k)
 WHEN 3 THEN fhir_create(jsonb_build_object('resourceType', 'Patient', 'identifier', jsonb_build_array(jsonb_build_object('system', 's', 'value', 'c' || :k))), 'identifier=s|c' || :k)
 WHEN 4 THEN fhir_transaction(jsonb_build_object('resourceType', 'Bundle', 'type', 'batch', 'entry', jsonb_build_array(
   jsonb_build_object('request', jsonb_build_object('method', 'PUT', 'url', 'Patient/m' || :k), 'resource', jsonb_build_object('resourceType', 'Patient', 'id', 'm' || :k)),
   jsonb_build_object('request', jsonb_build_object('method', 'PUT', 'url', 'Patient/m' || :k), 'resource', jsonb_build_object('resourceType', 'Patient', 'id', 'm' || :k, 'birthDate', 'x')))))
 WHEN 5 THEN fhir_update(jsonb_build_object('resourceType', 'Observation', 'id', 'o' || :k, 'status', 'final', 'code', jsonb_build_object('text', 't' || (random() * 100)::int),
   'effectiveDateTime', '2020-01-' || (10 + (random() * 19)::int), 'valueQuantity', jsonb_build_object('value', (random() * 100)::int, 'system', 'http://unitsofmeasure.org', 'code', 'mg')))
 WHEN 6 THEN fhir_transaction(jsonb_build_object('resourceType', 'Bundle', 'type', 'transaction', 'entry', jsonb_build_array(
   jsonb_build_object('request', jsonb_build_object('method', 'PUT', 'url', 'Observation/o' || :k), 'resource',
     jsonb_build_object('resourceType', 'Observation', 'id', 'o' || :k, 'status', 'amended', 'code', jsonb_build_object('text', 'b'), 'subject', jsonb_build_object('reference', 'Patient?identifier=s|c' || :k))),
   jsonb_build_object('request', jsonb_build_object('method', 'POST', 'url', 'Patient', 'ifNoneExist', 'identifier=s|c' || :k),
     'resource', jsonb_build_object('resourceType', 'Patient', 'identifier', jsonb_build_array(jsonb_build_object('system', 's', 'value', 'c' || :k)))))))
 ELSE fhir_history('Patient', NULL, '_count=5') END IS NULL;
SQL
# a total is the number of what is there, in the same answer, whatever is written and vacuumed meanwhile
my $totals = script_file('totals.sql', <<'SQL');
DO $$
DECLARE b jsonb;
  q text;
BEGIN
  FOREACH q IN ARRAY ARRAY['', '&birthdate:missing=true', '&birthdate:missing=false', '&language:not=de', '&identifier:missing=false', '&_tag:not=x&language:not=de'] LOOP
    b := fhir_search('Patient', '_total=accurate&_count=1000' || q);
    IF (b ->> 'total')::int <> jsonb_array_length(coalesce(b -> 'entry', '[]')) THEN
      RAISE EXCEPTION 'total % of % matches: %', b ->> 'total', jsonb_array_length(b -> 'entry'), q;
    END IF;
  END LOOP;
END $$;
VACUUM fhir.resource;
SQL
my ($out, $err, $out2, $err2) = ('', '', '', '');
my $writers = IPC::Run::start([ 'pgbench', '-n', '-c', 6, '-j', 2, '-t', 700, '-f', $file, $node->connstr('postgres') ], '>', \$out, '2>', \$err);
my $readers = IPC::Run::run([ 'pgbench', '-n', '-c', 2, '-t', 30, '-f', $totals, $node->connstr('postgres') ], '>', \$out2, '2>', \$err2);
ok($writers->finish, 'a mixed load of six clients')
  or diag(substr($err, 0, 2000));
ok($readers && $err2 !~ /ERROR/, 'totals agree with their pages meanwhile') or diag(substr($err2, 0, 2000));
ok($node->safe_psql('postgres', 'SELECT count(*) FROM fhir.version') > 1500, '... made many versions');

my %zero = (
	'version numbers have no gap' => 'SELECT rid FROM fhir.version GROUP BY rid HAVING count(*) <> max(version)',
	'each current row has its version' =>
	  'SELECT 1 FROM fhir.resource r LEFT JOIN fhir.version v USING (rid, version) WHERE v.rid IS NULL OR r.deleted <> (v.doc IS NULL) OR v.last_updated <> r.last_updated',
	'the place of the current version is known' => 'SELECT 1 FROM fhir.resource r JOIN fhir.version v USING (rid, version) WHERE r.place <> v.ctid',
	'the current version is the last one' => 'SELECT 1 FROM fhir.resource r WHERE version <> (SELECT max(version) FROM fhir.version v WHERE v.rid = r.rid)',
	'times rise with versions' => 'SELECT 1 FROM fhir.version a JOIN fhir.version b ON a.rid = b.rid AND b.version = a.version + 1 WHERE b.last_updated <= a.last_updated',
	'documents name their version' => q{SELECT 1 FROM fhir.version, fhir_document(doc) d WHERE d #>> '{meta,versionId}' <> version::text OR (d #>> '{meta,lastUpdated}')::timestamptz <> last_updated},
	'ordered rows are those of ord' => 'SELECT 1 FROM fhir.resource r WHERE cardinality(ord) / 3 <> (SELECT count(*) FROM fhir.ordered o WHERE o.rid = r.rid)',
	'deleted resources have one key, their type\'s' => 'SELECT type FROM fhir.resource WHERE deleted GROUP BY type HAVING count(DISTINCT keys) > 1 OR min(cardinality(keys)) <> 1 OR max(cardinality(keys)) <> 1',
	'no side row without its resource' =>
	  'SELECT rid FROM fhir.ordered UNION SELECT rid FROM fhir.string UNION SELECT rid FROM fhir.word EXCEPT SELECT rid FROM fhir.resource WHERE NOT deleted',
	'keys are those of the document' => q{SELECT 1 FROM fhir.resource r JOIN fhir.version v USING (rid, version), fhir_key_counts(fhir_document(v.doc)) k WHERE NOT deleted AND
	  (k.keys <> cardinality(r.keys) OR k.refs <> cardinality(r.refs) OR k.ordered <> cardinality(ord) / 3 OR k.strings <> (SELECT count(*) FROM fhir.string s WHERE s.rid = r.rid))},
	'words are those of the document' => q{SELECT 1 FROM fhir.resource r JOIN fhir.version v USING (rid, version) WHERE NOT deleted AND
	  (SELECT array_agg(left(l, 1) || substr(l, 5) ORDER BY left(l, 1) || substr(l, 5)) FROM fhir.word w, unnest(tsvector_to_array(w.words)) l WHERE w.rid = r.rid) IS DISTINCT FROM
	  (SELECT array_agg(w ORDER BY w) FROM (SELECT DISTINCT left(form, 1) || value AS w FROM fhir_keys(fhir_document(v.doc)) WHERE structure = 'word') x)},
	'the index of keys finds each row' => q{SELECT 1 FROM (SELECT unnest(keys) k, count(*) n FROM fhir.resource GROUP BY 1) x WHERE n <> (SELECT count(*) FROM fhir.resource WHERE keys @> ARRAY[k])},
	'one Patient for each condition' => q{SELECT resource #>> '{identifier,0,value}' FROM fhir_search_rows('Patient', 'identifier=s|&_count=1000') GROUP BY 1 HAVING count(*) > 1});
for my $what (sort keys %zero)
{
	is($node->safe_psql('postgres', "SELECT count(*) FROM ($zero{$what}) x"), '0', $what);
}
$node->safe_psql('postgres', 'CREATE EXTENSION amcheck');
is($node->safe_psql('postgres', q{SELECT string_agg(c.relname, ' ' ORDER BY c.relname) FROM pg_class c JOIN pg_am a ON a.oid = c.relam, LATERAL (SELECT bt_index_check(c.oid, true)) x
	WHERE relnamespace = 'fhir'::regnamespace AND a.amname = 'btree'}),
	'dictionary_pkey ordered_long ordered_range resource_identity resource_pkey search_param_pkey store_info_pkey string_prefix string_rid term_hash version_changed version_pkey word_rid', 'every B-tree agrees with its table');
is($node->safe_psql('postgres', q{SELECT sum(deadlocks) FROM pg_stat_database}), '0', 'no deadlock');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|signal 11|terminated by signal/, 'no crash');
$node->stop;
done_testing();
