# shellcheck shell=bash
# tap.sh - test results as lines (Test Anything Protocol), for tests that are shell scripts
#
#   COMMAND; ok NAME     the test NAME went as COMMAND did; when it failed, why() may print more, if
#                        the script has such a function
#   skip NAME REASON     it was not done
#   plan                 how many there were; last of all

tap_number=0

ok() {
	local status=$?
	tap_number=$((tap_number + 1))
	if [ "$status" = 0 ]; then
		echo "ok $tap_number - $1"
	else
		echo "not ok $tap_number - $1"
		! declare -F why >/dev/null || why | sed 's/^/# /'
	fi
}

skip() {
	tap_number=$((tap_number + 1))
	echo "ok $tap_number - $1 # SKIP $2"
}

plan() {
	echo "1..$tap_number"
}
