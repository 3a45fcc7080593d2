# FhirTest.pm: what the TAP tests share: a node with the extension, documents, a client that stays connected.
package FhirTest;
use strict;
use warnings;
use Exporter 'import';
use File::Basename qw(dirname);
use Cwd qw(abs_path);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(new_node slurp_fixture load_sample synthea_bundles observation script_file sql_literal root);

sub root { return abs_path(dirname(__FILE__) . '/../..'); }

# A started primary with the extension in database "postgres". %opt: conf => text, streaming => 1
sub new_node
{
	my ($name, %opt) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	$node->init(allows_streaming => $opt{streaming} ? 1 : 0, extra => [ '--no-locale', '-E', 'UTF8' ]);
	$node->append_conf('postgresql.conf', "max_connections = 50\nmax_wal_size = 2GB\n" . ($opt{conf} // ''));
	$node->start;
	$node->safe_psql('postgres', 'SET client_min_messages = warning; CREATE EXTENSION fhir CASCADE');
	return $node;
}

sub sql_literal { my ($s) = @_; $s =~ s/'/''/g; return "'$s'"; }

sub slurp_fixture { return slurp_file(root() . "/test/fixtures/$_[0]"); }

sub load_sample
{
	my ($node) = @_;
	foreach my $f (qw(sample-1-people.json sample-2-clinical.json))
	{
		$node->safe_psql('postgres', 'SELECT fhir_transaction(' . sql_literal(slurp_fixture($f)) . '::jsonb) IS NOT NULL');
	}
	return;
}

# Paths of the first $n Synthea bundles (smallest first), unpacked; empty when the data is not there.
sub synthea_bundles
{
	my ($n) = @_;
	my $data = $ENV{FHIR_SHARED_DATA} // root() . '/../shared/data';
	my $tar = "$data/synthea/synthea-30.tar.gz";
	return () unless -r $tar;
	my $dir = PostgreSQL::Test::Utils::tempdir();
	system('tar', '-xzf', $tar, '-C', $dir) == 0 or return ();
	my @files = sort { -s $a <=> -s $b || $a cmp $b } grep { slurp_file($_) =~ /"resourceType": *"Bundle"/ } split /\n/, `find $dir -name '*.json'`;
	return @files > $n ? @files[ 0 .. $n - 1 ] : @files;
}

# An Observation of patient $p, number $i.
sub observation
{
	my ($p, $i) = @_;
	return sprintf('{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8480-6"}]},'
		  . '"subject":{"reference":"Patient/%s"},"identifier":[{"system":"urn:test","value":"%s"}],'
		  . '"effectiveDateTime":"2024-01-%02dT08:00:00Z","valueQuantity":{"value":%d.50,"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"}}',
		$p, $i, 1 + ($i =~ /^\d+$/ ? $i % 28 : 0), 100 + ($i =~ /^\d+$/ ? $i % 60 : 0));
}

# Writes text to a file below the test's folder; its path.
sub script_file
{
	my ($name, $text) = @_;
	my $path = "${PostgreSQL::Test::Utils::tmp_check}/$name";
	unlink $path; # of an earlier test: all share the folder
	append_to_file($path, $text);
	return $path;
}

1;
