#!/usr/bin/env bash
# Makes a release: one directory with all that is given away of one commit.
#
#   install/release.sh [--programs TARGET=DIRECTORY]... [--url URL] [--maintainer WHO] [DIRECTORY]
#
# In it are a tarball for each target (for Windows a zip), the source, a Debian and an RPM package for each Linux processor (of the static
# programs, where there are others, too), a bill of materials (CycloneDX), Homebrew's formula, where there are programs for Windows the
# manifests of Scoop and winget, the script that installs from a tarball, and SHA256SUMS over it all. DIRECTORY is
# target/release-VERSION where none is named; one that is there is replaced.
#
# Without --programs the programs are built by install/portable.sh, for x86_64 and for aarch64 (ten minutes and more each); with it, they are
# what is in that directory. Everything else takes a minute. The programs of one commit given, two such directories are the
# same, byte for byte (.ci/packages); that two builds are, .ci/reproducible shows.
#
# It takes cargo, git, python3 (3.11), GNU tar, readelf, dpkg-deb and rpmbuild.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source-path=SCRIPTDIR source=../packaging/fill.sh
source "$root/packaging/fill.sh"

fail() {
    printf 'release.sh: %s\n' "$1" >&2
    exit "${2:-1}"
}

# Nobody has that domain: where releases are found is for who gives them away to say.
URL=https://azward.example MAINTAINER='The azward developers <developers@azward.example>' directory=
declare -A programs=()
while (($# > 0)); do
    case $1 in
        --programs)
            [[ ${2-} == ?*=?* && -d ${2#*=} ]] || fail '--programs wants TARGET=DIRECTORY' 2
            programs[${2%%=*}]=$(cd "${2#*=}" && pwd)
            shift
            ;;
        --url) URL=${2:?} && shift ;;
        --maintainer) MAINTAINER=${2:?} && shift ;;
        -h | --help) sed -n '2,17s/^# \{0,1\}//p' "$0" && exit ;;
        -*) fail "unknown option $1" 2 ;;
        *) directory=$1 ;;
    esac
    shift
done
for program in cargo git python3 tar gzip readelf dpkg-deb rpmbuild; do
    command -v "$program" >/dev/null || fail "there is no $program here"
done

VERSION=$(sed -n '/^\[package\]/,/^\[/s/^version = "\(.*\)"$/\1/p' "$root/Cargo.toml")
COMMIT=$(git -C "$root" describe --always --abbrev=12 --exclude '*' --dirty=-changed)
SOURCE_DATE_EPOCH=$(git -C "$root" log -1 --format=%ct)
export VERSION COMMIT SOURCE_DATE_EPOCH URL MAINTAINER LC_ALL=C TZ=UTC
umask 022
[[ $COMMIT != *-changed ]] || printf 'release.sh: what is changed here is in no commit: this is no release\n' >&2

if ((${#programs[@]} == 0)); then
    for target in x86_64-unknown-linux-musl aarch64-unknown-linux-musl; do
        AZWARD_COMMIT=$COMMIT "$root/install/portable.sh" "$target"
        programs[$target]=${CARGO_TARGET_DIR:-$root/target}/$target/installed
    done
fi
mapfile -t targets < <(printf '%s\n' "${!programs[@]}" | sort)

# One that runs here writes the manual and the completions, which are the same for all.
azward=
for target in "${targets[@]}"; do
    suffix=
    [[ $target != *-windows-* ]] || suffix=.exe
    for program in az azward azward-inside; do
        [[ -f ${programs[$target]}/$program$suffix ]] || fail "there is no ${programs[$target]}/$program$suffix"
    done
    if told=$("${programs[$target]}/azward$suffix" --version 2>/dev/null); then
        azward=${programs[$target]}/azward$suffix
        case $told in
            "azward $VERSION ($COMMIT)") ;;
            "azward $VERSION") printf 'release.sh: of what commit the programs for %s are they do not say\n' "$target" >&2 ;;
            *) fail "the programs in ${programs[$target]} are $told, and this is $VERSION ($COMMIT)" ;;
        esac
    fi
done
[[ -n $azward ]] || fail 'no azward of these runs here, to write the manual and the completions'

directory=${directory:-${CARGO_TARGET_DIR:-$root/target}/release-$VERSION}
mkdir -p "$(dirname "$directory")"
made=$(mktemp -d "$(dirname "$directory")/making-release.XXXXXX")
trap 'rm -rf "$made"' EXIT
out=$made/out unpacked=$made/unpacked
mkdir "$out" "$unpacked"

