"""Which libraries this package brings along beside Airflow's own, and under which licences they stand.

    python scripts/licences.py             write docs/licences.md
    python scripts/licences.py --check     answer 1 if a licence is not allowed, or the page is not up to date
    python scripts/licences.py --sbom dist write a bill of materials for tools, in the CycloneDX format

It reads what is installed, so run it in .venv, which has all extras.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from package_build import ROOT, epoch
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PAGE = ROOT / "docs" / "licences.md"
OURS = "airflow-provider-maestroqa"
AIRFLOW = "apache-airflow"
#: The licences that may come along, by their SPDX names. Each lets a company use what stands under it.
ALLOWED = ("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "MPL-2.0", "PSF-2.0")
#: Older packages name their licence in words or by a classifier.
WORDS = {
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
#: What says nothing in its metadata, and is a part of a project that does.
UNSTATED = {"openlineage-sql": "Apache-2.0"}

TEXT = """\
# Licences of dependencies

This package stands under the Apache License 2.0. Here is what it brings along beside what Airflow itself brings: each
library, its licence, and what brings it, *always* or an extra. *Named* are those that this package asks for itself,
also where Airflow brings them anyway; the others are what those need.

The versions are those of Airflow {airflow} on Python {python}; your constraints may choose others.

| Library | Version | Licence | Brought by | Named |
|---|---|---|---|---|
{rows}

Allowed are {allowed}.
A test refuses any other licence. Nothing of these libraries is copied into this package.

A release comes with this list as a bill of materials (SBOM) for tools, in the CycloneDX format.
"""


@dataclass
class Library:
    """A library that comes along.

    :param name: its name, normalized.
    :param version: its version.
    :param licence: its licence as an SPDX expression, or in its own words where that cannot be told.
    :param direct: whether pyproject.toml names it.
    :param needs: what it needs in turn.
    :param brought_by: ``always``, and the extras that bring it.
    """

    name: str
    version: str
    licence: str
    direct: bool = False
    needs: tuple[str, ...] = ()
    brought_by: set[str] = field(default_factory=set)

    @property
    def allowed(self) -> bool:
        """Whether one may take it under licences that are allowed."""
        # "A OR B" leaves the choice; "A AND B" asks for both.
        return any(
            all(part.strip(" ()") in ALLOWED for part in either.split(" AND "))
            for either in self.licence.split(" OR ")
        )


def licence_of(metadata) -> str:
    """A package's licence, from its metadata.

    :param metadata: METADATA as ``importlib.metadata`` reads it.
    """
    if expression := metadata.get("License-Expression"):
        return expression
    rows = [row.rpartition(" :: ")[2] for row in metadata.get_all("Classifier") or [] if row.startswith("License ::")]
    rows = [row for row in rows if row != "OSI Approved"]
    said = (metadata.get("License") or "").strip()
    short = said if said and "\n" not in said and len(said) < 80 else ""
    named = WORDS.get(short, short)
    # The words are more exact than a classifier where both are there: there is one classifier for all BSD licences.
    if named in ALLOWED or (named and not rows):
        return named
    return " AND ".join(sorted({WORDS.get(row, row) for row in rows})) or "not stated"


@cache
def installed(name: str) -> Distribution | None:
    """A package that is installed, or None."""
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


@cache
def requirements_of(name: str, extra: str = "") -> tuple[Requirement, ...]:
    """What a package needs here, without or with one of its extras."""
    found = installed(name)
    read = [Requirement(line) for line in (found.requires if found else None) or ()]
    return tuple(one for one in read if one.marker is None or one.marker.evaluate({"extra": extra}))


def closure(wanted: Iterable[Requirement]) -> set[str]:
    """All that these requirements bring, as far as it is installed."""
    seen: set[tuple[str, str]] = set()
    waiting = list(wanted)
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        for extra in ("", *requirement.extras):
            if (name, extra) not in seen and installed(name) is not None:
                seen.add((name, extra))
                waiting += requirements_of(name, extra)
    return {name for name, _ in seen}


def declared() -> dict[str, list[Requirement]]:
    """What pyproject.toml asks for: by extra, and what is always asked for under ``always``."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    told = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    groups = {"always": told["dependencies"], **told["optional-dependencies"]}
    return {name: [Requirement(line) for line in lines] for name, lines in groups.items()}


