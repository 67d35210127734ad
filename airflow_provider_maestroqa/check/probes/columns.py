"""What is in the files of exports: their columns, and the keys of their records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from airflow_provider_maestroqa.check.account import CheckedAccount
from airflow_provider_maestroqa.check.finding import Finding, not_seen, otherwise, told
from airflow_provider_maestroqa.check.probe import Probe
from airflow_provider_maestroqa.check.redaction import shown_names
from airflow_provider_maestroqa.check.sample_exports import SampleExport, sample_exports
from airflow_provider_maestroqa.client.resources.export_files import DELETED_COLUMN, EXPORT_FILES, ExportFile


def _columns(account: CheckedAccount, export_type: str) -> Finding:
    export = sample_exports(account)[export_type]
    tables = list(_tables(export))
    if not tables:
        return not_seen(export.problem) if not export.problem.startswith("it cannot") else otherwise(export.problem)
    differences, more, missing = [], [], []
    for file, entry in tables:
        columns = set(entry["columns"])
        unknown = sorted(columns - set(file.columns) - {DELETED_COLUMN})
        absent = [name for name in file.columns if name not in columns]
        more += [f"{file.name}.{name}" for name in unknown]
        missing += [f"{file.name}.{name}" for name in absent]
        unreadable = sorted(entry.get("unreadable_dates", {}))
        differences += [
            f"{file.name} {what} {shown_names(names)}"
            for what, names in (("also has", unknown), ("lacks", absent), ("has unreadable", unreadable))
            if names
        ]
    seen = "; ".join(differences) or f"all known columns in {', '.join(file.name for file, _ in tables)}"
    profile: dict[str, Any] = {}
    if export_type == "raw":
        profile = {"rows": max((entry["rows"] for file, entry in tables if file.name == "total_scores"), default=0)}
    if more:
        profile["more_columns"] = more
    if missing:
        profile["missing_columns"] = missing
    return told(not differences, seen, **profile)


def _keys(account: CheckedAccount) -> Finding:
    tables = [pair for export in sample_exports(account).values() for pair in _tables(export)]
    counted = {file.name: entry for file, entry in tables if entry.get("duplicate_keys") is not None}
    if not any(entry["rows"] for entry in counted.values()):
        return not_seen("no records whose key is known")
    doubles = {name: entry["duplicate_keys"] for name, entry in counted.items() if entry["duplicate_keys"]}
    if not doubles:
        rows = sum(entry["rows"] for entry in counted.values())
        return told(True, f"{rows:,} records, each with a key of its own")
    seen = "; ".join(f"{count:,} of {counted[name]['rows']:,} in {name}" for name, count in doubles.items())
    return told(False, f"records that share a key: {seen}", doubled_records=max(doubles.values()))


def _tables(export: SampleExport) -> Iterator[tuple[ExportFile, Mapping[str, Any]]]:
    """The files of an export that are known, with what the manifest says of each."""
    for entry in export.files:
        file = next(
            (
                one
                for one in EXPORT_FILES
                if one.export_type == export.export_type
                and (one.export_type != "raw" or entry["name"].rsplit("/")[-1] == f"{one.name}.csv")
            ),
            None,
        )
        if file is not None and "columns" in entry:
            yield file, entry


PROBES = (
    *(
        Probe(
            f"columns_{export_type}",
            f"The files of {label} export have the columns that this package knows.",
            "Nothing breaks: columns that are not known stay text. Create your tables from the manifest's columns.",
            partial(_columns, export_type=export_type),
        )
        for export_type, label in (("raw", "a raw"), ("groups", "a groups"), ("audit_log", "an audit log"))
    ),
    Probe(
        "natural_keys",
        "The natural key of a file, as the manifest has it, tells its records apart.",
        "A MERGE by these columns loses records. Use more columns, or replace the window as a whole.",
        _keys,
    ),
)