# Lays out what a tarball has, and says where.
lay_out() {
    local target=$1 suffix=$2 release=$unpacked/azward-$VERSION-$1 shell file
    mkdir -p "$release/bin" "$release/man/man1" "$release/completions" "$release/docs"
    for file in az azward azward-inside; do
        install --mode 755 "${programs[$target]}/$file$suffix" "$release/bin"
    done
    "$azward" man --into "$release/man/man1"
    for shell in bash:azward.bash zsh:_azward fish:azward.fish powershell:azward.ps1; do
        "$azward" completions "${shell%%:*}" >"$release/completions/${shell#*:}"
    done
    (cd "$root" && cp README.md SECURITY.md CHANGELOG.md LICENSE LICENSE-MIT LICENSE-APACHE install/apparmor "$release")
    cp "$root"/docs/*.md "$release/docs"
    python3 "$root/packaging/crates.py" terms "$target" >"$release/THIRD-PARTY"
    if [[ -z $suffix ]]; then
        install --mode 755 "$root/install/from-tarball.sh" "$release/install.sh"
    fi
    if [[ $target == *-linux-* ]] && is_static "$release/bin/azward-inside"; then
        cp "$root/packaging/Dockerfile" "$release"
    fi
    settle "$release"
    printf '%s\n' "$release"
}

archive() {
    tar --create --sort=name --owner=0 --group=0 --numeric-owner --format=ustar --directory "$unpacked" "$1" | gzip -9n >"$out/$1.tar.gz"
}

# Python's zip has the time of an entry as it is told; sorted, and with plain modes, it is the same each time.
zip_up() {
    python3 - "$unpacked" "$1" "$out/$1.zip" <<'PYTHON'
import os, pathlib, sys, time, zipfile
base, name, place = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
    for path in sorted(path for path in (base / name).rglob("*") if path.is_file()):
        entry = zipfile.ZipInfo(str(path.relative_to(base)), time.gmtime(int(os.environ["SOURCE_DATE_EPOCH"]))[:6])
        entry.compress_type, entry.external_attr, entry.create_system = zipfile.ZIP_DEFLATED, path.stat().st_mode << 16, 3
        archive.writestr(entry, path.read_bytes())
PYTHON
}

WINDOWS_TARGET=
for target in "${targets[@]}"; do
    python3 "$root/packaging/crates.py" sbom "$target" "$VERSION" "$COMMIT" "$SOURCE_DATE_EPOCH" >"$out/azward-$VERSION-$target.cdx.json"
    case $target in
        *-windows-*)
            lay_out "$target" .exe >/dev/null
            zip_up "azward-$VERSION-$target"
            [[ $target != x86_64-* ]] || WINDOWS_TARGET=$target
            ;;
        *)
            release=$(lay_out "$target" '')
            archive "azward-$VERSION-$target"
            ;;&
        *-linux-*)
            # One package of a name: that of the static programs, where there are some for that processor.
            [[ -z ${programs[${target/%-gnu/-musl}]-} || $target == *-musl ]] || continue
            "$root/packaging/deb.sh" "$release" "$target" "$out"
            "$root/packaging/rpm.sh" "$release" "$target" "$out"
            ;;
    esac
done

# shellcheck disable=SC2034 # The templates have them.
{
    git -C "$root" archive --format=tar --prefix="azward-$VERSION/" HEAD | gzip -9n >"$out/azward-$VERSION-source.tar.gz"
    SOURCE_SHA256=$(sha256sum <"$out/azward-$VERSION-source.tar.gz")
    SOURCE_SHA256=${SOURCE_SHA256%% *}
}
fill "$root/packaging/azward.rb.in" >"$out/azward.rb"
if [[ -n $WINDOWS_TARGET ]]; then
    WINDOWS_SHA256=$(sha256sum <"$out/azward-$VERSION-$WINDOWS_TARGET.zip")
    WINDOWS_SHA256=${WINDOWS_SHA256%% *}
    # shellcheck disable=SC2034
    WINDOWS_SHA256_UPPER=${WINDOWS_SHA256^^}
    fill "$root/packaging/azward.json.in" >"$out/azward.json"
    for template in "$root"/packaging/winget/*.in; do
        name=${template##*/}
        fill "$template" >"$out/${name%.in}"
    done
else
    printf 'release.sh: no manifests of Scoop and winget: there are no programs for Windows\n' >&2
fi
install --mode 755 "$root/install/from-tarball.sh" "$out/install.sh"
(cd "$out" && sha256sum -- *) >"$made/SHA256SUMS"
mv "$made/SHA256SUMS" "$out"
settle "$out"
rm -rf "$directory"
mv "$out" "$directory"
ls -l "$directory"
