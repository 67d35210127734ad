"""The options of a sandbox: the constructor, the command line and the documentation derive from one declaration."""

from __future__ import annotations

import argparse
import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Concatenate, ParamSpec

from airflow_provider_maestroqa.sandbox.option import Option, parse_attribute, parse_limits, parse_names
from airflow_provider_maestroqa.sandbox.rate_limiter import REAL_LIMITS, Limits
from airflow_provider_maestroqa.sandbox.validation import ATTRIBUTE_TYPES

# ruff: noqa: RUF009 - a field of a dataclass is declared by a call
_P = ParamSpec("_P")
#: The custom attributes of an account by default: some that the API document names.
CUSTOM_ATTRIBUTES: Mapping[str, str] = {
    "group": "string",
    "public_comment_count": "number",
    "first_resolution_time_total_minutes": "number",
    "full_resolution_time_total_minutes": "number",
    "recontact": "boolean",
}


def _option(default: Any, about: str, **declaration: Any) -> Any:
    # A factory, since a dataclass takes no mapping as a default.
    return field(default_factory=lambda: default, metadata={"option": Option(default, about, **declaration)})


@dataclass(frozen=True, kw_only=True)
class SandboxOptions:
    """How a sandbox behaves. One more option is one more field."""

    token: str = _option("sandbox-token", "the API token that is accepted", public=False)
    port: int = _option(0, "port of the API; 0 takes a free one", command_default=8765, public=False)
    storage_port: int = _option(0, "port of the storage; 0 takes a free one", command_default=8766, public=False)
    bind: str = _option(
        "127.0.0.1",
        "address to listen on; 127.0.0.1 is reached by this machine alone, 0.0.0.0 by a whole network",
        public=False,
    )
    hosts: Sequence[str] = _option(
        (),
        "names by which others may reach it, besides this machine's own; the first is in its URLs; on the command "
        "line with commas between them",
        parse=parse_names,
        public=False,
    )
    account: str = _option(
        "generated",
        "``generated`` records, or those that the examples of MaestroQA's API ``documents`` name as well: their "
        "tickets, agents, export and coaching data, with dates of the year 2023",
        choices=("generated", "documents"),
    )
    seed: int = _option(1, "decides the content of the export files")
    rows: int = _option(200, "grades, memberships or activities in each export", minimum=0)
    polls: int = _option(2, 'polls that answer "not yet" before an export is complete', minimum=0)
    deletion_polls: int = _option(
        2, 'polls that answer "pending" before a deletion of customers\' data is completed', minimum=0
    )
    seconds: float = _option(0.0, "seconds that an export takes at least, by the clock", minimum=0)
    limits: Limits | None = _option(
        REAL_LIMITS,
        "requests and seconds for each bucket, as in the connection's ``rate_limits``; ``{}`` or ``None`` for none; "
        "on the command line ``real``, ``none`` or JSON",
        parse=parse_limits,
        public=False,
    )
    window_kind: str = _option(
        "sliding", "windows of the limits: ``sliding`` or ``fixed``", choices=("sliding", "fixed"), flag="--window"
    )
    count_refused: bool = _option(False, "requests that got a 429 count towards the limits")
    retry_after: bool = _option(False, "a 429 carries Retry-After")
    url_ttl: float = _option(600.0, "seconds until a presigned URL expires", minimum=0)
    clock: Callable[[], float] = _option(
        time.time, "gives Unix seconds; for limits, expiry and the age of exports", flag=None, public=False
    )
    agents: int = _option(
        20, "agents at the start: ``agent-1`` with the email ``agent-1@example.com``, and so on", minimum=0
    )
    agent_groups: int = _option(
        3, "groups at the start: ``Agents 1``, and so on; the agents are dealt into them", minimum=0
    )
    users: int = _option(
        30, "accounts at the start that log in: ``user-1@example.com``, and so on, in two user groups", minimum=0
    )
    custom_attributes: Mapping[str, str] | None = _option(
        None,
        "custom attributes of tickets, each with its type: ``string``, ``number`` or ``boolean``; by default some of "
        "the API document; others are ignored",
        flag="--attribute",
        parse=parse_attribute,
        metavar="NAME=TYPE",
        repeated=True,
    )
    batch_mode: str = _option(
        "atomic",
        "a batch with a bad record: ``atomic`` rejects it as a whole, ``partial`` stores and confirms the good ones "
        "and silently drops the others",
        choices=("atomic", "partial"),
    )
    csat_results: str = _option(
        "records",
        "results of a push of CSAT scores: ``records`` that name their score, in another order, or ``texts`` in the "
        "order of the request",
        choices=("records", "texts"),
    )
    unknown_tickets: str = _option(
        "refuse",
        "comments, attachments, metrics and CSAT scores of tickets that do not exist: ``refuse`` or ``accept``",
        choices=("refuse", "accept"),
    )
    largest_body: int = _option(64 << 20, "bytes of a request to the API; a larger one gets 413", minimum=0)
    export_lookup: str = _option(
        "both",
        "how an export can be looked at: ``both`` ways, or only with its id in the ``body`` of a GET or in the "
        "``path``; with ``path`` the body of that GET is ignored, as behind a proxy that drops it",
        choices=("both", "body", "path"),
    )
    attachment_id_reuse: str = _option(
        "again",
        "a second attachment with an ``id`` gets a presigned URL ``again``, or a 409 ``conflict``",
        choices=("again", "conflict"),
    )
    todos: int = _option(500, "to-dos, spread over a year, 2026 by default; up to millions", minimum=0)
    coaching_points: int = _option(500, "coaching points, likewise", minimum=0)
    coaching_sessions: int = _option(250, "coaching sessions, likewise", minimum=0)
    more_columns: Sequence[str] = _option(
        (),
        "columns that files of exports have besides the known ones, each as ``FILE.COLUMN`` such as "
        "``total_scores.mood``, with commas between them on the command line",
        parse=parse_names,
    )
    missing_columns: Sequence[str] = _option(
        (),
        "known columns that files of exports do not have, likewise",
        parse=parse_names,
    )
    export_defaults: str = _option(
        "excluded",
        "calibrations, grades of graders and deleted grades in a raw export that says nothing of them: ``excluded`` "
        "or ``included``",
        choices=("excluded", "included"),
    )
    export_windows: str = _option(
        "filled",
        "what is in an export whose window is a part of an earlier one's: ``filled`` with as many records as any, or "
        "those of the earlier one's that are in it: with its start and without its end (``half_open``), with both "
        "(``included``) or without both (``excluded``)",
        choices=("filled", "half_open", "included", "excluded"),
    )
    no_ranges: bool = _option(False, "the storage sends whole files, whatever part is requested")
    storage_etag: str = _option(
        "md5",
        "the ETag of a stored file: its ``md5``, an ``other`` one as of several parts, or ``none``",
        choices=("md5", "other", "none"),
    )
    doubled_records: int = _option(0, "records of each file of an export that come twice, for others", minimum=0)
    max_page: int = _option(1000, "records in a page of a list, however many are requested", minimum=1)
    first_index: int = _option(0, "the ``startIndex`` of the first record of a list", minimum=0)
    scim_first_index: int = _option(1, "likewise, of a list of SCIM", minimum=0)
    group_members: str = _option(
        "emails", "what stands for the agents in a group that is read", choices=("emails", "ids")
    )
    list_ends: str = _option(
        "excluded",
        "records of a list that were created exactly at its ``startDate`` or ``endDate``: ``excluded`` or "
        "``included``",
        choices=("excluded", "included"),
    )
    list_times: str = _option(
        "created",
        "what the window of a list goes by: when a record was ``created``, or also when it was ``changed``",
        choices=("created", "changed"),
    )
    list_dates: str = _option(
        "documented",
        "how the dates of a list's window are written: as ``documented``, with milliseconds or without, in whole "
        "``seconds`` alone, or in any form of ``iso8601``",
        choices=("documented", "seconds", "iso8601"),
    )
    unknown_filters: str = _option(
        "reject", "query parameters that a list does not know: ``reject`` or ``ignore``", choices=("reject", "ignore")
    )
    record_id: str = _option("id", "the name of a listed record's id: ``id`` or ``_id``", choices=("id", "_id"))
    export_max_days: int = _option(90, "days that an export of coaching sessions covers at most", minimum=0)
    complete_status: str = _option(
        "complete",
        "the status of an export that is ready: ``complete``, or ``completed`` as in the wild",
        choices=("complete", "completed"),
    )
    date_offset: float = _option(0.0, "seconds by which the header ``Date`` is ahead of the clock")
    export_end_day: str = _option(
        "included",
        "the end day of an export of coaching sessions: ``included`` or ``excluded``",
        choices=("included", "excluded"),
    )

    def __post_init__(self) -> None:
        for name, option in OPTIONS.items():
            value = getattr(self, name)
            if option.choices:
                _check_choice(name, value, option.choices)
            if option.minimum is not None and value < option.minimum:
                raise ValueError(f"{name} must be {option.minimum} or more, not {value}.")
        if isinstance(self.hosts, str):
            raise ValueError(f"hosts is a sequence of names, such as [{self.hosts!r}].")  # noqa: TRY004
        if not self.hosts and self.bind != "127.0.0.1":
            if self.bind in ("0.0.0.0", "::"):  # noqa: S104
                raise ValueError(f"With bind={self.bind!r}, name in hosts how others reach the sandbox.")
            object.__setattr__(self, "hosts", (self.bind,))
        if self.custom_attributes is None:
            object.__setattr__(self, "custom_attributes", CUSTOM_ATTRIBUTES)
        for name, value_type in self.attribute_types.items():
            _check_choice(f"custom_attributes[{name!r}]", value_type, tuple(ATTRIBUTE_TYPES))

    def url_of(self, local_name: str, port: int) -> str:
        """The URL of one of the two hosts."""
        name = self.hosts[0] if self.hosts else local_name
        return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"

    @property
    def attribute_types(self) -> Mapping[str, str]:
        """The custom attributes of tickets, each with its type."""
        return self.custom_attributes or {}

    def as_json(self) -> dict[str, Any]:
        """The options as the control endpoint shows them, without secrets."""
        return {name: getattr(self, name) for name, option in OPTIONS.items() if option.public}


