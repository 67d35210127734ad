"""A connection becomes a client: settings, session, request budget, the form and the *Test* button."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from airflow.providers.http.hooks.http import HttpHook

from airflow_provider_maestroqa import _compat
from airflow_provider_maestroqa._compat import BaseHook
from airflow_provider_maestroqa.client.budget import Budget, Wait, open_budget
from airflow_provider_maestroqa.client.endpoints import Request, build_request
from airflow_provider_maestroqa.client.errors import MaestroQAConfigError, MaestroQAError, MaestroQANotFoundError
from airflow_provider_maestroqa.client.formatting import format_duration, pluralize
from airflow_provider_maestroqa.client.settings import Settings, read_settings
from airflow_provider_maestroqa.client.transport.request_stats import Usage
from airflow_provider_maestroqa.client.transport.sync_client import SyncClient, prepare_session

if TYPE_CHECKING:
    import requests
    from typing_extensions import Self

    from airflow_provider_maestroqa._compat import Connection
    from airflow_provider_maestroqa.client.transport.async_client import AsyncClient

#: No list answers fewer records than this one, so the *Test* button asks for one record of it.
_TEST_CALL = build_request("list_todos", {"count": 1})
_TEST_PATIENCE_S = 20.0
_LONG_WAIT_S = 5.0


class BaseMaestroQAHook(BaseHook):
    """Opens and closes what a connection of type ``maestroqa`` describes; knows no operation of the API.

    :param maestroqa_conn_id: id of the connection.
    """

    conn_name_attr = "maestroqa_conn_id"
    default_conn_name = "maestroqa_default"
    conn_type = "maestroqa"
    hook_name = "MaestroQA"

    def __init__(self, maestroqa_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.maestroqa_conn_id = maestroqa_conn_id
        #: What this hook has used of the token's request budget since it was opened.
        self.usage = Usage(_send_metric)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close what is open. The hook may be used again afterwards."""
        for name in ("client", "_budget"):
            opened = self.__dict__.pop(name, None)
            if opened is not None:
                opened.close()
        usage, self.usage = self.usage, Usage(_send_metric)
        if usage.waited_s >= _LONG_WAIT_S:
            self.log.info(
                "Waited %s in all for the token's request budget: %s, %d of them refused for the rate.",
                format_duration(usage.waited_s),
                pluralize(usage.requests, "requests"),
                usage.refusals,
            )

    def test_connection(self) -> tuple[bool, str]:
        """Check host and token with one request that only reads."""
        try:
            # One try: a person is waiting in front of a form.
            self.client.send(_TEST_CALL, deadline=time.time() + _TEST_PATIENCE_S, polling=True)
        except MaestroQANotFoundError:
            return False, f"{self.settings.base_url} answers, but not as MaestroQA does. Check the host."
        except MaestroQAError as error:
            return False, str(error)
        except Exception as error:  # noqa: BLE001 -- the form shows whatever goes wrong, and only its kind is safe to show
            return False, f"{type(error).__name__} while reaching MaestroQA."
        finally:
            self.close()
        return True, f"MaestroQA accepts the token at {self.settings.base_url}."

    @cached_property
    def settings(self) -> Settings:
        """The connection's fields, checked."""
        settings = self._read(self.get_connection(self.maestroqa_conn_id))
        # Airflow knows the password as it was stored, and of the extra only what stands under some names.
        for secret in settings.secrets:
            _compat.mask_secret(secret)
        return settings

    @cached_property
    def client(self) -> SyncClient:
        """The client that carries this hook's calls."""
        return SyncClient(self.settings, self._budget, _plain_session(self.settings), usage=self.usage)

    def send_for_record(self, call: Request, *, sent: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Send a call that answers one record.

        :param call: what to ask.
        :param sent: what is given back where a success says nothing.
        :raises MaestroQAError: see :mod:`~airflow_provider_maestroqa.client.errors`.
        """
        answer = self.client.send(call)
        return dict(answer) if isinstance(answer, Mapping) else dict(sent or {})

    def storage_session(self) -> requests.Session:
        """Make a session for the storage hosts of presigned URLs: proxy and TLS settings, and no token."""
        return prepare_session(_plain_session(self.settings), self.settings)

    @cached_property
    def _budget(self) -> Budget:
        return open_budget(
            store=self.settings.rate_limit_store,
            base_url=self.settings.base_url,
            token=self.settings.token,
            limits=self.settings.limits,
            home=_airflow_home(),
            on_wait=self._say_wait,
        )

    async def aclient(self) -> AsyncClient:
        """Make a client that carries calls without blocking the event loop. Use it as ``async with``."""
        from airflow_provider_maestroqa.client.transport.async_client import AsyncClient

        if "settings" not in self.__dict__:
            settings = self._read(await _compat.aget_connection(self.maestroqa_conn_id))
            for secret in settings.secrets:
                await _compat.amask_secret(secret)
            self.__dict__["settings"] = settings
        return AsyncClient(self.settings, self._budget, usage=self.usage)

    def _read(self, connection: Connection) -> Settings:
        settings = read_settings(
            self.maestroqa_conn_id,
            host=connection.host,
            schema=connection.schema,
            port=connection.port,
            login=connection.login,
            password=connection.password,
            extra=connection.extra,
        )
        if isinstance(settings.verify, str) and not Path(settings.verify).exists():
            raise MaestroQAConfigError(
                f"Connection {self.maestroqa_conn_id!r}: extra verify names {settings.verify!r}, "
                "which is not on this machine. Give true, false, or the path of a file with certificate authorities, "
                "as workers and triggerer see it."
            )
        if settings.unknown_keys:
            self.log.warning(
                "Connection %r: the extra keys %s mean nothing to MaestroQA and are ignored.",
                self.maestroqa_conn_id,
                ", ".join(settings.unknown_keys),
            )
        return settings

    def _say_wait(self, wait: Wait) -> None:
        if wait.seconds >= _LONG_WAIT_S:
            text = str(wait)
            self.log.info("%s.", text[:1].upper() + text[1:])


class _PlainHttpHook(HttpHook):
    """The HTTP provider's hook, shown only what is HTTP's: it would send any other extra key as a header."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection

    def get_connection(self, conn_id: str) -> Connection:  # noqa: ARG002
        return self._connection


def _plain_session(settings: Settings) -> requests.Session:
    extra = {"verify": settings.verify, "proxies": dict(settings.proxies)}
    # The scheme stays in the host; a proxy in the extra is what HttpHook knows how to use.
    connection = _compat.Connection(
        conn_id="maestroqa_http", conn_type="http", host=settings.base_url, extra=json.dumps(extra)
    )
    return _PlainHttpHook(connection).get_conn()  # type: ignore[no-any-return]


def _send_metric(name: str, bucket: str, amount: float) -> None:
    """Count ``maestroqa.requests`` and ``maestroqa.refusals``, and time ``maestroqa.waited`` (milliseconds)."""
    stats = _compat.Stats
    if name == "waited_s":
        stats.timing("maestroqa.waited", amount * 1000, tags={"bucket": bucket})
    else:
        stats.incr(f"maestroqa.{name}", int(amount), tags={"bucket": bucket})


def _airflow_home() -> Path:
    from airflow.configuration import AIRFLOW_HOME

    return Path(AIRFLOW_HOME)
