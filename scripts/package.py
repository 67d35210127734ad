"""Build the package reproducibly into dist/, and check the result.

    make package                           everything: minutes, because each extra is installed by itself
    python scripts/package.py --quick      build, contents, metadata, and whether a second build has the same bytes

Run it in .venv: it builds with the hatchling of requirements/.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import licenses
import package_build
import package_checks
import package_installs


def main() -> int:
    """Build, check and print the problems; return 0 if there are none."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="skip the installations")
    parser.add_argument("--only", metavar="EXTRA", help="install with this extra only; also 'none' and 'all'")
    parser.add_argument(
        "--airflow", metavar="RELEASE", default="", help="an Airflow of requirements/; else the newest"
    )
    parser.add_argument("--release", action="store_true", help="fail on what must not be published")
    arguments = parser.parse_args()

    dist = package_build.ROOT / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    dist.mkdir()
    with tempfile.TemporaryDirectory(prefix="maestroqa-package-") as temporary:
        work = Path(temporary)
        first = package_build.build(work / "first")
        built = package_build.Built(*(Path(shutil.copy(path, dist)) for path in (first.sdist, first.wheel)))
        problems_by_check = {
            "same bytes again": package_build.build_again(first, work / "again"),
            "contents": package_checks.contents(built, package_build.files_of()),
            "metadata": package_checks.metadata(built),
            "description": package_checks.description(built),
        }
        if arguments.release:
            problems_by_check["release"] = package_checks.release()
        if not arguments.quick:
            licenses.write_sbom(dist, at=int(package_build.epoch()))
            problems_by_check.update(
                package_installs.check(first.wheel, work, only=arguments.only, airflow=arguments.airflow)
            )
    for path in sorted(dist.iterdir()):
        print(f"{package_build.digest(path)}  dist/{path.name}  {path.stat().st_size:,} bytes")
    if changed := package_build.uncommitted():
        print(f"Built from a tree with {changed} files that are not committed: fine for a test, not for a release.")
    for name, problems in problems_by_check.items():
        print(f"{'ok' if not problems else 'NOT OK':8}{name}")
        for problem in problems:
            print(f"          {problem}")
    return 1 if any(problems_by_check.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