#: The options by name.
OPTIONS: Mapping[str, Option] = {one.name: one.metadata["option"] for one in fields(SandboxOptions)}


def command_line_options() -> Mapping[str, Option]:
    """The options that the command line takes, by name."""
    return {name: option for name, option in OPTIONS.items() if option.flag is not None}


def from_command_line(arguments: argparse.Namespace) -> dict[str, Any]:
    """Options as the constructor takes them, from a parsed command line."""
    values = {name: getattr(arguments, name) for name in command_line_options()}
    return {
        name: dict(value) if OPTIONS[name].repeated and value is not None else value for name, value in values.items()
    }


def takes_options(
    make: Callable[_P, SandboxOptions],
) -> Callable[[Callable[[Any, SandboxOptions], None]], Callable[Concatenate[Any, _P], None]]:
    """Let a constructor take options as keyword arguments, typed as declared, and receive them as one object."""

    def decorate(init: Callable[[Any, SandboxOptions], None]) -> Callable[Concatenate[Any, _P], None]:
        def with_options(self: Any, /, *args: _P.args, **kwargs: _P.kwargs) -> None:
            init(self, make(*args, **kwargs))

        own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        parameters = [
            inspect.Parameter(
                one.name, inspect.Parameter.KEYWORD_ONLY, default=OPTIONS[one.name].default, annotation=one.type
            )
            for one in fields(SandboxOptions)
        ]
        with_options.__signature__ = inspect.Signature([own, *parameters])  # type: ignore[attr-defined]
        return with_options

    return decorate


def documented(text: str | None) -> str:
    """A class's docstring, with the options as its parameters."""
    lines = [f"    :param {name}: {option.about}." for name, option in OPTIONS.items()]
    return "\n".join(
        [(text or "").rstrip(), "", *lines, "    :raises ValueError: an option has a value out of its range.", ""]
    )


def _check_choice(option: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{option} is one of {', '.join(choices)}, not {value!r}.")
