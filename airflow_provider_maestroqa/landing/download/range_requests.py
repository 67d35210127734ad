"""Pure decisions about a storage host's responses: read on, from where, request again, or give up."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from airflow_provider_maestroqa.client.errors import TRANSIENT_STATUSES

_CONTENT_RANGE = re.compile(r"bytes\s+(?:(\d{1,19})-(\d{1,19})|\*)/(\d{1,19}|\*)\s*", re.IGNORECASE | re.ASCII)
_NUMBER = re.compile(r"\d{1,19}", re.ASCII)

#: What an expired presigned URL gets: 403 (S3, Azure) or 400 (S3 with temporary credentials, Google); 401 by proxies.
_EXPIRED = {400, 401, 403}


class Action(Enum):
    """What to do with a response."""

    READ = "read its body"
    DONE = "the file is complete"
    RETRY = "request again, from the same byte"
    RESTART = "request again, from the first byte"
    FRESH_URL = "request again with a fresh URL, from the same byte"
    FAIL = "no other attempt can succeed"


@dataclass(frozen=True)
class Version:
    """The state of a file that a response is about.

    :param etag: as the server sent it, quotes included.
    :param modified: the Last-Modified header.
    :param total: bytes of the whole file.
    """

    etag: str | None = None
    modified: str | None = None
    total: int | None = None

    @property
    def strong_etag(self) -> str | None:
        """The ETag, if two files with it must be the same byte for byte."""
        return self.etag if self.etag and not self.etag.startswith("W/") else None

    @property
    def validator(self) -> str | None:
        """What goes into ``If-Range``; without it two parts cannot be joined safely."""
        return self.strong_etag or self.modified

    def differs_from(self, other: Version) -> bool:
        """Whether the two are surely not the same state of the file."""
        return any(
            mine is not None and theirs is not None and mine != theirs
            for mine, theirs in ((self.etag, other.etag), (self.modified, other.modified), (self.total, other.total))
        )


@dataclass(frozen=True)
class Decision:
    """What to do with one response.

    :param action: what to do.
    :param start: for ``READ``, the byte that the body begins with.
    :param end: for ``READ``, the byte before which the body ends, where that is known.
    :param version: for ``READ``, the state of the file that the body belongs to.
    :param reason: why, for a log line or an error.
    :param changed: whether the file is another one than before.
    """

    action: Action
    start: int = 0
    end: int | None = None
    version: Version = Version()
    reason: str = ""
    changed: bool = False


def request_headers(offset: int, version: Version) -> dict[str, str]:
    """The headers that request a file from a byte on, if it is still the same file."""
    headers = {"Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
        if version.validator:
            headers["If-Range"] = version.validator
    return headers


def decide(status: int, headers: Mapping[str, str], *, offset: int, version: Version) -> Decision:
    """Decide what a response means for a download.

    :param headers: the response's headers; their names are looked up regardless of case.
    :param offset: the byte that was requested; 0 stands for the whole file.
    :param version: what is known of the file so far.
    """
    if status == 200:
        match = _content_range(headers)
        # A body that says where it belongs is put there, whatever the status.
        is_part = match is not None and match.group(1) is not None
        return _part(headers, offset, version) if is_part else _whole_file(headers, offset, version)
    if status == 206:
        return _part(headers, offset, version)
    if status == 416 and offset:
        return _beyond_the_end(headers, offset, version)
    if status in _EXPIRED:
        return Decision(Action.FRESH_URL, reason=f"the storage denied the download URL ({status})")
    if status in TRANSIENT_STATUSES:
        return Decision(Action.RETRY, reason=f"the storage responded with {status}")
    if status in {404, 410}:
        return Decision(Action.FAIL, reason=f"the file is not in the storage any more ({status})")
    return Decision(Action.FAIL, reason=f"the storage responded with {status}")


def _whole_file(headers: Mapping[str, str], offset: int, version: Version) -> Decision:
    current = _version(headers, _number(headers.get("Content-Length")))
    if not offset:
        return Decision(Action.READ, version=current)
    is_other = Version(current.etag, current.modified).differs_from(version)
    if not is_other and current.differs_from(version):
        # It may be the rest alone. A request without Range shows it.
        return Decision(Action.RESTART, reason="the storage sent another length than before")
    reason = "the file has changed" if is_other else "the storage sends the whole file again"
    return Decision(Action.READ, version=current, reason=reason, changed=is_other)


def _part(headers: Mapping[str, str], offset: int, version: Version) -> Decision:
    match = _content_range(headers)
    if match is None or match.group(1) is None:
        return Decision(Action.RESTART, reason="the storage sent a part without saying which")
    current = _version(headers, _number(match.group(3)))
    if current.differs_from(version):
        return Decision(Action.RESTART, reason="the file has changed", changed=True)
    start, end = int(match.group(1)), int(match.group(2)) + 1
    length = _number(headers.get("Content-Length"))
    if start != offset or end <= start or (length is not None and length != end - start):
        return Decision(Action.RESTART, reason="the storage sent another part than the one requested")
    total = version.total if current.total is None else current.total
    merged = Version(version.etag or current.etag, version.modified or current.modified, total)
    return Decision(Action.READ, start=offset, end=end, version=merged)


def _beyond_the_end(headers: Mapping[str, str], offset: int, version: Version) -> Decision:
    match = _content_range(headers)
    total = _number(match.group(3)) if match else None
    if total == offset or (total is None and version.total is None):
        return Decision(Action.DONE)
    return Decision(Action.RESTART, reason="the file has changed", changed=True)


def _content_range(headers: Mapping[str, str]) -> re.Match[str] | None:
    return _CONTENT_RANGE.fullmatch(headers.get("Content-Range", "").strip())


def _version(headers: Mapping[str, str], total: int | None) -> Version:
    return Version(headers.get("ETag") or None, headers.get("Last-Modified") or None, total)


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and _NUMBER.fullmatch(text.strip()) else None
