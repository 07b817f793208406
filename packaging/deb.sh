#!/usr/bin/env bash
# Makes a Debian package of an unpacked release: packaging/deb.sh RELEASE TARGET DIRECTORY
#
# For release.sh, which sets VERSION, SOURCE_DATE_EPOCH, URL and MAINTAINER. It takes dpkg-deb, and for programs that load
# libraries readelf.
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
    # dpkg-shlibdeps would ask for the glibc of the system that it runs on, into which libpthread has moved since; and knows no other
    # processor's libraries. What the programs themselves say they need is enough.
    depends=()
    while read -r library; do
        case $library in
            libc.so.6 | libm.so.6 | libdl.so.2 | libpthread.so.0 | librt.so.1 | ld-linux-*) package=libc6 versions=GLIBC ;;
            libgcc_s.so.1) package=libgcc-s1 versions=GCC ;;
            *) printf 'deb.sh: nobody knows what package %s is in\n' "$library" >&2 && exit 1 ;;
        esac
        depends+=("$package (>= $(newest_version "$versions" "$tree"/usr/lib/azward/bin/*))")
    done < <(readelf --dynamic --wide "$tree"/usr/lib/azward/bin/* | sed -n 's/.*(NEEDED).*\[\(.*\)\]$/\1/p')
    # shellcheck disable=SC2034
    DEPENDS="Depends: $(printf '%s\n' "${depends[@]}" | sort --unique | paste --serial --delimiters=, | sed 's/,/, /g')"$'\n'
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
