#!/usr/bin/perl
# bad-requests.pl [COUNT [SEED]]: throws COUNT (default 100,000) bad requests at fhir_http in one backend.
#
# Two thirds are wrong by construction: each must be answered by a 4xx with an OperationOutcome. One third are random
# mutations of good requests, which may happen to be good: each must be answered below 500 (or by 501). Nothing may crash; the
# bad ones must store nothing; the backend's memory must stay flat. Uses a database of its own on the server that
# the PG* environment names. Prints the seed: the same seed makes the same requests.
use strict;
use warnings;
no warnings 'qw';
use File::Temp qw(tempfile);

my $count = shift // 100_000;
my $seed  = shift // int(rand(1 << 30));
srand($seed);
print "seed $seed\n";

my @types   = qw(Patient Observation Encounter Bundle ValueSet);
my @methods = qw(GET POST PUT PATCH DELETE HEAD);
my $patient = '{"resourceType":"Patient","id":"p1","active":true,"name":[{"family":"Chalmers","given":["Peter","James"]}],'
	. '"birthDate":"1974-12-25","_birthDate":{"extension":[{"url":"http://x.org/t","valueDateTime":"1974-12-25T14:35:45-05:00"}]}}';
my $observation = '{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"29463-7"}]},'
	. '"subject":{"reference":"Patient/p1"},"valueQuantity":{"value":71.50,"unit":"kg","system":"http://unitsofmeasure.org","code":"kg"}}';
my $bundle = '{"resourceType":"Bundle","type":"transaction","entry":[{"fullUrl":"urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a",'
	. '"resource":' . $observation . ',"request":{"method":"POST","url":"Observation"}},{"request":{"method":"GET","url":"Patient?name=peter"}}]}';
my @sql = ("' OR 1=1 --", "'; DROP TABLE fhir.resource; --", '$1', '$$', "\\'", '"', "') UNION SELECT NULL --", 'pg_sleep(10)', '%s%n', "\x{1F600}");

sub pick { return $_[ int(rand(@_)) ] }

sub encode
{
	my $s = shift;
	utf8::encode($s) if utf8::is_utf8($s);
	$s =~ s/([^A-Za-z0-9._~-])/sprintf('%%%02X', ord $1)/ge;
	return $s;
}

# Each answers [method, url, headers, body].
my @wrong = (
	sub { ['GET', '/' . pick('Nope', 'patient', 'Patients', '$x', encode(pick(@sql))) . pick('', '/1', '?x=y'), '{}', ''] },
	sub { ['GET', '/Patient/' . pick('a%2Fb', 'a b', '%20', 'x' x 65, encode(pick(@sql)), '%F0%9F%98%80', '..%2F..', '_x'), '{}', ''] },
	sub { ['GET', '/Patient/1/_history/' . pick('0', '-1', 'x', '99999999999999999999', '1.5', encode(pick(@sql))), '{}', ''] },
	sub { ['GET', '/' . pick(@types) . '?' . pick('nope', 'name:nope', 'a.b.c', '_sortt', encode(pick(@sql))) . '=' . encode(pick(@sql, 'x')), '{}', ''] },
	sub { ['GET', '/Patient?birthdate=' . pick('x', '2020-13', 'eq', 'zz2020', '2020-02-30', encode(pick(@sql))), '{}', ''] },
	sub { ['GET', '/Patient?' . pick('_count=-1', '_count=x', '_sort=nope', '_total=x', '_summary=x', '_include=x', '_revinclude=:::', '_elements=,'), '{}', ''] },
	sub { ['GET', '/Patient?name=' . pick('%', '%4', '%zz', '%00', '%FF', '%C3', '%ED%A0%80'), '{}', ''] },
	sub { ['GET', '/Patient/1/' . pick('Nope', '_history/1/2', 'Observation/1', 'a/b/c/d'), '{}', ''] },
	sub { ['GET', '/Patient?name=' . ('x' x (66_000 + int(rand(1000)))), '{}', ''] },
	sub { ['GET', '/Patient?_format=' . pick('xml', 'text/turtle', encode(pick(@sql))), '{}', ''] },
	sub { ['GET', '/Patient', '{"accept":"application/fhir+xml"}', ''] },
	sub { [pick('OPTIONS', 'TRACE', 'FOO', '', 'DELETE * FROM'), '/Patient', '{}', ''] },
	sub { [pick('POST', 'PUT', 'DELETE', 'PATCH'), '/metadata', '{}', $patient] },
	sub { ['POST', '/Patient', '{"content-type":"' . pick('application/xml', 'text/plain', 'application/fhir+json; charset=utf-16', 'x') . '"}', $patient] },
	sub { ['POST', '/Patient', '{}', pick('', ' ', '{', '[]', '1', 'null', '"x"', '{}', '{"resourceType":1}', '{"resourceType":"Nope"}', $observation)] },
	sub { ['POST', '/Patient', '{}', substr($patient, 0, 1 + int(rand(length($patient) - 1)))] },
	sub { ['POST', '/Patient', '{}', '{"resourceType":"Patient","x":' . pick('[' x 10_000, '{"a":' x 10_000, '1e999999', '01', "\"\0\"", '"\\u0000"', '"\\ud800"', '"\\udc00x"', "\"\xff\"", "\"\xed\xa0\x80\"", '"\\x"', '.5') . '}'] },
	sub { ['POST', '/Patient', '{}', '{"resourceType":"Patient","active":true,"active":true}'] },
	sub { ['POST', '/Patient', '{}', '{"resourceType":"Patient",' . pick('"active":"true"', '"name":{}', '"nope":1', '"birthDate":"2020-13"', '"birthDate":1', '"gender":null', '"name":[]', '"name":[null]', '"id":"a/b","active":1', '"contact":[{"name":[]}]', '"multipleBirthInteger":1.5') . '}'] },
	sub { ['PUT', '/Patient/p1', '{}', pick('{"resourceType":"Patient"}', '{"resourceType":"Patient","id":"p2"}', '{"resourceType":"Patient","id":["p1"]}', $observation)] },
	sub { ['PUT', '/Patient', '{}', $patient] },
	sub { [pick('DELETE', 'PATCH'), '/Patient', '{}', ''] },
	sub { ['POST', '/Patient/_search', '{"content-type":"application/json"}', '{}'] },
	sub { ['POST', '/Patient/_search', '{"content-type":"application/x-www-form-urlencoded"}', pick('nope=1', "name=\0", 'name=%', 'birthdate=x', "name=\xff")] },
	sub { ['POST', '/', '{}', pick('', '{}', $patient, '{"resourceType":"Bundle"}', '{"resourceType":"Bundle","type":"collection"}', '{"resourceType":"Bundle","type":"transaction","entry":[{}]}', '{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"FOO","url":"x"}}]}')] },
	sub { ['PATCH', '/Patient/nobody', '{"content-type":"' . pick('application/json-patch+json', 'application/fhir+json', 'text/plain') . '"}', pick('[{"op":"remove","path":"/active"}]', '{}', '', '[1]', '[{"op":"x"}]')] },
	sub { ['GET', '/Patient/nobody' . pick('', '/_history', '/_history/1'), '{"if-none-match":"' . pick('W/', '\\"', '*,*', 'x' x 1000) . '"}', ''] },
);

