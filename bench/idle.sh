#!/bin/sh
# SPDX-License-Identifier: MIT
# What stays resident of a gigabyte that a program has freed before it went to sleep: hakmem with hakmemd and
# hakmem-helper (which needs root), hakmem alone, glibc, and the libraries that are named.
#   bench/idle.sh [LIBRARY.so ...]
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
build=${BUILD:-$here/build}
idle=$build/bench/idle
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
if [ ! -e "$idle" ] || [ ! -e "$build/hakmem-helper" ]; then
	echo "idle.sh: $idle or $build/hakmem-helper is missing; 'make all bench-programs' builds them" >&2
	exit 1
fi

figures() {
	printf '%-44s' "$1"
	shift
	"$@" | tr ' ' '\n' | sed -n 's/^rss_\(1\|5\|10\)s_kib=//p' | while read -r kib; do
		printf '%10.0f' "$(echo "$kib" | awk '{ print $1 / 1024 }')"
	done
	echo
}

printf '%-44s%10s%10s%10s\n' 'resident, MiB, after' '1 s' '5 s' '10 s'
figures 'hakmem, hakmemd, hakmem-helper' "$here/bench/with_daemon.sh" "$idle"
figures 'hakmem' env LD_PRELOAD="$build/libhakmem.so" HAKMEM_RUNTIME_DIR="$directory/none" "$idle"
figures 'glibc' "$idle"
for library in "$@"; do
	figures "$(basename "$library")" env LD_PRELOAD="$library" "$idle"
done
