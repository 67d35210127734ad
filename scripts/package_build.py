"""Build sdist and wheel so that the same commit gives the same bytes again."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Built:
    """The files of a build.

    :param sdist: the source distribution.
    :param wheel: the wheel.
    """

    sdist: Path
    wheel: Path


def files_of(root: Path = ROOT) -> list[str]:
    """Return the project's files: those that git tracks, and new ones that it does not ignore."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
    return sorted({name for name in listed.split("\0") if name and (root / name).is_file()})


def epoch(root: Path = ROOT) -> str:
    """Return the time of all files in the package: that of the last commit, in Unix seconds."""
    command = ["git", "log", "-1", "--format=%ct"]
    return subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout.strip()


def copy_tree(to: Path, root: Path = ROOT) -> Path:
    """Copy the project's files, without their modification times."""
    for name in files_of(root):
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / name, to / name)
        (to / name).chmod((root / name).stat().st_mode & 0o777)
    return to


def hatch(source: Path, out: Path, *targets: str, at: str) -> None:
    """Build targets of a folder with hatchling.

    :param targets: ``sdist`` and ``wheel``.
    :param at: the time of the files, in Unix seconds.
    """
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(out)]
    for target in targets:
        command += ["-t", target]
    done = subprocess.run(
        command, cwd=source, env={**os.environ, "SOURCE_DATE_EPOCH": at}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"hatchling could not build {', '.join(targets)}:\n{done.stdout}{done.stderr}")


def built_in(folder: Path) -> Built:
    """Return the one sdist and the one wheel of a folder."""
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return Built(sdist, wheel)


def build(work: Path, root: Path = ROOT) -> Built:
    """Build sdist and wheel from a copy of the project."""
    hatch(copy_tree(work / "tree", root), work / "out", "sdist", "wheel", at=epoch(root))
    return built_in(work / "out")


def build_again(first: Built, work: Path, root: Path = ROOT) -> list[str]:
    """Build again in another folder, and the wheel from the sdist, too; return what differs.

    :param first: the files of the first build.
    :param work: an empty folder.
    """
    second = build(work / "another place with a longer name", root)
    with tarfile.open(first.sdist) as archive:
        # Pythons before 3.10.12 and 3.11.4 know no filter; 3.12 and 3.13 warn without one.
        archive.extractall(work / "unpacked", **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    (unpacked,) = (work / "unpacked").iterdir()
    hatch(unpacked, work / "from-sdist", "wheel", at=epoch(root))
    (from_sdist,) = (work / "from-sdist").glob("*.whl")
    return [
        *differs("a second build gives a different sdist", first.sdist, second.sdist),
        *differs("a second build gives a different wheel", first.wheel, second.wheel),
        *differs("the wheel from the sdist differs from the one from the tree", first.wheel, from_sdist),
    ]


def differs(what: str, one: Path, other: Path) -> list[str]:
    """Return a problem if two files differ in name or bytes."""
    if (one.name, digest(one)) == (other.name, digest(other)):
        return []
    return [f"{what}: {digest(one)} {one.name}, {digest(other)} {other.name}"]


def digest(path: Path) -> str:
    """Return a file's SHA-256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def uncommitted(root: Path = ROOT) -> int:
    """Return the number of files that differ from the last commit."""
    command = ["git", "status", "--porcelain", "--untracked-files=all"]
    return len(subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout.splitlines())