my @good = (
	['GET', '/Patient/p1', '{}', ''], ['GET', '/Patient?name=peter&birthdate=ge1970&_sort=-birthdate&_count=5', '{}', ''],
	['GET', '/Observation?code=http://loinc.org|29463-7&value-quantity=gt5|http://unitsofmeasure.org|kg&subject.name=peter', '{}', ''],
	['GET', '/Patient?_has:Observation:subject:code=29463-7&_include=Patient:organization', '{}', ''],
	['GET', '/Patient/p1/_history?_count=2', '{}', ''], ['POST', '/Patient', '{}', $patient], ['POST', '/Observation', '{}', $observation],
	['PUT', '/Patient/p1', '{"if-match":"W/\\"1\\""}', $patient], ['POST', '/', '{}', $bundle],
	['POST', '/Observation/_search', '{"content-type":"application/x-www-form-urlencoded"}', 'code=29463-7&date=2020'],
	['PATCH', '/Patient/p1', '{"content-type":"application/json-patch+json"}', '[{"op":"replace","path":"/active","value":false}]'],
	['GET', '/metadata', '{}', '']);

# Changes, removes, doubles or adds some bytes.
sub mutate
{
	my $s = shift;
	for (0 .. int(rand(3))) {
		my $at = int(rand(length($s) + 1));
		my $n  = int(rand(4));
		my $k  = int(rand(5));
		if ($k == 0) { substr($s, $at, $n) = '' if $at + $n <= length $s }
		elsif ($k == 1) { substr($s, $at, 0) = pick(qw([ ] { } " , : \\ / ? & = % | $ . - 0 9 e), "\n", ' ') }
		elsif ($k == 2) { substr($s, $at, 1) = chr(32 + int(rand(95))) if $at < length $s }
		elsif ($k == 3) { substr($s, $at, 0) = substr($s, int(rand(length($s) + 1)), int(rand(30))) }
		else { substr($s, $at, 1) = chr(int(rand(256))) if $at < length $s }
	}
	return $s;
}

sub mutated
{
	my @r = @{ pick(@good) };
	my $url = $r[1];
	if ($r[3] eq '' || rand() < 0.3) { $url = mutate($url); $url =~ s/[^\x20-\x7e]//g }
	else { $r[3] = mutate($r[3]) }
	return [$r[0], $url, $r[2], $r[3]];
}

sub literal { my $s = shift; utf8::encode($s) if utf8::is_utf8($s); $s =~ s/'/''/g; return "'$s'" }
sub hex_bytes { my $s = shift; utf8::encode($s) if utf8::is_utf8($s); return "'\\x" . unpack('H*', $s) . "'" }

my $memory = q{SELECT 'rss ' || substring(pg_read_file('/proc/self/status') FROM 'VmRSS:\s+(\d+)') || ' '
  || (SELECT sum(total_bytes) FROM pg_backend_memory_contexts) || ' ' || (SELECT count(*) FROM fhir.version);};

my ($out, $file) = tempfile(SUFFIX => '.sql', UNLINK => 1);
print $out "SET standard_conforming_strings = on;\n\\set QUIET 1\n\\pset tuples_only on\n\\pset format unaligned\n";
print $out "PREPARE h(text, text, jsonb, bytea, int) AS SELECT \$5, status, left(convert_from(body, 'UTF8'), 34) LIKE '{\"resourceType\":\"OperationOutcome\"%'"
	. ", CASE WHEN status >= 500 AND (status <> 501 OR \$5 = 1) OR (\$5 = 1 AND status NOT BETWEEN 400 AND 499) THEN \$1 || ' ' || left(\$2, 300) || ' ' || left(encode(\$4, 'escape'), 300) || ' -> ' || left(convert_from(body, 'UTF8'), 400) END FROM fhir_http(\$1, \$2, \$3, \$4);\n";
sub statement { my ($phase, $r) = @_; return sprintf "EXECUTE h(%s, %s, %s, %s, %d);\n", literal($r->[0]), literal($r->[1]), literal($r->[2]), hex_bytes($r->[3]), $phase }

# What is cached for the life of a backend is cached before anything is measured.
print $out statement(0, $_) for @good;
for my $phase (1, 2) {
	my $n = $phase == 1 ? int($count * 2 / 3) : $count - int($count * 2 / 3);
	for my $i (1 .. $n) {
		# the first quarter may still fill caches: only the rest must not grow
		print $out "$memory\n" if $i == int($n / 4) + 1 || $i == 1;
		my $r = $phase == 1 ? pick(@wrong)->() : mutated();
		print $out statement($phase, $r);
	}
	print $out "$memory\n";
}
close $out;

my $db = "fhir_bad_requests_$$";
system('createdb', $db) == 0 or die "cannot create a database\n";
END { system('dropdb', '--if-exists', $db) if defined $db }
$ENV{PGOPTIONS} = '-c statement_timeout=20s';
system('psql', '-qX', '-d', $db, '-c', 'CREATE EXTENSION pg_trgm', '-c', 'CREATE EXTENSION fhir') == 0 or die;

my (%seen, @memory, $failed);
$failed = 0;
my $n = 0;
open(my $psql, '-|', 'psql', '-X', '-d', $db, '-f', $file) or die;
while (<$psql>) {
	chomp;
	if (/^rss (\d+) (\d+) (\d+)/) { push @memory, [$1, $2, $3]; next }
	my ($phase, $status, $outcome, $shown) = split /\|/, $_, 4;
	next unless defined $status && $status =~ /^\d+$/ && $phase > 0;
	$n++;
	$seen{$phase}{$status}++;
	if ($phase == 1 ? ($status < 400 || $status > 499 || $outcome ne 't') : $status >= 500 && $status != 501) {
		$failed++;
		# each kind of failure once
		my $kind = "$status " . substr($shown // '', 0, 16);
		print "FAILED: $phase|$status|$outcome|", $shown // '', "\n" if !$seen{kind}{$kind}++ && keys %{ $seen{kind} } < 20;
	}
}
close $psql;
delete $seen{kind};
for my $phase (sort keys %seen) {
	print $phase == 1 ? 'wrong requests: ' : 'mutated requests: ', join(', ', map { "$_: $seen{$phase}{$_}" } sort keys %{ $seen{$phase} }), "\n";
}

sub check { my ($ok, $what) = @_; print $ok ? 'ok' : 'not ok', " - $what\n"; $failed++ unless $ok }
check($n == $count, "every request was answered ($n of $count)");
check(@memory == 6, 'the backend lived through all of it');
if (@memory == 6) {
	for my $i (0, 3) {
		my ($a, $b) = ($memory[ $i + 1 ], $memory[ $i + 2 ]);
		check($b->[0] < $a->[0] + 8192, "resident memory is flat ($a->[0] kB, then $b->[0] kB)");
		check($b->[1] < $a->[1] + 2_000_000, "memory contexts are flat ($a->[1], then $b->[1] bytes)");
	}
	check($memory[2][2] == $memory[0][2], 'wrong requests stored nothing');
}
print $failed ? "FAILED: $failed\n" : "passed\n";
exit($failed ? 1 : 0);
