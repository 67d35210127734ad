"""What an sdist and a wheel must be: what they hold, what they say of themselves, how their page reads.

Nothing is listed here a second time: what must be in them is derived from the tree and from pyproject.toml. Each
check returns its problems as sentences.
"""

from __future__ import annotations

import email.message
import email.parser
import email.policy
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

from package_build import ROOT, Built, uncommitted

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PACKAGE = "airflow_provider_maestroqa"
#: Folders of the tree that are elsewhere in the wheel.
MOVED = {"dags_examples/": f"{PACKAGE}/example_dags/"}
#: What a wheel holds besides the package.
ABOUT = ("METADATA", "RECORD", "WHEEL", "entry_points.txt")
#: What an sdist is for. These must be there, whatever else is.
NEEDED = {
    "build": ("pyproject.toml", "README.md", "LICENSE", PACKAGE, "dags_examples", "scripts"),
    "test": ("Makefile", "requirements", "tests", "benchmarks"),
    "document": ("docs", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"),
}


def project(root: Path = ROOT) -> dict[str, Any]:
    """pyproject.toml, read."""
    return tomllib.loads((root / "pyproject.toml").read_text("utf-8"))


def version(root: Path = ROOT) -> str:
    """The version, from the one place where it stands."""
    (text,) = re.findall(r'^__version__ = "(.+)"$', (root / PACKAGE / "__init__.py").read_text("utf-8"), re.MULTILINE)
    return text


def in_sdist(sdist: Path) -> list[str]:
    """The files of an sdist, without the folder that they are in."""
    with tarfile.open(sdist) as archive:
        return sorted(member.name.partition("/")[2] for member in archive.getmembers() if not member.isdir())


def in_wheel(wheel: Path) -> list[str]:
    """The files of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return sorted(name for name in archive.namelist() if not name.endswith("/"))


def expected_in_sdist(files: list[str]) -> list[str]:
    """What the sdist must hold: the project's files but those that pyproject.toml excludes."""
    excluded = [one.strip("/") for one in project()["tool"]["hatch"]["build"]["targets"]["sdist"]["exclude"]]
    included = [name for name in files if not any(name == one or name.startswith(f"{one}/") for one in excluded)]
    return sorted([*included, "PKG-INFO"])


def expected_in_wheel(files: list[str]) -> list[str]:
    """What the wheel must hold: the package, the examples, the licenses, and what describes them."""
    about = f"{PACKAGE}-{version()}.dist-info"
    held = [name for name in files if name.startswith(f"{PACKAGE}/")]
    for where, to in MOVED.items():
        held += [to + name.removeprefix(where) for name in files if name.startswith(where)]
    licenses = [f"{about}/licenses/{name}" for name in project()["project"]["license-files"]]
    return sorted([*held, *licenses, *(f"{about}/{name}" for name in ABOUT)])


def contents(built: Built, files: list[str]) -> list[str]:
    """Whether both hold what they must, and nothing else.

    :param files: the project's files.
    """
    problems = []
    sdist, wheel = in_sdist(built.sdist), in_wheel(built.wheel)
    for name, held, expected in (
        ("sdist", sdist, expected_in_sdist(files)),
        ("wheel", wheel, expected_in_wheel(files)),
    ):
        problems += [f"the {name} lacks {path}" for path in sorted(set(expected) - set(held))]
        problems += [f"the {name} holds {path}, which it should not" for path in sorted(set(held) - set(expected))]
        problems += [
            f"the {name} holds {path} twice" for path in sorted({one for one in held if held.count(one) > 1})
        ]
    for purpose, names in NEEDED.items():
        for needed in names:
            if not any(path == needed or path.startswith(f"{needed}/") for path in sdist):
                problems.append(f"the sdist lacks {needed}, which one needs to {purpose} the package")
    if f"{PACKAGE}/py.typed" not in wheel:
        problems.append("the wheel lacks py.typed: type checkers would not read its types")
    return problems


def read_metadata(wheel: Path) -> email.message.Message:
    """METADATA of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        # RFC 822's line length does not hold here.
        return email.parser.Parser(policy=email.policy.compat32).parsestr(archive.read(name).decode("utf-8"))


def read_entry_points(wheel: Path) -> str:
    """entry_points.txt of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/entry_points.txt")]
        return archive.read(name).decode("utf-8")


def metadata(built: Built) -> list[str]:
    """Whether the wheel says of itself what pyproject.toml says, and the sdist the same."""
    declared, metadata = project()["project"], read_metadata(built.wheel)
    with tarfile.open(built.sdist) as archive:
        (name,) = [name for name in archive.getnames() if name.count("/") == 1 and name.endswith("/PKG-INFO")]
        of_sdist = archive.extractfile(name).read().decode("utf-8")
    with zipfile.ZipFile(built.wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        of_wheel = archive.read(name).decode("utf-8")
    extras = declared["optional-dependencies"]
    expected = [(one, None) for one in declared["dependencies"]]
    expected += [(one, extra) for extra, several in extras.items() for one in several]
    pythons = [row.rpartition(" ")[2] for row in metadata.get_all("Classifier") if re.search(r":: 3\.\d+$", row)]
    lowest, highest = (int(minor) for minor in re.findall(r"3\.(\d+)", declared["requires-python"]))
    entries = read_entry_points(built.wheel)
    rows = [
        ("its metadata and the sdist's", of_wheel == of_sdist, True),
        ("Version", metadata["Version"], version()),
        ("License-Expression", metadata["License-Expression"], declared["license"]),
        ("License-File", metadata.get_all("License-File"), declared["license-files"]),
        ("a license among the classifiers", [row for row in metadata.get_all("Classifier") if "License" in row], []),
        ("Python classifiers", pythons, [f"3.{minor}" for minor in range(lowest, highest)]),
        ("Provides-Extra", sorted(metadata.get_all("Provides-Extra")), sorted(extras)),
        ("Requires-Dist", sorted(metadata.get_all("Requires-Dist")), sorted(_as_required(*one) for one in expected)),
        ("Keywords", sorted(metadata["Keywords"].split(",")), sorted(declared["keywords"])),
    ]
    problems = [f"{what}: {actual!r}, and should be {right!r}" for what, actual, right in rows if actual != right]
    for group, points in declared["entry-points"].items():
        for point, target in points.items():
            section = entries.partition(f"[{group}]")[2].partition("\n[")[0]
            if f"{point} = {target}" not in section:
                problems.append(f"the entry point {point} of {group} is missing")
            if f"{target.partition(':')[0].replace('.', '/')}.py" not in in_wheel(built.wheel):
                problems.append(f"the entry point {point} of {group} leads to no module: {target}")
    return problems


def _as_required(requirement: str, extra: str | None) -> str:
    return requirement if extra is None else f"{requirement}; extra == '{extra}'"


def description(built: Built) -> list[str]:
    """Whether the page on an index renders, and has no link that leads nowhere there."""
    text = read_metadata(built.wheel).get_payload()
    outside = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    problems = [
        f"the description links to {target}, which leads nowhere on an index"
        for target in re.findall(r"\]\(([^)\s]+)\)", outside)
        if not target.startswith(("https://", "#"))
    ]
    checked = subprocess.run(
        [sys.executable, "-m", "twine", "--no-color", "check", "--strict", str(built.sdist), str(built.wheel)],
        capture_output=True,
        text=True,
        check=False,
    )
    if checked.returncode:
        problems.append(f"twine check --strict: {' '.join((checked.stdout + checked.stderr).split())}")
    return problems


def repository(root: Path = ROOT) -> str:
    """The repository's address, as pyproject.toml has it."""
    line = re.search(r'^repository = "(.*)"$', (root / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
    return line[1] if line else ""


def release(root: Path = ROOT) -> list[str]:
    """Whether this tree may be published under its version."""
    problems, number = [], version(root)
    if not repository(root):
        problems.append(
            "pyproject.toml has no repository: fill in its address under [tool.hatch.metadata.hooks.custom]"
        )
    if changed := uncommitted(root):
        problems.append(f"{changed} files are not committed; begin from a clean clone")
    command = ["git", "tag", "--points-at", "HEAD"]
    tags = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout.split()
    if f"v{number}" not in tags:
        problems.append(f"the last commit has no tag v{number}")
    changes = (root / "CHANGELOG.md").read_text("utf-8")
    if not re.search(rf"^## \[{re.escape(number)}\] - \d{{4}}-\d\d-\d\d$", changes, re.MULTILINE):
        problems.append(f"CHANGELOG.md has no line '## [{number}] - YYYY-MM-DD'")
    unreleased = re.search(r"^## \[Unreleased\]\n(.*?)(?=^## )", changes, re.MULTILINE | re.DOTALL)
    if unreleased and unreleased[1].strip():
        problems.append("CHANGELOG.md has changes under Unreleased; move them under the version")
    return problems
