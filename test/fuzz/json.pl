#!/usr/bin/perl
# json.pl [COUNT [SEED]]: random and mutated JSON texts (default 50,000) through fhir_json, against PostgreSQL's own parser.
#
# What fhir_json takes, jsonb must take as an equal value; what it refuses, jsonb must refuse, too, but for the rules that
# only fhir_json has. What it takes is written by fhir_json_text (compact and pretty) and read back as the same.
# Runs in one backend of the server that the PG* environment names, in a database of its own.
use strict;
use warnings;
use File::Temp qw(tempfile);

my $count = shift // 50_000;
my $seed  = shift // int(rand(1 << 30));
srand($seed);
print "seed $seed\n";

sub pick { return $_[ int(rand(@_)) ] }

my @atoms = ('null', 'true', 'false', '0', '-0', '1.10', '-12.50e-3', '1E+5', '1e400', '1e-400', '12345678901234567890.123', '""', '"a"', '"\\u00e9"',
	'"\\ud83d\\ude00"', '"é😀"', '"\\"\\\\\\/\\b\\f\\n\\r\\t"', '{}', '[]', '1e999', '1e1000', '1e-1000', '123456789012345678', '1234567890123456789');

sub value
{
	my $depth = shift;
	my $k = int(rand(10));
	my $ws = pick('', '', '', ' ', "\n", "\t ");
	return $ws . '{' . join(',', map { $ws . '"' . pick('a', 'b', 'id', 'meta', 'resourceType', 'extension', 'é', '\\n', 'x' x 40) . int(rand(30)) . '"' . $ws . ':' . value($depth + 1) } 1 .. int(rand(6))) . $ws . '}'
		if $k < 3 && $depth < 6;
	return $ws . '[' . join(',', map { value($depth + 1) } 1 .. int(rand(6))) . $ws . ']' if $k < 5 && $depth < 6;
	return $ws . pick(@atoms) . $ws;
}

sub mutate
{
	my $s = shift;
	for (1 .. int(rand(4))) {
		my $at = int(rand(length($s) + 1));
		my $k  = int(rand(4));
		if ($k == 0) { substr($s, $at, 1 + int(rand(3))) = '' if $at < length($s) - 4 }
		elsif ($k == 1) { substr($s, $at, 0) = pick(split(//, '[]{}",:\\/0123456789.eE+-untrfalsbD '), "\n", "\x01", '\\u', '\\ud800', '\\u0000', '\\x') }
		elsif ($k == 2) { substr($s, $at, 0) = substr($s, int(rand(length($s) + 1)), int(rand(20))) }
		else { substr($s, $at) = '' if rand() < 0.2 }
	}
	return $s;
}

my ($out, $file) = tempfile(SUFFIX => '.sql', UNLINK => 1);
print $out <<'SQL';
\set QUIET 1
\set ON_ERROR_STOP 1
\pset tuples_only on
\pset format unaligned
CREATE EXTENSION pg_trgm;
CREATE EXTENSION fhir;
CREATE TABLE t (s text);
CREATE FUNCTION ours(s text, OUT v jsonb, OUT err text) LANGUAGE plpgsql AS
$$ BEGIN v := fhir_json(s); EXCEPTION WHEN SQLSTATE 'FH400' THEN err := sqlerrm; END $$;
CREATE FUNCTION theirs(s text) RETURNS jsonb LANGUAGE plpgsql AS
$$ BEGIN RETURN s::jsonb; EXCEPTION WHEN data_exception OR untranslatable_character OR statement_too_complex THEN RETURN NULL; END $$;
COPY t FROM STDIN;
SQL
binmode($out, ':raw');
for (1 .. $count) {
	my $s = value(0);
	$s = mutate($s) if rand() < 0.7;
	$s =~ s/\x00//g;
	utf8::encode($s) if utf8::is_utf8($s);
	# bytes of a character may have been torn apart by the mutation: COPY takes whole ones only
	my $check = $s;
	next unless utf8::decode($check);
	$s =~ s/\\/\\\\/g;
	$s =~ s/\n/\\n/g;
	$s =~ s/\t/\\t/g;
	$s =~ s/\r/\\r/g;
	print $out "$s\n";
}
print $out <<'SQL';
\.
CREATE TABLE r AS SELECT s, (ours(s)).*, theirs(s) AS p FROM t;
SELECT count(*) || ' texts, ' || count(v) || ' accepted' FROM r;
SELECT 'FAILED accepted, jsonb refuses: ' || s FROM r WHERE v IS NOT NULL AND p IS NULL LIMIT 5;
SELECT 'FAILED refused, jsonb accepts: ' || err || ': ' || s FROM r WHERE v IS NULL AND p IS NOT NULL
  AND err !~ 'two members|nest deeper|1000 digits' LIMIT 5;
SELECT 'FAILED differs: ' || s FROM r WHERE v IS NOT NULL AND (v <> p OR v::text <> p::text) LIMIT 5;
SELECT 'FAILED round trip: ' || s FROM r WHERE v IS NOT NULL
  AND (fhir_json(fhir_json_text(v))::text <> v::text OR fhir_json(fhir_json_text(v, true))::text <> v::text OR fhir_json_text(v)::jsonb <> v) LIMIT 5;
SQL
close $out;

my $db = "fhir_fuzz_json_$$";
system('createdb', $db) == 0 or die "cannot create a database\n";
END { system('dropdb', '--if-exists', $db) if defined $db }
my $result = `psql -X -d $db -f $file 2>&1`;
my $status = $?;
print $result;
my $ok = $status == 0 && $result =~ /accepted/ && $result !~ /FAILED/;
print $ok ? "passed\n" : "FAILED\n";
exit($ok ? 0 : 1);
