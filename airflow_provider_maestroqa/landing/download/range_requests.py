"""Pure decisions about a storage host's answers: read on, from where, ask again, or give up."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from airflow_provider_maestroqa.client.errors import TRANSIENT_STATUSES

_CONTENT_RANGE = re.compile(r"bytes\s+(?:(\d+)-(\d+)|\*)/(\d+|\*)\s*", re.IGNORECASE)

#: An expired presigned URL answers 403 (S3, Azure) or 400 (S3 with temporary credentials, Google); some proxies 401.
_EXPIRED = {400, 401, 403}


class Step(Enum):
    """What to do with an answer."""

    READ = "read its body"
    DONE = "the file is complete"
    AGAIN = "ask again, from the same byte"
    START_OVER = "ask again, from the first byte"
    FRESH_URL = "ask again with a fresh URL, from the same byte"
    GIVE_UP = "no other try can succeed"


@dataclass(frozen=True)
class Version:
    """Which state of a file an answer is about.

    :param etag: as the server sent it, quotes included.
    :param modified: the Last-Modified header.
    :param total: bytes of the whole file.
    """

    etag: str | None = None
    modified: str | None = None
    total: int | None = None

    @property
    def validator(self) -> str | None:
        """What goes into ``If-Range``; without it nobody can tell whether two parts belong together."""
        if self.etag and not self.etag.startswith("W/"):
            return self.etag
        return self.modified

    def differs_from(self, other: Version) -> bool:
        """Whether the two are surely not the same state of the file."""
        return any(
            mine is not None and theirs is not None and mine != theirs
            for mine, theirs in ((self.etag, other.etag), (self.modified, other.modified), (self.total, other.total))
        )


@dataclass(frozen=True)
class Verdict:
    """What to do with one answer.

    :param step: what to do.
    :param start: the byte that its body begins with, for ``READ``.
    :param version: the state of the file that the body belongs to, for ``READ``.
    :param reason: why, in words for a log line or an error.
    :param changed: whether the file is another one than before.
    """

    step: Step
    start: int = 0
    version: Version = Version()
    reason: str = ""
    changed: bool = False


def request_headers(offset: int, version: Version) -> dict[str, str]:
    """The headers that ask for a file from a byte on, if it is still the same file."""
    headers = {"Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
        if version.validator:
            headers["If-Range"] = version.validator
    return headers


def judge(status: int, headers: Mapping[str, str], *, offset: int, version: Version) -> Verdict:
    """Decide what an answer means for a download.

    :param status: the HTTP status.
    :param headers: the answer's headers; their names must be found in any case.
    :param offset: the byte that was asked for; 0 means that the whole file was asked for.
    :param version: what is known of the file so far.
    """
    if status == 200:
        return _whole(headers, offset, version)
    if status == 206:
        return _part(headers, offset, version)
    if status == 416 and offset:
        return _beyond_the_end(headers, offset, version)
    if status in _EXPIRED:
        return Verdict(Step.FRESH_URL, reason=f"the storage refused the download URL ({status})")
    if status in TRANSIENT_STATUSES:
        return Verdict(Step.AGAIN, reason=f"the storage answered {status}")
    if status in {404, 410}:
        return Verdict(Step.GIVE_UP, reason=f"the file is not in the storage any more ({status})")
    return Verdict(Step.GIVE_UP, reason=f"the storage answered {status}")


def _whole(headers: Mapping[str, str], offset: int, version: Version) -> Verdict:
    now = _version(headers, _number(headers.get("Content-Length")))
    changed = offset > 0 and now.differs_from(version)
    reason = ""
    if offset:
        reason = "the file has changed" if changed else "the storage sends the whole file again"
    return Verdict(Step.READ, start=0, version=now, reason=reason, changed=changed)


def _part(headers: Mapping[str, str], offset: int, version: Version) -> Verdict:
    found = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", "").strip())
    if found is None or found.group(1) is None:
        return Verdict(Step.START_OVER, reason="the storage sent a part without saying which")
    now = _version(headers, _number(found.group(3)))
    if now.differs_from(version):
        return Verdict(Step.START_OVER, reason="the file has changed", changed=True)
    if int(found.group(1)) != offset:
        return Verdict(Step.START_OVER, reason="the storage sent another part than was asked for")
    total = version.total if now.total is None else now.total
    kept = Version(version.etag or now.etag, version.modified or now.modified, total)
    return Verdict(Step.READ, start=offset, version=kept)


def _beyond_the_end(headers: Mapping[str, str], offset: int, version: Version) -> Verdict:
    found = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", "").strip())
    total = _number(found.group(3)) if found else None
    if total == offset or (total is None and version.total is None):
        return Verdict(Step.DONE)
    return Verdict(Step.START_OVER, reason="the file has changed", changed=True)


def _version(headers: Mapping[str, str], total: int | None) -> Version:
    return Version(headers.get("ETag") or None, headers.get("Last-Modified") or None, total)


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.strip().isascii() and text.strip().isdigit() else None
