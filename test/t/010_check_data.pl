# The structural check over published data: every resource of Synthea and every instance in HL7's R4 examples passes, but for those whose
# own defects are listed here; and mutated examples never crash it.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use FhirTest;

# file => what HL7's own example lacks
my %defective = (
	'ImplementationGuide-fhir.json' => 'name and status (1..1) are missing',
	'Questionnaire-qs1.json' => 'linkId (1..1) of display items is missing',
	(map { ("SearchParameter-codesystem-extensions-CodeSystem-$_.json" => 'base (1..*) is missing',
		"SearchParameter-valueset-extensions-ValueSet-$_.json" => 'base (1..*) is missing') } qw(author effective end keyword workflow)),
	'SearchParameter-questionnaireresponse-extensions-QuestionnaireResponse-item-subject.json' => 'id is longer than 64 characters');

my $data = ($ENV{FHIR_SHARED_DATA} // root() . '/../shared/data') . '/synthea/synthea-100.tar.gz';
my $examples = ($ENV{FHIR_NPM} // root() . '/node_modules') . '/hl7.fhir.r4.examples';
my $node = new_node('check');

# Rows (name, JSON text) of files, by COPY
sub load_files
{
	my ($table, @files) = @_;
	my $tsv = "${PostgreSQL::Test::Utils::tmp_check}/$table.tsv";
	open(my $out, '>', $tsv) or die "$tsv: $!";
	foreach my $f (@files)
	{
		my $text = slurp_file($f);
		$text =~ s/\\/\\\\/g;
		$text =~ s/\t/\\t/g;
		$text =~ s/\n/\\n/g;
		$text =~ s/\r/\\r/g;
		$f =~ s{.*/}{};
		print $out "$f\t$text\n";
	}
	close $out;
	$node->safe_psql('postgres', "CREATE TABLE $table (file text, doc jsonb); COPY $table FROM '$tsv'");
	return;
}

SKIP:
{
	skip "skipped: no $data", 1 unless -r $data;
	my $dir = PostgreSQL::Test::Utils::tempdir();
	system('tar', '-xzf', $data, '-C', $dir) == 0 or die 'tar';
	load_files('synthea', split /\n/, `find $dir -name '*.json'`);
	is($node->safe_psql('postgres', q{SELECT (SELECT sum(jsonb_array_length(doc->'entry')) > 38000 FROM synthea), (SELECT count(*) FROM synthea, fhir_check(doc))}), 't|0',
		'every resource of synthea-100 passes');
}

SKIP:
{
	skip "skipped: no $examples", 3 unless -d $examples;
	load_files('example', grep { m{/[A-Za-z]+-[^/]*\.json$} && !m{/ig-r4} } glob("$examples/*.json"));
	cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM example'), '>', 5000, 'examples and definitions loaded');
	is($node->safe_psql('postgres', 'SELECT DISTINCT file COLLATE "C" FROM example, fhir_check(doc) ORDER BY 1'),
		join("\n", sort keys %defective), 'every example passes, but for the defective ones');

	# Each document with one thing broken at a random place: never a crash, and an added unknown member is always found.
	my $seed = $ENV{FHIR_TEST_SEED} // (time % 100000) / 100000;
	note "seed $seed";
	is($node->safe_psql('postgres', <<"SQL"), '0', "mutated examples are refused, without a crash (seed $seed)");
	DO \$\$ BEGIN PERFORM setseed($seed); END \$\$;
	CREATE FUNCTION mutate(v jsonb, budget int) RETURNS jsonb LANGUAGE plpgsql AS \$\$
	DECLARE k text; n int;
	BEGIN
		IF jsonb_typeof(v) = 'object' AND v <> '{}' AND budget > 0 THEN
			SELECT key INTO k FROM jsonb_object_keys(v) AS key WHERE key <> 'resourceType' ORDER BY random() LIMIT 1;
			IF k IS NULL OR random() < 0.15 THEN RETURN v || '{"x-unknown":1}'; END IF;
			RETURN jsonb_set(v, ARRAY[k], mutate(v->k, budget - 1));
		ELSIF jsonb_typeof(v) = 'array' AND v <> '[]' AND budget > 0 THEN
			n := floor(random() * jsonb_array_length(v));
			RETURN jsonb_set(v, ARRAY[n::text], mutate(v->n, budget - 1));
		END IF;
		RETURN '{"x-unknown":[null,{"":[]},"\\u0001",1e300]}';
	END \$\$;
	SELECT count(*) FROM (SELECT mutate(doc, 20) m FROM example WHERE length(doc::text) < 20000 AND file !~ '^StructureDefinition'
		ORDER BY file LIMIT 2000) d WHERE NOT EXISTS (SELECT FROM fhir_check(m));
SQL
}
done_testing();
