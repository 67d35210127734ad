import re
import sys
from email.message import Message
from pathlib import Path

import airflow
import pytest
from packaging.utils import canonicalize_name

ROW = re.compile(r"^\| ([a-z0-9-]+) \| (\S+) \| (.+?) \| (.+?) \| (yes)? ?\|$", re.MULTILINE)


@pytest.fixture
def listed(root):
    """The rows of docs/licenses.md: name → version, license, installed by, direct."""
    return {row[0]: row[1:] for row in ROW.findall((root / "docs" / "licenses.md").read_text())}


def test_each_direct_dependency_is_listed_under_an_allowed_license(listed, licenses):
    for group, wanted in licenses.declared().items():
        for requirement in wanted:
            name = canonicalize_name(requirement.name)
            if name == licenses.AIRFLOW:
                continue
            version, spdx, installed_by, direct = listed[name]
            assert licenses.Library(name, version, spdx).allowed, f"{name}: {spdx}"
            assert group in installed_by.replace("`", "").split(", ") or "always" in installed_by
            assert direct == "yes"


def test_each_other_one_has_an_allowed_license(listed, licenses):
    assert len(listed) > 20
    forbidden = {name: row[1] for name, row in listed.items() if not licenses.Library(name, *row[:2]).allowed}
    assert forbidden == {}


def test_the_page_is_up_to_date(licenses, root):
    newest = (root / "requirements" / "newest").read_text().strip()
    if airflow.__version__ != newest or sys.version_info[:2] != (3, 11) or licenses.missing():
        pytest.skip(f"the page shows Airflow {newest} on Python 3.11 with all extras")
    text = Path(licenses.PAGE).read_text()
    assert licenses.page(licenses.libraries()) == text, "run: .venv/bin/python scripts/licenses.py"


@pytest.mark.parametrize(
    ("fields", "spdx"),
    [
        ({"License-Expression": "MIT"}, "MIT"),
        ({"License": "Apache License 2.0"}, "Apache-2.0"),
        ({"Classifier": "License :: OSI Approved :: MIT License"}, "MIT"),
        ({"License": "BSD-2-Clause", "Classifier": "License :: OSI Approved :: BSD License"}, "BSD-2-Clause"),
        ({"License": "whole text\n" * 9, "Classifier": "License :: OSI Approved :: BSD License"}, "BSD-3-Clause"),
        ({"License": "Proprietary"}, "Proprietary"),
        ({}, "not stated"),
    ],
)
def test_a_license_is_read_however_it_is_stated(licenses, fields, spdx):
    metadata = Message()
    for name, value in fields.items():
        metadata[name] = value
    assert licenses.license_of(metadata) == spdx


@pytest.mark.parametrize(
    ("spdx", "allowed"),
    [
        ("MIT", True),
        ("Apache-2.0 AND MIT", True),
        ("GPL-3.0-only OR MIT", True),
        ("Apache-2.0 AND GPL-3.0-only", False),
        ("LGPL-2.1-or-later", False),
        ("Proprietary", False),
        ("not stated", False),
    ],
)
def test_only_licenses_that_let_a_company_use_it_are_allowed(licenses, spdx, allowed):
    assert licenses.Library("x", "1", spdx).allowed is allowed


def test_the_bill_of_materials_names_each_library_and_is_the_same_each_time(licenses):
    found = licenses.libraries()
    bill = licenses.sbom(found, version="1.2.3", at=0)
    assert bill == licenses.sbom(found, version="1.2.3", at=0)
    assert [one["name"] for one in bill["components"]] == [one.name for one in found]
    references = {one["bom-ref"] for one in bill["components"]} | {bill["metadata"]["component"]["bom-ref"]}
    assert {one["ref"] for one in bill["dependencies"]} == references
    assert {need for one in bill["dependencies"] for need in one["dependsOn"]} <= references
    assert bill["metadata"]["timestamp"] == "1970-01-01T00:00:00Z"
