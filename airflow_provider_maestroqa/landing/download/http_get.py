"""One GET to the storage host: its redirects, its errors, and no trace of the signed address.

Exceptions of requests and urllib3 hold the URL with its signature. None of them leaves this module: each becomes a
reason without the URL, and the reason is returned, so that no later error can be chained to the exception.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError, MaestroQADataError, MaestroQAError
from airflow_provider_maestroqa.client.presigned import (
    BAD_CERTIFICATE,
    NO_CREDENTIALS,
    describe_network_error,
    host_of,
)
from airflow_provider_maestroqa.client.transport.network import SendPhase

if TYPE_CHECKING:
    import requests

_REDIRECTS = {301, 302, 303, 307, 308}
_MAX_REDIRECTS = 5


def open_url(
    session: requests.Session, url: str, headers: dict[str, str], timeouts: tuple[float, float]
) -> tuple[requests.Response | None, str]:
    """Request a file, following at most five redirects and none from https to http.

    :param session: proxies and TLS settings come from here, and nothing that authenticates.
    :param timeouts: seconds to connect, and seconds without a byte.
    :return: a response whose body is still to be read, or ``None`` and the reason.
    :raises MaestroQADataError: for an address or a redirect that must not be followed.
    :raises MaestroQAConfigError: when the storage's TLS certificate cannot be verified.
    """
    # A callable keeps requests from reading credentials in ~/.netrc.
    all_headers = {**headers, **NO_CREDENTIALS}
    for _ in range(_MAX_REDIRECTS + 1):
        _check_scheme(url)
        response, reason = None, ""
        phase = SendPhase()
        try:
            with phase:
                response = session.get(
                    url, headers=all_headers, timeout=timeouts, stream=True, allow_redirects=False, auth=_no_auth
                )
        except MaestroQAError:
            raise
        except Exception as error:  # noqa: BLE001 - every kind of it may hold the URL
            reason = describe_network_error(error, begun=phase.begun)
        if reason == BAD_CERTIFICATE:
            raise MaestroQAConfigError(
                f"The export cannot be downloaded: {reason} ({host_of(url)}). If a proxy on the way has its own "
                f"certificate authority, name its file as verify in the connection's extra."
            )
        if response is None:
            return None, reason
        if response.status_code not in _REDIRECTS:
            return response, ""
        target = response.headers.get("Location", "")
        response.close()
        url = redirected_url(url, target)
    raise MaestroQADataError(
        f"The download of the export was redirected more than {_MAX_REDIRECTS} times, from host to host; "
        f"check the proxy between the worker and the storage.",
        retryable=True,
    )


def read_available(response: requests.Response, max_bytes: int) -> tuple[bytes, str]:
    """Read what has arrived, at most ``max_bytes``.

    :return: the bytes (none at the end of the body) and, if the connection was lost, the reason.
    """
    try:
        # read1 returns what is there. read would wait for the full size, and a slow sender would pass for a dead one.
        read1 = getattr(response.raw, "read1", None)
        if read1 is not None:
            return read1(max_bytes, decode_content=False), ""
        return response.raw.read(min(max_bytes, 1 << 16), decode_content=False), ""
    except Exception as error:  # noqa: BLE001 - every kind of it may hold the URL
        return b"", describe_network_error(error)


def redirected_url(url: str, target: str) -> str:
    """Where a redirect leads.

    :raises MaestroQADataError: it must not be followed.
    """
    new_url = ""
    try:
        new_url = urljoin(url, target)
        is_unsafe = urlsplit(url).scheme == "https" and urlsplit(new_url).scheme != "https"
    except ValueError:
        is_unsafe = True
    if not target or is_unsafe:
        raise MaestroQADataError(
            f"{host_of(url)} redirected the download of the export to "
            f"{'nowhere' if not target else 'a connection without TLS'}; it was not followed."
        )
    return new_url


def _no_auth(request: Any) -> Any:
    return request


def _check_scheme(url: str) -> None:
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        is_usable = False
    if not is_usable:
        raise MaestroQADataError(
            "MaestroQA gave no usable download address for the export: it is neither http:// nor https://. "
            "Request the export again."
        )
