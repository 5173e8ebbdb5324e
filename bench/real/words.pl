# SPDX-License-Identifier: MIT
# perl: count words, join, split, sort and substitute.
use strict;
use warnings;
my $part = shift;
my ($x, %count, @lines) = (12345);
for my $i (1 .. 120000 / $part) {
	my @w = map { $x = ($x * 1103515245 + 12345) & 0x7fffffff; "w" . $x % 5000 } 1 .. 8;
	push @lines, join(" ", @w);
}
for my $line (@lines) {
	$count{$_}++ for split / /, $line;
}
my @sorted = sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count;
my $text = join("\n", @lines);
my $changed = ($text =~ s/w(\d)(\d)/W$2-$1/g);
printf "%d %s %d %d\n", scalar @sorted, $sorted[0], $changed, length $text;
