"""Faults on request: what can go wrong, when, and how often.

There are five families. An **answer** fault replaces the response to any request of either host. An **outcome** fault
decides how an export ends. A **batch** fault decides which records of a batch are stored and confirmed. A **read**
fault changes a page of a list; ``no_id`` an export of coaching sessions too. A **download** fault decides how a file
is delivered, and some of them how an upload is received; those about bytes also apply to the export of coaching
sessions. Of several answer faults that match one request the first fires and the others wait; those of the other
families all apply together.
"""

from __future__ import annotations

import base64
import fnmatch
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, NamedTuple


class FaultKind(NamedTuple):
    """A kind of fault.

    :param family: ``answer``, ``outcome``, ``batch``, ``read`` or ``download``.
    :param about: what it does.
    :param value: the parameter that ``kind=value`` sets in a name or on the command line.
    :param uploads: whether a download fault hits uploads, too.
    """

    family: str
    about: str
    value: str | None = None
    uploads: bool = False


KINDS: Mapping[str, FaultKind] = {
    "status": FaultKind("answer", "returns `status` (500) with `body`", "status"),
    "reset_before": FaultKind("answer", "drops the connection before the request is handled"),
    "reset_after": FaultKind("answer", "handles the request, then drops the connection without a response"),
    "timeout": FaultKind("answer", "holds the response until it is released or the client goes away"),
    "html": FaultKind("answer", "returns 200 with an HTML page"),
    "malformed_json": FaultKind("answer", "returns 200 with truncated JSON"),
    "empty_body": FaultKind("answer", "returns 200 with no body"),
    "redirect": FaultKind("answer", "returns 302 to `location` (by default the storage host)", "location"),
    "rate_limited": FaultKind("answer", "returns a 429 that names the `text` (second or minute)", "text"),
    "errored": FaultKind("outcome", "the export ends as errored"),
    "never": FaultKind("outcome", "the export never ends"),
    "no_data": FaultKind("outcome", "the export completes with an empty dataUrl"),
    "completed": FaultKind("outcome", "the final status of the export is spelled `completed`"),
    "unknown_status": FaultKind(
        "outcome", "the status of this poll is `text` (archiving); the export goes on", "text"
    ),
    "unconfirmed": FaultKind("batch", "stores all records, but leaves `at` of them (1) out of `results`", "at"),
    "lost": FaultKind("batch", "neither stores nor confirms `at` of the records (1)", "at"),
    "no_results": FaultKind("batch", "stores all records, and responds without `results`"),
    "page_cap": FaultKind("read", "returns at most `at` records on this page of a list", "at"),
    "wrong_total": FaultKind("read", "reports `at` records more than the list has, or fewer if negative", "at"),
    "empty_page": FaultKind("read", "returns no records on this page, but the usual total"),
    "repeat_page": FaultKind("read", "returns the previous page once more"),
    "overlap_page": FaultKind("read", "begins this page `at` records too early", "at"),
    "shrink": FaultKind("read", "from now on the first `at` records of the list are gone", "at"),
    "no_id": FaultKind("read", "leaves out the ids of the first `at` records (1)", "at"),
    "expired_url": FaultKind("download", "this URL has expired: 403 from now on; also for uploads", uploads=True),
    "expire_after_bytes": FaultKind("download", "cuts after `at` bytes, and the URL has expired from then on", "at"),
    "drop_at_byte": FaultKind(
        "download", "closes the connection after exactly `at` bytes of the response or upload", "at", uploads=True
    ),
    "reset_at_byte": FaultKind(
        "download",
        "resets the connection after at most `at` bytes of the response, or exactly `at` of the upload",
        "at",
        uploads=True,
    ),
    "stall_at_byte": FaultKind(
        "download", "sends or receives `at` bytes, then holds the connection until released", "at", uploads=True
    ),
    "truncated": FaultKind("download", "returns only the first `at` bytes (half), as if that were all", "at"),
    "corrupt": FaultKind("download", "flips the byte at `at` of the object (the middle)", "at"),
    "changed": FaultKind("download", "from now on the object is another one, with another ETag"),
    "replace_file": FaultKind("download", "from now on the object is `body` or the file at `file`", "file"),
    "zipped": FaultKind("download", "from now on a bare CSV is a ZIP with this one file"),
    "empty_file": FaultKind("download", "returns 200 with no bytes"),
    "no_range": FaultKind("download", "ignores Range: 200 with everything"),
    "wrong_range": FaultKind("download", "returns 206 from another byte than asked for"),
    "no_etag": FaultKind("download", "sends no ETag"),
    "no_length": FaultKind("download", "sends no Content-Length"),
    "endless": FaultKind("download", "never stops sending"),
    "slow": FaultKind(
        "download", "sends or receives `at` bytes (1024) every `seconds` (0.05)", "seconds", uploads=True
    ),
    "html_200": FaultKind("download", "returns 200 with an HTML log-in page"),
    "xml_200": FaultKind("download", "returns 200 with an XML error"),
}
_ALIASES = {"completed_spelling": "completed", "never_complete": "never", "reset": "reset_before"}
_AT_BY_DEFAULT = ("truncated", "corrupt", "unconfirmed", "lost", "no_id")
# Of batches: those whose path ends in -batch, and create-customer-feedback.
_PATHS = {"outcome": "/api/v1/*export-data*", "batch": "/api/v1/*-[bf]*"}
_DIRECTIVE = re.compile(r"\bfault:([A-Za-z0-9_]+)(?:=([^\s,;)]+))?")


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong.

    :param kind: a key of :data:`KINDS`.
    :param method: only requests with this HTTP method.
    :param path: only this path: with a leading ``/`` the whole path, where ``*`` stands for anything; otherwise a
        part of it.
    :param host: ``api`` or ``storage``. By default ``api`` for paths under ``/api/``, else ``storage`` for download
        faults and paths under ``/exports/`` and ``/attachments/``, else ``api``.
    :param export_id: only requests about this export: its polls and its downloads.
    :param times: how often; ``None`` (on the command line ``ever``) for ever.
    :param after: how many matching requests pass first.
    :param done: for answer faults: handle the request before its response is replaced.
    :param status: for ``status``, and for ``redirect`` when it is one of 300 to 399.
    :param body: the response's body (text, bytes, or anything to send as JSON), or the bytes for ``replace_file``.
    :param headers: more headers for the response.
    :param location: for ``redirect``.
    :param text: for ``unknown_status`` and ``rate_limited``.
    :param retry_after: a Retry-After header for ``status`` and ``rate_limited``.
    :param at: a number of bytes or of records; see the kind.
    :param seconds: for ``slow``.
    :param file: path of a file for ``replace_file``.
    """

    kind: str
    method: str | None = None
    path: str | None = None
    host: str | None = None
    export_id: str | None = None
    times: int | None = 1
    after: int = 0
    done: bool = False
    status: int = 500
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    location: str | None = None
    text: str | None = None
    retry_after: str | None = None
    at: int | None = None
    seconds: float = 0.05
    file: str | None = None

    def __post_init__(self) -> None:
        kind = _ALIASES.get(self.kind, self.kind)
        if kind not in KINDS:
            raise ValueError(f"There is no fault {self.kind!r}. There are: {', '.join(KINDS)}.")
        object.__setattr__(self, "kind", kind)
        if self.host is None:
            path = self.path or ""
            storage = self.family == "download" and not path.startswith("/api/")
            storage = storage or path.startswith(("/exports/", "/attachments/"))
            object.__setattr__(self, "host", "storage" if storage else "api")
        if self.host not in ("api", "storage"):
            raise ValueError(f"A fault's host is api or storage, not {self.host!r}.")
        if KINDS[kind].value == "at" and self.at is None and kind not in _AT_BY_DEFAULT:
            raise ValueError(f"The fault {kind} needs `at`, a number of bytes.")
        if kind == "replace_file" and self.body is None and self.file is None:
            raise ValueError("The fault replace_file needs `body` or `file`.")
        if self.path is None and self.family in _PATHS:
            object.__setattr__(self, "path", _PATHS[self.family])

    @property
    def family(self) -> str:
        """``answer``, ``outcome``, ``batch``, ``read`` or ``download``."""
        return KINDS[self.kind].family

    def matches(self, host: str, method: str, path: str, export_id: str | None) -> bool:
        """Whether a request is one that this fault is about.

        :param host: which of the sandbox's hosts gets it: ``api`` or ``storage``.
        :param method: the request's method.
        :param path: its path.
        :param export_id: the export that it is about, if any.
        """
        if self.host != host or self.method not in (None, method) or self.export_id not in (None, export_id):
            return False
        if method == "PUT" and self.family == "download" and not KINDS[self.kind].uploads:
            return False
        if self.path is None:
            return True
        if self.path.startswith("/"):
            return fnmatch.fnmatchcase(path, self.path)
        return self.path in path

    def as_json(self) -> dict[str, Any]:
        """The fault as the control endpoint shows it: what differs from the defaults."""
        shown = {}
        for item in fields(self):
            value = getattr(self, item.name)
            if value not in (item.default, {}):
                shown[item.name] = f"<{len(value)} bytes>" if isinstance(value, bytes) else value
        return shown


def fault_from_json(data: Any, *, files: bool = True) -> Fault:
    """A fault from a JSON object; bytes are written as ``body_base64``.

    :param files: whether it may name a file of this machine: only those who run the sandbox may.
    :raises ValueError: it is not a fault; the message says why.
    """
    if not isinstance(data, dict):
        raise ValueError("A fault is a JSON object with a `kind`.")  # noqa: TRY004
    values = dict(data)
    if "body_base64" in values:
        values["body"] = base64.b64decode(values.pop("body_base64"))
    if unknown := sorted(set(values) - {item.name for item in fields(Fault)}):
        raise ValueError(f"A fault has no {', '.join(unknown)}.")
    if "file" in values and not files:
        raise ValueError("A fault's `file` can be set in Python and on the command line only; send `body_base64`.")
    if "kind" not in values:
        raise ValueError(f"A fault needs a `kind`: {', '.join(KINDS)}.")
    for name in ("after", "times", "status", "at"):
        number = values.get(name, 0)
        absent = number is None and name in ("times", "at")
        if isinstance(number, bool) or not (absent or isinstance(number, int)):
            raise ValueError(f"A fault's `{name}` is a whole number, not {number!r}.")
    return Fault(**values)


def fault_from_text(text: str, *, files: bool = True) -> Fault:
    """A fault as written on a command line: ``kind``, ``kind=value`` or ``kind,name=value,…``.

    :param files: as for :func:`fault_from_json`.
    :raises ValueError: it is not a fault; the message says why.
    """
    first, *others = text.split(",")
    kind, _, value = first.partition("=")
    values: dict[str, Any] = {"kind": kind}
    if value:
        values[_value_name(kind)] = value
    for other in others:
        name, _, value = other.partition("=")
        values[name] = value
    try:
        for name in values.keys() & {"status", "after", "at", "times"}:
            values[name] = None if (name, values[name]) == ("times", "ever") else int(values[name])
        if "seconds" in values:
            values["seconds"] = float(values["seconds"])
    except ValueError:
        raise ValueError(f"A number was expected in the fault {text!r}.") from None
    if "done" in values:
        values["done"] = values["done"] in ("", "true", "1")
    return fault_from_json(values, files=files)


def faults_in_name(name: str, export_id: str) -> list[Fault]:
    """The faults that the name of an export asks for, such as ``fault:errored`` or ``fault:drop_at_byte=1000``.

    :raises ValueError: a directive is unknown; the message says why.
    """
    faults = []
    for kind, value in _DIRECTIVE.findall(name):
        text = f"{kind}={value}" if value else kind
        fault = fault_from_text(f"{text},export_id={export_id}", files=False)
        faults.append(replace(fault, times=None if fault.family == "outcome" else 1))
    return faults


def _value_name(kind: str) -> str:
    known = KINDS.get(_ALIASES.get(kind, kind))
    if known is None:
        raise ValueError(f"There is no fault {kind!r}. There are: {', '.join(KINDS)}.")
    if known.value is None:
        raise ValueError(f"The fault {kind} takes no value.")
    return known.value


@dataclass
class _Armed:
    fault: Fault
    matched: int = 0
    fired: int = 0

    @property
    def spent(self) -> bool:
        return self.fault.times is not None and self.fired >= self.fault.times


class FaultRegistry:
    """The faults that are set, and how often each has fired. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._armed: list[_Armed] = []

    def add(self, fault: Fault) -> None:
        """Set a fault."""
        with self._lock:
            self._armed.append(_Armed(fault))

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._armed.clear()

    def fire(self, host: str, method: str, path: str, export_id: str | None) -> list[Fault]:
        """The faults that fire on a request, at most one of them an answer fault."""
        fired: list[Fault] = []
        with self._lock:
            for armed in self._armed:
                if not armed.fault.matches(host, method, path, export_id):
                    continue
                armed.matched += 1
                if armed.matched <= armed.fault.after or armed.spent:
                    continue
                if armed.fault.family == "answer" and any(fault.family == "answer" for fault in fired):
                    continue
                armed.fired += 1
                fired.append(armed.fault)
        return fired

    def as_json(self) -> list[dict[str, Any]]:
        """All faults with how often each has fired."""
        with self._lock:
            return [{**armed.fault.as_json(), "fired": armed.fired, "spent": armed.spent} for armed in self._armed]
