#!/usr/bin/env python3
"""What crates the programs contain, of the lock file and the sources that cargo has: for release.sh.

    crates.py sbom TARGET VERSION COMMIT SECONDS    a CycloneDX 1.5 bill of materials, as JSON
    crates.py terms TARGET                          the crates' names, licences, and the texts of those

Crates that only tests need are left out, what builds the programs is in. The same commit gives the same bytes. A crate whose
sources hold no text of its licence is told with the name of that alone.
"""

import hashlib
import json
import pathlib
import subprocess
import sys
import tomllib
import uuid
from datetime import datetime, timezone

ROOT = pathlib.Path(__file__).resolve().parent.parent


def crates(target):
    """The package azward, and each crate that it is built of, with what that depends on, by id."""
    command = ["cargo", "metadata", "--format-version=1", "--locked", f"--filter-platform={target}"]
    metadata = json.loads(subprocess.check_output(command, cwd=ROOT))
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    root = metadata["resolve"]["root"]
    needed, waiting = {}, [root]
    while waiting:
        crate = waiting.pop()
        if crate in needed:
            continue
        is_needed = lambda dependency: any(kind["kind"] != "dev" for kind in dependency["dep_kinds"])
        needed[crate] = sorted(dependency["pkg"] for dependency in nodes[crate]["deps"] if is_needed(dependency))
        waiting += needed[crate]
    return packages, root, needed


def sbom(target, version, commit, seconds):
    packages, root, needed = crates(target)
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    checksums = {(entry["name"], entry["version"]): entry.get("checksum") for entry in lock["package"]}
    reference = lambda crate: f"pkg:cargo/{packages[crate]['name']}@{packages[crate]['version']}"

    def component(crate):
        package = packages[crate]
        told = {"type": "library", "bom-ref": reference(crate), "name": package["name"], "version": package["version"]}
        told["purl"] = reference(crate)
        if package["license"]:
            told["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
        if checksum := checksums.get((package["name"], package["version"])):
            told["hashes"] = [{"alg": "SHA-256", "content": checksum}]
        if package["repository"]:
            told["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
        return told

    itself = component(root) | {"type": "application", "version": version}
    properties = [{"name": "azward:target", "value": target}, {"name": "azward:commit", "value": commit}]
    others = sorted((crate for crate in needed if crate != root), key=reference)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'azward {version} {commit} {target}')}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(int(seconds), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": itself,
            "properties": properties,
        },
        "components": [component(crate) for crate in others],
        "dependencies": [
            {"ref": reference(crate), "dependsOn": sorted(map(reference, needed[crate]))}
            for crate in sorted(needed, key=reference)
        ],
    }


def terms(target):
    packages, root, needed = crates(target)
    texts = {}
    lines = ["The programs contain these crates, under these terms. The texts stand below.", ""]
    for crate in sorted((packages[crate] for crate in needed if crate != root), key=lambda it: (it["name"], it["version"])):
        name = f"{crate['name']} {crate['version']}"
        authors = ", ".join(author.split(" <")[0] for author in crate["authors"])
        lines.append(f"{name}: {crate['license']}" + (f" ({authors})" if authors else ""))
        for file in sorted(pathlib.Path(crate["manifest_path"]).parent.iterdir()):
            if file.is_file() and file.name.lower().startswith(("license", "licence", "copying", "notice", "copyright", "unlicense")):
                text = file.read_text(errors="replace").strip().replace("\r\n", "\n")
                texts.setdefault(hashlib.sha256(text.encode()).hexdigest(), (text, []))[1].append(name)
    for text, names in sorted(texts.values(), key=lambda entry: entry[1]):
        lines += ["", "-" * 72, "Of " + ", ".join(names) + ":", "", text]
    return "\n".join(lines)


match sys.argv[1:]:
    case ["sbom", target, version, commit, seconds]:
        print(json.dumps(sbom(target, version, commit, seconds), indent=2))
    case ["terms", target]:
        print(terms(target))
    case _:
        sys.exit(__doc__)
