"""The pages on coaching data, windows and events say what is so."""

import inspect
import json
import re

from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook
from airflow_provider_maestroqa.landing.record_files import file_names
from airflow_provider_maestroqa.transfers.records_to_object_storage import MaestroQARecordsToObjectStorageOperator
from airflow_provider_maestroqa.windows import split_windows


def arguments(function):
    signature = inspect.signature(inspect.unwrap(function)).parameters.values()
    return {one.name: one.default for one in signature if one.name != "self" and one.kind is not one.VAR_KEYWORD}


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
