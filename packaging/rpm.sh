#!/usr/bin/env bash
# Makes an RPM package of an unpacked release: packaging/rpm.sh RELEASE TARGET DIRECTORY
#
# For release.sh, which sets VERSION, SOURCE_DATE_EPOCH, URL and MAINTAINER. It takes rpmbuild (on Debian in the package rpm).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=fill.sh
source "$here/fill.sh"
release=$1 target=$2 directory=$3
RPM_VERSION=${VERSION/-/\~}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
TREE=$work/tree

"$here/tree.sh" rpm "$release" "$TREE"
settle "$TREE"
# shellcheck disable=SC2034 # The template has them.
{
    RPM_DATE=$(LC_ALL=C date --utc --date "@$SOURCE_DATE_EPOCH" '+%a %b %d %Y')
    BEFORE_REMOVAL=$(sed 1d "$here/before-removal")
    # rpmbuild finds out what libraries are loaded; of static programs it would say nothing.
    if is_static "$TREE/usr/lib/azward/bin/az"; then REQUIRES='AutoReqProv: no'; else REQUIRES=; fi
}
fill "$here/azward.spec.in" >"$work/azward.spec"
rpmbuild --quiet -bb --target "${target%%-*}" --define "_topdir $work" --define "_rpmdir $work/made" "$work/azward.spec" >"$work/log" 2>&1 || {
    cat "$work/log" >&2
    exit 1
}
cp "$work/made/${target%%-*}/azward-$RPM_VERSION-1.${target%%-*}.rpm" "$directory"
