"""Carries a file to a presigned URL: every byte that was announced, no other, and never a token."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import tenacity

from airflow_provider_maestroqa.client.endpoints import Endpoint, Request
from airflow_provider_maestroqa.client.errors import (
    TRANSIENT_STATUSES,
    MaestroQAConfigError,
    MaestroQAConnectionError,
    MaestroQADataError,
    MaestroQAError,
)
from airflow_provider_maestroqa.client.formatting import format_size
from airflow_provider_maestroqa.client.presigned import (
    BAD_CERTIFICATE,
    NO_CREDENTIALS,
    explain,
    host_of,
    is_safe,
    signatures_kept_out_of_logs,
)
from airflow_provider_maestroqa.client.resources.upload_body import Body, ChangedError, Content, Source
from airflow_provider_maestroqa.client.transport.retry import Retry

if TYPE_CHECKING:
    import requests

#: A presigned URL lasts ten minutes. A storage that refuses one in the middle of a large body may be heard or not, so
#: an old one is not tried.
_URL_LIFE_S = 540.0
_MOST_REFUSALS = 3
_PATIENCE_S = 6 * 3600.0
_NEWS_EVERY_S = 20.0
_PUT = Request(Endpoint("PUT", "a presigned URL", "Tickets", idempotent=True), "a presigned URL")
_REFUSED = {401, 403}
_CODE = re.compile(rb"<Code>([A-Za-z.]{1,60})</Code>")
_MOST_SAID = 16 << 10


def upload(
    source: Source,
    content: Content,
    *,
    attachment: str,
    content_type: str,
    url: str,
    fresh_url: Callable[[], str],
    session: requests.Session,
    timeouts: tuple[float, float],
    say: Callable[[str], None],
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Send a file to a presigned URL, and again when the answer is lost or the URL has expired.

    :param source: the file.
    :param content: what it must still hold.
    :param attachment: what it is sent for, in words for an error.
    :param content_type: its MIME type, for which the URL was signed.
    :param url: the presigned URL, fresh.
    :param fresh_url: asks MaestroQA for another one; called when the storage refuses the last one.
    :param session: proxies and TLS settings come from here, and no token.
    :param timeouts: seconds to connect (and for each block to go out), and seconds to wait for the answer.
    :param say: takes one line of text.
    :param clock: Unix time in seconds.
    :param sleep: waits that many seconds.
    :raises MaestroQADataError: the file has changed, so it was not stored; or the URL is not safe.
    :raises MaestroQAConnectionError: five tries brought no answer that says it is stored.
    :raises MaestroQAConfigError: the storage's TLS certificate cannot be verified.
    :raises MaestroQAError: the storage refused the file, or each of three fresh URLs.
    """
    job = _Upload(source, content, attachment, content_type, url, session, timeouts, say, clock)
    with signatures_kept_out_of_logs():
        job.run(fresh_url, sleep)


class _LostError(MaestroQAConnectionError):
    """A try of which it is not known that the storage kept the file."""


