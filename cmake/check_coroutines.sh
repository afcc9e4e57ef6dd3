#!/bin/sh
# Reports every full-expression that contains co_await together with a capturing lambda or a braced list, which g++ 12.2
# miscompiles: it destroys such temporaries twice. Give the lambda or the object a name in a statement of its own instead.
#
#   check_coroutines.sh [FILE...]     without files: all C++ and Markdown files of the repository
#
# Reads text, not syntax trees, and relies on the house format (a block's brace follows a space, a list's does not).
set -eu
if [ $# -eq 0 ]; then
  cd "$(dirname "$0")/.."
  set -- $(find include src test examples bench docs README.md -type f \( -name '*.hpp' -o -name '*.cpp' -o -name '*.ipp' -o -name '*.md' \) \
    2>/dev/null)
fi
exec perl - "$@" <<'PERL'
use strict;
use warnings;

# Comments and literals become spaces, so that their brackets do not count; line breaks stay.
sub blank {
  my ($text) = @_;
  $text =~ s{(//[^\n]*|/\*.*?\*/|R"([^\s()\\]*)\(.*?\)\2"|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])+')}
            {my $t = $1; $t =~ s/[^\n]/ /g; $t}gsex;
  return $text;
}

# Position after the bracket that closes the one at $i.
sub skip_bracket {
  my ($t, $i) = @_;
  my $depth = 0;
  for (; $i < length $$t; $i++) {
    my $c = substr $$t, $i, 1;
    if ($c =~ /[\(\[\{]/) { $depth++ }
    elsif ($c =~ /[\)\]\}]/ && --$depth == 0) { return $i + 1 }
  }
  return $i;
}

# Whether the brace at $i opens a list rather than a block.
sub opens_list {
  my ($t, $i) = @_;
  my $before = substr $$t, 0, $i;
  return 1 if $before =~ /[\w>\]]$/;                       # T{...}, x[0]{...}
  return 1 if $before =~ /(?:[=,\(\?:&|]|\breturn|\bco_return|\bco_yield|\bco_await)\s*$/;
  return 1 if $before =~ /\{$/;                            # {{...}}
  return 0;
}

# Start of the full-expression around $i: just after the nearest ; or block brace, or inside if ( and its kin.
sub expression_start {
  my ($t, $i) = @_;
  my @closed;
  while (--$i >= 0) {
    my $c = substr $$t, $i, 1;
    if ($c eq ')' || $c eq ']') { push @closed, $c; next }
    if ($c eq '}') {
      # A list or lambda body is followed by more of the same expression; a block is not.
      if (@closed || substr($$t, $i + 1) =~ /^\s*[,\)\.\?\]\(\}]/) { push @closed, $c; next }
      return $i + 1;
    }
    if ($c eq '(' || $c eq '[') {
      if (@closed) { pop @closed; next }
      return $i + 1 if substr($$t, 0, $i) =~ /\b(?:if|while|for|switch)(?:\s+constexpr)?\s*$/;
      next;
    }
    if ($c eq '{') {
      if (@closed) { pop @closed; next }
      return $i + 1 unless opens_list($t, $i);
      next;
    }
    return $i + 1 if $c eq ';' && !@closed;
  }
  return 0;
}

my $bad = 0;
for my $file (@ARGV) {
  open my $in, '<', $file or die "$file: $!\n";
  my $source = do { local $/; <$in> };
  # In Markdown only fenced C++ counts.
  if ($file =~ /\.md$/) {
    my $code = '';
    my $inside = 0;
    for my $line (split /^/, $source) {
      if ($line =~ /^\s*```\s*(\w*)/) { $inside = !$inside && $1 =~ /^(?:cpp|c\+\+|cc|cxx)$/i; $code .= "\n"; next }
      $code .= $inside ? $line : "\n";
    }
    $source = $code;
  }
  my $text = blank($source);
  my %reported;
  while ($text =~ /\bco_await\b/g) {
    my $await = $-[0];
    my $i = expression_start(\$text, $await);
    my $depth = 0;
    my $controlled = substr($text, 0, $i) =~ /\b(?:if|while|for|switch)(?:\s+constexpr)?\s*\($/;
    while ($i < length $text) {
      my $c = substr $text, $i, 1;
      my $before = substr $text, 0, $i;
      if ($c eq ';' && $depth == 0) { last if $i > $await; $i++; next }
      if ($c eq '(') { $depth++ }
      elsif ($c eq ')') {
        last if $depth == 0 && ($controlled || $i < $await);
        last if $depth == 0;
        $depth--;
      }
      elsif ($c eq '[') {
        my $subscript = $before =~ /[\w\]\)]\s*$/ && $before !~ /\b(?:return|co_return|co_await|co_yield)\s*$/;
        my $end = skip_bracket(\$text, $i);
        my $captures = substr $text, $i + 1, $end - $i - 2;
        if (!$subscript && $captures !~ /^\[/) {
          my $line = 1 + ($before =~ tr/\n//);
          # A lambda: its body is other expressions, unless the co_await that is looked at stands in it.
          if (substr($text, $end) =~ /^\s*(?:<[^{;]*>)?\s*[\(\{]/) {
            if ($captures =~ /\S/ && !$reported{$line}++) {
              print "$file:$line: capturing lambda in an expression with co_await\n";
              $bad = 1;
            }
            my $open = index $text, '{', $end;
            my $close = $open < 0 ? length $text : skip_bracket(\$text, $open);
            $i = $close;
            next;
          }
        }
      }
      elsif ($c eq '{') {
        last unless opens_list(\$text, $i);
        my $line = 1 + ($before =~ tr/\n//);
        if (!$reported{$line}++) {
          print "$file:$line: braced list in an expression with co_await\n";
          $bad = 1;
        }
        $depth++;
      }
      elsif ($c eq '}') {
        last if $depth == 0;
        $depth--;
      }
      $i++;
    }
  }
}
exit $bad;
PERL
