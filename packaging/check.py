#!/usr/bin/env python3
"""Looks whether a release's manifests are what their formats ask for and tell of the files that are beside them: check.py RELEASE

For .ci/packages, which gives it PyYAML and cyclonedx-python-lib. Of the bill of materials the format's own schema is asked;
winget's and Scoop's are on no registry, and what is asked of those is what their documents call required.
"""

import hashlib
import json
import pathlib
import re
import sys

import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

release = pathlib.Path(sys.argv[1])
sums = dict(reversed(line.split(None, 1)) for line in (release / "SHA256SUMS").read_text().splitlines())
faults = []


def ask(holds, what):
    if not holds:
        faults.append(what)


def is_told(url, sum_told, of):
    name = url.rsplit("/", 1)[-1]
    ask(url.startswith("https://"), f"{of}: {url} is no https URL")
    ask(sums.get(name, "").lower() == sum_told.lower(), f"{of}: {name} has another sum, or is not there")


ask(sorted(sums) == sorted(path.name for path in release.iterdir() if path.name != "SHA256SUMS"), "SHA256SUMS: is not of all files")
for name, told in sums.items():
    ask(hashlib.sha256((release / name).read_bytes()).hexdigest() == told, f"SHA256SUMS: {name} has another sum")
for path in release.iterdir():
    ask(not re.search(rb"@[A-Z][A-Z0-9_]*@", path.read_bytes()) or path.suffix in {".gz", ".deb", ".rpm", ".zip"}, f"{path.name}: not filled in")

boms = sorted(release.glob("*.cdx.json"))
ask(boms, "there is no bill of materials")
for bom in boms:
    error = JsonStrictValidator(SchemaVersion.V1_5).validate_str(bom.read_text())
    ask(error is None, f"{bom.name}: {error}")
    told = json.loads(bom.read_text())
    known = {component["bom-ref"] for component in told["components"]} | {told["metadata"]["component"]["bom-ref"]}
    ask(len(known) == len(told["components"]) + 1 > 50, f"{bom.name}: components are missing, or twice")
    ask(all({entry["ref"], *entry["dependsOn"]} <= known for entry in told["dependencies"]), f"{bom.name}: a dependency is unknown")
    ask(all("hashes" in component and "licenses" in component for component in told["components"]), f"{bom.name}: a sum or a licence is missing")
    names = {component["name"] for component in told["components"]}
    ask("rustls" in names and "entra" not in names and "proptest" not in names, f"{bom.name}: is not of what the programs are made of")

formula = (release / "azward.rb").read_text()
is_told(re.search(r'^  url "(.*)"$', formula, re.M)[1], re.search(r'^  sha256 "(.*)"$', formula, re.M)[1], "azward.rb")

if any(release.glob("*-windows-*.zip")):
    scoop = json.loads((release / "azward.json").read_text())
    for key in ("version", "description", "homepage", "license"):
        ask(isinstance(scoop.get(key), str) and scoop[key], f"azward.json: {key} is missing")
    for entry in scoop["architecture"].values():
        is_told(entry["url"], entry["hash"], "azward.json")
    manifests = {path.name: yaml.safe_load(path.read_text()) for path in release.glob("*.yaml")}
    required = {
        "version": ["DefaultLocale"],
        "installer": ["Installers"],
        "defaultLocale": ["PackageLocale", "Publisher", "PackageName", "License", "ShortDescription"],
    }
    ask(sorted(it["ManifestType"] for it in manifests.values()) == sorted(required), "winget: a manifest is missing")
    for name, manifest in manifests.items():
        keys = ["PackageIdentifier", "PackageVersion", "ManifestVersion", *required[manifest["ManifestType"]]]
        ask(all(manifest.get(key) for key in keys), f"{name}: one of {keys} is missing")
        ask(all(isinstance(manifest[key], str) for key in keys if key != "Installers"), f"{name}: one of {keys} is no text")
        ask(manifest["PackageVersion"] == scoop["version"], f"{name}: is of another version")
        kind = {"version": "", "installer": ".installer", "defaultLocale": f".locale.{manifest.get('PackageLocale')}"}[manifest["ManifestType"]]
        ask(name == f"{manifest['PackageIdentifier']}{kind}.yaml", f"{name}: is to have another name")
        ask(len(manifest.get("ShortDescription", "")) <= 256, f"{name}: the description is too long")
        for installer in manifest.get("Installers", []):
            ask(installer["Architecture"] in {"x86", "x64", "arm", "arm64", "neutral"}, f"{name}: that is no architecture")
            is_told(installer["InstallerUrl"], installer["InstallerSha256"], name)
            import zipfile

            archive = release / installer["InstallerUrl"].rsplit("/", 1)[-1]
            entries = {entry.replace("/", "\\") for entry in zipfile.ZipFile(archive).namelist()}
            files = {file["RelativeFilePath"] for file in manifest["NestedInstallerFiles"]}
            ask(files <= entries, f"{name}: the zip has not all of {files}")

for fault in faults:
    print(f"check.py: {fault}", file=sys.stderr)
sys.exit(1 if faults else 0)
