"""Download an export to a temporary file: every byte once, in order, and all of them."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_maestroqa.client.errors import MaestroQAConnectionError, MaestroQADataError, MaestroQAError
from airflow_provider_maestroqa.client.formatting import format_duration
from airflow_provider_maestroqa.client.presigned import host_of, signatures_kept_out_of_logs
from airflow_provider_maestroqa.client.temp_file import TempFile
from airflow_provider_maestroqa.landing.download import content_detection as sniff
from airflow_provider_maestroqa.landing.download import range_requests as ranges
from airflow_provider_maestroqa.landing.download.http_get import open_url, read_some
from airflow_provider_maestroqa.landing.download.range_requests import Step, Verdict, Version
from airflow_provider_maestroqa.landing.progress import Progress, megabytes

if TYPE_CHECKING:
    import requests

_BLOCK = 1 << 20
_LONGEST_PAUSE = 20.0
_MOST_REFUSALS = 3
_MOST_CHANGES = 5


@dataclass(frozen=True)
class DownloadLimits:
    """How long a download may take, and how large it may be.

    :param max_bytes: the largest file to accept, in bytes.
    :param tries: tries in a row that bring no new byte before giving up.
    :param connect_timeout: seconds to connect.
    :param read_timeout: seconds without a byte before the connection counts as lost.
    :param deadline: seconds for the whole download.
    :param stall_after: seconds in which at least ``stall_bytes`` must come, or the connection counts as lost.
    :param stall_bytes: see ``stall_after``.
    """

    max_bytes: int = 50 << 30
    tries: int = 8
    connect_timeout: float = 10.0
    # Below half a minute, so that a log line comes at least that often on a dead line too.
    read_timeout: float = 25.0
    deadline: float = 6 * 3600.0
    stall_after: float = 120.0
    stall_bytes: int = 64 << 10


@dataclass(frozen=True)
class Downloaded:
    """A file that has arrived whole.

    :param size: its bytes.
    :param head: its first bytes.
    :param content_encoding: the header the server sent, or an empty text.
    """

    size: int
    head: bytes
    content_encoding: str


def download(
    scratch: TempFile,
    *,
    export_id: str,
    fresh_url: Callable[[], str],
    session: requests.Session,
    limits: DownloadLimits,
    say: Callable[[str], None],
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> Downloaded:
    """Download an export, going on from the same byte when the connection drops or the URL expires.

    :param scratch: where to write it.
    :param export_id: for the log lines.
    :param fresh_url: asks MaestroQA for a presigned URL; called once more whenever the storage refuses the last one.
    :param session: proxies and TLS settings come from here.
    :param limits: of time and size.
    :param say: takes one line of text.
    :param clock: seconds, never going back.
    :param sleep: waits that many seconds.
    :raises MaestroQADataError: the file is gone, too large, empty or no export.
    :raises MaestroQAConnectionError: it did not arrive in time, or too many tries brought nothing.
    :raises MaestroQAError: the temporary folder is full, or the storage refuses fresh URLs too.
    """
    job = _Download(scratch, export_id, fresh_url, session, limits, say, clock, sleep)
    with signatures_kept_out_of_logs():
        return job.run()


class _Download:
    def __init__(
        self,
        scratch: TempFile,
        export_id: str,
        fresh_url: Callable[[], str],
        session: requests.Session,
        limits: DownloadLimits,
        say: Callable[[str], None],
        clock: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self.scratch = scratch
        self.name = f"export {export_id}"
        self.fresh_url = fresh_url
        self.session = session
        self.limits = limits
        self.say = say
        self.clock = clock
        self.sleep = sleep
        self.ends = clock() + limits.deadline
        self.progress = Progress(f"Downloading {self.name}", total=None, say=say, clock=clock)
        self.offset = 0
        self.farthest = 0
        self.version = Version()
        self.head = b""
        self.content_encoding = ""
        self.fruitless = 0
        self.refusals = 0
        self.changes = 0
        self.ended_at: int | None = None

    def run(self) -> Downloaded:
        url = self._new_url()
        while True:
            verdict = self._try(url)
            if verdict.step is Step.DONE:
                self.say(f"Downloaded {self.name} from {host_of(url)}: {self.progress.summary()}.")
                return Downloaded(self.offset, self.head, self.content_encoding)
            if verdict.step is Step.GIVE_UP:
                raise MaestroQADataError(
                    f"{self.name.capitalize()} cannot be downloaded: {verdict.reason}. Request a new export."
                )
            self._pause(verdict)
            if verdict.step is Step.FRESH_URL:
                url = self._new_url()

    def _try(self, url: str) -> Verdict:
        # Without a validator two parts might belong to two files: only a probe for the end may go without.
        asked = self.offset if self.version.validator or self.ended_at == self.offset else 0
        response, trouble = open_url(
            self.session,
            url,
            ranges.request_headers(asked, self.version),
            (self.limits.connect_timeout, self.limits.read_timeout),
        )
        if response is None:
            return Verdict(Step.AGAIN, reason=trouble)
        with closing(response):
            verdict = ranges.judge(response.status_code, response.headers, offset=asked, version=self.version)
            if verdict.step is Step.START_OVER:
                self._go_to(0, Version(), changed=verdict.changed)
            if verdict.step is Step.DONE:
                return self._complete("")
            if verdict.step is not Step.READ:
                return verdict
            if verdict.reason:
                self.say(f"Downloading {self.name}: {verdict.reason}; starting over from the first byte.")
            self._go_to(verdict.start, verdict.version, changed=verdict.changed)
            self.content_encoding = response.headers.get("Content-Encoding", "")
            return self._read(response)

    def _go_to(self, start: int, version: Version, *, changed: bool) -> None:
        if start == 0:
            self.scratch.restart()
            self.head = b""
        if changed:
            self.changes += 1
            self.farthest = 0
            self.ended_at = None
        self.offset = start
        self.version = version
        self.progress.restart(done=start, total=version.total)
        if version.total is not None:
            self._check_size(version.total)
            self.scratch.check_room(version.total - start)

    def _read(self, response: requests.Response) -> Verdict:
        total = self.version.total
        content_type = response.headers.get("Content-Type", "")
        marked_at, marked_bytes = self.clock(), self.offset
        while total is None or self.offset < total:
            block, trouble = read_some(response, _BLOCK if total is None else min(_BLOCK, total - self.offset))
            if trouble:
                return Verdict(Step.AGAIN, reason=trouble)
            if not block:
                return self._body_ended(response, content_type)
            self._keep(block, content_type)
            now = self.clock()
            self._check_deadline(now)
            if now - marked_at >= self.limits.stall_after and self.offset != total:
                if self.offset - marked_bytes < self.limits.stall_bytes:
                    # Bytes that trickle in are no progress, or a slow sender could keep a worker for hours.
                    self.farthest = max(self.farthest, self.offset)
                    return Verdict(Step.AGAIN, reason="next to nothing came from the storage")
                marked_at, marked_bytes = now, self.offset
        return self._complete(content_type)

    def _body_ended(self, response: requests.Response, content_type: str) -> Verdict:
        if self.version.total is not None:
            return Verdict(Step.AGAIN, reason="the storage closed the connection before the end")
        if "chunked" in response.headers.get("Transfer-Encoding", "").lower() or self.ended_at == self.offset:
            return self._complete(content_type)
        # No length and no last chunk: the end of the file looks like a lost connection. A second look tells.
        self.ended_at = self.offset
        return Verdict(Step.AGAIN, reason="the storage does not say how long the file is; looking for more")

    def _complete(self, content_type: str) -> Verdict:
        sniff.refuse_error_page(self.head, content_type, whole=len(self.head) == self.offset)
        return Verdict(Step.DONE)

    def _keep(self, block: bytes, content_type: str) -> None:
        self.scratch.write(block)
        self.offset += len(block)
        if len(self.head) < sniff.ENOUGH:
            self.head += block[: sniff.ENOUGH - len(self.head)]
            if len(self.head) == sniff.ENOUGH:
                sniff.refuse_error_page(self.head, content_type, whole=False)
        self._check_size(self.offset)
        self.progress.advance(len(block))

    def _pause(self, verdict: Verdict) -> None:
        """Count a try that did not end the download, and wait before the next one."""
        if self.offset > self.farthest:
            self.farthest = self.offset
            self.fruitless = self.refusals = 0
        else:
            self.fruitless += 1
            self.refusals += verdict.step is Step.FRESH_URL
        self._give_up_on(verdict.reason)
        wait = 0.0
        if not (verdict.step is Step.FRESH_URL and self.refusals <= 1):
            wait = min(_LONGEST_PAUSE, 0.5 * 2**self.fruitless) * random.uniform(0.75, 1.0)  # noqa: S311
        self._check_deadline(self.clock() + wait)
        self.say(
            f"Downloading {self.name}: {verdict.reason}; going on from byte {self.offset}"
            + (f" in {format_duration(wait)}." if wait >= 1 else ".")
        )
        if wait:
            self.sleep(wait)

    def _give_up_on(self, reason: str) -> None:
        if self.refusals >= _MOST_REFUSALS:
            raise MaestroQAError(
                f"The download of {self.name} was refused with {self.refusals} URLs, each fresh from MaestroQA "
                f"({reason}). Check the worker's clock, and whether the storage may be reached from its network.",
                retryable=True,
            )
        if self.changes >= _MOST_CHANGES:
            raise MaestroQADataError(
                f"The file of {self.name} changed {self.changes} times while it was being downloaded.",
                retryable=True,
            )
        if self.fruitless >= self.limits.tries:
            raise MaestroQAConnectionError(
                f"The download of {self.name} stopped at byte {self.offset}"
                + ("" if self.version.total is None else f" of {self.version.total}")
                + f", and {self.fruitless} tries in a row brought nothing new: {reason}. "
                f"Check the network, proxy and TLS settings between the worker and the storage."
            )

    def _check_deadline(self, now: float) -> None:
        if now >= self.ends:
            raise MaestroQAConnectionError(
                f"The download of {self.name} was not complete within {format_duration(self.limits.deadline)}: "
                f"{megabytes(self.offset)} had come. Try again, or request a shorter window."
            )

    def _check_size(self, size: int) -> None:
        if size > self.limits.max_bytes:
            raise MaestroQADataError(
                f"The file of {self.name} is larger than the {megabytes(self.limits.max_bytes)} that are allowed. "
                f"Request a shorter window."
            )

    def _new_url(self) -> str:
        self._check_deadline(self.clock())
        url = self.fresh_url()
        if not url:
            raise MaestroQADataError(f"MaestroQA gave no download address for {self.name}.")
        return url
