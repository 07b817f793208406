#!/bin/sh
# Prints the configuration of cargo that keeps this machine's paths out of the programs, so that a build elsewhere has the same bytes:
#
#   install/remap.sh TARGET [DIRECTORY=NAME]...
#
# The checkout is /azward in them, cargo's home /cargo, and each DIRECTORY is NAME. It is a table of that target's own, which cargo adds
# to what `cfg` tables say; a variable RUSTFLAGS would take the place of both.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
target=$1
shift
flags=
for pair in "$root=/azward" "${CARGO_HOME:-$HOME/.cargo}=/cargo" "$@"; do
    case $pair in
        *"'"*)
            echo "remap.sh: cargo cannot be told of a path with an apostrophe" >&2
            exit 1
            ;;
    esac
    flags="$flags'--remap-path-prefix=$pair', "
done
printf 'target.%s.rustflags = [%s]\n' "$target" "${flags%, }"
