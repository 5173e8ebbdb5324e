#!/bin/sh
# SPDX-License-Identifier: MIT
# The five modes and the ladder of features, each step one feature more, in one session. "bare" is minimal
# without faulting in ahead, which has no switch of its own: it is the strategy "demand" against "safe".
#   bench/bench_modes.sh [--scenario GLOB[,GLOB...]] [--runs N] [--csv FILE] [any option of bench/run]
# Then: bench/analyze_modes.py FILE
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
build=${BUILD:-$here/build}
lib=$build/libhakmem.so
if [ ! -e "$lib" ] || [ ! -e "$build/tests/tools/make_segment" ]; then
	echo "bench_modes.sh: $lib or make_segment is missing; 'make all test-programs' builds them" >&2
	exit 1
fi
bare="$lib,HAKMEM_MODE=fast,HAKMEM_FREE_POLICY=batch"
off="HAKMEM_BIGCACHE=0 HAKMEM_BATCH=0 HAKMEM_THP=off HAKMEM_TINY=0"
case " $* " in
*" --scenario"*) ;;
*) set -- --scenario vm,vm-depth,cold-churn,json-parse,mir,tiny-hot,mixed,random-mixed "$@" ;;
esac

# Bare, with the features that are named; the last word is the strategy.
step() {
	features=$1
	for feature in $off; do
		case ",$features," in
		*",${feature%%=*}="*) ;;
		*) features="$features,$feature" ;;
		esac
	done
	printf '%s,%s,strategy=%s' "$bare" "${features#,}" "$2"
}

exec "$here/bench/run" --build "$build" \
	--alloc "hakmem-bare=$(step '' demand)" \
	--alloc "hakmem+bigcache=$(step HAKMEM_BIGCACHE=1 demand)" \
	--alloc "hakmem+batch=$(step HAKMEM_BIGCACHE=1,HAKMEM_BATCH=1 demand)" \
	--alloc "hakmem+thp=$(step HAKMEM_BIGCACHE=1,HAKMEM_BATCH=1,HAKMEM_THP=auto demand)" \
	--alloc "hakmem+populate=$(step HAKMEM_BIGCACHE=1,HAKMEM_BATCH=1,HAKMEM_THP=auto safe)" \
	--alloc "hakmem+tiny=$(step HAKMEM_BIGCACHE=1,HAKMEM_BATCH=1,HAKMEM_THP=auto,HAKMEM_TINY=1 safe)" \
	--alloc "hakmem-minimal=$lib,HAKMEM_MODE=minimal" \
	--alloc "hakmem-balanced=$lib,HAKMEM_MODE=balanced" \
	--alloc "hakmem-fast=$lib,HAKMEM_MODE=fast" \
	--alloc "hakmem-learning=$lib,HAKMEM_MODE=learning" \
	--alloc "hakmem-research=$lib,HAKMEM_MODE=research" \
	"$@"
