#!/bin/sh
# SPDX-License-Identifier: MIT
# What a minute of bursts and pauses costs: the mean of resident memory over the time, and the work's time per
# block. All run at once, for they sleep nearly always: hakmem with hakmemd and hakmem-helper (root), hakmem
# alone, glibc, and the libraries that are named.
#   bench/burst.sh PAUSE_MSEC [LIBRARY.so ...]
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
build=${BUILD:-$here/build}
pause=${1:?how long a pause is, in ms}
shift
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT

start() {
	name=$1
	shift
	"$@" "$build/bench/burst" "bursts=$((60000 / (pause + 25)))" "pause=$pause" seconds=120 \
		>"$directory/$name" &
}

start 1.hakmem,hakmemd,hakmem-helper "$here/bench/with_daemon.sh"
start 2.hakmem env LD_PRELOAD="$build/libhakmem.so" HAKMEM_RUNTIME_DIR="$directory/none"
start 3.glibc env
for library in "$@"; do
	start "4.$(basename "$library")" env LD_PRELOAD="$library"
done
wait
printf '%-40s%14s%16s\n' "pauses of $pause ms" 'mean RSS, MiB' 'ns per block'
for result in "$directory"/*; do
	sed -n 's/.*ns_per_op=\([0-9.]*\).*mean_rss_kib=\([0-9.e+]*\).*/\1 \2/p' "$result" |
		awk -v name="${result##*/}" '{ printf "%-40s%14.1f%16.0f\n", substr(name, 3), $2 / 1024, $1 }'
done
