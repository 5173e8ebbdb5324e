#!/bin/bash
# SPDX-License-Identifier: MIT
# The demo succeeds, shows what it promises, and leaves no process and no file behind.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
build=${HAK_BUILD:-build}
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
# shellcheck source=tests/process/tap.sh
. tests/process/tap.sh

run_demo() { # run_demo LOG PREFIX...: under the prefix (to drop privileges), in its own temporary directory
	local log=$1
	shift
	mkdir -p "$place/tmp"
	chmod 1777 "$place/tmp"
	chmod 755 "$place"
	"$@" env "TMPDIR=$place/tmp" timeout 600 tests/demo.sh "$build" >"$log" 2>&1 || {
		tail -n 20 "$log"
		return 1
	}
}

shows() { # shows LOG: all five modes, the three programs, stats
	local word
	for word in minimal fast learning research balanced redis-server python3 sqlite3 alloc_count; do
		grep -q "$word" "$1" || { echo "no '$word' in the output"; return 1; }
	done
}

nothing_left() {
	local rest
	rest=$(ls "$place/tmp")
	[ -z "$rest" ] || { echo "left: $rest"; return 1; }
	# Whatever the demo started names its temporary directory, in the environment or on its command line.
	rest=$(
		grep -laF "TMPDIR=$place/tmp" /proc/[0-9]*/environ 2>/dev/null
		pgrep -af "$place/tmp" || true
	)
	[ -z "$rest" ] || { echo "still running: $rest"; return 1; }
}

point 'the demo succeeds' run_demo "$place/first.log"
point 'it shows the modes, the programs and the counters' shows "$place/first.log"
point 'it leaves nothing behind' nothing_left
nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)
if [ "$(id -u)" -eq 0 ] && "${nobody[@]}" test -x "$build/hakmemd" 2>/dev/null; then
	point 'it works without privileges' run_demo "$place/second.log" "${nobody[@]}"
	point 'it leaves nothing behind either' nothing_left
else
	count=$((count + 1))
	echo "ok $count - it works without privileges # SKIP cannot change to another user here"
fi
tap_end
