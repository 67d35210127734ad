"""Records that share a natural key are counted, however many there are."""

import random
from collections import Counter
from pathlib import Path

import pytest

from airflow_provider_maestroqa.client.errors import MaestroQAError
from airflow_provider_maestroqa.landing.clean import key_counter
from airflow_provider_maestroqa.landing.clean.key_counter import KeyCounter


def count(rows, step=100, **options):
    with KeyCounter(**options) as keys:
        for start in range(0, len(rows), step):
            keys.add(list(zip(*rows[start : start + step], strict=True)))
        return keys.duplicates()


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("in_memory", [1, 700, 1 << 20])
def test_each_key_after_the_first_is_counted(monkeypatch, in_memory):
    monkeypatch.setattr(key_counter, "MAX_IN_MEMORY", in_memory)
    chance = random.Random(7)
    rows = [(str(chance.randrange(40)), chance.choice(["", "a", "b"])) for _ in range(3000)]
    assert count(rows) == len(rows) - len(Counter(rows))
    assert count([(str(number), "") for number in range(3000)]) == 0


def test_a_key_of_one_column_counts_too():
    assert count([("a",), ("b",), ("a",), ("a",)]) == 2


def test_cells_do_not_run_into_each_other():
    assert count([("ab", "c"), ("a", "bc"), ("abc", ""), ("", "abc")]) == 0


def test_nothing_is_left_in_the_temporary_folder(monkeypatch, tmp_path):
    monkeypatch.setattr(key_counter, "MAX_IN_MEMORY", 10)
    before = open_files()
    assert count([(str(number),) for number in range(500)], temp_dir=str(tmp_path)) == 0
    assert open_files() == before
    assert list(tmp_path.iterdir()) == []


def test_a_temporary_folder_that_is_missing_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(key_counter, "MAX_IN_MEMORY", 10)
    with pytest.raises(MaestroQAError, match="gone"):
        count([(str(number),) for number in range(500)], temp_dir=str(tmp_path / "gone"))
