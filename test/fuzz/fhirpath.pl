#!/usr/bin/perl
# fhirpath.pl [COUNT [SEED]]: random and mutated FHIRPath expressions (default 20,000), parsed and run over a few resources.
#
# No expression may crash the backend, take more than a second, or fail with an internal error (SQLSTATE XX...). What parses must be
# written as a text that parses back to the same value and is written the same again. Memory is compared at the end.
# Runs in backends of the server that the PG* environment names, in a database of its own; seeds in fhirpath.corpus.
use strict;
use warnings;
use FindBin;

my $count = shift // 20_000;
my $seed = shift // int(rand(1 << 30));
srand($seed);
print "seed $seed\n";

open my $c, '<', "$FindBin::Bin/fhirpath.corpus" or die "fhirpath.corpus: $!";
chomp(my @corpus = grep { /\S/ } <$c>);
close $c;
# words of the language, from the corpus and from the table of functions
my %words;
$words{$_}++ for map { /(\$?%?\w+(?:\.\d+)?|'[^']*'|@[\w:.+-]+|[^\w\s])/g } @corpus;
open my $t, '<', "$FindBin::Bin/../../src/fhirpath/fhirpath_fn_table.c" or die "function table: $!";
my @functions;
while (<$t>) { push @functions, [ $1, $2, $3 ] if /\{"(\w+)", (\d+), (\w+),/ }
close $t;
my @words = (sort keys %words);

sub pick { return $_[ int(rand(@_)) ] }

my @members = qw(name given family birthDate active telecom value system use contained extension url id meta code coding component subject reference
	status effective period start end item text div identifier link Patient Observation Resource Questionnaire multipleBirth deceased);
my @literals = ('1', '0', '2147483647', '2147483648', '9223372036854775807', '99999999999999999999', '1.5', '0.00000001', '1L', "'a'", "''", "'\\u00e9'", 'true',
	'false', '{}', '@2015', '@2015-02-29', '@2020-02-29', '@0001-01-01', '@9999-12-31T23:59:59.999999Z', '@2015T', '@2015-02-04T14', '@T23:59:59.9', "1 'mg'", '3 days',
	'1 year', "1 'a'", "0 ''", "1 '%%'", '$this', '$index', '$total', '%resource', '%context', '%nope', '%ucum');
my @types = qw(Patient FHIR.Patient System.String string Quantity System.Quantity Boolean Resource HumanName code Any DateTime);
my @ops = ('+', '-', '*', '/', 'div', 'mod', '&', '|', '=', '!=', '~', '!~', '<', '<=', '>', '>=', 'and', 'or', 'xor', 'implies', 'in', 'contains');

sub expr
{
	my $d = shift;
	my $k = $d > 5 ? int(rand(3)) : int(rand(12));
	return pick(@members) if $k == 0;
	return pick(@literals) if $k == 1;
	return pick(@members) . '.' . pick(@members) if $k == 2;
	return expr($d + 1) . ' ' . pick(@ops) . ' ' . expr($d + 1) if $k <= 4;
	return '(' . expr($d + 1) . ')' if $k == 5;
	return '-' . expr($d + 1) if $k == 6;
	return '(' . expr($d + 1) . ').' . pick(@members) . '[' . expr($d + 2) . ']' if $k == 7;
	return '(' . expr($d + 1) . ') ' . pick('is', 'as') . ' ' . pick(@types) if $k == 8;
	my $f = pick(@functions);
	my $n = $f->[1] + int(rand(2));
	my @args = map { $f->[0] =~ /^(is|as|ofType)$/ ? pick(@types) : expr($d + 2) } 1 .. $n;
	return '(' . expr($d + 1) . ').' . $f->[0] . '(' . join(', ', @args) . ')';
}

sub mutate
{
	my $s = shift;
	for (0 .. int(rand(4))) {
		my $at = int(rand(length($s) + 1));
		my $k = int(rand(5));
		if ($k == 0) { substr($s, $at, 1 + int(rand(5))) = '' if $at < length($s) - 6 }
		elsif ($k == 1) { substr($s, $at, 0) = pick(@words) }
		elsif ($k == 2) { substr($s, $at, 0) = pick(split(//, q{()[]{}.,'`"\\@%$|&=~<>+-*/ 09azTZ}), "\n", '/*', '//', '\\u12', "\xc3\xa9", 'x' x 300) }
		elsif ($k == 3) { my $o = pick(@corpus); substr($s, $at, 0) = substr($o, int(rand(length $o)), int(rand(20))) }
		else { substr($s, $at, 0) = substr($s, int(rand(length($s) + 1)), int(rand(30))) }
	}
	return $s;
}

sub special
{
	my $n = pick(10, 100, 1000, 9000, 50_000);
	return pick('(' x $n . '1' . ')' x $n, '1' . ' + 1' x $n, 'a' . '.a' x $n, '-' x $n . '1', 'a' . '[0]' x $n, 'iif(true, ' x $n . '1' . ')' x $n,
		'(1 | 2 | 3 | 4)' . '.repeat($this | $this + 1)' x pick(1, 3), "'a'" . '.combine($this | 1)' x pick(1, 10), "(1|2|3|4|5|6|7|8|9)" . '.select($this | 1)' x pick(1, 30),
		"('a'|'b'|'c'|'d').aggregate(\$total & \$total & \$this, 'x')" . '.length()' x 2, '(2|3|4|5|6|7|8|9).aggregate($total * $total, 1.7)', "'" . 'a' x $n . "'.matches('(a*)*b')",
		"'" . 'ab' x $n . "'.replaceMatches('(a|b)*c|(a|b)*d', 'x')", '9.power(9).power(9).power(9)', '0.1.power(300)', '1.exp().exp().exp().exp()', "'x'.replace('', 'yy')" x 1,
		'@2015' . ' + 1 day' x $n, "'[' .matches('[')", "'a'.matches('" . '(' x $n . "')", '{' . '}' x $n);
}

my $db = "fuzz_fhirpath_$$";
system('createdb', $db) == 0 or die "createdb\n";
END { my $s = $?; system("dropdb --force $db") if defined $db; $? = $s }

my $head = <<'SQL';
\set QUIET on
SET client_min_messages = error;
SET fhir.fhirpath_max_steps = 300000;
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE EXTENSION IF NOT EXISTS fhir;
CREATE TEMP TABLE doc (r jsonb);
INSERT INTO doc VALUES
	('{"resourceType":"Patient","id":"p","active":true,"_birthDate":{"extension":[{"url":"http://example.org/e","valueDateTime":"1974-12-25T14:35:45-05:00"}]},"birthDate":"1974-12-25","name":[{"use":"official","family":"Chalmers","given":["Peter","James"]},{"use":"usual","given":["Jim",null],"_given":[null,{"id":"x"}]}],"telecom":[{"system":"phone","value":"1","rank":1}],"contained":[{"resourceType":"Patient","id":"c","active":"odd"}],"multipleBirthInteger":3}'),
	('{"resourceType":"Observation","id":"o","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"85354-9"}]},"subject":{"reference":"#c"},"effectiveDateTime":"2020-02","valueQuantity":{"value":185.50,"unit":"lbs","system":"http://unitsofmeasure.org","code":"[lb_av]"},"component":[{"code":{"coding":[{"code":"8480-6"}]},"valueQuantity":{"value":107,"code":"mm[Hg]"}},{"valueString":"x"},{"valuePeriod":{"start":"2020"}}]}'),
	('{"resourceType":"Nonsense","a":[1,[2,[3]],{"b":null}],"value":{"value":"x"}}'), ('[1,2,{"a":3}]'), ('"text"');
CREATE FUNCTION pg_temp.try(expr text) RETURNS SETOF text LANGUAGE plpgsql AS $fn$
DECLARE p fhirpath; again text; d record; ran int := 0;
BEGIN
	BEGIN
		p := expr::fhirpath;
	EXCEPTION WHEN OTHERS THEN
		IF sqlstate NOT IN ('FH400', '54001') THEN
			RETURN NEXT format('parse: %s %s', sqlstate, sqlerrm);
		END IF;
		RETURN;
	END;
	again := p::text::fhirpath::text;
	IF again <> p::text OR p::text::fhirpath <> p THEN
		RETURN NEXT format('written as %s, then as %s', p, again);
	END IF;
	FOR d IN SELECT * FROM doc LOOP
		BEGIN
			PERFORM fhirpath(d.r, p);
			ran := ran + 1;
		EXCEPTION WHEN OTHERS THEN
			IF sqlstate NOT IN ('FH422', 'FH400', '54001', '22003', '2201B', '54000', '22021') THEN
				RETURN NEXT format('run: %s %s', sqlstate, sqlerrm);
			END IF;
		END;
	END LOOP;
	RETURN NEXT 'ran ' || ran;
END $fn$;
SQL

my ($passed, $failed, $parsed, $ran) = (0, 0, 0, 0);
while ($count > 0) {
	my @batch = map { my $k = rand; $k < 0.5 ? expr(0) : $k < 0.98 ? mutate(pick(@corpus)) : special() } 1 .. ($count > 2000 ? 2000 : $count);
	$count -= @batch;
	my $file = "/tmp/fuzz-fhirpath.$$.sql";
	open my $h, '>', $file or die "$file: $!";
	print $h $head, "SELECT set_config('statement_timeout', '5s', false) \\g /dev/null\n";
	print $h "SELECT 'memory ' || sum(total_bytes) FROM pg_backend_memory_contexts WHERE name NOT LIKE 'fhirpath%';\n";
	for my $i (0 .. $#batch) {
		(my $e = $batch[$i]) =~ s/\0//g;
		print $h "\\echo case $i\nSELECT * FROM pg_temp.try(\$fuzz\$$e\$fuzz\$);\n";
	}
	print $h "\\echo end\nSELECT 'memory ' || sum(total_bytes) FROM pg_backend_memory_contexts WHERE name NOT LIKE 'fhirpath%';\n";
	close $h;
	my @out = split /\n/, `psql -X -At -d $db -f $file 2>&1`;
	my ($at, $bad, @memory) = (-1, 0);
	for (@out) {
		if (/^case (\d+)$/) { $at = $1; $passed++; $bad = 0; }
		elsif (/^end$/) { $at = -2 }
		elsif (/^ran (\d+)$/) { $parsed++; $ran++ if $1 > 0 }
		elsif (/^memory (\d+)$/) { push @memory, $1 }
		# the quotes of a mutated expression may end the literal early: psql's own syntax errors are no finding
		elsif (/syntax error at or near|unterminated|LINE \d|^\s*\^|invalid byte sequence/) { }
		elsif ($at >= 0 && !$bad) { $bad = 1; $passed--; $failed++; print "not ok: ", substr($batch[$at], 0, 300), "\n    $_\n" }
	}
	if ($at != -2) { $failed++; print "not ok: the backend did not survive: ", substr($batch[$at] // '', 0, 500), "\n" }
	if (@memory == 2 && $memory[1] > $memory[0] + 8_000_000) { $failed++; print "not ok: memory grew from $memory[0] to $memory[1] bytes\n" }
	unlink $file;
}
print "$parsed expressions parsed, $ran ran without an error on one resource or more\n";
print "$passed passed, $failed failed\n";
exit($failed ? 1 : 0);
