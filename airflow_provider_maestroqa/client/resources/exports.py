"""Exports: the types that can be requested, with their options, and an export as MaestroQA describes it.

From :data:`EXPORT_KINDS` come the endpoints that request an export, the operator's checks and the datasets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.client.formatting import format_time
from airflow_provider_maestroqa.client.parsing import (
    is_blank,
    parse_choice,
    parse_flag,
    parse_text,
    parse_time,
    require_order,
)
from airflow_provider_maestroqa.client.resources.export_files import EXPORT_FILES
from airflow_provider_maestroqa.client.server_text import SAFE_ID, clean_text, read_id

_MAX_SHOWN_ID = 80


class ExportStatus(Enum):
    """The states of an export that the API documents."""

    REQUESTED = "requested"
    IN_PROGRESS = "in_progress"
    COMPLETE = "complete"
    ERRORED = "errored"

    @classmethod
    def parse(cls, text: str) -> ExportStatus | None:
        """Recognize a status as MaestroQA writes it; ``None`` for one that is not documented."""
        return next((status for status in cls if status.value == _SPELLINGS.get(text, text)), None)


#: Other spellings that are seen in the wild.
_SPELLINGS = {"completed": "complete"}
_MAX_STATUS_LENGTH = 60


@dataclass(frozen=True)
class ExportOption:
    """An option of an export request.

    :param api_name: the API's name for it.
    :param choices: the values it can have; empty for any text.
    :param is_flag: whether it is a boolean.
    """

    api_name: str
    choices: tuple[str, ...] = ()
    is_flag: bool = False

    def parse(self, name: str, value: object) -> object:
        """Validate a value.

        :raises MaestroQAConfigError: it cannot be sent.
        """
        if self.is_flag:
            return parse_flag(value, name)
        if self.choices:
            return parse_choice(value, name, self.choices)
        return parse_text(value, name)


@dataclass(frozen=True)
class ExportKind:
    """A type of export; everything else that depends on the type is derived from its row.

    :param name: the type's name here.
    :param label: an export of this type in prose, with its article.
    :param content: what is in it, in prose.
    :param path: the path of the request for one, below the API's root.
    :param options: the names of its options.
    :param is_windowed: whether it covers a window of time.
    """

    name: str
    label: str
    content: str
    path: str
    options: tuple[str, ...]
    is_windowed: bool = True

    @property
    def operation(self) -> str:
        """The operation that requests an export of this type."""
        return f"request_{self.name}_export"

    @property
    def dataset(self) -> str:
        """The dataset of such exports, as ``maestroqa://`` URIs name it."""
        return f"exports/{self.name.replace('_', '-')}"

    def reject_window(self, **arguments: object) -> None:
        """Fail when an argument asks for a window that this type of export does not have.

        :raises MaestroQAConfigError: an argument is not blank.
        """
        if any(not is_blank(value) for value in arguments.values()):
            *names, last = arguments
            raise MaestroQAConfigError(
                f"{self.label.capitalize()} export has no window: leave {', '.join(names)} and {last} out."
            )


EXPORT_OPTIONS: Mapping[str, ExportOption] = {
    "export_name": ExportOption("name"),
    "single_file_export": ExportOption(
        "singleFileExport", tuple(file.name for file in EXPORT_FILES if file.export_type == "raw")
    ),
    "include_calibrations": ExportOption("includeCalibrations", ("all", "none", "only")),
    "include_grader_qa": ExportOption("includeGraderQA", is_flag=True),
    "include_deleted": ExportOption("includeDeleted", is_flag=True),
    "include_unavailable": ExportOption("includeUnavailable", is_flag=True),
}
#: The types of exports by their names.
EXPORT_KINDS: Mapping[str, ExportKind] = {
    kind.name: kind
    for kind in (
        ExportKind(
            "raw",
            "a raw",
            "grades",
            "/request-raw-export",
            ("export_name", "single_file_export", "include_calibrations", "include_grader_qa", "include_deleted"),
        ),
        ExportKind(
            "groups",
            "a groups",
            "agent groups",
            "/request-groups-export",
            ("export_name", "include_unavailable"),
            is_windowed=False,
        ),
        ExportKind("audit_log", "an audit log", "user activity", "/request-audit-log-export", ("export_name",)),
    )
}


