"""Sessions of requests: proxies and TLS settings for each request, and connections that know how far it has come."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from functools import lru_cache
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.exceptions import ConnectTimeoutError

from airflow_provider_maestroqa.client.errors import MaestroQADataError
from airflow_provider_maestroqa.client.presigned import host_of, is_safe
from airflow_provider_maestroqa.client.settings import Settings, user_agent
from airflow_provider_maestroqa.client.transport.deadline import NotConnectedError, TimedResponse, connect_in_time
from airflow_provider_maestroqa.client.transport.network import certificates_for, proxy_for, record_begin

#: So that no firewall drops an idle connection: it is probed after two minutes, then every half a minute, as those of
#: Airflow's own HTTP hook are. A system without such an option has times of its own.
_PROBES = {"TCP_KEEPIDLE": 120, "TCP_KEEPINTVL": 30, "TCP_KEEPCNT": 20}
_SOCKET_OPTIONS = [
    *HTTPConnection.default_socket_options,
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), number)
        for name, number in _PROBES.items()
        if hasattr(socket, name)
    ),
]
_SOCKS = ("socks4", "socks4a", "socks5", "socks5h")
_SOCKS_REMEDY = "requests needs the package PySocks for SOCKS. "


def make_session(settings: Settings) -> requests.Session:
    """Make a session with the proxies and the TLS settings of a connection.

    It holds no token, so it also serves for the storage hosts of presigned URLs.

    :param settings: the connection's settings.
    """
    session = requests.Session()
    session.headers["User-Agent"] = user_agent()
    session.proxies, session.verify = dict(settings.proxies), settings.verify
    # Without these, requests would let the environment overrule the connection, and look for a password for the host
    # in ~/.netrc and send it.
    session.trust_env = False
    session.auth = _no_auth
    for prefix in list(session.adapters):
        session.mount(prefix, _Adapter(settings))
    return session


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


class _Adapter(HTTPAdapter):
    """Sends requests as the connection says, and never again by itself.

    :param settings: the connection's settings.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        # Only the client knows which request may be sent twice, and only the budget when.
        super().__init__(max_retries=urllib3.Retry(0, read=False))

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:
        super().init_poolmanager(connections, maxsize, block, socket_options=_SOCKET_OPTIONS, **options)
        _watch(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **options: Any) -> urllib3.PoolManager:
        manager: urllib3.PoolManager = super().proxy_manager_for(proxy, socket_options=_SOCKET_OPTIONS, **options)
        _watch(manager)
        return manager

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,  # noqa: ARG002 - requests passes what the session says
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,  # noqa: ARG002
    ) -> requests.Response:
        url = request.url or ""
        if not is_safe(url, allow_http=self._settings.allow_http):
            raise MaestroQADataError(
                f"{host_of(url)} was not asked: its address must begin with https:// or lead to this machine, or "
                "what is sent or fetched could be read on the way. The connection's extra allow_http allows it."
            )
        schemes = ("http", "https", *(_SOCKS if find_spec("socks") else ()))
        proxy = proxy_for(url, self._settings, schemes=schemes, remedy=_SOCKS_REMEDY)
        return super().send(
            request,
            stream=stream,
            timeout=timeout,
            verify=certificates_for(url, proxy, self._settings),
            cert=cert,
            proxies={urlsplit(url).scheme: proxy} if proxy else {},
        )


class _Connection:
    """Records when the first byte of a request leaves, and bounds how long its response may take.

    What makes the connection, such as a proxy's CONNECT, is no part of the request.
    """

    response_class = TimedResponse

    sock: Any
    auto_open: Any
    _is_connecting = False

    def connect(self) -> None:
        self._is_connecting = True
        try:
            connect_in_time(super().connect, super().close)  # type: ignore[misc]
        except NotConnectedError as error:
            # It may still be connecting, and nobody uses it any more.
            raise ConnectTimeoutError(self, "There was no connection in time.") from error
        except BaseException:
            self._is_connecting = False
            raise
        self._is_connecting = False

    def send(self, data: Any) -> None:
        if not self._is_connecting:
            if self.sock is None and self.auto_open:
                # http.client would do it, in its own send: too late to tell the two apart.
                self.connect()
            if self.sock is not None:
                record_begin()
        super().send(data)  # type: ignore[misc]


def _watch(manager: urllib3.PoolManager) -> None:
    classes = manager.pool_classes_by_scheme
    manager.pool_classes_by_scheme = {scheme: _watched(pool) for scheme, pool in classes.items()}


@lru_cache
def _watched(pool: type) -> Any:
    """The pool class with connections of ours; also for the pools of SOCKS proxies."""
    connection: type = pool.ConnectionCls  # type: ignore[attr-defined]
    if issubclass(connection, _Connection):
        return pool
    watched = type(connection.__name__, (_Connection, connection), {})
    return type(pool.__name__, (pool,), {"ConnectionCls": watched})
