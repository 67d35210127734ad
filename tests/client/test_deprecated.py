"""What 0.1.0 documented can still be imported, with a warning that names the new place."""

import importlib

import pytest

PACKAGE = "airflow_provider_maestroqa.client"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("exports.Export", "resources.exports.Export"),
        ("waiting.ExportEvent", "resources.export_polling.ExportEvent"),
        ("waiting.ExportWait", "resources.export_polling.ExportWait"),
        ("waiting.read_event", "resources.export_polling.read_event"),
        ("paging.Listing", "resources.pagination.RecordIterator"),
        ("coaching.SessionExport", "resources.coaching_export.SessionExport"),
        ("endpoints.Call", "endpoints.Request"),
    ],
)
def test_a_documented_name_that_has_moved_works_and_warns(old, new):
    module, _, name = f"{PACKAGE}.{old}".rpartition(".")
    home, _, new_name = f"{PACKAGE}.{new}".rpartition(".")
    with pytest.warns(DeprecationWarning, match=f"{name} is now {PACKAGE}.{new}"):
        value = getattr(importlib.import_module(module), name)
    assert value is getattr(importlib.import_module(home), new_name)


def test_any_other_name_is_missing_as_usual():
    with pytest.raises(ImportError, match="cannot import name 'Exports'"):
        from airflow_provider_maestroqa.client.exports import Exports  # noqa: F401
