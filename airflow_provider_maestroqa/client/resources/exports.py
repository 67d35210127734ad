"""Exports: what is asked for, checked before a request is spent on it, and what MaestroQA answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.client.formatting import format_time
from airflow_provider_maestroqa.client.parsing import parse_choice, parse_flag, parse_time

ExportType = Literal["raw", "groups", "audit_log"]

_CHOICES = {
    "single_file_export": ("individual_answers", "section_scores", "total_scores", "annotations", "csat"),
    "include_calibrations": ("all", "none", "only"),
}
_FLAGS = ("include_grader_qa", "include_deleted", "include_unavailable")
_API_NAMES = {
    "export_name": "name",
    "single_file_export": "singleFileExport",
    "include_calibrations": "includeCalibrations",
    "include_grader_qa": "includeGraderQA",
    "include_deleted": "includeDeleted",
    "include_unavailable": "includeUnavailable",
}
_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "raw": ("export_name", "single_file_export", "include_calibrations", "include_grader_qa", "include_deleted"),
    "groups": ("export_name", "include_unavailable"),
    "audit_log": ("export_name",),
}
#: The export types that cover a window of time.
WINDOWED = frozenset({"raw", "audit_log"})


def check_export_type(export_type: object) -> ExportType:
    """Tell a known export type from any other value.

    :raises MaestroQAConfigError: the type is not known.
    """
    return cast("ExportType", parse_choice(export_type, "export_type", _OPTIONS))


def export_parameters(
    export_type: str, *, start: object = None, end: object = None, **options: object
) -> dict[str, Any]:
    """Check the arguments of an export request and give them MaestroQA's names. (API: Exports)

    :param export_type: ``raw``, ``groups`` or ``audit_log``.
    :param start: start of the window, an aware datetime or ISO 8601 text; ``raw`` and ``audit_log`` need it.
    :param end: end of the window, likewise.
    :param options: the options by their names here; ``None`` leaves one out. Flags may be given as text,
        because a template renders to text.
    :raises MaestroQAConfigError: an argument is missing, unknown to this type of export, or has a wrong value.
    """
    export_type = check_export_type(export_type)
    parameters: dict[str, Any] = {}
    if export_type in WINDOWED:
        window_start, window_end = _required_time(start, "start"), _required_time(end, "end")
        if window_start >= window_end:
            raise MaestroQAConfigError(
                f"start ({format_time(window_start)}) must be before end ({format_time(window_end)}). "
                "Swap them, or pass a longer window."
            )
        parameters |= {"startDate": format_time(window_start), "endDate": format_time(window_end)}
    elif start is not None or end is not None:
        raise MaestroQAConfigError(f"A {export_type} export has no window: leave start and end out.")
    for name, value in options.items():
        if value is None:
            continue
        if name not in _OPTIONS[export_type]:
            article = "an" if export_type == "audit_log" else "a"
            options_of_kind = ", ".join(_OPTIONS[export_type])
            raise MaestroQAConfigError(
                f"{name} is not an option of {article} {export_type} export. It takes: {options_of_kind}."
            )
        parameters[_API_NAMES[name]] = _option(name, value)
    return parameters


def _required_time(value: object, field_name: str) -> Any:
    if value is None or value == "":
        raise MaestroQAConfigError(
            f"{field_name} is missing. Pass an aware datetime or text such as 2026-01-31T00:00:00Z."
        )
    return parse_time(value, field_name)


def _option(name: str, value: object) -> object:
    if name in _FLAGS:
        return parse_flag(value, name)
    if name in _CHOICES:
        return parse_choice(value, name, _CHOICES[name])
    if isinstance(value, str) and value.strip():
        return value
    raise MaestroQAConfigError(f"{name} must be text that is not empty, got {value!r}.")


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
    def from_answer(cls, export_id: str, answer: Any) -> Export:
        """Read the answer of *get export*; missing and unknown fields are tolerated."""
        fields = answer if isinstance(answer, Mapping) else {}
        status, data_url = fields.get("status"), fields.get("dataUrl")
        return cls(
            export_id, status if isinstance(status, str) else "", data_url if isinstance(data_url, str) else ""
        )

    @property
    def is_complete(self) -> bool:
        """Whether MaestroQA has finished it; ``completed`` is seen in the wild."""
        return self.status in ("complete", "completed")

    @property
    def is_failed(self) -> bool:
        """Whether MaestroQA gave up on it."""
        return self.status == "errored"

    @property
    def is_known(self) -> bool:
        """Whether the status is one that the API documents."""
        return self.is_complete or self.is_failed or self.status in ("requested", "in_progress")

    @property
    def has_data(self) -> bool:
        """Whether a complete export has anything to download."""
        return self.is_complete and bool(self.data_url)
