# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# TAP for tests in bash: source this, call point for each test, tap_end last.
count=0
failed=0

point() { # point NAME COMMAND...: one test point
	local name=$1 said
	shift
	count=$((count + 1))
	if said=$("$@" 2>&1); then
		echo "ok $count - $name"
	else
		failed=1
		echo "not ok $count - $name"
		printf '%s\n' "$said" | sed 's/^/  # /'
	fi
}

tap_end() { # the plan; ends the script
	echo "1..$count"
	exit "$failed"
}