class _Upload:
    def __init__(
        self,
        source: Source,
        content: Content,
        attachment: str,
        content_type: str,
        url: str,
        session: requests.Session,
        timeouts: tuple[float, float],
        say: Callable[[str], None],
        clock: Callable[[], float],
    ) -> None:
        self.source = source
        self.content = content
        self.attachment = attachment
        self.content_type = content_type
        self.session = session
        self.timeouts = timeouts
        self.say = say
        self.clock = clock
        self.refusals = 0
        self.may_be_stored = False
        self.spoke_at = clock()
        self._take(url)

    def run(self, fresh_url: Callable[[], str], sleep: Callable[[float], None]) -> None:
        retry = Retry(_PUT, deadline=self.clock() + _PATIENCE_S, now=self.clock)
        rules = {**retry.tenacity_options(sleep), "before_sleep": self._say_again}
        # MaestroQA is asked outside of the repeats: its own driver repeats already.
        while not self._repeat(rules):
            self._take(fresh_url())

    def _repeat(self, rules: dict[str, Any]) -> bool:
        """Try until the file is stored (``True``) or another URL is needed (``False``)."""
        failure: MaestroQAError
        try:
            return bool(tenacity.Retrying(**rules)(self._try))
        except _LostError as error:
            failure = MaestroQAConnectionError(
                f"{self.source.name} could not be sent to {self.host}: {error}. {self._what_is_there()} Check the "
                f"network, proxy and TLS settings between the worker and the storage.",
                sent=self.may_be_stored,
            )
        except ChangedError as error:
            failure = MaestroQADataError(
                f"{self.source.name} changed while it was being uploaded: {error} than when it was first read. The "
                f"upload was broken off before its end. {self._what_is_there()} Attach it when nobody writes to it "
                f"any more."
            )
        raise failure

    def _what_is_there(self) -> str:
        if self.may_be_stored:
            return f"It is not known whether {self.attachment} has its bytes: the answer to a try was lost."
        return f"{self.attachment[:1].upper()}{self.attachment[1:]} is without its bytes."

    def _take(self, url: str) -> None:
        if not is_safe(url):
            raise MaestroQADataError(
                f"{self.source.name} was not sent: MaestroQA gave no upload address that is safe. It must begin with "
                f"https:// (or lead to this machine). {self._what_is_there()}"
            )
        self._url = url
        self._taken_at = self.clock()

    @property
    def host(self) -> str:
        return host_of(self._url)

    def _try(self) -> bool:
        if self.clock() - self._taken_at > _URL_LIFE_S:
            self.say(f"The upload address of {self.source.name} is too old. Asking MaestroQA for a fresh one.")
            return False
        body = Body(self.source, self.content, self._say_progress)
        status, said, is_storage, trouble = self._put(body)
        if trouble == BAD_CERTIFICATE:
            raise MaestroQAConfigError(
                f"{self.source.name} cannot be uploaded: {trouble} ({self.host}). {self._what_is_there()} If a "
                f"proxy on the way has its own certificate authority, name its file as verify in the connection's "
                f"extra."
            )
        self.may_be_stored = self.may_be_stored or (body.is_sent and (status == 0 or status >= 500))
        if trouble:
            raise _LostError(trouble)
        return self._judge(status, said, is_storage=is_storage, is_sent=body.is_sent)

    def _put(self, body: Body) -> tuple[int, str, bool, str]:
        """Send the file once.

        :return: the status, what the storage calls its error, whether the answer is a storage's; and, instead of
            these, in what way the answer was lost.
        """
        try:
            with self.session.put(
                self._url,
                data=body,
                headers={
                    "Content-Type": self.content_type,
                    "x-amz-server-side-encryption": "AES256",
                    **NO_CREDENTIALS,
                },
                timeout=self.timeouts,
                stream=True,
                allow_redirects=False,
            ) as response:
                # A storage confirms with an ETag, or with an answer without a word. What talks is something else.
                if response.ok and "ETag" in response.headers:
                    return response.status_code, "", True, ""
                said = response.raw.read(_MOST_SAID, decode_content=True) or b""
                code = _CODE.search(said)
                return response.status_code, code[1].decode() if code else "", not said.strip(), ""
        except MaestroQAError:
            raise
        except Exception as error:  # noqa: BLE001 - every kind of it may hold the URL
            return 0, "", False, explain(error)

    def _judge(self, status: int, code: str, *, is_storage: bool, is_sent: bool) -> bool:
        words = f"the storage answered {status}{f' ({code})' if code else ''}"
        if 200 <= status < 300:
            if is_storage and is_sent:
                return True
            self.may_be_stored = self.may_be_stored or is_sent
            raise _LostError(f"{words}, but not as a storage does" if is_sent else f"{words} before all was sent")
        if status in TRANSIENT_STATUSES or code == "RequestTimeout":
            raise _LostError(words)
        if status in _REFUSED or code == "ExpiredToken":
            self.refusals += 1
            if self.refusals < _MOST_REFUSALS:
                self.say(
                    f"The upload address of {self.source.name} was refused, as it is when it has expired: {words}. "
                    f"Asking MaestroQA for a fresh one."
                )
                return False
            raise MaestroQAError(
                f"{self.source.name} was refused with {self.refusals} upload addresses, each fresh from MaestroQA "
                f"({words}). {self._what_is_there()} Check whether the worker's network may reach the storage.",
                retryable=True,
            )
        remedy = (
            "A redirect is not followed, because nobody knows where it leads. Check the proxy on the way."
            if 300 <= status < 400
            else "Check its size and type, and the proxy on the way."
        )
        raise MaestroQAError(
            f"{self.source.name} was not taken by {self.host}: {words}. {self._what_is_there()} {remedy}"
        )

    def _say_progress(self, done: int) -> None:
        now = self.clock()
        if now - self.spoke_at >= _NEWS_EVERY_S:
            self.spoke_at = now
            share = 100 * done // self.content.size
            self.say(
                f"Uploading {self.source.name}: {format_size(done)} of {format_size(self.content.size)} ({share} %)."
            )

    def _say_again(self, state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        self.say(f"Uploading {self.source.name}: {error}. Sending it again in {state.upcoming_sleep:.1f} s.")
