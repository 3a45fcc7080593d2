# Random bad input: requests to fhir_http, texts to the JSON parser, and texts to all parsers under AddressSanitizer.
# FHIR_FUZZ_COUNT requests (10,000), four and fifty times as many texts.
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

SKIP:
{
	my $probe = PostgreSQL::Test::Utils::tempdir() . '/probe';
	skip 'no compiler with AddressSanitizer', 1
	  if system("echo 'int main(void){return 0;}' | cc -fsanitize=address,undefined -x c - -o $probe 2>/dev/null && $probe") != 0;
	my ($n, $out) = (50 * $count, '');
	# the sanitizer's own allocator does not like a preloaded one
	local $ENV{LD_PRELOAD} = '';
	my $ok = IPC::Run::run([ 'make', '-s', '-C', root(), 'fuzz', 'PG_CONFIG=' . ($ENV{PG_CONFIG} // 'pg_config'), "FUZZ_COUNT=$n", "FUZZ_SEED=$seed" ],
		'>', \$out, '2>&1');
	ok($ok && $out =~ /^passed/m, "parsers under AddressSanitizer, $n texts of seed $seed") or diag($out);
}
done_testing();
