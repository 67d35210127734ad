"""List the libraries that this package installs in addition to Airflow's own, with their licenses.

    python scripts/licenses.py             write docs/licenses.md
    python scripts/licenses.py --check     exit with 1 if a license is not allowed, or the page is out of date
    python scripts/licenses.py --sbom dist write a bill of materials for tools, in the CycloneDX format
    python scripts/licenses.py --clouds    write requirements/clouds-libraries.json

It reads the installed packages, so run it in .venv, which has all extras but google and azure. These two bring more
libraries than everything else, and some need other versions. What they bring stands in a file, which ``--clouds``
writes in an environment with nothing but Airflow and these two extras.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import uuid
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from package_build import ROOT, epoch
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PAGE = ROOT / "docs" / "licenses.md"
CLOUDS = ("google", "azure")
CLOUD_LIBRARIES = ROOT / "requirements" / "clouds-libraries.json"
OURS = "airflow-provider-maestroqa"
AIRFLOW = "apache-airflow"
#: The licenses that dependencies may have, by their SPDX names. Each allows commercial use.
ALLOWED = (
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "CNRI-Python", "ISC", "MIT", "MIT-0", "MPL-2.0",
    "PSF-2.0", "Zlib",
)  # fmt: skip
#: Older packages state their license in words or by a classifier.
SPDX_NAMES = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "Apache 2": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache License Version 2.0": "Apache-2.0",
    "BSD": "BSD-3-Clause",
    "New BSD": "BSD-3-Clause",
    "PSFL": "PSF-2.0",
}
#: Packages without a license in their metadata, which belong to a project that states one.
UNSTATED = {"google-ads": "Apache-2.0", "openlineage-sql": "Apache-2.0", "tiktoken": "MIT"}

TEXT = """\
# Licenses of dependencies

This package is under the Apache License 2.0. The table lists the libraries that it installs in addition to Airflow's
own: each with its license, and whether it is *always* installed or by an extra. *Direct* are those that this package
requires itself, also when Airflow installs them anyway; the others are requirements of those.

The versions are those of Airflow {airflow} on Python {python}; your constraints may choose others.

| Library | Version | License | Installed by | Direct |
|---|---|---|---|---|
{rows}

Allowed are {allowed}.
A test fails on any other license. No code of these libraries is copied into this package.

Each release includes this list as a bill of materials (SBOM) in the CycloneDX format.
"""


@dataclass
class Library:
    """A library that is installed with the package.

    :param name: its name, normalized.
    :param version: its version.
    :param spdx: its license as an SPDX expression, or in the package's own words if they are unknown.
    :param direct: whether pyproject.toml names it.
    :param needs: its own requirements.
    :param installed_by: ``always``, or the extras that install it.
    """

    name: str
    version: str
    spdx: str
    direct: bool = False
    needs: tuple[str, ...] = ()
    installed_by: set[str] = field(default_factory=set)

    @property
    def allowed(self) -> bool:
        """Whether it can be used under allowed licenses."""
        # "A OR B" is a choice; "A AND B" requires both.
        return any(
            all(part.strip(" ()") in ALLOWED for part in either.split(" AND ")) for either in self.spdx.split(" OR ")
        )


def license_of(metadata) -> str:
    """Return a package's license, from its metadata.

    :param metadata: METADATA as ``importlib.metadata`` reads it.
    """
    if expression := metadata.get("License-Expression"):
        return expression
    rows = [row.rpartition(" :: ")[2] for row in metadata.get_all("Classifier") or [] if row.startswith("License ::")]
    rows = [row for row in rows if row != "OSI Approved"]
    text = (metadata.get("License") or "").strip()
    short = text if "\n" not in text and len(text) < 80 else ""
    name = SPDX_NAMES.get(short, short)
    # The text is more exact than a classifier if both are there: there is one classifier for all BSD licenses.
    if name in ALLOWED or (name and not rows):
        return name
    return " AND ".join(sorted({SPDX_NAMES.get(row, row) for row in rows})) or "not stated"


@cache
def installed(name: str) -> Distribution | None:
    """Return a package that is installed, or None."""
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


@cache
def requirements_of(name: str, extra: str = "") -> tuple[Requirement, ...]:
    """Return the requirements of a package here, without or with one of its extras."""
    package = installed(name)
    all_of_them = [Requirement(line) for line in (package.requires if package else None) or ()]
    return tuple(one for one in all_of_them if one.marker is None or one.marker.evaluate({"extra": extra}))


def closure(requirements: Iterable[Requirement]) -> set[str]:
    """Return the names of all packages that these requirements install, if they are installed here."""
    seen: set[tuple[str, str]] = set()
    queue = list(requirements)
    while queue:
        requirement = queue.pop()
        name = canonicalize_name(requirement.name)
        for extra in ("", *requirement.extras):
            if (name, extra) not in seen and installed(name) is not None:
                seen.add((name, extra))
                queue += requirements_of(name, extra)
    return {name for name, _ in seen}


def declared() -> dict[str, list[Requirement]]:
    """Return the requirements of pyproject.toml by extra; those without one under ``always``."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    groups = {"always": project["dependencies"], **project["optional-dependencies"]}
    return {name: [Requirement(line) for line in lines] for name, lines in groups.items()}


def libraries() -> list[Library]:
    """Return the libraries that this package installs in addition to Airflow's own, and its direct ones; by name."""
    by_name = {one.name: one for one in installed_libraries({"always", *declared()} - {*CLOUDS})}
    for fields in json.loads(CLOUD_LIBRARIES.read_text()):
        by_name.setdefault(fields["name"], Library(**{**fields, "installed_by": set()}))
        if "always" not in by_name[fields["name"]].installed_by:
            by_name[fields["name"]].installed_by.update(fields["installed_by"])
    return sorted(by_name.values(), key=lambda one: one.name)