def libraries() -> list[Library]:
    """What this package brings beside Airflow's own, and what it names itself; by name."""
    asked = declared()
    direct = {canonicalize_name(one.name) for several in asked.values() for one in several}
    airflows = closure([Requirement(AIRFLOW)])
    found: dict[str, Library] = {}
    always = closure(asked["always"])
    for extra, wanted in asked.items():
        for name in closure(wanted):
            if name in (AIRFLOW, OURS) or (name not in direct and name in airflows):
                continue
            if extra != "always" and name in always:
                continue
            if name not in found:
                has = installed(name)
                needs = {canonicalize_name(one.name) for one in requirements_of(name)}
                licence = licence_of(has.metadata)
                if licence == "not stated":
                    licence = UNSTATED.get(name, licence)
                found[name] = Library(name, has.version, licence, name in direct, tuple(sorted(needs)))
            found[name].brought_by.add(extra)
    return sorted(found.values(), key=lambda one: one.name)


def missing() -> list[str]:
    """What pyproject.toml names, and is not installed here."""
    return sorted(one.name for several in declared().values() for one in several if installed(one.name) is None)


def page(found: list[Library]) -> str:
    """The page of the documentation."""
    airflow = installed(AIRFLOW)
    rows = [
        f"| {one.name} | {one.version} | {one.licence} | {_brought(one)} | {'yes' if one.direct else ''} |"
        for one in found
    ]
    return TEXT.format(
        airflow=airflow.version if airflow else "?",
        python=f"{sys.version_info[0]}.{sys.version_info[1]}",
        rows="\n".join(rows),
        allowed=f"{', '.join(ALLOWED[:-1])} and {ALLOWED[-1]}",
    )


def _brought(one: Library) -> str:
    return ", ".join(sorted(name if name == "always" else f"`{name}`" for name in one.brought_by))


def sbom(found: list[Library], *, version: str, at: int) -> dict[str, object]:
    """A bill of materials in CycloneDX 1.6.

    :param version: this package's version.
    :param at: when it was made, in Unix seconds.
    """
    names = {one.name: f"pkg:pypi/{one.name}@{one.version}" for one in found}
    own = f"pkg:pypi/{OURS}@{version}"
    body = json.dumps(sorted(names.values()))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        # Made of what is in it, so that the same release gives the same bytes.
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
                "scope": "required" if "always" in one.brought_by else "optional",
                "licenses": [_licence(one.licence)],
                "properties": [
                    {"name": "maestroqa:brought-by", "value": brought} for brought in sorted(one.brought_by)
                ],
            }
            for one in found
        ],
        "dependencies": [
            {"ref": own, "dependsOn": sorted(names[one.name] for one in found if one.direct)},
            *(
                {"ref": names[one.name], "dependsOn": sorted(names[need] for need in one.needs if need in names)}
                for one in found
            ),
        ],
    }


def _licence(licence: str) -> dict[str, object]:
    if licence in ALLOWED:
        return {"license": {"id": licence}}
    if re.search(r" (AND|OR|WITH) ", licence):
        return {"expression": licence}
    return {"license": {"name": licence}}


def write_sbom(folder: Path, *, at: int) -> Path:
    """Write the bill of materials into a folder."""
    (version,) = re.findall(
        r'^__version__ = "(.+)"$', (ROOT / "airflow_provider_maestroqa" / "__init__.py").read_text(), re.MULTILINE
    )
    path = folder / f"{OURS}-{version}.cdx.json"
    path.write_text(json.dumps(sbom(libraries(), version=version, at=at), indent=1, sort_keys=True) + "\n")
    return path


def main() -> int:
    """Write the page or the bill of materials, or check; answer 0 when all is well."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    parser.add_argument("--sbom", type=Path, metavar="FOLDER", help="write the bill of materials into this folder")
    given = parser.parse_args()
    if absent := missing():
        print(f"Not installed here: {', '.join(absent)}. Run this where all extras are, as in .venv.")
        return 2
    found = libraries()
    if given.sbom:
        print(write_sbom(given.sbom, at=int(epoch())))
    elif not given.check:
        PAGE.write_text(page(found))
        print(PAGE)
    bad = [one for one in found if not one.allowed]
    for one in bad:
        print(f"{one.name} {one.version}: {one.licence}")
    if given.check and PAGE.read_text() != page(found):
        print("docs/licences.md is not up to date: run python scripts/licences.py")
        return 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
