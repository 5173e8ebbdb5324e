#!/bin/bash
# SPDX-License-Identifier: MIT
# demo.sh [BUILD]: redis-server, python3 and sqlite3 under hakmem, switched through all five modes while
# they run. Needs no privileges and leaves nothing behind: its bus, its daemon and its files live in one
# temporary directory.
set -euo pipefail

build=$(cd "${1:-build}" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/hakmem-demo.XXXXXX")
children=()

cleanup() {
	local child
	for child in "${children[@]}"; do
		kill "$child" 2>/dev/null || true
	done
	for child in "${children[@]}"; do
		wait "$child" 2>/dev/null || true
	done
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

start() { # start LOG COMMAND...: in the background, ended by cleanup
	local log=$1
	shift
	"$@" >"$work/$log" 2>&1 &
	children+=($!)
}

await() { # await WHAT COMMAND...: until the command succeeds
	local what=$1 end=$((SECONDS + 120))
	shift
	while [ $SECONDS -lt $end ]; do
		if "$@" >/dev/null 2>&1; then
			return
		fi
		sleep 0.05
	done
	echo "demo: $what did not come up:" >&2
	tail -n 5 "$work"/*.log >&2
	exit 1
}

title() {
	printf '\n\033[1m== %s\033[0m\n' "$*"
}

show() { # show COMMAND...: prints the command line as a user would type it, then runs it
	printf '$ %s\n' "$*"
	"$@"
}

under_hakmem() { # for start: takes the place of the subshell, so that cleanup knows its id
	exec env "LD_PRELOAD=$build/libhakmem.so" "HAKMEM_RUNTIME_DIR=$work/run" "$@"
}

hakctl() {
	"$build/hakctl" "--bus=$bus" "$@"
}

title 'a private bus and hakmemd'
mkdir "$work/run" "$work/state"
bus=unix:path=$work/bus
cat >"$work/bus.conf" <<END
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>$bus</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy>
</busconfig>
END
start bus.log dbus-daemon --nofork "--config-file=$work/bus.conf"
await 'the bus' test -S "$work/bus"
start hakmemd.log "$build/hakmemd" "--bus=$bus" --runtime-dir "$work/run" --state-dir "$work/state"
await hakmemd timeout 30 "$build/hakctl" "--bus=$bus" get-mode
show hakctl get-mode

title 'redis-server, python3 and sqlite3, preloaded'
start redis.log under_hakmem redis-server --port 0 --unixsocket "$work/redis.sock" --save '' --dir "$work"
start python.log under_hakmem /usr/bin/python3 -I -c '
import json, threading, time
rounds = 0
def work():
    global rounds
    while True:
        rows = [{"id": i, "text": "x" * (i % 300)} for i in range(2000)]
        assert json.loads(json.dumps(rows)) == rows
        rounds += 1
for _ in range(2):
    threading.Thread(target=work, daemon=True).start()
while True:
    time.sleep(0.2)
'
printf '%s\n' 'CREATE TABLE t(a, b);' \
	'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 4000000)' \
	' INSERT INTO t SELECT i, hex(i) FROM n;' >"$work/work.sql"
start sqlite.log under_hakmem sqlite3 :memory: ".read $work/work.sql"
await redis-server redis-cli -s "$work/redis.sock" PING
start benchmark.log redis-benchmark -s "$work/redis.sock" -q -n 200000 -c 20 -P 8 -r 20000 -d 300 \
	-t set,get,lpush,lpop
sleep 0.5
show hakctl status

title 'five modes, switched while they run'
for mode in minimal fast learning research balanced; do
	show hakctl set-mode "$mode" --wait=2 || true
	sleep 0.6
done

title 'what really runs'
show hakctl verify || true
printf '$ hakctl stats --json=pretty | head -n 60\n'
hakctl stats --json=pretty >"$work/stats.json"
head -n 60 "$work/stats.json"
echo '...'

title 'and the programs'
redis-cli -s "$work/redis.sock" DBSIZE | sed 's/^/redis-server keys: /'
tr '\r' '\n' <"$work/benchmark.log" | grep 'requests per second' | tail -n 4 ||
	echo 'redis-benchmark is still running'
for child in "${children[@]}"; do
	if ! kill -0 "$child" 2>/dev/null; then
		wait "$child" || {
			echo "demo: process $child failed:" >&2
			tail -n 5 "$work"/*.log >&2
			exit 1
		}
	fi
done
title 'done; everything is stopped and removed'
