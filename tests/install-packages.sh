#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs the Debian packages of tests/packages.txt that are missing, for the groups named as arguments
# ("build" is always among them). Does nothing, offline and unprivileged, where all are there.
set -eu

list=$(dirname "$0")/packages.txt
groups="build $*"

for group in "$@"; do
	case $group in
	build | demo | check | lint | vm | arm64) ;;
	*)
		echo "install-packages: no group '$group';" \
			"there are build, demo, check, lint, vm and arm64" >&2
		exit 2
		;;
	esac
done
case " $groups " in
*" check "* | *" lint "*) groups="$groups demo" ;;
esac

if ! command -v dpkg-query >/dev/null; then
	echo "install-packages: this is no Debian: install what $list names by hand" >&2
	exit 0
fi

missing=
while read -r name group rest; do
	case $name in '' | '#'*) continue ;; esac
	case " $groups " in *" $group "*) ;; *) continue ;; esac
	: "$rest"
	status=$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null || true)
	[ "$status" = installed ] || missing="$missing $name"
done <"$list"

[ -n "$missing" ] || exit 0
if [ "$(id -u)" -ne 0 ]; then
	echo "install-packages: packages are missing; as root: apt-get install$missing" >&2
	exit 1
fi
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
# Servers come as programs to test, not to run: policy-rc.d keeps their maintainer scripts from starting them.
made_policy=
if [ ! -e /usr/sbin/policy-rc.d ] && [ -d /usr/sbin ]; then
	printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
	chmod 755 /usr/sbin/policy-rc.d
	made_policy=yes
fi
trap '[ -z "$made_policy" ] || rm -f /usr/sbin/policy-rc.d' EXIT
log=$(mktemp)
# shellcheck disable=SC2086 # a list of names
if ! { apt-get -q update && apt-get -q install -y --no-install-recommends $missing; } >"$log" 2>&1; then
	tail -n 20 "$log" >&2
	rm -f "$log"
	echo "install-packages: apt-get could not install$missing" >&2
	exit 1
fi
rm -f "$log"
