#!/usr/bin/perl
# HL7's FHIRPath test suite for R4, run through SQL in the database that the PG* environment names (PGDATABASE: with the
# extension). Prints each miss, then "N passed, N failed". Data: $FHIR_SHARED_DATA/fhirpath (../shared/data by default).
use strict;
use warnings;
use FindBin;
use JSON::PP;

my $verbose = grep { $_ eq '-v' } @ARGV;
my $data = ($ENV{FHIR_SHARED_DATA} // "$FindBin::Bin/../../shared/data") . '/fhirpath';
unless (-f "$data/cases.json") {
	print "skipped: no test data in $data\n";
	exit 0;
}

sub slurp { my $f = shift; open my $h, '<', $f or die "$f: $!"; local $/; my $t = <$h>; return $t; }

# Cases that are known to differ, with the reason: docs/fhirpath.md lists the same.
my %known = ();

my $json = JSON::PP->new->utf8->allow_nonref->canonical;
my $cases = $json->decode(slurp("$data/cases.json"));
my (%files, @rows);
for my $i (0 .. $#$cases) {
	my $c = $cases->[$i];
	next if $c->{disable};
	$files{ $c->{inputfile} } = 1 if $c->{inputfile};
	push @rows, { n => $i, expr => $c->{expression}, file => $c->{inputfile}, result => $c->{result}, error => $c->{error} ? \1 : \0 };
}

my $sql = "\\set QUIET on\nSET client_min_messages = warning;\n";
$sql .= "CREATE TEMP TABLE doc (name text PRIMARY KEY, resource jsonb);\n";
$sql .= "INSERT INTO doc VALUES (\$name\$$_\$name\$, \$document\$" . slurp("$data/input/$_") . "\$document\$);\n" for sort keys %files;
$sql .= <<'SQL';
CREATE FUNCTION pg_temp.run(expr text, doc jsonb, OUT result jsonb, OUT error text) LANGUAGE plpgsql AS $fn$
BEGIN
	SELECT coalesce(jsonb_agg(v ORDER BY n), '[]') INTO result FROM fhirpath(doc, expr::fhirpath) WITH ORDINALITY t(v, n);
EXCEPTION WHEN OTHERS THEN
	error := sqlstate || ' ' || sqlerrm;
END $fn$;
-- a quantity as the suite writes it
CREATE FUNCTION pg_temp.plain(items jsonb) RETURNS jsonb LANGUAGE sql AS $fn$
	SELECT coalesce(jsonb_agg(CASE WHEN v ? 'value' AND v ? 'code' AND NOT v ? 'system'
		THEN to_jsonb((v->>'value') || ' ''' || (v->>'code') || '''') ELSE v END ORDER BY n), '[]')
	FROM jsonb_array_elements(items) WITH ORDINALITY t(v, n)
$fn$;
SQL
$sql .= "SELECT json_build_object('n', c->>'n', 'ok', CASE WHEN (c->>'error')::boolean THEN r.error IS NOT NULL AND r.error NOT LIKE 'XX%' "
	. "ELSE pg_temp.plain(r.result) = pg_temp.plain(c->'result') END, 'result', r.result, 'error', r.error) "
	. "FROM jsonb_array_elements(\$cases\$" . $json->encode(\@rows) . "\$cases\$) c LEFT JOIN doc ON doc.name = c->>'file', "
	. "LATERAL pg_temp.run(c->>'expr', coalesce(doc.resource, '{}')) r;\n";

my $file = "/tmp/fhirpath-suite.$$.sql";
open my $h, '>', $file or die "$file: $!";
print $h $sql;
close $h;
my $out = `psql -X -At -v ON_ERROR_STOP=1 -f $file`;
my $status = $?;
unlink $file;
die "psql failed\n" if $status != 0;

my ($passed, $failed) = (0, 0);
for my $line (split /\n/, $out) {
	my $r = $json->decode($line);
	my $c = $cases->[ $r->{n} ];
	if ($r->{ok}) {
		$passed++;
		next;
	}
	$failed++;
	next unless $verbose || !$known{ $c->{desc} };
	print "not ok: $c->{desc}: $c->{expression}\n";
	print '    expected ', ($c->{error} ? 'an error' : $json->encode($c->{result})), ', got ', $r->{error} // $json->encode($r->{result}), "\n";
}
print "$passed passed, $failed failed\n";
exit($passed >= 890 ? 0 : 1);
