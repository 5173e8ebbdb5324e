#!/bin/sh
# SPDX-License-Identifier: MIT
# The five modes and the ladder of features between them, each step one feature more, in one session.
#   bench/bench_modes.sh [--scenario GLOB[,GLOB...]] [--runs N] [--csv FILE] [any option of bench/run]
# Then: bench/analyze_modes.py FILE
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
build=${BUILD:-$here/build}
lib=$build/libhakmem.so
if [ ! -e "$lib" ]; then
	echo "bench_modes.sh: $lib is missing; 'make' builds it" >&2
	exit 1
fi
base="$lib,HAKMEM_MODE=minimal"
case " $* " in
*" --scenario"*) ;;
*) set -- --scenario vm,vm-depth,cold-churn,json-parse,mir,tiny-hot,mixed,random-mixed "$@" ;;
esac
exec "$here/bench/run" --build "$build" \
	--alloc "hakmem-minimal=$base" \
	--alloc "hakmem+bigcache=$base,HAKMEM_BIGCACHE=1" \
	--alloc "hakmem+batch=$base,HAKMEM_BIGCACHE=1,HAKMEM_BATCH=1" \
	--alloc "hakmem+thp=$base,HAKMEM_BIGCACHE=1,HAKMEM_BATCH=1,HAKMEM_THP=auto" \
	--alloc "hakmem+tiny=$base,HAKMEM_BIGCACHE=1,HAKMEM_BATCH=1,HAKMEM_THP=auto,HAKMEM_TINY=1" \
	--alloc "hakmem-balanced=$lib,HAKMEM_MODE=balanced" \
	--alloc "hakmem-fast=$lib,HAKMEM_MODE=fast" \
	--alloc "hakmem-learning=$lib,HAKMEM_MODE=learning" \
	--alloc "hakmem-research=$lib,HAKMEM_MODE=research" \
	"$@"
