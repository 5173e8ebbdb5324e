#!/bin/sh
# SPDX-License-Identifier: MIT
# The server simulation in three profiles; the preload, if any, is the caller's LD_PRELOAD.
#   bench/larson.sh PROFILE [NAME=VALUE]...      profiles: tiny, mixed, threads
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
program=${BENCH_DIR:-$here/build/bench}/larson
profile=${1-}
[ $# -gt 0 ] && shift
case $profile in
tiny) set -- name=larson-tiny threads=2 slots=1024 low=8 high=128 "$@" ;;
mixed) set -- name=larson-mixed threads=2 slots=4096 low=16 high=8192 operations=4000000 "$@" ;;
threads) set -- name=larson-threads threads=16 slots=1024 low=16 high=1024 operations=1000000 "$@" ;;
*)
	echo "larson.sh: '$profile' is no profile; one of: tiny, mixed, threads" >&2
	exit 2
	;;
esac
if [ ! -x "$program" ]; then
	echo "larson.sh: $program is missing; 'make bench-programs' builds it" >&2
	exit 1
fi
exec "$program" "$@"
