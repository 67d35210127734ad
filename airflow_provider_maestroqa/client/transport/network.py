"""The way of a request: its proxy, the certificates it trusts, and how far it has come. The same for both clients.

The connection's settings take precedence over the environment's, for every request of every session.
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Collection
from contextvars import ContextVar, Token
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.client.settings import Settings

if TYPE_CHECKING:
    from typing_extensions import Self

#: Where requests, and curl, look for a CA bundle.
_BUNDLE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
#: The names of certificates in a folder, as OpenSSL looks for them.
_HASHED_NAME = re.compile(r"[0-9a-f]{8}\.\d+")
_HTTP = ("http", "https")


class SendPhase:
    """How far the sending of one request has come. Nothing else says whether it may be sent again.

    The name of an exception does not: libraries raise the same one for a proxy that cannot be reached and for one
    that loses the response. Use it in a ``with`` block around the request.
    """

    def __init__(self) -> None:
        #: Whether a byte of the request may have left. A proxy's CONNECT and the TLS handshake are no part of it.
        self.begun = False
        self._token: Token[SendPhase | None] | None = None

    def __enter__(self) -> Self:
        self._token = _CURRENT.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            _CURRENT.reset(self._token)


_CURRENT: ContextVar[SendPhase | None] = ContextVar("maestroqa_send_phase", default=None)


def record_begin() -> None:
    """Record that the bytes of a request leave now."""
    phase = _CURRENT.get()
    if phase is not None:
        phase.begun = True


def proxy_for(url: str, settings: Settings, *, schemes: Collection[str] = _HTTP, remedy: str = "") -> str | None:
    """Which proxy a request goes through: the connection's, else the environment's, else none.

    :param url: where the request goes.
    :param settings: the connection's settings.
    :param schemes: the kinds of proxies that the client can use.
    :param remedy: how to use another kind, if there is a way.
    :return: the proxy's URL, with its scheme; ``None`` for the direct way.
    :raises MaestroQAConfigError: it is no proxy that the client can use. Nothing was sent.
    """
    from requests.utils import get_environ_proxies, select_proxy, should_bypass_proxies

    own = settings.proxies
    direct = own.get("no_proxy") or own.get("no")
    if direct and should_bypass_proxies(url, no_proxy=direct):
        return None
    proxy, source = select_proxy(url, own), "the connection's extra proxies"
    if proxy is None:
        proxy = select_proxy(url, get_environ_proxies(url))
        source = _proxy_variable(urlsplit(url).scheme, proxy)
    if not proxy:
        return None
    proxy = proxy.strip() if "://" in proxy else f"http://{proxy.strip()}"
    try:
        parts = urlsplit(proxy)
        is_complete = bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_complete = False
    if not is_complete:
        raise MaestroQAConfigError(f"{source} names no proxy that can be used. It must look like http://proxy:3128.")
    if parts.scheme not in schemes:
        raise MaestroQAConfigError(
            f"{source} names a proxy of the kind {parts.scheme}://, which cannot be used here. {remedy}"
            "Name an http proxy, such as http://proxy:3128, there or in the connection's extra proxies."
        )
    return proxy


def _proxy_variable(scheme: str, proxy: str | None) -> str:
    names = (f"{scheme}_proxy", f"{scheme}_proxy".upper(), "all_proxy", "ALL_PROXY")
    name = next((name for name in names if os.environ.get(name) == proxy), "")
    return f"The environment variable {name}" if name else "The environment"


def certificates_for(url: str, proxy: str | None, settings: Settings) -> bool | str:
    """Which certificate authorities a request trusts.

    :param url: where the request goes.
    :param proxy: the proxy that it goes through.
    :param settings: the connection's settings.
    :return: the path of a file or a folder; ``True`` for the usual ones, ``False`` for no check.
    :raises MaestroQAConfigError: there are none at the path. Nothing was sent.
    """
    bundle, source = settings.verify, "the connection's extra verify"
    if bundle is True:
        name = next((name for name in _BUNDLE_VARIABLES if os.environ.get(name)), "")
        if name:
            bundle, source = os.environ[name], f"the environment variable {name}"
    if isinstance(bundle, str) and (url.startswith("https:") or (proxy or "").startswith("https:")):
        tls_context(bundle, source)
    return bundle


def tls_context(bundle: str, source: str = "the CA bundle") -> ssl.SSLContext:
    """Read certificate authorities.

    :param bundle: the path of a file, or of a folder as ``openssl rehash`` makes it.
    :param source: where the path is from, for the message.
    :raises MaestroQAConfigError: there are none.
    """
    problem = ""
    try:
        return _read_bundle(bundle, Path(bundle).stat().st_mtime_ns)
    except FileNotFoundError:
        problem = "is not on this machine"
    except (ssl.SSLError, _EmptyBundleError):
        problem = "holds no certificate"
    except (OSError, ValueError) as error:
        problem = f"cannot be read ({getattr(error, 'strerror', None) or type(error).__name__})"
    raise MaestroQAConfigError(
        f"{source[:1].upper()}{source[1:]} names {bundle!r}, which {problem}. Nothing was sent. Name a file with "
        "certificate authorities (PEM), as workers and triggerer see it, or leave it out for the usual ones."
    )


class _EmptyBundleError(Exception):
    """A folder without a certificate."""


@lru_cache(maxsize=8)
def _read_bundle(bundle: str, changed: int) -> ssl.SSLContext:  # noqa: ARG001 - a bundle that changes is read again
    path = Path(bundle)
    if not path.is_dir():
        trust = ssl.create_default_context(cafile=bundle)
        is_empty = not trust.cert_store_stats()["x509"]
    else:
        trust = ssl.create_default_context(capath=bundle)
        is_empty = not any(_HASHED_NAME.fullmatch(entry.name) for entry in path.iterdir())
    if is_empty:
        raise _EmptyBundleError
    return trust
