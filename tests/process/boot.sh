#!/bin/bash
# SPDX-License-Identifier: MIT
# boot.sh DIRECTORY STAGING: systemd as PID 1 of namespaces of its own, over a throw-away overlay of this
# machine's root to which STAGING (a `make install DESTDIR=`) is added. DIRECTORY/pid says which process to
# enter with nsenter -a once it is there. Ends when the machine does; killing the process in DIRECTORY/pid
# ends the machine. Needs root.
set -euo pipefail
directory=$(realpath -m "$1")
staging=$(realpath "$2")
mkdir -p "$directory/layers" "$directory/root"

cgroups=/sys/fs/cgroup
[ ! -e "$cgroups/unified/cgroup.controllers" ] || cgroups=$cgroups/unified
cgroup=$cgroups/hakmem-boot.$$
mkdir "$cgroup"
echo "$cgroup" >"$directory/cgroup"
trap 'find "$cgroup" -depth -type d -exec rmdir {} \; 2>/dev/null' EXIT

export directory staging
# A subshell in the cgroup makes the namespaces, so that the cgroup namespace is rooted there.
(
	echo "$BASHPID" >"$cgroup/cgroup.procs"
	# shellcheck disable=SC2016 # expanded inside
	exec setsid unshare --mount --pid --uts --ipc --net --cgroup --fork --kill-child \
		--propagation private bash -euc '
	root=$directory/root
	mount -t tmpfs -o mode=755 layers "$directory/layers"
	mkdir "$directory/layers/upper" "$directory/layers/work"
	cp -a "$staging/." "$directory/layers/upper/"
	layers=lowerdir=/,upperdir=$directory/layers/upper,workdir=$directory/layers/work
	mount -t overlay -o "$layers" overlay "$root"
	mount -t proc proc "$root/proc"
	mount --bind "$root/proc/sys" "$root/proc/sys"
	mount -o remount,bind,ro "$root/proc/sys"
	mount -t sysfs -o ro sysfs "$root/sys"
	mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
	for place in run:755 tmp:1777 dev:755; do
		mount -t tmpfs -o "mode=${place#*:}" tmpfs "$root/${place%:*}"
	done
	mkdir "$root/dev/pts" "$root/dev/shm"
	mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
	for node in null zero full random urandom tty loop-control loop{0..7}; do
		[ -e "/dev/$node" ] || continue # loop devices are for RootImage=, where there are any
		touch "$root/dev/$node"
		mount --bind "/dev/$node" "$root/dev/$node"
	done
	mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
	ln -s pts/ptmx "$root/dev/ptmx"
	ln -s /proc/self/fd "$root/dev/fd"
	mkdir -p "$root/mnt/old"
	cd "$root"
	pivot_root . mnt/old
	cd /
	umount -l /mnt/old
	masked=
	for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
		fstrim.timer systemd-timesyncd.service dev-hugepages.mount dev-mqueue.mount \
		sys-kernel-debug.mount sys-kernel-tracing.mount redis-server.service nginx.service \
		memcached.service postgresql.service; do
		masked="$masked systemd.mask=$unit"
	done
	exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 container=hakmem-test \
		/lib/systemd/systemd --system --unit=basic.target $masked
	' >"$directory/console" 2>&1 </dev/null
) &
outer=$!

while kill -0 "$outer" 2>/dev/null; do # who waits for us knows how long
	inner=$(cat "/proc/$outer/task/$outer/children" 2>/dev/null || true)
	inner=${inner%% *}
	if [ -n "$inner" ] && nsenter -t "$inner" -a test -S /run/systemd/private 2>/dev/null; then
		echo "$inner" >"$directory/pid"
		break
	fi
	sleep 0.05
done
wait "$outer"
