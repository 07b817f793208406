#!/usr/bin/env bash
# Makes a Debian package of an unpacked release: packaging/deb.sh RELEASE TARGET DIRECTORY
#
# For release.sh, which sets VERSION, SOURCE_DATE_EPOCH, URL and MAINTAINER. It takes dpkg-deb, and for programs that load
# libraries dpkg-shlibdeps (dpkg-dev), which knows what packages those are in.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=fill.sh
source "$here/fill.sh"
release=$1 target=$2 directory=$3
case $target in
    x86_64-*) DEB_ARCHITECTURE=amd64 ;;
    aarch64-*) DEB_ARCHITECTURE=arm64 ;;
    *) exit 1 ;;
esac
# Debian's own package of the same version, should there be one, is newer.
DEB_VERSION=${VERSION/-/\~}-0azward1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/tree
documents=$tree/usr/share/doc/azward

"$here/tree.sh" deb "$release" "$tree"
# shellcheck disable=SC2034 # The template has them.
COPYRIGHT=$(sed -n 's/^Copyright (c) //p' "$release/LICENSE-MIT")
# shellcheck disable=SC2034
MIT=$(sed -n '/^Permission/,$p' "$release/LICENSE-MIT" | sed 's/^$/./; s/^/ /')
fill "$here/copyright.in" >"$documents/copyright"
{
    printf 'azward (%s) unstable; urgency=medium\n\n  * Release %s, which changelog.gz tells of.\n\n' "$DEB_VERSION" "$VERSION"
    printf ' -- %s  %s\n' "$MAINTAINER" "$(LC_ALL=C date --utc --date "@$SOURCE_DATE_EPOCH" '+%a, %d %b %Y %H:%M:%S +0000')"
} | gzip -9n >"$documents/changelog.Debian.gz"

mkdir "$tree/DEBIAN"
cp "$here/before-removal" "$tree/DEBIAN/prerm"
if is_static "$tree/usr/lib/azward/bin/az"; then
    DEPENDS=
    mkdir -p "$tree/usr/share/lintian/overrides"
    cp "$here/lintian-overrides" "$tree/usr/share/lintian/overrides/azward"
else
    mkdir "$work/debian"
    printf 'Source: azward\n\nPackage: azward\nArchitecture: any\n' >"$work/debian/control"
    libraries=$(cd "$work" && dpkg-shlibdeps -O tree/usr/lib/azward/bin/* 2>/dev/null | sed -n 's/^shlibs:Depends=//p')
    # shellcheck disable=SC2034
    DEPENDS="Depends: $libraries"$'\n'
fi
settle "$tree"
# As Debian counts: whole kilobytes of each file, one for all else.
# shellcheck disable=SC2034
INSTALLED_SIZE=$(find "$tree" -path "$tree/DEBIAN" -prune -o -printf '%y %s\n' |
    awk '{ size += $1 == "f" ? int(($2 + 1023) / 1024) : 1 } END { print size }')
fill "$here/control.in" >"$tree/DEBIAN/control"
(cd "$tree" && find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum) >"$tree/DEBIAN/md5sums"
settle "$tree"
dpkg-deb --root-owner-group -Zxz --threads-max=1 --build "$tree" \
    "$directory/azward_${DEB_VERSION}_$DEB_ARCHITECTURE.deb" >/dev/null
