"""The page on the check shows its real output."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def output():
    sys.path.insert(0, str(Path(__file__).parents[2] / "docs" / "_ext"))
    try:
        import check_output
    finally:
        sys.path.pop(0)
    return check_output.example_output()


def test_the_example_differs_in_the_two_ways_that_the_page_speaks_of(output):
    assert ", 2 otherwise, " in output
    assert "- Not so: Lists count from 0, in a stable order." in output
    assert "- Not so: An export of coaching sessions includes its end day." in output


def test_the_example_is_the_same_each_time(output):
    assert "host: this machine, 2026-11-26, " in output
    assert "0 s apart" in output
