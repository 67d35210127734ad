"""Download an export to a temporary file: every byte once, in order, and all of them."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_provider_maestroqa.client.clock import Clock
from airflow_provider_maestroqa.client.errors import MaestroQAConnectionError, MaestroQADataError, MaestroQAError
from airflow_provider_maestroqa.client.formatting import format_duration, format_size
from airflow_provider_maestroqa.client.presigned import host_of, signatures_kept_out_of_logs
from airflow_provider_maestroqa.client.progress import Progress
from airflow_provider_maestroqa.client.temp_file import TempFile
from airflow_provider_maestroqa.landing.download.checksums import find_checksum
from airflow_provider_maestroqa.landing.download.content_detection import HEAD_SIZE, reject_error_page
from airflow_provider_maestroqa.landing.download.http_get import open_url, read_available
from airflow_provider_maestroqa.landing.download.range_requests import (
    Action,
    Decision,
    Version,
    decide,
    request_headers,
)

if TYPE_CHECKING:
    import requests

_BLOCK = 1 << 18
_MAX_PAUSE_S = 20.0
_MAX_DENIED_URLS = 3
_MAX_CHANGES = 5


@dataclass(frozen=True)
class DownloadLimits:
    """How long a download may take, and how large it may be.

    :param max_bytes: the largest file to accept, in bytes.
    :param max_attempts: attempts in a row that bring no new byte before giving up.
    :param connect_timeout: seconds to connect.
    :param read_timeout: seconds without a byte before the connection counts as lost.
    :param deadline: seconds for the whole download.
    :param stall_after: seconds in which at least ``stall_bytes`` must arrive, or the connection counts as lost.
    :param stall_bytes: see ``stall_after``.
    """

    max_bytes: int = 50 << 30
    max_attempts: int = 8
    connect_timeout: float = 10.0
    # Below half a minute, so that a line is logged at least that often on a dead connection too.
    read_timeout: float = 25.0
    deadline: float = 6 * 3600.0
    stall_after: float = 120.0
    stall_bytes: int = 64 << 10


@dataclass(frozen=True)
class DownloadedFile:
    """A file that was downloaded completely.

    :param head: its first bytes.
    :param content_encoding: the header that the storage sent, or an empty text.
    :param checksum: the algorithm and the digits that the storage sent, if any.
    :param is_sized: whether the storage sent its size.
    """

    size: int
    head: bytes
    content_encoding: str
    checksum: tuple[str, str] | None
    is_sized: bool


def download(
    temp_file: TempFile,
    *,
    export_id: str,
    fresh_url: Callable[[], str],
    session: requests.Session,
    limits: DownloadLimits,
    log: Callable[[str], None],
    clock: Clock,
) -> DownloadedFile:
    """Download an export, resuming from the same byte when the connection drops or the URL expires.

    :param fresh_url: requests a presigned URL from MaestroQA; called again whenever the storage denies the last one.
    :raises MaestroQADataError: the file is gone, too large, empty or no export.
    :raises MaestroQAConnectionError: it did not arrive in time, or too many attempts brought nothing.
    :raises MaestroQAError: the temporary folder is full, or the storage denies fresh URLs too.
    """
    job = _Download(temp_file, f"export {export_id}", fresh_url, session, limits, log, clock)
    with signatures_kept_out_of_logs():
        return job.run()


@dataclass(repr=False)
class _Download:
    temp_file: TempFile
    name: str
    fresh_url: Callable[[], str]
    session: requests.Session
    limits: DownloadLimits
    log: Callable[[str], None]
    clock: Clock
    offset: int = 0
    max_offset: int = 0
    version: Version = field(default_factory=Version)
    head: bytes = b""
    content_encoding: str = ""
    checksum: tuple[str, str] | None = None
    attempts_without_progress: int = 0
    denied_urls: int = 0
    changes: int = 0
    ended_at: int | None = None
    totals: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.deadline = self.clock.monotonic() + self.limits.deadline
        self.progress = Progress(f"Downloading {self.name}", total=None, log=self.log, clock=self.clock.monotonic)

    def run(self) -> DownloadedFile:
        url = self._new_url()
        while True:
            decision = self._attempt(url)
            if decision.action is Action.DONE:
                self.log(f"Downloaded {self.name} from {host_of(url)}: {self.progress.summary()}.")
                return DownloadedFile(
                    self.offset, self.head, self.content_encoding, self.checksum, self.version.total is not None
                )
            if decision.action is Action.FAIL:
                raise MaestroQADataError(
                    f"{self.name.capitalize()} cannot be downloaded: {decision.reason}. Request a new export."
                )
            self._pause(decision)
            if decision.action is Action.FRESH_URL:
                url = self._new_url()

    def _attempt(self, url: str) -> Decision:
        # Without a validator two parts might belong to two files: only a probe for the end may go without.
        start = self.offset if self.version.validator or self.ended_at == self.offset else 0
        timeouts = (self.limits.connect_timeout, self.limits.read_timeout)
        response, error = open_url(self.session, url, request_headers(start, self.version), timeouts)
        if response is None:
            return Decision(Action.RETRY, reason=error)
        with closing(response):
            decision = decide(response.status_code, response.headers, offset=start, version=self.version)
            if decision.action is Action.RESTART:
                self._seek(0, Version(), changed=decision.changed)
            if decision.action is Action.DONE:
                return self._complete("")
            if decision.action is not Action.READ:
                return decision
            if self._contradicts(decision.version):
                self._seek(0, Version(), changed=True)
                return Decision(Action.RETRY, reason="the storage sent two lengths with one ETag")
            if decision.reason:
                self.log(f"Downloading {self.name}: {decision.reason}; starting over from the first byte.")
            self._seek(decision.start, decision.version, changed=decision.changed)
            if decision.start == 0:
                self.content_encoding = response.headers.get("Content-Encoding", "")
                self.checksum = find_checksum(response.headers, url)
            return self._read(response, decision.end)

    def _contradicts(self, version: Version) -> bool:
        """Whether the storage sent another length with this ETag before, as if the file had lost a part."""
        if version.strong_etag is None or version.total is None:
            return False
        return self.totals.setdefault(version.strong_etag, version.total) != version.total

    def _seek(self, start: int, version: Version, *, changed: bool) -> None:
        if start == 0:
            self.temp_file.restart()
            self.head = b""
        if changed:
            self.changes += 1
            self.max_offset = 0
            self.ended_at = None
        self.offset = start
        self.version = version
        self.temp_file.expected_size = version.total
        self.progress.restart(done=start, total=version.total)
        if version.total is not None:
            self._check_size(version.total)
            self.temp_file.check_room(version.total - start)

    def _read(self, response: requests.Response, part_end: int | None) -> Decision:
        total = self.version.total
        end = total if part_end is None else part_end
        content_type = response.headers.get("Content-Type", "")
        checked_at, offset_then = self.clock.monotonic(), self.offset
        while end is None or self.offset < end:
            block, error = read_available(response, _BLOCK if end is None else min(_BLOCK, end - self.offset))
            if error:
                return Decision(Action.RETRY, reason=error)
            if not block:
                return self._body_ended(response, content_type)
            self._write(block, content_type)
            now = self.clock.monotonic()
            self._check_deadline(now)
            if now - checked_at >= self.limits.stall_after and self.offset != total:
                if self.offset - offset_then < self.limits.stall_bytes:
                    # Bytes that trickle in are no progress, or a slow sender could keep a worker for hours.
                    self.max_offset = max(self.max_offset, self.offset)
                    return Decision(Action.RETRY, reason="next to nothing came from the storage")
                checked_at, offset_then = now, self.offset
        return self._complete(content_type) if self.offset == total else self._body_ended(response, content_type)

    def _body_ended(self, response: requests.Response, content_type: str) -> Decision:
        if self.version.total is not None:
            return Decision(Action.RETRY, reason="the storage ended its response before the end of the file")
        is_part = response.headers.get("Content-Range") is not None
        if (not is_part and "chunked" in response.headers.get("Transfer-Encoding", "").lower()) or (
            self.ended_at == self.offset
        ):
            return self._complete(content_type)
        # No length and no last chunk: the end of the file looks like a lost connection. A second request shows which.
        self.ended_at = self.offset
        return Decision(Action.RETRY, reason="the storage sent no length; requesting more")

    def _complete(self, content_type: str) -> Decision:
        # An empty file is an export without rows, if a checksum says that it is meant to be empty.
        if self.offset or self.checksum is None:
            reject_error_page(self.head, content_type, is_whole=len(self.head) == self.offset)
        return Decision(Action.DONE)

    def _write(self, block: bytes, content_type: str) -> None:
        self.temp_file.write(block)
        self.offset += len(block)
        if len(self.head) < HEAD_SIZE:
            self.head += block[: HEAD_SIZE - len(self.head)]
            if len(self.head) == HEAD_SIZE:
                reject_error_page(self.head, content_type, is_whole=False)
        self._check_size(self.offset)
        self.progress.advance(len(block))

    def _pause(self, decision: Decision) -> None:
        """Count an attempt that did not end the download, and wait before the next one."""
        needs_url = decision.action is Action.FRESH_URL
        if self.offset > self.max_offset:
            self.max_offset = self.offset
            self.attempts_without_progress = self.denied_urls = 0
        else:
            self.attempts_without_progress += 1
            self.denied_urls += needs_url
        self._check_attempts(decision.reason)
        pause = 0.0
        if not needs_url or self.denied_urls > 1:
            pause = min(_MAX_PAUSE_S, 0.5 * 2**self.attempts_without_progress) * random.uniform(0.75, 1.0)  # noqa: S311
        self._check_deadline(self.clock.monotonic() + pause)
        self.log(
            f"Downloading {self.name}: {decision.reason}; resuming from byte {self.offset}"
            + (f" in {format_duration(pause)}." if pause >= 1 else ".")
        )
        if pause:
            self.clock.sleep(pause)

    def _check_attempts(self, reason: str) -> None:
        if self.denied_urls >= _MAX_DENIED_URLS:
            raise MaestroQAError(
                f"The download of {self.name} was denied with {self.denied_urls} URLs, each fresh from MaestroQA "
                f"({reason}). Check the worker's clock, and whether the storage may be reached from its network.",
                retryable=True,
            )
        if self.changes >= _MAX_CHANGES:
            raise MaestroQADataError(
                f"The file of {self.name} changed {self.changes} times while it was being downloaded.",
                retryable=True,
            )
        if self.attempts_without_progress >= self.limits.max_attempts:
            raise MaestroQAConnectionError(
                f"The download of {self.name} stopped at byte {self.offset}"
                + ("" if self.version.total is None else f" of {self.version.total}")
                + f", and {self.attempts_without_progress} attempts in a row brought nothing new: {reason}. "
                f"Check the network, proxy and TLS settings between the worker and the storage."
            )

    def _check_deadline(self, now: float) -> None:
        if now >= self.deadline:
            raise MaestroQAConnectionError(
                f"The download of {self.name} was not complete within {format_duration(self.limits.deadline)}: "
                f"{format_size(self.offset)} had arrived. Try again, or request a shorter window."
            )

    def _check_size(self, size: int) -> None:
        if size > self.limits.max_bytes:
            raise MaestroQADataError(
                f"The file of {self.name} is larger than the {format_size(self.limits.max_bytes)} that are allowed. "
                f"Request a shorter window."
            )

    def _new_url(self) -> str:
        self._check_deadline(self.clock.monotonic())
        url = self.fresh_url()
        if not url:
            raise MaestroQADataError(f"MaestroQA gave no download address for {self.name}.")
        return url
