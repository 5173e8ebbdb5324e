#!/bin/sh
# SPDX-License-Identifier: MIT
# A program under libhakmem, with hakmemd and, for root, hakmem-helper beside it, on a bus of their own.
#   bench/with_daemon.sh PROGRAM [ARGUMENT...]
set -eu
if [ -z "${HAKMEM_BENCH_BUS:-}" ]; then
	HAKMEM_BENCH_BUS=1 exec dbus-run-session -- "$0" "$@"
fi
build=${BUILD:-$(cd "$(dirname "$0")/.." && pwd)/build}
directory=$(mktemp -d)
trap 'kill $helper $daemon 2>/dev/null; wait; rm -rf "$directory"' EXIT
helper='' daemon=''
mkdir "$directory/run" "$directory/state"
"$build/hakmemd" --bus=session --runtime-dir="$directory/run" --state-dir="$directory/state" \
	2>"$directory/log" &
daemon=$!
while [ ! -e "$directory/run/control.v1" ]; do sleep 0.1; done
sleep 1
if [ "$(id -u)" = 0 ]; then
	"$build/hakmem-helper" --runtime-dir="$directory/run" 2>>"$directory/log" &
	helper=$!
fi
LD_PRELOAD="$build/libhakmem.so" HAKMEM_RUNTIME_DIR="$directory/run" "$@"
