# Random bad input: requests to fhir_http and texts to the JSON parser. FHIR_FUZZ_COUNT requests (10,000), four times as many texts.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use FhirTest;

my $count = $ENV{FHIR_FUZZ_COUNT} // 10_000;
my $seed = $ENV{FHIR_SEED} // int(rand(2**31));
my $node = new_node('fuzz', conf => "fsync = off\nsynchronous_commit = off\n");
local $ENV{PGHOST} = $node->host;
local $ENV{PGPORT} = $node->port;
local $ENV{PGDATABASE} = 'postgres';

foreach my $run ([ 'bad-requests.pl', $count ], [ 'fuzz/json.pl', 4 * $count ])
{
	my ($script, $n) = @$run;
	my $out = '';
	my $ok = IPC::Run::run([ $^X, root() . "/test/$script", $n, $seed ], '>', \$out, '2>&1');
	ok($ok, "$script $n $seed");
	diag($out) unless $ok;
}
$node->stop;
done_testing();
