# Search keys over published data: every resource of Synthea and every instance in HL7's R4 examples is extracted without an error, member
# paths find what the FHIRPath engine finds, and broken documents raise nothing. Prints what a resource of each type costs.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use FhirTest;

my $examples = ($ENV{FHIR_NPM} // root() . '/node_modules') . '/hl7.fhir.r4.examples';
my $node = new_node('keys');
$node->safe_psql('postgres', 'CREATE TABLE doc (origin text, r jsonb)');

sub load
{
	my ($origin, @files) = @_;
	my $tsv = "${PostgreSQL::Test::Utils::tmp_check}/keys.tsv";
	open(my $out, '>', $tsv) or die "$tsv: $!";
	foreach my $f (@files)
	{
		my $text = slurp_file($f);
		$text =~ s/\\/\\\\/g;
		$text =~ s/[\t\n\r]/ /g;
		print $out "$origin\t$text\n";
	}
	close $out;
	$node->safe_psql('postgres', "COPY doc FROM '$tsv'");
	return;
}

sub table_of
{
	my ($origin) = @_;
	return $node->safe_psql('postgres', <<"SQL");
	SELECT format('%-24s %5s  %5s %5s %7s %7s %5s', type, n, keys, refs, ordered, strings, terms) FROM (
		SELECT r->>'resourceType' AS type, count(*) AS n, round(avg(keys), 1) AS keys, round(avg(refs), 1) AS refs, round(avg(ordered), 1) AS ordered,
			round(avg(strings), 1) AS strings, round(avg(terms), 1) AS terms
		FROM doc, fhir_key_counts(r) WHERE origin = '$origin' GROUP BY 1 ORDER BY 2 DESC, 1) t
SQL
}

my @bundles = synthea_bundles(30);
my $there = -d $examples;
SKIP:
{
	skip 'skipped: no Synthea data (FHIR_SHARED_DATA)', 1 unless @bundles;
	load('bundle', @bundles);
	$node->safe_psql('postgres', <<'SQL');
	INSERT INTO doc SELECT 'synthea', e->'resource' FROM doc, jsonb_array_elements(r->'entry') e WHERE origin = 'bundle';
	DELETE FROM doc WHERE origin = 'bundle';
SQL
	cmp_ok($node->safe_psql('postgres', "SELECT count(*) FROM doc, fhir_key_counts(r) WHERE keys > 3"), '>', 5000, 'resources of Synthea have keys');
	note "averages a resource: keys, refs, ordered, strings, terms\n" . table_of('synthea');
}
SKIP:
{
	skip "skipped: no $examples (FHIR_NPM)", 1 unless $there;
	load('example', grep { m{/[A-Za-z]+-[^/]*\.json$} && !m{/ig-r4} } glob("$examples/*.json"));
	cmp_ok($node->safe_psql('postgres', "SELECT count(*) FROM doc, fhir_key_counts(r) WHERE origin = 'example' AND keys > 0"), '>', 5000, 'examples have keys');
	note "averages an example: keys, refs, ordered, strings, terms\n" . table_of('example');
}
SKIP:
{
	skip 'skipped: no data', 2 unless @bundles || $there;
	is($node->safe_psql('postgres', 'SELECT expression, count(*) FROM doc, fhir_keys_verify(r) GROUP BY 1'), '', 'member paths find what FHIRPath finds');

	my $seed = $ENV{FHIR_TEST_SEED} // (time % 100000) / 100000;
	is($node->safe_psql('postgres', <<"SQL"), '4000', "broken documents raise nothing (seed $seed)");
	DO \$\$ BEGIN PERFORM setseed($seed); END \$\$;
	CREATE FUNCTION mutate(v jsonb, budget int) RETURNS jsonb LANGUAGE plpgsql AS \$\$
	DECLARE k text; n int; odd jsonb[] := ARRAY['null', '5', '-1e400', 'true', '""', '"\u00e9|#"', '[]', '{}', '[[1]]', '[null, {}, "x"]', '{"value": 1e130000}',
		'{"coding": {"code": 1}, "reference": [], "start": 5, "low": 1}', '{"value": 1, "system": "http://unitsofmeasure.org", "code": "Cel.kg/[in_i]2"}',
		'{"reference": "a/b/c/d/_history/"}', '{"reference": "/_history/1"}', '"2020-99"'];
	BEGIN
		IF jsonb_typeof(v) = 'object' AND v <> '{}' AND budget > 0 THEN
			SELECT key INTO k FROM jsonb_object_keys(v) AS key WHERE key <> 'resourceType' ORDER BY random() LIMIT 1;
			IF k IS NULL THEN RETURN v; END IF;
			RETURN jsonb_set(v, ARRAY[k], mutate(v->k, budget - 1));
		ELSIF jsonb_typeof(v) = 'array' AND v <> '[]' AND budget > 0 THEN
			n := floor(random() * jsonb_array_length(v));
			RETURN jsonb_set(v, ARRAY[n::text], mutate(v->n, budget - 1));
		END IF;
		RETURN odd[1 + floor(random() * cardinality(odd))];
	END \$\$;
	SELECT count(keys) FROM (SELECT mutate(r, 1 + (random() * 4)::int) AS m FROM doc WHERE length(r::text) < 20000 ORDER BY random() LIMIT 4000) d, fhir_key_counts(m)
		WHERE m ? 'resourceType';
SQL
}
done_testing();
