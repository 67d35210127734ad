"""Uploads a file to a presigned URL: every byte that was announced, no other, and never a token."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import tenacity

from airflow_provider_maestroqa.client.clock import Clock
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
    describe_network_error,
    host_of,
    is_safe,
    signatures_kept_out_of_logs,
)
from airflow_provider_maestroqa.client.resources.upload_body import ChangedError, FileDigest, Source, UploadBody
from airflow_provider_maestroqa.client.transport.deadline import response_timeout
from airflow_provider_maestroqa.client.transport.network import SendPhase
from airflow_provider_maestroqa.client.transport.response_reader import ACCEPT_ENCODING, read_beginning
from airflow_provider_maestroqa.client.transport.retry import MIN_TRY_S, Retry

if TYPE_CHECKING:
    import requests

#: A presigned URL lasts ten minutes. The response of a storage that rejects one in the middle of a large body may be
#: lost, so an old one is not tried.
_MAX_URL_AGE_S = 540.0
_MAX_REJECTED_URLS = 3
_TIMEOUT_S = 6 * 3600.0
_LOG_INTERVAL_S = 20.0
_REAL_TIME = Clock()
_PUT = Request(Endpoint("PUT", "a presigned URL", "Tickets", idempotent=True), "a presigned URL")
_URL_REJECTED = {401, 403}
_CODE = re.compile(rb"<Code>([A-Za-z.]{1,60})</Code>")
_MAX_ERROR_BYTES = 16 << 10


def upload(
    source: Source,
    digest: FileDigest,
    *,
    attachment: str,
    content_type: str,
    url: str,
    fresh_url: Callable[[], str],
    session: requests.Session,
    timeouts: tuple[float, float],
    log: Callable[[str], None],
    clock: Clock = _REAL_TIME,
    allow_http: bool = False,
) -> None:
    """Send a file to a presigned URL, and again when the response is lost or the URL has expired.

    :param source: the file.
    :param digest: what it must still hold.
    :param attachment: the attachment that it is sent for, as error messages name it.
    :param content_type: its MIME type, for which the URL was signed.
    :param url: the presigned URL, fresh.
    :param fresh_url: requests another one from MaestroQA; called when the storage rejects the last one.
    :param session: proxies and TLS settings come from here, and no token.
    :param timeouts: seconds to connect (and for each block to go out), and seconds to wait for the response.
    :param log: logs one line.
    :param clock: the time.
    :param allow_http: whether the file may travel without TLS to another machine.
    :raises MaestroQADataError: the file has changed, so it was not stored; or the URL is not safe.
    :raises MaestroQAConnectionError: five tries brought no response that confirms that it is stored.
    :raises MaestroQAConfigError: the storage's TLS certificate cannot be verified.
    :raises MaestroQAError: the storage rejected the file, or each of three fresh URLs.
    """
    task = _Upload(source, digest, attachment, content_type, url, session, timeouts, log, clock, allow_http)
    with signatures_kept_out_of_logs():
        task.run(fresh_url)


class _AmbiguousUploadError(MaestroQAConnectionError):
    """A try of which it is not known whether the storage kept the file."""


class _Upload:
    def __init__(
        self,
        source: Source,
        digest: FileDigest,
        attachment: str,
        content_type: str,
        url: str,
        session: requests.Session,
        timeouts: tuple[float, float],
        log: Callable[[str], None],
        clock: Clock,
        allow_http: bool,
    ) -> None:
        self.source = source
        self.digest = digest
        self.attachment = attachment
        self.content_type = content_type
        self.session = session
        self.timeouts = timeouts
        self.log = log
        self.clock = clock
        self.allow_http = allow_http
        self.rejected_urls = 0
        self.may_be_stored = False
        self.logged_at = clock.wall()
        self.deadline = self.logged_at + _TIMEOUT_S
        self._use_url(url)

    def run(self, fresh_url: Callable[[], str]) -> None:
        retry = Retry(_PUT, deadline=self.deadline, now=self.clock.wall)
        options = {**retry.tenacity_options(self.clock.sleep), "before_sleep": self._log_retry}
        # MaestroQA is asked for URLs outside of these retries: its own client retries already.
        while not self._send_with_retries(options):
            self._use_url(fresh_url())

    def _send_with_retries(self, options: dict[str, Any]) -> bool:
        """Try until the file is stored (``True``) or another URL is needed (``False``)."""
        failure: MaestroQAError
        try:
            return bool(tenacity.Retrying(**options)(self._try))
        except _AmbiguousUploadError as error:
            failure = MaestroQAConnectionError(
                f"{self.source.name} could not be sent to {self.host}: {error}. {self._outcome()} Check the "
                f"network, proxy and TLS settings between the worker and the storage.",
                sent=self.may_be_stored,
            )
        except ChangedError as error:
            failure = MaestroQADataError(
                f"{self.source.name} changed while it was being uploaded: {error} than when it was first read. The "
                f"upload was stopped before its end. {self._outcome()} Attach it when nothing writes to it "
                f"any more."
            )
        raise failure

    def _outcome(self) -> str:
        if self.may_be_stored:
            return f"It is not known whether {self.attachment} has its bytes: the response to a try was lost."
        return f"{self.attachment[:1].upper()}{self.attachment[1:]} is without its bytes."

    def _use_url(self, url: str) -> None:
        if not is_safe(url, allow_http=self.allow_http):
            raise MaestroQADataError(
                f"{self.source.name} was not sent: MaestroQA returned no upload address that is safe. It must begin "
                f"with https:// (or lead to this machine). {self._outcome()}"
            )
        self._url = url
        self._url_since = self.clock.wall()

    @property
    def host(self) -> str:
        return host_of(self._url)

    def _try(self) -> bool:
        if self.clock.wall() - self._url_since > _MAX_URL_AGE_S:
            self.log(f"The upload address of {self.source.name} is too old. Asking MaestroQA for a fresh one.")
            return False
        body = UploadBody(self.source, self.digest, self._log_progress)
        status, code, is_storage, error = self._put(body)
        if error == BAD_CERTIFICATE:
            raise MaestroQAConfigError(
                f"{self.source.name} cannot be uploaded: {error} ({self.host}). {self._outcome()} If a "
                f"proxy on the way has its own certificate authority, name its file as verify in the connection's "
                f"extra."
            )
        self.may_be_stored = self.may_be_stored or (body.is_sent and (status == 0 or status >= 500))
        if error:
            raise _AmbiguousUploadError(error)
        return self._check_response(status, code, is_storage=is_storage, is_sent=body.is_sent)

    def _put(self, body: UploadBody) -> tuple[int, str, bool, str]:
        """Send the file once.

        :return: the status, the storage's error code, whether the response is a storage's; and, instead of these, why
            there was no response.
        """
        headers = {
            "Content-Type": self.content_type,
            "Accept-Encoding": ACCEPT_ENCODING,
            "x-amz-server-side-encryption": "AES256",
            **NO_CREDENTIALS,
        }
        phase = SendPhase()
        try:
            with (
                response_timeout(max(self.timeouts[1], MIN_TRY_S)),
                phase,
                self.session.put(
                    self._url, data=body, headers=headers, timeout=self.timeouts, stream=True, allow_redirects=False
                ) as response,
            ):
                # A storage confirms with an ETag, or with an empty body. A body with text comes from something else.
                if response.ok and "ETag" in response.headers:
                    return response.status_code, "", True, ""
                body_text = read_beginning(response.raw, response.headers, _MAX_ERROR_BYTES)
                code = _CODE.search(body_text)
                return response.status_code, code[1].decode() if code else "", not body_text.strip(), ""
        except MaestroQAError:
            raise
        except Exception as error:  # noqa: BLE001 - any of them may hold the URL
            return 0, "", False, describe_network_error(error, begun=phase.begun)

    def _check_response(self, status: int, code: str, *, is_storage: bool, is_sent: bool) -> bool:
        answer = f"the storage answered {status}{f' ({code})' if code else ''}"
        if 200 <= status < 300:
            if is_storage and is_sent:
                return True
            self.may_be_stored = self.may_be_stored or is_sent
            how = ", but not as a storage does" if is_sent else " before all was sent"
            raise _AmbiguousUploadError(answer + how)
        if status in TRANSIENT_STATUSES or code == "RequestTimeout":
            raise _AmbiguousUploadError(answer)
        if status in _URL_REJECTED or code == "ExpiredToken":
            self.rejected_urls += 1
            if self.rejected_urls < _MAX_REJECTED_URLS:
                self.log(
                    f"The upload address of {self.source.name} was rejected, as it is when it has expired: {answer}. "
                    f"Asking MaestroQA for a fresh one."
                )
                return False
            raise MaestroQAError(
                f"{self.source.name} was rejected with {self.rejected_urls} upload addresses, each fresh from "
                f"MaestroQA ({answer}). {self._outcome()} Check whether the worker's network may reach the storage.",
                retryable=True,
            )
        remedy = (
            "A redirect is not followed, because nobody knows where it leads. Check the proxy on the way."
            if 300 <= status < 400
            else "Check its size and type, and the proxy on the way."
        )
        raise MaestroQAError(
            f"{self.source.name} was not accepted by {self.host}: {answer}. {self._outcome()} {remedy}"
        )

    def _log_progress(self, done: int) -> None:
        now = self.clock.wall()
        if now > self.deadline:
            # However slowly a storage takes the blocks, each of them goes out in time.
            raise TimeoutError
        if now - self.logged_at >= _LOG_INTERVAL_S:
            self.logged_at = now
            share = 100 * done // self.digest.size
            self.log(
                f"Uploading {self.source.name}: {format_size(done)} of {format_size(self.digest.size)} ({share} %)."
            )

    def _log_retry(self, state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        self.log(f"Uploading {self.source.name}: {error}. Sending it again in {state.upcoming_sleep:.1f} s.")
