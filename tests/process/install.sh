#!/bin/bash
# SPDX-License-Identifier: MIT
# make install DESTDIR= puts every file in its place, and what was installed works from there.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
root=$place/root
libdir=/usr/lib/$(cc -dumpmachine)
# shellcheck source=tests/process/tap.sh
. tests/process/tap.sh

installs() {
	env -u MAKEFLAGS -u MFLAGS make --no-print-directory install "DESTDIR=$root" PREFIX=/usr
}

has_mode() { # has_mode MODE FILE
	[ "$(stat -c %a "$root$2")" = "$1" ] || { stat "$root$2"; return 1; }
}

links_to() { # links_to NAME TARGET
	[ "$(readlink "$root$libdir/$1")" = "$2" ]
}

no_stray_files() {
	local strays known='lib|libexec|bin|sbin|include|share'
	strays=$(cd "$root" && find . -type f | grep -vE "^\./usr/($known)/" || true)
	[ -z "$strays" ] || { echo "$strays"; return 1; }
	! grep -rlF "$place" "$root" || { echo 'a file names the staging directory'; return 1; }
}

preloads() {
	LD_PRELOAD=$root$libdir/libhakmem.so HAKMEM_RUNTIME_DIR=/nonexistent \
		/usr/bin/python3 -I -c 'print(open("/proc/self/maps").read())' | grep -q libhakmem
}

compiles_with_pkg_config() {
	cat >"$place/p.c" <<-END
		#include <libhakmem/hakmem.h>
		int main(void) { hak_free(hak_malloc(9)); return 0; }
	END
	export PKG_CONFIG_LIBDIR=$root$libdir/pkgconfig PKG_CONFIG_SYSROOT_DIR=$root
	# shellcheck disable=SC2046 # words of the compiler's command line
	cc -o "$place/p" "$place/p.c" $(pkg-config --cflags --libs hakmem) || return 1
	LD_LIBRARY_PATH=$root$libdir "$place/p"
}

removes_nothing_else() { # a second install over the first
	installs && preloads
}

point 'make install DESTDIR=' installs
for file in /usr/bin/hakctl /usr/sbin/hakmemd "$libdir/libhakmem.so.0"; do
	point "$file is executable" test -x "$root$file"
done
for file in "$libdir/libhakmem.a" "$libdir/pkgconfig/hakmem.pc" /usr/include/libhakmem/hakmem.h \
	/usr/share/doc/hakmem/README.md; do
	point "$file has mode 644" has_mode 644 "$file"
done
point 'libhakmem.so is a link to libhakmem.so.0' links_to libhakmem.so libhakmem.so.0
point 'no file outside the known directories' no_stray_files
point 'the installed library preloads' preloads
point 'a program builds with pkg-config and runs' compiles_with_pkg_config
for page in man1/hakctl.1 man3/libhakmem.3 man5/hakmemd.conf.5 man5/org.hakmem1.5 man7/hakmem.7 \
	man8/hakmemd.8; do
	point "the page $page" has_mode 644 "/usr/share/man/$page"
done
for file in bash-completion/completions/hakctl zsh/vendor-completions/_hakctl doc/hakmem/schema/stats.json \
	doc/hakmem/schema/doctor.json doc/hakmem/alerts.yml doc/hakmem/grafana-dashboard.json; do
	point "$file has mode 644" has_mode 644 "/usr/share/$file"
done
point 'hakctl runs from there' "$root/usr/bin/hakctl" --help
point 'a second install works' removes_nothing_else
tap_end
