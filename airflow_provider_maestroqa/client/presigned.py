"""What every request to a presigned URL needs: no trace of the signed address, and no token.

Exceptions of requests and urllib3 carry the URL with its signature. Each becomes a phrase, so that no later error is
chained to it.
"""

from __future__ import annotations

import ipaddress
import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

from airflow_provider_maestroqa.client.server_text import clean_text

#: Headers that remove what a session may add: ``None`` means that the header is not sent.
NO_CREDENTIALS: Mapping[str, None] = {"apitoken": None, "Authorization": None, "Cookie": None}
_MAX_HOST_LENGTH = 253
BAD_CERTIFICATE = "the storage's TLS certificate could not be verified"


def describe_network_error(error: BaseException, *, begun: bool = True) -> str:
    """Describe a network error without the address.

    :param error: what the library raised.
    :param begun: whether the request had begun to leave: libraries blame the proxy afterwards, too.
    """
    from requests import exceptions as http

    if isinstance(error, http.ConnectTimeout):
        return "no connection to the storage in time"
    if isinstance(error, http.ProxyError) and not begun:
        return "the proxy refused the connection to the storage"
    if "CERTIFICATE_VERIFY_FAILED" in repr(error):
        return BAD_CERTIFICATE
    if isinstance(error, http.SSLError):
        return "the TLS connection to the storage failed"
    if isinstance(error, (http.Timeout, TimeoutError)) or "Timeout" in type(error).__name__:
        return "the storage sent nothing in time"
    if isinstance(error, (http.RequestException, OSError)):
        return "the connection to the storage was refused or lost"
    return f"the connection broke off ({type(error).__name__})"


def host_of(url: str) -> str:
    """Return the host of a URL, which may be shown; the rest may not. A server may have written it."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        host = ""
    return clean_text(host, max_length=_MAX_HOST_LENGTH) or "an unknown host"


def secrets_of(url: object) -> list[str]:
    """Return the texts that give access to a presigned URL: libraries log its query apart from its host."""
    if not isinstance(url, str) or not url:
        return []
    try:
        query = urlsplit(url).query
    except ValueError:
        query = ""
    return [url, query] if query else [url]


def is_safe(url: str, *, allow_http: bool = False) -> bool:
    """Whether a file may travel to or from there: over TLS, to this machine, or as ``allow_http`` says."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and (allow_http or is_loopback(host))))


@contextmanager
def signatures_kept_out_of_logs() -> Iterator[None]:
    """Cut the query off the addresses that urllib3 logs at DEBUG."""
    # One of its own for each request: another thread's may end first.
    cut = _CutQueries()
    for logger in map(logging.getLogger, _LOGGERS):
        logger.addFilter(cut)
    try:
        yield
    finally:
        for logger in map(logging.getLogger, _LOGGERS):
            logger.removeFilter(cut)


def cut_signatures_in_logs() -> None:
    """Cut the query off each signed address that urllib3 logs, from now on in this process, whoever requests it."""
    for logger in map(logging.getLogger, _LOGGERS):
        # A filter that is there already is not added again.
        logger.addFilter(_CUT_SIGNED)


class _CutQueries(logging.Filter):
    """Cuts the queries off addresses in the arguments of a record.

    :param where: cuts only where this is found in the query.
    """

    def __init__(self, where: re.Pattern[str] | None = None) -> None:
        super().__init__()
        self._where = where

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(self._cut(argument) for argument in record.args)
        return True

    def _cut(self, argument: object) -> object:
        if not isinstance(argument, str) or "?" not in argument:
            return argument
        is_cut = self._where is None or self._where.search(argument)
        return argument.partition("?")[0] + "?***" if is_cut else argument


#: These log addresses with their queries.
_LOGGERS = ("urllib3.connectionpool", "urllib3.util.retry")
_CUT_SIGNED = _CutQueries(
    re.compile(r"[?&](?:x-(?:amz|goog)-(?:signature|credential|security-token)|signature|sig|policy|token)=", re.I)
)


def is_loopback(hostname: str) -> bool:
    """Whether a host is this machine."""
    if hostname == "localhost" or hostname.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(hostname).is_loopback
    except ValueError:
        return False
