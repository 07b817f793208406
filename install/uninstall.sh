#!/bin/sh
# Gives everything back: PATH, and the refresh tokens to the Azure CLI's own cache, so that plain az is still logged in.
# Nothing is removed before it was given back. AZWARD_HOME names another home than ~/.azward.
set -eu

home=${AZWARD_HOME:-}
if [ -z "$home" ]; then
    home=${HOME:?HOME is not set}/.azward
fi

# What begins with a dash is no option, and what is relative is the same everywhere below.
case $home in
    /*) ;;
    *) home=$PWD/$home ;;
esac
# A name is shown without what a terminal would act on.
shown=$(printf '%s' "$home" | LC_ALL=C tr -d '\000-\037\177')

if [ ! -x "$home/bin/azward" ] && [ -e "$home/home.lock" ] && [ ! -e "$home/vaults" ] && [ ! -e "$home/bin/az" ]; then
    # An uninstall was killed after its last program was gone.
    rm -f "$home/config.toml" "$home/config.json" "$home/config.json.taken-over" "$home/home.lock" "$home/azward-home" "$home/journal.jsonl"
    rmdir "$home/bin" 2>/dev/null || true
    # Another one may be at the same, and be done with it.
    if rmdir "$home" 2>/dev/null || [ ! -e "$home" ]; then
        printf "removed \`%s\`\n" "$shown"
    else
        printf "left \`%s\`: it is not empty\n" "$shown"
    fi
    exit 0
fi

if [ ! -x "$home/bin/azward" ]; then
    printf "azward: nothing is installed in \`%s\`\n" "$shown" >&2
    echo "hint: name the right home in AZWARD_HOME" >&2
    exit 1
fi

AZWARD_HOME=$home exec "$home/bin/azward" uninstall
