# What a user can reach is documented: every setting, every SQL function, every option and metric of the gateway.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use FhirTest;

my $node = new_node('docs');
my $docs = join "\n", map { slurp_file($_) } root() . '/README.md', glob(root() . '/docs/*.md'), glob(root() . '/docs/runbooks/*.md');
my $reference = slurp_file(root() . '/docs/reference.md');

# settings: those the module defines, once it is loaded
my @settings = split /\n/, $node->safe_psql('postgres',
	q{LOAD 'fhir'; SELECT name || '|' || coalesce(unit, '') || '|' || coalesce(short_desc, '') FROM pg_settings WHERE name LIKE 'fhir.%' ORDER BY 1});
cmp_ok(scalar @settings, '>=', 8, 'settings are there: ' . @settings);
foreach (@settings)
{
	my ($name, $unit, $desc) = split /\|/, $_, 3;
	ok($reference =~ /`\Q$name\E`/, "docs/reference.md tells of $name");
	isnt($desc, '', "$name has a description");
}

# functions, types, operators of the extension
my @functions = split /\n/, $node->safe_psql('postgres', q{
	SELECT p.proname || '|' || p.oid::regprocedure || '|' || replace(coalesce(obj_description(p.oid, 'pg_proc'), ''), chr(10), chr(32))
	FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid AND d.refclassid = 'pg_extension'::regclass
	JOIN pg_proc p ON p.oid = d.objid AND d.classid = 'pg_proc'::regclass
	WHERE e.extname = 'fhir' AND d.deptype = 'e' ORDER BY 1});
cmp_ok(scalar @functions, '>=', 15, 'functions are there: ' . @functions);
foreach (@functions)
{
	my ($name, $signature, $comment) = split /\|/, $_, 3;
	isnt($comment, '', "$signature has a COMMENT");
	# what only types and operators call needs no entry of its own
	next if $name =~ /^fhirpath_(in|out|recv|send|eq|ne|hash|hash_extended|lt|le|gt|ge|cmp)$/;
	ok($reference =~ /\b\Q$name\E\b/, "docs/reference.md tells of $name");
}
my @types = split /\n/, $node->safe_psql('postgres', q{
	SELECT t.typname || '|' || coalesce(obj_description(t.oid, 'pg_type'), '') FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
	JOIN pg_type t ON t.oid = d.objid AND d.classid = 'pg_type'::regclass WHERE e.extname = 'fhir' AND d.deptype = 'e' AND t.typtype = 'b' AND t.typelem = 0});
foreach (@types)
{
	my ($name, $comment) = split /\|/, $_, 2;
	isnt($comment, '', "type $name has a COMMENT");
	ok($reference =~ /`\Q$name\E`/, "docs/reference.md tells of type $name");
}

# volatility and parallel labels: no reading function is volatile without need, none that writes is anything else
my @writers = qw(fhir_create fhir_update fhir_patch fhir_delete fhir_transaction fhir_store_create fhir_store_drop fhir_http);
foreach my $w (@writers)
{
	is($node->safe_psql('postgres', "SELECT DISTINCT provolatile::text || proparallel::text FROM pg_proc WHERE proname = '$w'"), 'vu', "$w is VOLATILE and PARALLEL UNSAFE");
}
foreach my $r (qw(fhir_read fhir_vread fhir_search fhir_search_rows fhir_count fhir_history))
{
	like($node->safe_psql('postgres', "SELECT DISTINCT provolatile FROM pg_proc WHERE proname = '$r'"), qr/^[sv]$/, "$r is not IMMUTABLE");
}

# every error of ours carries a hint or detail where a user can do something: sampled
foreach my $sql (q{SELECT fhir_read('Patient', 'none')}, q{SELECT fhir_search('Patient', 'nmae=x')}, q{SELECT fhir_create('{"resourceType":"Nope"}')}, q{SELECT fhir_create('{"resourceType":"Patient","birthDate":"x"}')})
{
	my (undef, undef, $err) = $node->psql('postgres', $sql);
	like($err, qr/(DETAIL|HINT):/, "$sql: says more than the bare fact") or diag($err);
}

# the gateway
SKIP:
{
	my $gateway = root() . '/fhir-gateway';
	skip 'no fhir-gateway built', 1 unless -x $gateway;
	my $help = `$gateway --help 2>&1`;
	my @options = $help =~ /--([a-z][a-z-]+)/g;
	cmp_ok(scalar @options, '>', 5, 'the gateway has options');
	my %seen;
	foreach my $o (grep { !$seen{$_}++ && !/^(help|version)$/ } @options)
	{
		ok($docs =~ /[`-]\Q$o\E\b/, "the docs tell of --$o");
	}
	my $source = join '', map { slurp_file($_) } glob(root() . '/src/gateway/metrics*.c');
	my %metrics = map { s{_(bucket|sum|count)$}{}r => 1 } $source =~ /\b(fhir_gateway_[a-z_]+)\b/g;
	foreach my $m (sort keys %metrics)
	{
		ok($docs =~ /\Q$m\E/, "the docs tell of metric $m");
	}
}

$node->stop;
done_testing();
