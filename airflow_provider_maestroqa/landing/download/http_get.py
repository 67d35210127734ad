"""One GET to the storage host: its redirects, its errors, and no trace of the signed address.

Exceptions of requests and urllib3 carry the URL with its signature. None of them leaves this module: each becomes a
phrase, and the phrase is returned, so that no later error can be chained to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError, MaestroQADataError
from airflow_provider_maestroqa.client.presigned import BAD_CERTIFICATE, NO_CREDENTIALS, explain, host_of

if TYPE_CHECKING:
    import requests

_REDIRECTS = {301, 302, 303, 307, 308}
_MOST_REDIRECTS = 5


def open_url(
    session: requests.Session, url: str, headers: dict[str, str], timeouts: tuple[float, float]
) -> tuple[requests.Response | None, str]:
    """Ask for a file, following at most five redirects and none from https to http.

    :param session: proxies and TLS settings come from here, and nothing that authenticates.
    :param url: the presigned URL.
    :param headers: of the request.
    :param timeouts: seconds to connect, and seconds without a byte.
    :return: an answer whose body is still to be read, or ``None`` and the reason in words.
    :raises MaestroQADataError: for an address or a redirect that must not be followed.
    :raises MaestroQAConfigError: when the storage's TLS certificate cannot be verified.
    """
    # A callable keeps requests from reading credentials in ~/.netrc.
    bare = {**headers, **NO_CREDENTIALS}
    for _ in range(_MOST_REDIRECTS + 1):
        _refuse_scheme(url)
        response, trouble = None, ""
        try:
            response = session.get(
                url, headers=bare, timeout=timeouts, stream=True, allow_redirects=False, auth=_no_auth
            )
        except Exception as error:  # noqa: BLE001 - every kind of it may hold the URL
            trouble = explain(error)
        if trouble == BAD_CERTIFICATE:
            raise MaestroQAConfigError(
                f"The export cannot be downloaded: {trouble} ({host_of(url)}). If a proxy on the way has its own "
                f"certificate authority, name its file as verify in the connection's extra."
            )
        if response is None:
            return None, trouble
        if response.status_code not in _REDIRECTS:
            return response, ""
        target = response.headers.get("Location", "")
        response.close()
        url = _redirected(url, target)
    raise MaestroQADataError(
        f"The download of the export was redirected more than {_MOST_REDIRECTS} times, from host to host; "
        f"check the proxy between the worker and the storage.",
        retryable=True,
    )


def read_some(response: requests.Response, most: int) -> tuple[bytes, str]:
    """Read what has arrived, at most ``most`` bytes.

    :return: the bytes (none at the end of the body) and, if the connection was lost, how.
    """
    trouble = ""
    try:
        # read1 returns what is there. read would wait for the full size, and a slow sender would pass for a dead one.
        read1 = getattr(response.raw, "read1", None)
        if read1 is not None:
            return read1(most, decode_content=False), ""
        return response.raw.read(min(most, 1 << 16), decode_content=False), ""
    except Exception as error:  # noqa: BLE001 - every kind of it may hold the URL
        trouble = explain(error)
    return b"", trouble


def _no_auth(request: Any) -> Any:
    return request


def _refuse_scheme(url: str) -> None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        usable = False
    if not usable:
        raise MaestroQADataError(
            "MaestroQA gave no usable download address for the export: it is neither http:// nor https://. "
            "Request the export again."
        )


def _redirected(url: str, target: str) -> str:
    reached = ""
    try:
        reached = urljoin(url, target)
        unsafe = urlsplit(url).scheme == "https" and urlsplit(reached).scheme != "https"
    except ValueError:
        unsafe = True
    if not target or unsafe:
        raise MaestroQADataError(
            f"{host_of(url)} redirected the download of the export to "
            f"{'nowhere' if not target else 'a connection without TLS'}; it was not followed."
        )
    return reached
