# Hostile input: a clear error with the right status, no crash, nothing half-written.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use FhirTest;

my $node = new_node('bad', conf => "fsync = off\nsynchronous_commit = off\n");
load_sample($node);
my $state = q{SELECT (SELECT count(*) FROM fhir.resource), (SELECT count(*) FROM fhir.version), (SELECT md5(string_agg(rid || '.' || version || '.' || coalesce(encode(doc, 'hex'), ''), ',' ORDER BY rid, version)) FROM fhir.version)};
my $before = $node->safe_psql('postgres', $state);
my $seed = $ENV{FHIR_SEED} // int(rand(2**31));
srand($seed);
diag("seed $seed");

sub hex_bytes { return "decode('" . unpack('H*', $_[0]) . "', 'hex')"; }

# Answers [name, sql] lists in one session; each gives "status|text of the body".
sub run_all
{
	my (@calls) = @_;
	my $sql = <<~'SQL';
		CREATE FUNCTION pg_temp.call(m text, u text, h jsonb, b bytea) RETURNS text LANGUAGE plpgsql AS $$
		DECLARE r record;
		BEGIN
		  SELECT * INTO r FROM fhir_http(m, u, h, b);
		  RETURN r.status || '|' || left(translate(coalesce(convert_from(r.body, 'UTF8'), ''), E'\n', ' '), 400);
		EXCEPTION WHEN OTHERS THEN RETURN 'raised|' || SQLSTATE || ' ' || left(SQLERRM, 200);
		END $$;
		SQL
	$sql .= join '', map { "$_;\n" } @calls;
	my $file = script_file('bad-' . int(rand(1e9)) . '.sql', $sql);
	my ($out, $err) = ('', '');
	IPC::Run::run([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-f', $file ], '>', \$out, '2>', \$err);
	return ([ split /\n/, $out ], $err);
}

my $json = q{'{"content-type":"application/fhir+json"}'};
sub post { my ($type, $body) = @_; return "SELECT pg_temp.call('POST', '/$type', $json, " . hex_bytes($body) . ')'; }
sub get { my ($url) = @_; return "SELECT pg_temp.call('GET', " . sql_literal($url) . ", '{}', NULL)"; }

# ---- bodies
my @bodies = (
	[ 'empty', '', qr/^400/ ],
	[ 'blank', "  \n", qr/^400/ ],
	[ 'not JSON', 'hello', qr/^400/ ],
	[ 'cut off', '{"resourceType":"Patient"', qr/^400/ ],
	[ 'text after the end', '{"resourceType":"Patient"} x', qr/^400/ ],
	[ 'an array', '[]', qr/^4(00|22)/ ],
	[ 'a number', '1', qr/^4(00|22)/ ],
	[ 'null', 'null', qr/^4(00|22)/ ],
	[ 'no type', '{}', qr/^4(00|22)/ ],
	[ 'type is a number', '{"resourceType":1}', qr/^4(00|22)/ ],
	[ 'unknown type', '{"resourceType":"Patientt"}', qr/^4/ ],
	[ 'abstract type', '{"resourceType":"DomainResource"}', qr/^4/ ],
	[ 'another type than the URL', '{"resourceType":"Observation"}', qr/^4/ ],
	[ 'duplicate key', '{"resourceType":"Patient","active":true,"active":false}', qr/^400/ ],
	[ 'duplicate key, deep', '{"resourceType":"Patient","name":[{"family":"a","family":"b"}]}', qr/^400/ ],
	[ 'NUL escape', '{"resourceType":"Patient","name":[{"family":"a\u0000b"}]}', qr/^400/ ],
	[ 'NUL byte', "{\"resourceType\":\"Patient\",\"name\":[{\"family\":\"a\0b\"}]}", qr/^400/ ],
	[ 'lone surrogate', '{"resourceType":"Patient","name":[{"family":"\ud800"}]}', qr/^400/ ],
	[ 'reversed surrogates', '{"resourceType":"Patient","name":[{"family":"\udc00\ud800"}]}', qr/^400/ ],
	[ 'invalid UTF-8', "{\"resourceType\":\"Patient\",\"name\":[{\"family\":\"\xff\xfe\"}]}", qr/^400/ ],
	[ 'overlong UTF-8', "{\"resourceType\":\"Patient\",\"name\":[{\"family\":\"\xc0\xaf\"}]}", qr/^400/ ],
	[ 'control character', "{\"resourceType\":\"Patient\",\"name\":[{\"family\":\"a\x01\"}]}", qr/^400/ ],
	[ '10,000 arrays deep', '{"resourceType":"Patient","name":' . '[' x 10000 . ']' x 10000 . '}', qr/^400/ ],
	[ '10,000 objects deep', '{"resourceType":"Patient","extension":' . '{"a":' x 10000 . '1' . '}' x 10000 . '}', qr/^400/ ],
	[ '1,000,000 open brackets', '[' x 1_000_000, qr/^400/ ],
	[ 'huge number', '{"resourceType":"Observation","x":1e999999999}', qr/^4/ ],
	[ 'many digits', '{"resourceType":"Observation","x":' . '9' x 100000 . '}', qr/^4/ ],
	[ 'NaN', '{"resourceType":"Observation","x":NaN}', qr/^400/ ],
	[ 'wrong JSON types', '{"resourceType":"Patient","name":"x","active":"yes","birthDate":5,"contact":{}}', qr/^4(00|22).*OperationOutcome/ ],
	[ 'bad date', '{"resourceType":"Patient","birthDate":"2020-02-30"}', qr/^4(00|22)/ ],
	[ 'bad id', '{"resourceType":"Patient","id":"a/b"}', qr/^(4|201)/ ],
	[ 'SQL in a string', q({"resourceType":"Patient","birthDate":"'; DROP TABLE fhir.resource; --"}), qr/^4/ ],
	[ 'unknown element', '{"resourceType":"Patient","nmae":[]}', qr/^4(00|22)/ ],
	[ 'empty array', '{"resourceType":"Patient","name":[]}', qr/^4(00|22)/ ],
	[ 'empty string', '{"resourceType":"Patient","language":""}', qr/^4(00|22)/ ],
	[ '100,000 wrong elements', '{"resourceType":"Patient",' . join(',', map { "\"x$_\":1" } 1 .. 100000) . '}', qr/^4/ ]);
my ($out, $err) = run_all(map { post($_->[0] eq 'huge number' || $_->[0] eq 'many digits' || $_->[0] eq 'NaN' ? 'Observation' : 'Patient', $_->[1]) } grep { $_->[0] ne 'bad id' } @bodies);
my @cases = grep { $_->[0] ne 'bad id' } @bodies;
for my $i (0 .. $#cases)
{
	my ($name, undef, $want) = @{ $cases[$i] };
	my $got = $out->[$i] // '(nothing)';
	ok($got =~ $want && $got =~ /OperationOutcome/, "body: $name") or diag(substr($got, 0, 300));
}
is($node->safe_psql('postgres', $state), $before, 'nothing was written');

# 100 MB, made in the server
my ($rc, $big) = $node->psql('postgres', q{SELECT status, convert_from(body, 'UTF8') FROM fhir_http('POST', '/Patient', '{"content-type":"application/fhir+json"}', convert_to('{"resourceType":"Patient","name":[{"family":"' || repeat('x', 100000000) || '"}]}', 'UTF8'))});
like($big, qr/^413\|.*OperationOutcome/s, 'a body of 100 MB is refused');

# ---- URLs
my @urls = (
	[ '/Patient/a/b', qr/^4/ ], [ '/Patient/..%2f..', qr/^4/ ], [ '/Patient/' . 'x' x 65, qr/^4/ ], [ '/Patient/%00', qr/^4/ ], [ '/Patient/%zz', qr/^4/ ],
	[ '/Patient/%ff%fe', qr/^4/ ], [ "/Patient/';DROP TABLE fhir.resource;--", qr/^4/ ], [ '/Nope', qr/^4/ ], [ '/Nope/1', qr/^4/ ], [ '/patient', qr/^4/ ],
	[ '/Patient/1/_history/x', qr/^4/ ], [ '/Patient/1/_history/99999999999999999999', qr/^4/ ], [ '/Patient/1/_history/-1', qr/^4/ ], [ '/Patient/1/_history/0', qr/^4/ ],
	[ '/Patient?nope=1', qr/^400/ ], [ '/Patient?name:nope=1', qr/^400/ ], [ '/Patient?birthdate=yesterday', qr/^400/ ], [ '/Patient?birthdate=2020-13', qr/^400/ ],
	[ '/Patient?_count=x', qr/^400/ ], [ '/Patient?_count=-1', qr/^400/ ], [ '/Patient?_count=99999999999999', qr/^(400|200)/ ], [ '/Patient?_sort=nope', qr/^400/ ],
	[ '/Patient?_include=nope', qr/^400/ ], [ '/Patient?_include=Patient:nope', qr/^400/ ], [ '/Patient?_has:Observation:nope:code=1', qr/^400/ ],
	[ '/Patient?organization.name.x=1', qr/^400/ ], [ '/Observation?value-quantity=abc', qr/^400/ ], [ '/Observation?value-quantity=1|2', qr/^400/ ],
	[ '/Observation?code-value-quantity=a', qr/^400/ ], [ '/Patient?name=%ff', qr/^400/ ], [ '/Patient?name=%00', qr/^400/ ], [ '/Patient?name=%', qr/^400/ ],
	[ '/Patient?name=', qr/^(400|200)/ ], [ '/Patient?=x', qr/^(400|200)/ ], [ '/Patient?' . 'a' x 7000, qr/^400/ ], [ '/Patient?_id=' . join(',', 1 .. 1500), qr/^(400|200)/ ],
	[ '/Patient?_lastUpdated=0000', qr/^400/ ], [ '/Patient?_total=nope', qr/^400/ ], [ '/Patient?_summary=nope', qr/^400/ ], [ '/Patient?name:missing=maybe', qr/^400/ ],
	[ '/' . 'Patient/' x 500, qr/^4/ ], [ '/Observation?subject:Nope=1', qr/^400/ ], [ '/Observation?subject:Patient.' . 'link.' x 50 . 'name=x', qr/^400/ ]);
# SQL in every parameter of several types
foreach my $type (qw(Patient Observation Encounter))
{
	foreach my $p (split /\n/, $node->safe_psql('postgres', "SELECT code FROM fhir_search_parameters('$type') WHERE code NOT IN ('_query', '_list', '_filter') ORDER BY 1"))
	{
		push @urls, [ "/$type?$p=" . q(%27%3B%20DROP%20TABLE%20fhir.resource%3B--), qr/^(200|400|501)/ ];
	}
}
($out, $err) = run_all(map { get($_->[0]) } @urls);
for my $i (0 .. $#urls)
{
	my ($url, $want) = @{ $urls[$i] };
	my $got = $out->[$i] // '(nothing)';
	ok($got =~ $want && $got =~ /OperationOutcome|Bundle/, 'URL: ' . substr($url, 0, 80)) or diag(substr($got, 0, 300));
}
is($node->safe_psql('postgres', $state), $before, 'nothing was written, nothing dropped');

# ---- other methods, headers
my @odd = (
	[ "SELECT pg_temp.call('BREW', '/Patient', '{}', NULL)", qr/^(405|400|501)/ ], [ "SELECT pg_temp.call('', '', '{}', NULL)", qr/^4/ ],
	[ "SELECT pg_temp.call('POST', '/Patient', '{\"content-type\":\"text/plain\"}', 'x')", qr/^415/ ],
	[ "SELECT pg_temp.call('POST', '/Patient', '{\"content-type\":\"application/fhir+xml\"}', '<Patient/>')", qr/^415/ ],
	[ "SELECT pg_temp.call('GET', '/Patient/sample-moreau', '{\"accept\":\"application/fhir+xml\"}', NULL)", qr/^406/ ],
	[ "SELECT pg_temp.call('PUT', '/Patient/other', $json, '{\"resourceType\":\"Patient\",\"id\":\"one\"}')", qr/^4/ ],
	[ "SELECT pg_temp.call('PUT', '/Patient/sample-moreau', '{\"content-type\":\"application/fhir+json\",\"if-match\":\"W/\\\"99\\\"\"}', '{\"resourceType\":\"Patient\",\"id\":\"sample-moreau\"}')", qr/^412/ ],
	[ "SELECT pg_temp.call('PUT', '/Patient/sample-moreau', '{\"content-type\":\"application/fhir+json\",\"if-match\":\"nonsense\"}', '{\"resourceType\":\"Patient\",\"id\":\"sample-moreau\"}')", qr/^4/ ],
	[ "SELECT pg_temp.call('PATCH', '/Patient/sample-moreau', '{\"content-type\":\"application/json-patch+json\"}', '[{\"op\":\"remove\",\"path\":\"/nope\"}]')", qr/^4/ ],
	[ "SELECT pg_temp.call('DELETE', '/Patient', '{}', NULL)", qr/^4/ ],
	[ "SELECT pg_temp.call('POST', '/', $json, '{\"resourceType\":\"Bundle\",\"type\":\"transaction\",\"entry\":[{\"request\":{\"method\":\"PUT\",\"url\":\"Patient/x\"},\"resource\":{\"resourceType\":\"Patient\",\"id\":\"x\"}},{\"request\":{\"method\":\"POST\",\"url\":\"Patient\"},\"resource\":{\"resourceType\":\"Patient\",\"birthDate\":\"x\"}}]}')", qr/^4/ ],
	[ "SELECT pg_temp.call('POST', '/', $json, '{\"resourceType\":\"Bundle\",\"type\":\"nope\"}')", qr/^4/ ],
	[ "SELECT pg_temp.call('POST', '/', $json, '{\"resourceType\":\"Bundle\",\"type\":\"transaction\",\"entry\":[{}]}')", qr/^4/ ]);
($out, $err) = run_all(map { $_->[0] } @odd);
for my $i (0 .. $#odd)
{
	my $got = $out->[$i] // '(nothing)';
	like($got, $odd[$i][1], 'request: ' . substr($odd[$i][0], 20, 70));
}
is($node->safe_psql('postgres', $state), $before, 'a transaction that fails writes nothing');

# ---- mutated documents: bytes changed, cut, doubled
my $source = slurp_fixture('sample-2-clinical.json');
my @entries = $source =~ /("resource": \{.*?\n  \})/sg;
my @mutants;
my $n = $ENV{FHIR_MUTANTS} // 2000;
while (@mutants < $n)
{
	my $doc = $entries[ int rand @entries ];
	$doc =~ s/^"resource": //;
	my ($type) = $doc =~ /"resourceType": "(\w+)"/;
	for (1 .. 1 + int rand 4)
	{
		my $at = int rand length $doc;
		my $k = int rand 6;
		if ($k == 0) { substr($doc, $at, 1) = chr int rand 256 }
		elsif ($k == 1) { substr($doc, $at, 1 + int rand 20) = '' }
		elsif ($k == 2) { substr($doc, $at, 0) = substr($doc, int rand length $doc, int rand 60) }
		elsif ($k == 3) { substr($doc, $at, 1) = ('{', '}', '[', ']', '"', ':', ',', '\\')[ int rand 8 ] }
		elsif ($k == 4) { $doc =~ s/"(\w+)":/"$1x":/ if rand() < 0.5 }
		else { $doc =~ s/: "([^"]*)"/: [1,{"a":"$1"}]/ if rand() < 0.5 }
	}
	push @mutants, post($type, $doc);
}
($out, $err) = run_all('BEGIN', @mutants, 'ROLLBACK');
is(scalar @$out, $n, "$n mutated documents are all answered") or diag(substr($err, 0, 500));
my @strange = grep { !/^(201|4\d\d)\|/ } @$out;
is(scalar @strange, 0, 'each with 201 or a 4xx') or diag(join "\n", map { substr($_, 0, 300) } @strange[ 0 .. ($#strange > 4 ? 4 : $#strange) ]);
is($node->safe_psql('postgres', $state), $before, 'and nothing stays of them');

# ---- FHIRPath
my @paths = ('', '.', 'a.', '((((', 'a[', "'", '`', '@', '@2020-', '1 +', 'a.b(', '%', '%nope', 'a is', 'iif()', 'where()', '(' x 20000 . '1' . ')' x 20000, 'a.' x 20000 . 'a',
	'not(' x 5000, '1' . ' + 1' x 20000, "'" . 'x' x 1000000 . "'", 'repeat($this)', 'children().repeat(children())', '1/0', '2.power(100000)', "'x'.matches('((((')", "'" . 'a' x 40 . "'.matches('(a+)+b')");
foreach my $p (@paths)
{
	my $file = script_file('path-' . int(rand(1e9)) . '.sql', "SET statement_timeout = '20s';\nSELECT count(*) FROM (SELECT fhirpath('{\"resourceType\":\"Patient\",\"name\":[{\"family\":\"a\"}]}', " . sql_literal($p) . "::fhirpath)) x;\n");
	my ($o, $e) = ('', '');
	IPC::Run::run([ 'psql', '-XAtq', '-v', 'VERBOSITY=verbose', '-d', $node->connstr('postgres'), '-f', $file ], '>', \$o, '2>', \$e);
	ok($e eq '' || ($e =~ /ERROR: +(FH\d\d\d|54001|22\w\w\w|2201B|57014)/ && $e !~ /57014/), 'FHIRPath: ' . substr($p, 0, 40)) or diag(substr($e, 0, 300));
}

is($node->safe_psql('postgres', 'SELECT 1'), '1', 'the server lives');
my $log = slurp_file($node->logfile);
unlike($log, qr/was terminated by signal|PANIC|TRAP/, 'no backend crashed');
unlike($log, qr/ERROR:  (XX|could not|cache lookup|unexpected|invalid memory alloc)/, 'no internal error');
$node->stop;
done_testing();