def export_kind(export_type: object) -> ExportKind:
    """Find the row of an export type.

    :raises MaestroQAConfigError: the type is not known.
    """
    return EXPORT_KINDS[parse_choice(export_type, "export_type", EXPORT_KINDS)]


def export_parameters(
    export_type: object, *, start: object = None, end: object = None, **options: object
) -> dict[str, Any]:
    """Validate the arguments of an export request and translate them to the API's names. (API: Exports)

    :param export_type: ``raw``, ``groups`` or ``audit_log``.
    :param start: start of the window, an aware datetime or ISO 8601 text; ``raw`` and ``audit_log`` need it.
    :param end: end of the window, likewise.
    :param options: the options by their names here; ``None`` leaves one out. Flags may be given as text,
        because a template renders to text.
    :raises MaestroQAConfigError: an argument is missing, unknown to this type of export, or has a wrong value.
    """
    kind = export_kind(export_type)
    parameters: dict[str, Any] = {}
    if kind.is_windowed:
        window_start, window_end = _required_time(start, "start"), _required_time(end, "end")
        require_order(window_start, window_end)
        parameters |= {"startDate": format_time(window_start), "endDate": format_time(window_end)}
    else:
        kind.reject_window(start=start, end=end)
    for name, value in options.items():
        if value is None:
            continue
        if name not in kind.options:
            raise MaestroQAConfigError(
                f"{name} is not an option of {kind.label} export. It takes: {', '.join(kind.options)}."
            )
        option = EXPORT_OPTIONS[name]
        parameters[option.api_name] = option.parse(name, value)
    return parameters


def checked_export_id(export_id: object) -> str:
    """Validate an export's id, which a broken template leaves empty or as ``None``.

    :raises MaestroQAConfigError: it is no id, or one that would mean something else in a path.
    """
    text = parse_text(export_id, "export_id", remedy="Pass the output of MaestroQARequestExportOperator.")
    if SAFE_ID.fullmatch(text) is None:
        raise MaestroQAConfigError(
            f"export_id must have letters, digits and . _ : ~ @ = + - only, and not begin with a dot, got "
            f"{text[:_MAX_SHOWN_ID]!r}. Pass the output of MaestroQARequestExportOperator."
        )
    return text


def read_export_id(response: Any) -> str | None:
    """Take the export's id out of the response to its request; ``None`` where it has none that can be used."""
    return read_id(response.get("exportId")) if isinstance(response, Mapping) else None


def _required_time(value: object, field_name: str) -> datetime:
    if is_blank(value):
        raise MaestroQAConfigError(
            f"{field_name} is missing. Pass an aware datetime or text such as 2026-01-31T00:00:00Z."
        )
    return parse_time(value, field_name)


@dataclass(frozen=True)
class Export:
    """An export as MaestroQA describes it. (API: Retrieve the results of an export)

    :param export_id: the export's id.
    :param status: MaestroQA's word: ``requested``, ``in_progress``, ``complete``, ``errored``, or one we do not know.
    :param data_url: where to download it: a secret for whoever has it, short-lived, hidden in ``repr``; empty
        when the export holds no data.
    """

    export_id: str
    status: str
    data_url: str = field(default="", repr=False)

    @classmethod
    def from_response(cls, export_id: str, response: Any) -> Export:
        """Read a response to *get export*; missing and unknown fields are tolerated."""
        fields = response if isinstance(response, Mapping) else {}
        status, data_url = fields.get("status"), fields.get("dataUrl")
        return cls(
            export_id,
            clean_text(status, max_length=_MAX_STATUS_LENGTH) if isinstance(status, str) else "",
            data_url if isinstance(data_url, str) else "",
        )

    @property
    def is_complete(self) -> bool:
        """Whether MaestroQA has finished it."""
        return ExportStatus.parse(self.status) is ExportStatus.COMPLETE

    @property
    def is_failed(self) -> bool:
        """Whether MaestroQA gave up on it."""
        return ExportStatus.parse(self.status) is ExportStatus.ERRORED

    @property
    def is_known(self) -> bool:
        """Whether the status is one that the API documents."""
        return ExportStatus.parse(self.status) is not None

    @property
    def has_data(self) -> bool:
        """Whether a complete export has anything to download."""
        return self.is_complete and bool(self.data_url)
