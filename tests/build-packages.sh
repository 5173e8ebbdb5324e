#!/bin/sh
# SPDX-License-Identifier: MIT
# build-packages.sh DIRECTORY [VERSION]: Debian packages of this tree in DIRECTORY. VERSION makes another one
# of the same sources, as a release of that number would be, without a source package: to upgrade to.
# Does nothing where DIRECTORY is newer than every source.
set -eu
cd "$(dirname "$0")/.."
mkdir -p "$1"
directory=$(realpath "$1")
version=${2:-}
done=$directory/.done
if [ -e "$done" ] && [ -z "$(find . -path './build*' -prune -o -path ./.git -prune -o \
	-path ./tests -prune -o -type f -newer "$done" -print -quit)" ]; then
	exit 0
fi

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
mkdir "$place/hakmem"
tar c --exclude=./.git --exclude='./build*' --exclude=__pycache__ . | tar x -C "$place/hakmem"
cd "$place/hakmem"
what='-F' # source and binary
options=nocheck
if [ -n "$version" ]; then
	what='-b'
	options="$options noautodbgsym noopt"
	sed -i "s/^VERSION := .*/VERSION := $version/" Makefile
	IFS=. read -r major minor patch <<-END
		$version
	END
	sed -i "s/\(HAKMEM_VERSION_MAJOR\) .*/\1 $major/; s/\(HAKMEM_VERSION_MINOR\) .*/\1 $minor/
		s/\(HAKMEM_VERSION_PATCH\) .*/\1 $patch/" libhakmem/hakmem.h
	{
		printf 'hakmem (%s) UNRELEASED; urgency=medium\n\n  * Made by a test.\n\n' "$version"
		grep -m 1 '^ -- ' debian/changelog
		echo
		cat debian/changelog
	} >"$place/changelog"
	mv "$place/changelog" debian/changelog
fi
env -u MAKEFLAGS -u MFLAGS DEB_BUILD_OPTIONS="$options parallel=$(nproc)" \
	dpkg-buildpackage -us -uc "$what" >"$place/log" 2>&1 || {
	tail -n 30 "$place/log" >&2
	exit 1
}
rm -f "$directory"/*.*
find "$place" -maxdepth 1 -name "*hakmem*_*" -exec mv -t "$directory" {} +
touch "$done"