def installed_libraries(extras: Iterable[str]) -> list[Library]:
    """Return the libraries of some extras, as they are installed here."""
    groups = declared()
    direct = {canonicalize_name(one.name) for several in groups.values() for one in several}
    airflows = closure([Requirement(AIRFLOW)])
    by_name: dict[str, Library] = {}
    always = closure(groups["always"])
    for extra in [name for name in groups if name in set(extras)]:
        for name in closure(groups[extra]):
            if name in (AIRFLOW, OURS) or (name not in direct and name in airflows):
                continue
            if extra != "always" and name in always:
                continue
            if name not in by_name:
                package = installed(name)
                needs = {canonicalize_name(one.name) for one in requirements_of(name)}
                spdx = license_of(package.metadata)
                if spdx == "not stated":
                    spdx = UNSTATED.get(name, spdx)
                by_name[name] = Library(name, package.version, spdx, name in direct, tuple(sorted(needs)))
            by_name[name].installed_by.add(extra)
    return sorted(by_name.values(), key=lambda one: one.name)


def write_cloud_libraries() -> None:
    """Write what the extras for Google and Azure bring, as they are installed here."""
    rows = [{**asdict(one), "installed_by": sorted(one.installed_by)} for one in installed_libraries(CLOUDS)]
    CLOUD_LIBRARIES.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")
    print(CLOUD_LIBRARIES)


def missing() -> list[str]:
    """Return the direct requirements that are not installed here, but should be."""
    groups = [several for extra, several in declared().items() if extra not in CLOUDS]
    return sorted(one.name for several in groups for one in several if installed(one.name) is None)


def page(all_libraries: list[Library]) -> str:
    """Return the page of the documentation."""
    airflow = installed(AIRFLOW)
    rows = [
        f"| {one.name} | {one.version} | {one.spdx} | {_installers(one)} | {'yes' if one.direct else ''} |"
        for one in all_libraries
    ]
    return TEXT.format(
        airflow=airflow.version if airflow else "?",
        python=f"{sys.version_info[0]}.{sys.version_info[1]}",
        rows="\n".join(rows),
        allowed=f"{', '.join(ALLOWED[:-1])} and {ALLOWED[-1]}",
    )


def _installers(one: Library) -> str:
    return ", ".join(sorted(name if name == "always" else f"`{name}`" for name in one.installed_by))


def sbom(all_libraries: list[Library], *, version: str, at: int) -> dict[str, object]:
    """Return a bill of materials in CycloneDX 1.6.

    :param version: this package's version.
    :param at: when it was made, in Unix seconds.
    """
    names = {one.name: f"pkg:pypi/{one.name}@{one.version}" for one in all_libraries}
    own = f"pkg:pypi/{OURS}@{version}"
    body = json.dumps(sorted(names.values()))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        # Derived from the contents, so that the same release gives the same bytes.
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, own + body)}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(at, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {
                "type": "library",
                "bom-ref": own,
                "name": OURS,
                "version": version,
                "purl": own,
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            },
        },
        "components": [
            {
                "type": "library",
                "bom-ref": names[one.name],
                "name": one.name,
                "version": one.version,
                "purl": names[one.name],
                "scope": "required" if "always" in one.installed_by else "optional",
                "licenses": [_license(one.spdx)],
                "properties": [
                    {"name": "maestroqa:brought-by", "value": extra} for extra in sorted(one.installed_by)
                ],
            }
            for one in all_libraries
        ],
        "dependencies": [
            {"ref": own, "dependsOn": sorted(names[one.name] for one in all_libraries if one.direct)},
            *(
                {"ref": names[one.name], "dependsOn": sorted(names[need] for need in one.needs if need in names)}
                for one in all_libraries
            ),
        ],
    }


def _license(spdx: str) -> dict[str, object]:
    if spdx in ALLOWED:
        return {"license": {"id": spdx}}
    if re.search(r" (AND|OR|WITH) ", spdx):
        return {"expression": spdx}
    return {"license": {"name": spdx}}


def write_sbom(folder: Path, *, at: int) -> Path:
    """Write the bill of materials into a folder."""
    (version,) = re.findall(
        r'^__version__ = "(.+)"$', (ROOT / "airflow_provider_maestroqa" / "__init__.py").read_text(), re.MULTILINE
    )
    path = folder / f"{OURS}-{version}.cdx.json"
    path.write_text(json.dumps(sbom(libraries(), version=version, at=at), indent=1, sort_keys=True) + "\n")
    return path


def main() -> int:
    """Write the page or the bill of materials, or check; return 0 if everything is right."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    parser.add_argument("--sbom", type=Path, metavar="FOLDER", help="write the bill of materials into this folder")
    parser.add_argument("--clouds", action="store_true", help="write what the extras google and azure bring")
    arguments = parser.parse_args()
    if arguments.clouds:
        write_cloud_libraries()
        return 0
    if absent := missing():
        print(f"Not installed here: {', '.join(absent)}. Run this where all extras are installed, as in .venv.")
        return 2
    all_libraries = libraries()
    if arguments.sbom:
        print(write_sbom(arguments.sbom, at=int(epoch())))
    elif not arguments.check:
        PAGE.write_text(page(all_libraries))
        print(PAGE)
    forbidden = [one for one in all_libraries if not one.allowed]
    for one in forbidden:
        print(f"{one.name} {one.version}: {one.spdx}")
    if arguments.check and PAGE.read_text() != page(all_libraries):
        print("docs/licenses.md is out of date: run python scripts/licenses.py")
        return 1
    return 1 if forbidden else 0


if __name__ == "__main__":
    sys.exit(main())
