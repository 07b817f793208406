#!/usr/bin/env python3
"""Writes the part of install/answer.ld anew that is ours: the functions that an answer of an az runs, as valgrind sees it.

    install/answer.py AZ

AZ is linked as install/static.toml says, and not stripped:

    cargo build --profile installed --config install/static.toml --config profile.installed.package.azward.strip=false --target "$(rustc --print host-tuple)" --bin az

and `AZ account get-access-token` has a valid token to answer with: one that ran the real az would name all that a run does. It
takes valgrind and nm. A line that is true of many functions is left out where most of them are not run: they would lie between
those that are. What the C library runs is named by hand there.
"""

import pathlib
import re
import subprocess
import sys
import tempfile

LINES = [["-o", "json"], ["-o", "tsv", "--query", "accessToken"], ["-o", "json", "--resource", "https://management.core.windows.net/"]]
# An answer executes less than a million instructions, a run several.
MOST = 2_000_000
# How many bytes of others may come along with a function.
STRANGERS = 2048


def functions(az: str, arguments: list[str], into: pathlib.Path) -> set[str]:
    """The functions that one answer runs, by the names that the linker has for them."""
    command = ["valgrind", "--tool=callgrind", "--demangle=no", f"--callgrind-out-file={into}", az, "account", "get-access-token"]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=True)
    executed = int(re.search(r"Collected : (\d+)", done.stderr)[1])
    if not done.stdout.strip() or executed > MOST:
        sys.exit(f"answer.py: that was no answer ({executed} instructions): {done.stdout[:80]!r}")
    names = re.findall(r"^c?fn=\(\d+\) (\S+)", into.read_text(), re.MULTILINE)
    return {re.sub(r"'\d+$", "", name) for name in names}


def section(name: str) -> str | None:
    """What the linker script says for a function of Rust's: its section without what changes with every compiler."""
    if not name.startswith("_R"):
        return None
    # What changes with the build: the disambiguators of crates, therefore where in the name something stands that is referred to,
    # and the numbers of what has one name.
    name = re.sub(r"B[0-9A-Za-z]{0,3}_", "B*_", re.sub(r"Cs[0-9A-Za-z]+_", "Cs*_", name))
    name = re.sub(r"(\.llvm)?\.\d+$", "", name)
    return f"    *(.text*.{name.replace('$', '?')}{'' if name.endswith('*') else '*'})"


def sizes(az: str) -> dict[str, int]:
    """How large each function is, in bytes."""
    listed = subprocess.run(["nm", "--print-size", "--defined-only", az], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in listed.splitlines()]
    return {row[3]: int(row[1], 16) for row in rows if len(row) == 4 and row[2] in "tTwW"}


def worthwhile(found: set[str], all_sizes: dict[str, int]) -> list[str]:
    """The lines for those of the functions that do not bring many others along."""
    run, strangers = {}, {}
    for name, size in all_sizes.items():
        line = section(name)
        if line:
            into = run if name in found else strangers
            into[line] = into.get(line, 0) + size
    return sorted(line for line, size in run.items() if strangers.get(line, 0) <= max(STRANGERS, size // 4))


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory() as directory:
        found = set().union(*(functions(sys.argv[1], line, pathlib.Path(directory, "out")) for line in LINES))
    ours = worthwhile(found, sizes(sys.argv[1]))
    script = pathlib.Path(__file__).with_name("answer.ld")
    kept = [line for line in script.read_text().splitlines() if not line.startswith("    *(.text*.")]
    last = max(place for place, line in enumerate(kept) if line.startswith("    *libc.a:"))
    script.write_text("\n".join([*kept[: last + 1], *ours, *kept[last + 1 :]]) + "\n")
    print(f"{len(ours)} functions of ours")


main()
