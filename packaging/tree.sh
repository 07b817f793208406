#!/usr/bin/env bash
# Lays out what a package of the system has, from an unpacked release:
#
#   packaging/tree.sh deb|rpm RELEASE TREE
#
# The programs stand beside each other in /usr/lib/azward/bin, where the shim is in nobody's way; `azward` alone is on PATH, as a
# link, and finds the others beside itself. The two kinds differ in where zsh's completions and the licences lie.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=fill.sh
source "$here/fill.sh"
kind=$1 release=$2 tree=$3

put() {
    install -D --mode "$1" "$2" "$tree/$3"
}
packed() {
    mkdir -p "$(dirname "$tree/$2")"
    gzip -9n <"$1" >"$tree/$2"
}

for program in az azward azward-inside; do
    put 755 "$release/bin/$program" "usr/lib/azward/bin/$program"
done
mkdir -p "$tree/usr/bin"
ln -s ../lib/azward/bin/azward "$tree/usr/bin/azward"
for page in "$release"/man/man1/*.1; do
    packed "$page" "usr/share/man/man1/${page##*/}.gz"
done
put 644 "$release/completions/azward.bash" usr/share/bash-completion/completions/azward
put 644 "$release/completions/azward.fish" usr/share/fish/vendor_completions.d/azward.fish
documents=usr/share/doc/azward
case $kind in
    deb)
        put 644 "$release/completions/_azward" usr/share/zsh/vendor-completions/_azward
        packed "$release/CHANGELOG.md" "$documents/changelog.gz"
        packed "$release/THIRD-PARTY" "$documents/third-party.gz"
        ;;
    rpm)
        put 644 "$release/completions/_azward" usr/share/zsh/site-functions/_azward
        put 644 "$release/CHANGELOG.md" "$documents/CHANGELOG.md"
        for file in LICENSE LICENSE-MIT LICENSE-APACHE THIRD-PARTY; do
            put 644 "$release/$file" "usr/share/licenses/azward/$file"
        done
        ;;
esac
for file in README.md SECURITY.md apparmor; do
    put 644 "$release/$file" "$documents/$file"
done
for file in "$release"/docs/*; do
    put 644 "$file" "$documents/docs/${file##*/}"
done
