# Pages: under writers no match that existed throughout is skipped or repeated, in either direction; links can't be changed, made up or taken to
# another search, hold no secret, and lead on after a restart, on a standby and in a restored copy.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use Digest::SHA qw(hmac_sha256);
use MIME::Base64 qw(encode_base64url decode_base64url);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use FhirTest;

my $node = new_node('paging', streaming => 1, conf => "fsync = off\n");

# ---- the data: "fix" is never written again, "tou" is written again and again but what orders and selects it stays, "chu" comes, moves and goes
$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION doc(kind text, i int, k int) RETURNS jsonb LANGUAGE sql AS $$
  SELECT jsonb_strip_nulls(jsonb_build_object('resourceType', 'Observation', 'id', kind || '-' || to_char(i, 'FM0000'), 'status', 'final',
    'code', jsonb_build_object('coding', jsonb_build_array(jsonb_build_object('system', 'urn:c', 'code', 'c' || k % 4))),
    'subject', jsonb_build_object('reference', 'Patient/p' || k % 7),
    'effectiveDateTime', CASE WHEN k % 9 > 0 THEN to_char(date '2020-01-01' + k * 37 % 120, 'YYYY-MM-DD') END,
    'valueQuantity', CASE WHEN k % 5 > 0 THEN jsonb_build_object('value', k * 17 % 40) END)) $$;
