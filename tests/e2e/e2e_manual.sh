#!/bin/bash
# e2e_manual.sh - the manual pages say what the programs say of themselves
#
# The programs are the truth: keys and their defaults, options and commands are asked of them.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/e2e/tap.sh
. tests/e2e/tap.sh
BUILD=${BUILD:-build}
pages=packaging/man

dir=$(mktemp -d /tmp/foster-manual.XXXXXX)
trap 'rm -rf "$dir"' EXIT

# ---- helpers ---------------------------------------------------------------------------------------

# Nothing was found wrong, and there was something to look at.
none() { # what was looked at, what is wrong with it
	[ -s "$1" ] || { echo "# nothing to compare in $1"; return 1; }
	[ ! -s "$2" ] || { sed 's/^/# /' "$2"; return 1; }
}

# [section], key and what stands in parentheses behind it, of each key that foster.ini(5) describes.
described_keys() {
	awk -v OFS='\t' '
	/^\.S[hs] / { section = $2 ~ /^\[/ ? $2 : "" }
	section && /^\.It Cm / {
		said = ""
		if (match($0, / Pq /))
			said = substr($0, RSTART + RLENGTH)
		for (i = 3; i <= NF && $i != "Pq"; i++)
			if ($i != ",")
				print section, $i, said
	}' "$pages/foster.ini.5"
}

# Keys whose default, in either kind of file, is not what the page says.
wrong_defaults() { # keys as described, keys as they are
	awk -F '\t' '
	function says(key, word) { return index("; " said[key] "; ", "; " word "; ") }
	NR == FNR { said[$1 $2] = $3; next }
	{
		plain = $4
		other = ""
		if (match($4, / ?\(\[supervisord\]: /)) {
			plain = substr($4, 1, RSTART - 1)
			other = "in [supervisord] " substr($4, RSTART + RLENGTH)
			sub(/\)$/, "", other)
		}
		if ((plain != "" && !says($1 $2, plain)) || (other != "" && !says($1 $2, other)))
			print $1, $2 ": the default is " $4 ", the page says: " said[$1 $2]
	}' "$1" "$2"
}

# Each literal block of EXAMPLES becomes a file.
write_examples() {
	awk -v dir="$dir" '
	/^\.Sh / { in_examples = $2 == "EXAMPLES" }
	!in_examples { next }
	/^\.Bd -literal/ { file = dir "/example" ++n ".ini"; next }
	/^\.Ed/ { file = ""; next }
	file { gsub(/\\e/, "\\"); sub(/^\\&/, ""); print > file }' "$pages/foster.ini.5"
}

check_example() { # file; a good one has no warning either
	local said
	said=$("$BUILD/fosterd" --check -c "$1" 2>&1) && [ "$said" = "${said#*warning}" ] && return
	printf '%s\n' "$said" | sed 's/^/# /'
	return 1
}

format() { # page; to formatted and warnings
	if command -v groff >/dev/null; then
		groff -man -Tutf8 -ww "$1" >"$dir/formatted" 2>"$dir/warnings"
	else
		MANWIDTH=80 man --warnings -l "$1" >"$dir/formatted" 2>"$dir/warnings"
	fi
}

# ---- foster.ini(5) ---------------------------------------------------------------------------------

"$BUILD/fosterd" --help-config >"$dir/keys"
described_keys >"$dir/described"
cut -f 1,2 "$dir/keys" | sort >"$dir/key-names"
cut -f 1,2 "$dir/described" | sort >"$dir/described-names"

comm -23 "$dir/key-names" "$dir/described-names" >"$dir/missing"
none "$dir/key-names" "$dir/missing"
ok "foster.ini(5) describes every key in its section"

comm -13 "$dir/key-names" "$dir/described-names" >"$dir/stale"
none "$dir/described-names" "$dir/stale"
ok "foster.ini(5) describes no key that there is not, and none twice"

wrong_defaults "$dir/described" "$dir/keys" >"$dir/wrong"
none "$dir/described" "$dir/wrong"
ok "foster.ini(5) names every default"

write_examples
for example in "$dir"/example[0-9]*.ini; do
	name=$(basename "$example" .ini)
	check_example "$example"
	ok "$name of foster.ini(5) is a good configuration"
done

# ---- fosterd(8), fosterctl(1) ----------------------------------------------------------------------

"$BUILD/fosterd" --help | grep -oE '^ +(-[A-Za-z], )?--[a-z-]+' | tr -d ', ' |
	sed -E 's/^-([A-Za-z])--/.It Fl \1 , -/; s/^--/.It Fl -/' >"$dir/options"
while read -r item; do
	grep -qE -- "^${item//./\\.}( |\$)" "$pages/fosterd.8" || echo "not there: $item"
done <"$dir/options" >"$dir/missing"
none "$dir/options" "$dir/missing"
ok "fosterd(8) describes every option"

"$BUILD/fosterctl" help | awk '/^  [a-z]/ { print $1 }' >"$dir/commands"
while read -r command; do
	grep -qE "^\.It Cm $command( |\$)" "$pages/fosterctl.1" || echo "not there: $command"
done <"$dir/commands" >"$dir/missing"
none "$dir/commands" "$dir/missing"
ok "fosterctl(1) describes every command"

# ---- README.md -------------------------------------------------------------------------------------

# `PROGRAM: case` or `PROGRAM` in the last column of the table.
# shellcheck disable=SC2016 # Markdown's
sed -n '/^## When something/,/^## Find/p' README.md | grep -oE '`(e2e|fault|test)_[^`]*`' |
	tr -d '\140' | sort -u >"$dir/shown"
while IFS=: read -r program case; do
	file=$(find tests -name "$program.c" -o -name "$program")
	if [ -z "$file" ] || ! grep -q "${case# }" "$file"; then
		echo "not there: $program:$case"
	fi
done <"$dir/shown" >"$dir/missing"
none "$dir/shown" "$dir/missing"
ok "the tests that README.md names are there"

# ---- all of them -----------------------------------------------------------------------------------

for page in "$pages"/*.[1-8]; do
	name=$(basename "$page")
	if ! command -v groff >/dev/null && ! command -v man >/dev/null; then
		skip "$name formats without a warning" "neither groff nor man is installed"
		continue
	fi
	format "$page" && none "$dir/formatted" "$dir/warnings"
	ok "$name formats without a warning"
done

for page in "$pages"/*.[1-8]; do
	name=$(basename "$page")
	[ -n "$(find "$BUILD/stage" -path "*/man/man${name##*.}/$name")" ]
	ok "$name is installed in its section"
done

plan
