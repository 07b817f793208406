#!/bin/sh
# Installs azward for this user, without root: builds it if need be, then lets `azward install` do the rest (programs into
# $AZWARD_HOME/bin, real az pinned, PATH, completions, manual, adoption of the login that is there). Run twice
# it changes nothing.
#
#   install/install.sh [--no-modify-path | --system] [--allow-downgrade]
#
# --system is for all users of the machine, and root's to do; --allow-downgrade takes the place of a newer azward, too. AZWARD_HOME names another home than ~/.azward; AZWARD_BUILD a
# directory with programs that are built already.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(dirname -- "$here")

for option in "$@"; do
    case $option in
        --no-modify-path | --system | --allow-downgrade) ;;
        -h | --help)
            sed -n '2,9s/^# \{0,1\}//p' "$0"
            exit 0
            ;;
        *)
            shown=$(printf '%s' "$option" | LC_ALL=C tr -d '\000-\037\177')
            printf "azward: unknown option \`%s\`\n" "$shown" >&2
            echo "hint: there are --no-modify-path, --system and --allow-downgrade" >&2
            exit 2
            ;;
    esac
done

# Whether static.toml can be had: the C library's archive is there, and is one that looks hosts up without loading more.
can_link_statically() {
    version=$(getconf GNU_LIBC_VERSION 2>/dev/null) && host=$(rustc --print host-tuple 2>/dev/null) || return 1
    minor=${version#glibc 2.}
    [ "${minor%%[!0-9]*}" -ge 34 ] 2>/dev/null || return 1
    case $host:$(cc -print-file-name=libc.a 2>/dev/null) in
        *-linux-gnu:/*) ;;
        *) return 1 ;;
    esac
}

build=${AZWARD_BUILD:-}
if [ -z "$build" ]; then
    if ! command -v cargo >/dev/null 2>&1; then
        echo "azward: there is no cargo to build it with" >&2
        echo "hint: install Rust, or name a directory with built programs in AZWARD_BUILD" >&2
        exit 1
    fi
    # What is in no repository of its own is of no commit that anybody knows.
    if [ -z "${AZWARD_COMMIT-}" ] && [ "$(git -C "$root" rev-parse --show-prefix 2>/dev/null)" = '' ]; then
        AZWARD_COMMIT=$(git -C "$root" describe --always --abbrev=12 --exclude '*' --dirty=-changed 2>/dev/null) || AZWARD_COMMIT=
        export AZWARD_COMMIT
    fi
    echo "building azward (a few minutes the first time)"
    if can_link_statically; then
        cargo build --profile installed --quiet --locked --manifest-path "$root/Cargo.toml" --bin az --bin azward \
            --bin azward-inside --config "$here/static.toml" --target "$host"
        build=${CARGO_TARGET_DIR:-$root/target}/$host/installed
    else
        cargo build --profile installed --quiet --locked --manifest-path "$root/Cargo.toml" --bin az --bin azward --bin azward-inside
        build=${CARGO_TARGET_DIR:-$root/target}/installed
    fi
fi

exec "$build/azward" install "$@"