SELECT count(fhir_update(jsonb_build_object('resourceType', 'Patient', 'id', 'p' || i, 'birthDate', '19' || 90 - i, 'name', jsonb_build_array(jsonb_build_object('family', 'F' || i % 3))))) FROM generate_series(0, 6) i;
SELECT count(fhir_update(doc('fix', i, i))) FROM generate_series(1, 150) i;
SELECT count(fhir_update(doc('tou', i, i * 3))) FROM generate_series(1, 150) i;
SELECT count(fhir_update(doc('chu', i, i * 7))) FROM generate_series(1, 100) i;
ANALYZE;
CREATE FUNCTION link(b jsonb, rel text) RETURNS text LANGUAGE sql AS
$$ SELECT split_part(l ->> 'url', '?', 2) FROM jsonb_array_elements(b -> 'link') l WHERE l ->> 'relation' = rel $$;
CREATE FUNCTION ids(b jsonb) RETURNS text[] LANGUAGE sql AS
$$ SELECT coalesce(array_agg(e #>> '{resource,id}' ORDER BY n), '{}') FROM jsonb_array_elements(b -> 'entry') WITH ORDINALITY x(e, n) WHERE e #>> '{search,mode}' = 'match' $$;
-- All pages, each in a snapshot of its own, forward and then back: the ids that are to stay, in the order in which they came.
CREATE FUNCTION walk(t text, q text, n int, stay text, OUT forth text[], OUT back text[], OUT others int) LANGUAGE plpgsql VOLATILE AS $$
DECLARE b jsonb; l text; last jsonb; pages int := 0;
BEGIN
  b := fhir_search(t, q || '&_count=' || n);
  LOOP
    forth := forth || ids(b);
    -- what was after a page may be gone when that page is asked for: an empty page leads nowhere
    IF b ? 'entry' THEN last := b; END IF;
    l := link(b, 'next');
    -- towards the newest, writers may be faster than we: what stays was long passed by then
    EXIT WHEN l IS NULL OR pages > 400;
    b := fhir_search(t, l);
    pages := pages + 1;
  END LOOP;
  b := last;
  back := ids(b);
  LOOP
    l := link(b, 'previous');
    EXIT WHEN l IS NULL OR pages < -400;
    pages := pages - 1;
    b := fhir_search(t, l);
    back := ids(b) || back;
  END LOOP;
  others := (SELECT count(*) FROM unnest(forth) x WHERE x !~ stay);
  forth := ARRAY(SELECT x FROM unnest(forth) WITH ORDINALITY u(x, at) WHERE x ~ stay ORDER BY at);
  back := ARRAY(SELECT x FROM unnest(back) WITH ORDINALITY u(x, at) WHERE x ~ stay ORDER BY at);
END $$;
SQL

# ---- links
sub page { my ($type, $q, $n) = @_; return ($n // $node)->safe_psql('postgres', "SELECT fhir_search('$type', '$q') #- '{meta,lastUpdated}'"); }
sub cursor { my ($type, $q) = @_; my ($c) = page($type, $q) =~ /"next"[^}]*_cursor=([\w-]+)|_cursor=([\w-]+)[^}]*"next"/; return $c // $2; }
my $search = 'code=c1&_sort=-date&_count=10';
my $next = $node->safe_psql('postgres', "SELECT link(fhir_search('Observation', '$search'), 'next')");
my ($cursor) = $next =~ /_cursor=([\w-]+)/;
ok(length $cursor, 'there is a next page');
my $second = page('Observation', $next);

# every change of one character, and other lengths
is($node->safe_psql('postgres', <<SQL), '0', 'a cursor with one character changed is always refused');
CREATE FUNCTION refused(t text, q text) RETURNS boolean LANGUAGE plpgsql AS \$\$
BEGIN PERFORM fhir_search(t, q); RETURN false; EXCEPTION WHEN SQLSTATE 'FH400' THEN RETURN SQLERRM = 'invalid _cursor'; END \$\$;
SELECT count(*) FROM generate_series(1, length('$cursor')) i, unnest('{A,Q,g,w,-,7}'::text[]) c
WHERE substr('$cursor', i, 1) <> c AND NOT refused('Observation', '$search&_cursor=' || overlay('$cursor' placing c from i for 1));
SQL
is($node->safe_psql('postgres', <<SQL), '0', 'so is one that is shorter, longer, or something else');
SELECT count(*) FROM (SELECT left('$cursor', i) FROM generate_series(1, length('$cursor') - 1) i UNION ALL SELECT '$cursor' || repeat('A', i) FROM generate_series(1, 9) i
  UNION ALL SELECT unnest(ARRAY['x', '====', '%C3%A4', repeat('A', 100000), '$cursor$cursor'])) v(c) WHERE NOT refused('Observation', '$search&_cursor=' || c);
SQL
my @elsewhere = (
	[ 'other criteria', 'Observation', 'code=c2&_sort=-date&_count=10' ], [ 'one criterion more', 'Observation', "$search&status=final" ],
	[ 'one criterion less', 'Observation', '_sort=-date&_count=10' ], [ 'the other direction', 'Observation', 'code=c1&_sort=date&_count=10' ],
	[ 'another order', 'Observation', 'code=c1&_sort=-value-quantity&_count=10' ], [ 'no order', 'Observation', 'code=c1&_count=10' ],
	[ 'another type', 'Condition', 'code=c1' ]);
is($node->safe_psql('postgres', "SELECT refused('$_->[1]', '$_->[2]&_cursor=$cursor')"), 't', "a cursor is refused with $_->[0]") foreach @elsewhere;
is($node->safe_psql('postgres', "SELECT status FROM fhir_http('GET', '/Patient/p1/Observation?$search&_cursor=$cursor', '{}', NULL)"), '400', '... within a compartment');
$node->safe_psql('postgres', "SELECT fhir_store_create('other')");
is($node->safe_psql('postgres', "SET fhir.store = other; SELECT public.refused('Observation', '$search&_cursor=$cursor')"), 't', '... in another store');
is($node->safe_psql('postgres', "SELECT ids(fhir_search('Observation', '$next&_include=Observation:subject&_elements=status')) = ids('$second'::jsonb)"), 't',
	'it goes on where it stood with other _include and _elements');
is($node->safe_psql('postgres', "SELECT (ids(fhir_search('Observation', regexp_replace('$next', '_count=10', '_count=3')))) = (ids('$second'::jsonb))[1:3]"), 't', '... and another _count');

# what is in it: the seal, and the row at the page's edge
my $key = $node->safe_psql('postgres', "SELECT value FROM fhir.store_info WHERE name = 'link_key'");
like($key, qr/^[0-9a-f]{64}$/, 'the store has a random key');
isnt($node->safe_psql('postgres', "SELECT value FROM other.store_info WHERE name = 'link_key'"), $key, 'another store has another one');
my $body = substr(decode_base64url($cursor), 16);
my @edge = split /\n/, $node->safe_psql('postgres', "SELECT x FROM unnest(ids(fhir_search('Observation', '$search'))) x");
like($body, qr/^n11:Observation8:\Q$edge[-1]\E\d+:-?\d+$/, 'a cursor holds the direction, type, id and sort value of the last row, nothing else');
unlike($cursor . decode_base64url($cursor), qr/\Q$key\E/, 'not the key');
sub field { my ($s) = @_; return defined $s ? length($s) . ":$s" : '-'; }
sub forge
{
	my ($k, $type, $pairs, $row) = @_;
	my $what = field($type) . field(undef) . field(undef) . join('', map { field($_) } @$pairs) . '.';
	return encode_base64url(substr(hmac_sha256($what . $row, $k), 0, 16) . $row);
}
my @pairs = ('code', 'c1', '_sort', '-date');
is(forge($key, 'Observation', \@pairs, $body), $cursor, 'who has the key can make this cursor');
foreach my $wrong ('', '0' x 64, scalar reverse $key)
{
	my $forged = forge($wrong, 'Observation', \@pairs, $body);
	is($node->safe_psql('postgres', "SELECT refused('Observation', '$search&_cursor=$forged')"), 't', 'with another key it is refused');
}
# even with the key: no place to go on from shows what the search itself does not find
my @stories = ('n11:Observation1:!-', 'p11:Observation1:~-', 'n7:Patient2:p11:0', 'n9:Encounter0:20:-9223372036854775808', 'p1:~1:~19:9223372036854775807');
foreach my $row (@stories)
{
	my $c = forge($key, 'Observation', \@pairs, $row);
	my ($rc, $out, $err) = $node->psql('postgres', "SELECT bool_and(x = ANY (SELECT id FROM fhir_search_rows('Observation', 'code=c1&_count=1000'))) IS NOT FALSE FROM unnest(ids(fhir_search('Observation', '$search&_cursor=$c'))) x");
	ok(($rc == 0 && $out eq 't') || $err =~ /invalid _cursor/, "a cursor with \"$row\" shows matches only") or diag("$out $err");
}
# a role that may search can't read the key
$node->safe_psql('postgres', q{CREATE ROLE reader LOGIN; GRANT USAGE ON SCHEMA fhir TO reader; GRANT SELECT ON fhir.resource, fhir.version, fhir.ordered, fhir.string, fhir.term, fhir.search_param TO reader});
is($node->safe_psql('postgres', "SET ROLE reader; SELECT ids(fhir_search('Observation', '$next')) = ids('$second'::jsonb)"), 't', 'a role without rights on store_info follows links');
my (undef, undef, $denied) = $node->psql('postgres', "SET ROLE reader; SELECT value FROM fhir.store_info");
like($denied, qr/permission denied/, '... and can not read the key');

# elsewhere and later
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('paging_standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
is(page('Observation', $next, $standby), $second, 'a link of the primary leads on at the standby, byte by byte');
my $there = $standby->safe_psql('postgres', "SELECT link(fhir_search('Observation', '$next'), 'next')");
like(page('Observation', $there), qr/"searchset"/, '... and one of the standby at the primary');
$node->restart;
is(page('Observation', $next), $second, 'a link is good after a restart');
my $dump = "${PostgreSQL::Test::Utils::tmp_check}/paging.dump";
command_ok([ 'pg_dump', '-d', $node->connstr('postgres'), '-F', 'custom', '-f', $dump ], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE copy');
command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('copy'), $dump ], 'pg_restore');
is($node->safe_psql('copy', "SELECT fhir_search('Observation', '$next') #- '{meta,lastUpdated}'"), $second, '... and in a restored copy');
$standby->stop;

# ---- writers
my @walks = (
	[ 'Observation', '_sort=date', '^(fix|tou)' ], [ 'Observation', '_sort=-date', '^(fix|tou)' ], [ 'Observation', '', '^(fix|tou)' ], [ 'Observation', '_sort=-_id', '^(fix|tou)' ],
	[ 'Observation', 'code=c1&_sort=date', '^(fix|tou)' ], [ 'Observation', 'code=c1&_sort=-date', '^(fix|tou)' ],
	[ 'Observation', '_sort=value-quantity,-date', '^(fix|tou)' ], [ 'Observation', '_sort=-value-quantity,date', '^(fix|tou)' ],
	[ 'Observation', '_sort=code,-_id', '^(fix|tou)' ], [ 'Observation', '_sort=_lastUpdated', '^fix' ], [ 'Observation', '_sort=-_lastUpdated', '^fix' ],
	[ 'Observation', 'subject:Patient.family=f1&_sort=-date', '^(fix|tou)' ], [ 'Observation', 'date=ge2020-02&_sort=date', '^(fix|tou)' ],
	[ 'Observation', '_sort=subject:Patient.family', '^(fix|tou)' ], [ 'Observation', 'code=c1&_sort=-subject:Patient.family,-date', '^(fix|tou)' ],
	[ 'Observation', 'code=c2&_sort=subject:Patient.birthdate', '^(fix|tou)' ],
	[ 'Observation', 'date:missing=true', '^(fix|tou)' ], [ 'Observation', 'subject:Patient._id=p1,p2&code:not=c3&_sort=-date', '^(fix|tou)' ]);
my %want; # the order among those that stay, found in one page while nobody writes
foreach my $w (@walks)
{
	$want{"@$w"} = $node->safe_psql('postgres', "SELECT string_agg(id, ' ') FROM fhir_search_rows('$w->[0]', '$w->[1]&_count=1000') WHERE id ~ '$w->[2]'");
	ok(split(/ /, $want{"@$w"}) > 10, "$w->[1]: some stay");
}
my $script = script_file('writers.sql', <<'SQL');
\set i random(1, 100)
\set k random(1, 1000)
\set j random(1, 150)
\set what random(1, 10)
\if :what <= 6
SELECT fhir_update(doc('chu', :i, :k));
\elif :what <= 8
SELECT fhir_update(doc('tou', :j, :j * 3) || jsonb_build_object('issued', '2024-01-01T00:00:00.' || :k || 'Z'));
\else
SELECT fhir_delete('Observation', 'chu-' || to_char(:i, 'FM0000'));
\endif
SQL
my ($out, $err) = ('', '');
my $seconds = $ENV{FHIR_PAGING_SECONDS} // 8;
my $writers = IPC::Run::start([ 'pgbench', '-n', '-c', 3, '-R', 500, '-T', 10000, '-f', $script, $node->connstr('postgres') ], '>', \$out, '2>', \$err);
my ($rounds, $bad, $others, $end) = (0, 0, 0, time + $seconds);
until ($rounds >= 2 && time >= $end)
{
	foreach my $w (@walks)
	{
		my $n = 3 + int(rand(30));
		my ($forth, $back, $more) = split /\|/, $node->safe_psql('postgres', "SELECT array_to_string(forth, ' '), array_to_string(back, ' '), others FROM walk('$w->[0]', '$w->[1]', $n, '$w->[2]')");
		$others += $more;
		next if $forth eq $want{"@$w"} && $back eq $want{"@$w"};
		$bad++;
		my %seen;
		$seen{$_}++ foreach split / /, $forth;
		diag("$w->[1], pages of $n: forward " . ($forth eq $want{"@$w"} ? 'right' : 'wrong: missing ' . join(' ', grep { !$seen{$_} } split / /, $want{"@$w"}) . ', twice ' . join(' ', grep { $seen{$_} > 1 } keys %seen))
		  . ', backward ' . ($back eq $want{"@$w"} ? 'right' : 'wrong')) if $bad < 10;
	}
	$rounds++;
}
my $written = $node->safe_psql('postgres', q{SELECT count(*) FROM fhir.version});
$writers->signal('INT');
$writers->finish;
is($bad, 0, 'under writers every match that stays comes exactly once, in order, forward and backward');
note("$rounds rounds of " . scalar(@walks) . " searches, $written versions written, $others other matches seen");
ok($written > 1000 && $others > 100, 'others were written meanwhile, and seen');
unlike($err, qr/ERROR|FATAL|aborted/, 'no writer failed');
done_testing();
