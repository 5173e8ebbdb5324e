#!/bin/sh
# SPDX-License-Identifier: MIT
# What it costs a busy program that its mode is switched every 10 ms: ns per operation of one scenario in two
# steady modes and while it is switched between them, by turns; medians. "for nothing" is what it would be if
# switching cost nothing: the harmonic mean, with the parts of the time for which each mode was in force (on a
# busy machine they differ).
#   bench/switching.sh [ROUNDS [PROGRAM ARGUMENT...]]     default: 7 rounds of replace low=16 high=1024
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
build=${BUILD:-$here/build}
rounds=${1:-7}
[ $# -gt 0 ] && shift
[ $# -gt 0 ] || set -- replace low=16 high=1024 operations=20M
program=$build/bench/$1
shift
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
mkdir "$directory/run" "$directory/state"
if [ ! -e "$program" ] || [ ! -e "$build/tests/tools/switch_modes" ]; then
	echo "switching.sh: $program or a tool is missing; 'make all bench-programs suites' builds them" >&2
	exit 1
fi
export build directory program rounds

# shellcheck disable=SC2016 # expanded by the inner shell
dbus-run-session -- sh -euc '
	"$build/hakmemd" --bus=session --runtime-dir="$directory/run" --state-dir="$directory/state" \
		2>"$directory/log" &
	daemon=$!
	until "$build/hakctl" --bus=session get-mode >"$directory/mode" 2>&1; do sleep 0.1; done
	measure() {
		LD_PRELOAD="$build/libhakmem.so" HAKMEM_RUNTIME_DIR="$directory/run" "$program" "$@" |
			sed -n "s/.* ns_per_op=\([0-9.]*\).*/\1/p"
	}
	steady() {
		mode=$1
		shift
		"$build/hakctl" --bus=session set-mode "$mode"
		measure "$@" >>"$directory/$pair.$mode"
	}
	median() { sort -n "$1" | awk "{ v[NR] = \$1 } END { print v[int((NR + 1) / 2)] }"; }
	for_nothing() {
		awk -v first="$(median "$1")" -v second="$(median "$2")" \
			"{ f += \$3; s += \$4 } END { printf \"%.2f\", (f + s) / (f / first + s / second) }" \
			"$directory/$pair.switches"
	}
	for pair in "balanced fast" "minimal fast"; do
		first=${pair% *}
		second=${pair#* }
		round=0
		while [ "$round" -lt "$rounds" ]; do
			steady "$first" "$@"
			"$build/tests/tools/switch_modes" session 10 "$first" "$second" \
				>>"$directory/$pair.switches" &
			switcher=$!
			measure "$@" >>"$directory/$pair.both"
			kill "$switcher"
			wait "$switcher"
			steady "$second" "$@"
			round=$((round + 1))
		done
		echo "$first $(median "$directory/$pair.$first")" \
			"$second $(median "$directory/$pair.$second")" \
			"switched $(median "$directory/$pair.both")" \
			"for nothing $(for_nothing "$directory/$pair.$first" "$directory/$pair.$second")" \
			"ns per operation"
	done
	kill "$daemon"
	wait "$daemon"' sh "$@"
