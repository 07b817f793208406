#!/bin/sh
# Builds az, azward and azward-inside for other Linux systems than this one:
#
#   install/portable.sh [x86_64-unknown-linux-musl | aarch64-unknown-linux-musl | x86_64-unknown-linux-gnu | aarch64-unknown-linux-gnu]
#
# and says where they are; install/install.sh installs them when AZWARD_BUILD names that directory. With musl they are static, for any Linux
# of that architecture, whatever its C library: musl asks the processor nothing when a program starts, where glibc executes some seventy
# CPUID instructions; in a virtual machine each of those costs ten microseconds, and together they are most of what an answer of az takes.
# With gnu they load the C library of the system they run on, any glibc from 2.17 on: hosts and users are looked up as everywhere there.
#
# It needs Debian's apt-get and dpkg-deb, python3 with venv, and cargo, and no root. Rust is Debian unstable's, unpacked
# and run with its own C library, with the standard library's source, which cargo builds along; the linker, the C libraries and the
# C compiler are Zig's, from PyPI. Both are kept in the tests' cache (AZWARD_TEST_CACHE, else azward-tests in the user's
# cache directory): 1.3 GB. The Rust that is there is taken, and a newer one fetched once its directory is removed.
# DEBIAN_MIRROR names another mirror than the one that this system has its packages from.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(dirname -- "$here")
readonly ZIG=0.15.2 ZIGBUILD=0.24.1

target=${1:-x86_64-unknown-linux-musl}
case $target in
    x86_64-unknown-linux-musl | aarch64-unknown-linux-musl) glibc='' directory=${CARGO_TARGET_DIR:-$root/target} ;;
    # A directory of its own: install.sh has its programs for that target in the other, and cargo would take each for the other's.
    x86_64-unknown-linux-gnu | aarch64-unknown-linux-gnu) glibc=.2.17 directory=${CARGO_TARGET_DIR:-$root/target}/glibc-2.17 ;;
    *)
        sed -n '2,16s/^# \{0,1\}//p' "$0" >&2
        exit 2
        ;;
esac

fail() {
    printf 'portable.sh: %s\n' "$1" >&2
    exit 1
}

for program in apt-get dpkg-deb python3 cargo; do
    command -v "$program" >/dev/null || fail "there is no $program here"
done

cache=${AZWARD_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/azward-tests}
mkdir -p "$cache"
made=
trap '[ -z "$made" ] || rm -rf "$made"' EXIT
trap 'exit 1' HUP INT TERM

# Puts what is made whole into its place; where another process was sooner, what that one made is there.
keep() {
    mv -T "$1" "$2" 2>/dev/null || [ -d "$2" ] || fail "cannot make \`$2\`"
}

# Zig and what has cargo link with it.
linker=$cache/zigbuild-$ZIGBUILD-zig-$ZIG
if [ ! -d "$linker" ]; then
    echo "fetching Zig $ZIG"
    made=$(mktemp -d "$cache/making.XXXXXX")
    python3 -m venv "$made/venv"
    "$made/venv/bin/pip" install --quiet --no-deps --target "$made/linker" "ziglang==$ZIG" "cargo-zigbuild==$ZIGBUILD"
    keep "$made/linker" "$linker"
    rm -rf "$made"
fi

# Apt, on Debian unstable and on nothing that is installed here.
apt() {
    command=$1
    shift
    "$command" -q -o "Dir::State=$made/state" -o "Dir::State::status=$made/state/status" -o "Dir::Cache=$made/cache" \
        -o "Dir::Etc::sourcelist=$made/sources.list" -o Dir::Etc::sourceparts=/nonexistent -o APT::Sandbox::User= \
        -o Debug::NoLocking=1 "$@"
}

fetch_rust() {
    # shellcheck disable=SC2016 # apt-get fills that in.
    mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(LABEL) $(REPO_URI)' | sed -n 's/^Debian //p' | sed 1q)}
    [ -n "$mirror" ] || fail 'no mirror of Debian is known here: run apt-get update, or name one in DEBIAN_MIRROR'
    mkdir -p "$made/state/lists/partial" "$made/cache/archives/partial"
    : >"$made/state/status"
    keys=/usr/share/keyrings/debian-archive-keyring.gpg
    printf 'deb [signed-by=%s] %s sid main\n' "$keys" "$mirror" >"$made/sources.list"
    apt apt-get update >/dev/null
    version=$(apt apt-cache policy rustc | sed -n 's/^ *Candidate: //p')
    echo "fetching Debian's Rust $version"
    # All that the compiler's library is linked with; of the compiler and the source nothing else: that is all of GCC.
    apt apt-get --yes --no-install-recommends --download-only install "libstd-rust-dev=$version" >/dev/null
    (cd "$made/cache/archives" && apt apt-get download "rustc=$version" "rust-src=$version" >/dev/null)
    for package in "$made"/cache/archives/*.deb; do
        dpkg-deb --extract "$package" "$made/rust"
    done
    # What a build script compiles to find out what the compiler can is compiled as by a stable one.
    cat >"$made/rust/rustc" <<'WRAPPER'
#!/bin/sh
root=$(dirname -- "$0")
[ -z "${NUM_JOBS-}" ] || unset RUSTC_BOOTSTRAP
for loader in "$root"/usr/lib/*-linux-gnu/ld-linux-*.so.?; do
    exec "$loader" --library-path "$(dirname -- "$loader")" "$root/usr/bin/rustc" --sysroot "$root/usr" "$@"
done
WRAPPER
    chmod +x "$made/rust/rustc"
    keep "$made/rust" "$cache/rust-debian-$version"
}

set -- "$cache"/rust-debian-*/rustc
if [ ! -e "$1" ]; then
    made=$(mktemp -d "$cache/making.XXXXXX")
    fetch_rust
    rm -rf "$made"
    set -- "$cache"/rust-debian-*/rustc
fi
while [ $# -gt 1 ]; do shift; done

# The standard library is built along by `-Z`, which a stable cargo takes with RUSTC_BOOTSTRAP only; without what would name functions where
# it panics, a fifth of a megabyte that the programs have no names for.
PATH=$linker/bin:$PATH CARGO_ZIGBUILD_ZIG_PATH=$linker/ziglang/zig RUSTC=$1 RUSTC_BOOTSTRAP=1 \
    cargo-zigbuild zigbuild -Z build-std=std,panic_unwind -Z build-std-features= --config "$here/portable.toml" \
    --target "$target$glibc" --target-dir "$directory" \
    --config "$("$here/remap.sh" "$target" "$cache=/tools")" \
    --profile installed --locked --manifest-path "$root/Cargo.toml" --bin az --bin azward --bin azward-inside
built=$directory/$target/installed
ls -l "$built/az" "$built/azward" "$built/azward-inside"
