"""The pages on coaching data, windows and events say what is so."""

import ast
import inspect
import json
import re

import pytest

from airflow_provider_maestroqa.client.resources.coaching_watch import OVERLAP, SHORTEST_PAUSE_S
from airflow_provider_maestroqa.client.resources.date_windows import MOST_DAYS
from airflow_provider_maestroqa.client.resources.digest_set import GENERATION
from airflow_provider_maestroqa.client.resources.lists import DEFAULT_PAGE_SIZE, LARGEST_PAGE, LISTS
from airflow_provider_maestroqa.client.resources.pagination import PAUSES_S
from airflow_provider_maestroqa.client.transport.retry import MAX_TRIES
from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook
from airflow_provider_maestroqa.landing.split_sessions import file_names
from airflow_provider_maestroqa.runtime.record_request import RESOURCES
from airflow_provider_maestroqa.transfers.records_to_object_storage import MaestroQARecordsToObjectStorageOperator
from airflow_provider_maestroqa.triggers.coaching_sessions import MaestroQACoachingSessionTrigger
from airflow_provider_maestroqa.windows import split_windows


def arguments(function):
    signature = inspect.signature(inspect.unwrap(function)).parameters.values()
    return {one.name: one.default for one in signature if one.name != "self" and one.kind is not one.VAR_KEYWORD}


@pytest.mark.parametrize(
    ("name", "cls"),
    [
        ("docs/records.md", MaestroQARecordsToObjectStorageOperator),
        ("docs/events.md", MaestroQACoachingSessionTrigger),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_a_table_of_arguments_has_all_with_their_defaults(table, name, cls):
    known = arguments(cls.__init__)
    written = table(name, f"`{cls.__name__}`")
    defaults = {
        one: inspect.Parameter.empty if default == "required" else ast.literal_eval(default.strip("`"))
        for one, (default, _) in written.items()
    }
    assert defaults == known


def test_all_arguments_of_the_operator_are_templated(read):
    assert "All are templated." in read("docs/records.md")
    known = set(arguments(MaestroQARecordsToObjectStorageOperator.__init__))
    assert known == set(MaestroQARecordsToObjectStorageOperator.template_fields)


def test_the_resources_and_their_filters_are_those_there_are(table):
    written = table("docs/records.md", "`resource`")
    assert set(written) == set(RESOURCES)
    for name, filters in LISTS.items():
        assert re.findall(r"`(\w+)`", written[name][-1]) == list(filters)


def test_the_files_are_those_that_are_written(table):
    written = set(table("docs/records.md", "File")) - {"<resource>.jsonl.gz"}
    assert written == set(file_names("coaching_sessions_export", split_nested=True))


def test_the_manifest_shown_has_the_form_of_a_real_one(code_of, root, connection, tmp_path):
    shown = json.loads(next(block.text for block in code_of(root / "docs/records.md") if block.language == "json"))
    real = MaestroQARecordsToObjectStorageOperator(
        task_id="land", resource="todos", destination=f"file://{tmp_path}", **shown["window"]
    ).execute({})
    assert {name: type(value) for name, value in shown.items()} == {name: type(v) for name, v in real.items()}
    assert shown["window"] == real["window"]
    (one,), (other,) = shown["files"], real["files"]
    assert {name: type(value) for name, value in one.items()} == {name: type(value) for name, value in other.items()}
    assert (len(one["sha256"]), len(one["crc32"])) == (len(other["sha256"]), len(other["crc32"]))


def test_the_methods_are_those_of_the_hook(table):
    for written in table("docs/records.md", "Method"):
        name, said = re.fullmatch(r"(\w+)\((.*)\)", written).groups()
        signature = inspect.signature(getattr(MaestroQAHook, name)).parameters
        known = [one for one in signature if one not in ("self", "others")]
        assert [one for one in said.split(", ") if one != "*"] == known, name


def test_the_arguments_of_split_windows_are_those_it_takes(table):
    assert list(table("docs/windows.md", "Argument")) == list(arguments(split_windows))


def test_the_numbers_are_those_in_the_code(read):
    records, events = read("docs/records.md"), read("docs/events.md")
    assert f"windows\nof at most {MOST_DAYS} days" in records
    assert DEFAULT_PAGE_SIZE == 100
    assert f"up to {LARGEST_PAGE:,}" in records
    assert len(PAUSES_S) == 2
    assert "it is asked for twice more" in records
    assert MAX_TRIES == 5
    assert "up to five times" in records
    assert GENERATION == 5_000_000
    assert "at least the last five million" in records
    assert f"seconds between two looks, {SHORTEST_PAUSE_S:.0f} at least" in events
    assert OVERLAP.total_seconds() == 600
    assert "ten minutes before it" in events
