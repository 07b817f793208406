# What `.ci/run`, `.ci/long` and `.ci/portable` share: steps that say how long they took, the programs that the tests need, and how they are installed.
# To be sourced, from the root of the project.
# shellcheck shell=bash

current=nothing
report=
at_exit() {
    local code=$?
    ((code == 0)) || printf '\nFAILED (%d): %s\n' "$code" "$current" >&2
}
trap at_exit EXIT

step() {
    current=$1
    shift
    printf '\n== %s\n' "$current"
    local began=$SECONDS
    "$@"
    report+=$(printf '%6d s  %s' $((SECONDS - began)) "$current")$'\n'
}

report_steps() {
    printf '\n%s%6d s  in all\n' "$report" "$SECONDS"
}

# Runs those of the steps $1, words with spaces between them, that the other arguments name, or all of them, and says how long they took.
run_named() {
    local known=$1 name
    shift
    # shellcheck disable=SC2086 # They are words.
    (($# > 0)) || set -- $known
    for name in "$@"; do
        if [[ " $known " != *" $name "* ]]; then
            printf 'there is no step %s: %s\n' "$name" "${known// /, }" >&2
            exit 2
        fi
    done
    step 'what is needed' install_missing
    for name in "$@"; do
        step "$name" "$name"
    done
    report_steps
}

# A program, and the Debian package that has it.
needed=(
    cc:gcc python3:python3 dbus-daemon:dbus-daemon dbus-run-session:dbus-daemon dbus-send:dbus-bin
    gnome-keyring-daemon:gnome-keyring shellcheck:shellcheck zsh:zsh fish:fish unshare:util-linux
)

# What the endpoint for containers is tried with where it can be had; the tests tell what is missing.
readonly containers=(podman:podman crun:crun sshd:openssh-server ip:iproute2)

# The languages of the programs that get their tokens from az (tests/callers): what cannot be installed is told as missing
# there. A Go that Debian has is too old; the tests fetch their own.
readonly languages=(node:nodejs npm:npm javac:default-jdk-headless mvn:maven)

missing_of() {
    local entry
    for entry in "$@"; do
        command -v "${entry%%:*}" >/dev/null || printf '%s\n' "${entry#*:}"
    done
}

missing_packages() {
    missing_of "${needed[@]}"
    # Debian has the venv module's second half in a package of its own.
    python3 -c 'import ensurepip' 2>/dev/null || printf 'python3-venv\n'
}

install_missing() {
    local packages as_root=(env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=120)
    mapfile -t packages < <({ missing_packages; missing_of "${languages[@]}" "${containers[@]}"; } | sort --unique)
    if ((${#packages[@]} == 0)); then
        printf 'nothing is missing\n'
        return
    fi
    [[ $EUID == 0 ]] || as_root=(sudo -n "${as_root[@]}")
    if ! command -v apt-get >/dev/null || ! { [[ $EUID == 0 ]] || sudo -n true 2>/dev/null; }; then
        mapfile -t packages < <(missing_packages | sort --unique)
        if ((${#packages[@]} == 0)); then
            return
        fi
        printf 'missing, and not to be installed from here: %s\n' "${packages[*]}" >&2
        return 1
    fi
    printf 'installing %s\n' "${packages[*]}"
    "${as_root[@]}" update >/dev/null
    "${as_root[@]}" install --yes --no-install-recommends "${packages[@]}" >/dev/null
    mapfile -t packages < <(missing_packages)
    if ((${#packages[@]} > 0)); then
        printf 'still missing: %s\n' "${packages[*]}" >&2
        return 1
    fi
}

run_line() {
    printf '$ %s\n' "$1"
    bash -c "$1"
}

# A test waits about as long as it computes.
export RUST_TEST_THREADS=${RUST_TEST_THREADS:-3}
