#!/bin/sh
# Installs azward for this user from a release, without root and without a compiler:
#
#   sh install.sh [TARBALL] [--sums FILE] [--no-modify-path | --system] [--allow-downgrade]
#
# compares the tarball (without a name, the one for this machine beside this script) with its line in SHA256SUMS, which lies
# beside it or is named by --sums, unpacks it, and has `azward install` of that do the rest. In an unpacked release it installs
# what it lies beside. What does not compare is not unpacked.
set -eu

# Says what went wrong and what to do, and ends.
fail() {
    printf 'azward: %s\nhint: %s\n' "$1" "$2" >&2
    exit "${3:-1}"
}
# A name is shown without what a terminal would act on.
shown() {
    printf '%s' "$1" | LC_ALL=C tr -d '\000-\037\177'
}

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
tarball='' sums='' is_named=''
for word in "$@"; do
    shift
    if [ "$is_named" ]; then
        sums=$word is_named=''
        continue
    fi
    case $word in
        --sums) is_named=yes ;;
        --no-modify-path | --system | --allow-downgrade) set -- "$@" "$word" ;;
        -h | --help)
            sed -n '2,8s/^# \{0,1\}//p' "$0"
            exit 0
            ;;
        -*) fail "unknown option \`$(shown "$word")\`" 'there are --sums, --no-modify-path, --system and --allow-downgrade' 2 ;;
        *)
            [ -z "$tarball" ] || fail "one tarball is enough, and \`$(shown "$word")\` is another" 'name the one for this machine' 2
            tarball=$word
            ;;
    esac
done
[ -z "$is_named" ] || fail '--sums names no file' 'name the SHA256SUMS of the release' 2

if [ -z "$tarball" ] && [ -x "$here/bin/azward" ]; then
    exec "$here/bin/azward" install "$@"
fi

machine=$(uname -m)
case $(uname -s):$machine in
    Linux:amd64) machine=x86_64-unknown-linux ;;
    Linux:arm64) machine=aarch64-unknown-linux ;;
    Linux:*) machine=$machine-unknown-linux ;;
    Darwin:arm64) machine=aarch64-apple-darwin ;;
    Darwin:*) machine=$machine-apple-darwin ;;
    *) fail "no release is for a $(shown "$(uname -s)")" 'build it: install/install.sh of the source does' ;;
esac
if [ -z "$tarball" ]; then
    for found in "$here"/azward-*-"$machine"*.tar.gz; do
        [ -e "$found" ] || fail "beside this script is no tarball for this machine (azward-…-$machine….tar.gz)" 'download it, or name it'
        [ -z "$tarball" ] || fail 'there are several tarballs for this machine here' 'name the one to install'
        tarball=$found
    done
fi
[ -f "$tarball" ] || fail "there is no tarball \`$(shown "$tarball")\`" 'download it, and name the file'
name=${tarball##*/}
case $tarball in
    */*) directory=${tarball%/*} ;;
    *) directory=. ;;
esac
sums=${sums:-$directory/SHA256SUMS}
[ -f "$sums" ] || fail "there is no \`$(shown "$sums")\`, so nobody knows whether the tarball is whole" 'download SHA256SUMS of the same release'

wanted=$(awk -v "name=$name" '{ sum = $1; sub(/^[^ ]+ [ *]/, ""); if ($0 == name) print sum }' "$sums")
[ -n "$wanted" ] || fail "\`$(shown "$sums")\` does not tell of \`$(shown "$name")\`" 'download both from the same release'
if command -v sha256sum >/dev/null 2>&1; then
    found=$(sha256sum <"$tarball")
elif command -v shasum >/dev/null 2>&1; then
    found=$(shasum -a 256 <"$tarball")
else
    fail 'there is no sha256sum and no shasum here' 'install one: without it nobody knows whether the tarball is whole'
fi
if [ "${found%% *}" != "$wanted" ]; then
    fail "\`$(shown "$name")\` is not the one that \`$(shown "$sums")\` tells of: nothing was installed" 'download it anew, from where the release is'
fi

unpacked=$(mktemp -d)
trap 'rm -rf "$unpacked"' EXIT
trap 'exit 1' HUP INT TERM
tar -xzf "$tarball" -C "$unpacked"
"$unpacked/${name%.tar.gz}/bin/azward" install "$@"
