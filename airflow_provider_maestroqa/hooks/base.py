"""Make a client of a connection: settings, session and request budget; and test the connection."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_maestroqa import _compat
from airflow_provider_maestroqa._compat import BaseHook
from airflow_provider_maestroqa.client.budget import Budget, Wait, open_budget
from airflow_provider_maestroqa.client.budget.factory import is_object_storage
from airflow_provider_maestroqa.client.clock import Clock
from airflow_provider_maestroqa.client.connection_fields import CONFIG_OPTIONS, CONFIG_SECTION
from airflow_provider_maestroqa.client.endpoints import Request, build_request
from airflow_provider_maestroqa.client.errors import (
    MaestroQABudgetExhaustedError,
    MaestroQAError,
    MaestroQANotFoundError,
)
from airflow_provider_maestroqa.client.formatting import format_duration, pluralize
from airflow_provider_maestroqa.client.settings import Settings, read_settings
from airflow_provider_maestroqa.client.transport.request_stats import RequestStats
from airflow_provider_maestroqa.client.transport.session import make_session
from airflow_provider_maestroqa.client.transport.sync_client import SyncClient
from airflow_provider_maestroqa.hooks.rate_limit_store import missing_connection, store_conn_id, store_url

if TYPE_CHECKING:
    import requests
    from typing_extensions import Self

    from airflow_provider_maestroqa._compat import Connection
    from airflow_provider_maestroqa.client.budget.stores.swapping import SwapObjects
    from airflow_provider_maestroqa.client.transport.async_client import AsyncClient

Result = TypeVar("Result")

#: The *Test* button reads one record of a list that every account has.
_TEST_REQUEST = build_request("list_todos", {"count": 1})
_TEST_TIMEOUT_S = 20.0
_LONG_WAIT_S = 5.0


class BaseMaestroQAHook(BaseHook):
    """Opens and closes what a connection of type ``maestroqa`` describes. It knows no operation of the API.

    :param maestroqa_conn_id: id of the connection.
    """

    conn_name_attr = "maestroqa_conn_id"
    default_conn_name = "maestroqa_default"
    conn_type = "maestroqa"
    hook_name = "MaestroQA"
    #: The time, for the client, the budget and all that waits. Tests set their own.
    clock = Clock()
    #: What sends the requests.
    _client_class: type[SyncClient] = SyncClient

    def __init__(self, maestroqa_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.maestroqa_conn_id = maestroqa_conn_id
        #: Requests, 429s and seconds waited for the budget since the hook was opened.
        self.request_stats = RequestStats(_send_metric)
        self._store: str | None = None

    @property
    def usage(self) -> RequestStats:
        """Deprecated: the old name of :attr:`request_stats`."""
        warnings.warn("MaestroQAHook.usage is now request_stats.", DeprecationWarning, stacklevel=2)
        return self.request_stats

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections that are open. The hook may be used again afterwards."""
        for name in ("client", "_budget"):
            resource = self.__dict__.pop(name, None)
            if resource is not None:
                resource.close()
        stats, self.request_stats = self.request_stats, RequestStats(_send_metric)
        if stats.waited_s >= _LONG_WAIT_S:
            self.log.info(
                "Waited %s in total for the token's request budget: %s, %d of them rate limited.",
                format_duration(stats.waited_s),
                pluralize(stats.requests, "requests"),
                stats.rate_limited,
            )

    def test_connection(self) -> tuple[bool, str]:
        """Check host and token with one request that only reads.

        :return: whether it succeeded, and a message for the user.
        """
        try:
            # One try: a person is waiting in front of a form.
            self.client.send(_TEST_REQUEST, deadline=self.clock.wall() + _TEST_TIMEOUT_S, polling=True)
        except MaestroQANotFoundError:
            return False, f"{self.settings.base_url} answers, but not as MaestroQA does. Check the host."
        except MaestroQAError as error:
            return False, str(error)
        except Exception as error:  # noqa: BLE001 -- the form shows whatever goes wrong; only its type is safe to show
            return False, f"{type(error).__name__} while reaching MaestroQA."
        finally:
            self.close()
        return True, f"MaestroQA accepts the token at {self.settings.base_url}."

    @cached_property
    def settings(self) -> Settings:
        """The connection's fields, checked."""
        settings = self._parse_connection(self.get_connection(self.maestroqa_conn_id))
        # Airflow masks the password as it is stored, and in the extra only the values of some keys.
        for secret in settings.secrets:
            _compat.mask_secret(secret)
        self._store = self._open_store_connection(settings.rate_limit_store)
        return settings

    @cached_property
    def client(self) -> SyncClient:
        """The client that sends this hook's requests."""
        return self._client_class(self.settings, self._budget, stats=self.request_stats)

    def send_for_record(self, request: Request, *, sent: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Send a request whose response is one record.

        :param request: the request.
        :param sent: the record to return where a success has no body.
        :raises MaestroQAError: see :mod:`~airflow_provider_maestroqa.client.errors`.
        """
        response = self.client.send(request)
        return dict(response) if isinstance(response, Mapping) else dict(sent or {})

    def storage_session(self) -> requests.Session:
        """Make a session for the storage hosts of presigned URLs: proxy and TLS settings, but no token."""
        return make_session(self.settings)

    @cached_property
    def _budget(self) -> Budget:
        settings = self.settings  # read first: it finds the store
        return open_budget(
            store=self._store,
            base_url=settings.base_url,
            token=settings.token,
            limits=settings.limits,
            home=_airflow_home(),
            on_wait=self._log_wait,
            clock=self.clock,
            open_objects=_open_swap_objects,
        )

    async def aclient(self) -> AsyncClient:
        """Make a client that sends requests without blocking the event loop. Use it as ``async with``."""
        from asgiref.sync import sync_to_async

        from airflow_provider_maestroqa.client.transport.async_client import AsyncClient

        if "settings" not in self.__dict__:
            settings = self._parse_connection(await _compat.aget_connection(self.maestroqa_conn_id))
            for secret in settings.secrets:
                await _compat.amask_secret(secret)
            self._store = await self._aopen_store_connection(settings.rate_limit_store)
            if is_object_storage(self._store):
                # Its connection is read where Airflow allows it: in a thread that the event loop knows.
                await sync_to_async(_open_swap_objects)(self._store)
            self.__dict__["settings"] = settings
        return AsyncClient(self.settings, self._budget, stats=self.request_stats)

    def _open_store_connection(self, store: str | None) -> str | None:
        conn_id = store_conn_id(store)
        if conn_id is None:
            return store
        try:
            connection = self.get_connection(conn_id)
        except Exception as error:  # noqa: BLE001 -- each secrets backend has errors of its own
            failure = missing_connection(conn_id, error)
        else:
            return store_url(connection)
        raise failure

    async def _aopen_store_connection(self, store: str | None) -> str | None:
        conn_id = store_conn_id(store)
        if conn_id is None:
            return store
        try:
            connection = await _compat.aget_connection(conn_id)
        except Exception as error:  # noqa: BLE001
            failure = missing_connection(conn_id, error)
        else:
            return store_url(connection)
        raise failure

    def _parse_connection(self, connection: Connection) -> Settings:
        settings = read_settings(
            self.maestroqa_conn_id,
            host=connection.host,
            schema=connection.schema,
            port=connection.port,
            login=connection.login,
            password=connection.password,
            extra=connection.extra,
            defaults=_compat.config_values(CONFIG_SECTION, [option.name for option in CONFIG_OPTIONS]),
        )
        if settings.unknown_keys:
            self.log.warning(
                "Connection %r: the extra keys %s are unknown and ignored.",
                self.maestroqa_conn_id,
                ", ".join(settings.unknown_keys),
            )
        return settings

    def _poll(self, get: Callable[..., Result], slot_timeout: float | None) -> Result | None:
        """Poll; ``None`` when the token's request budget has no slot for that within some seconds."""
        if slot_timeout is None:
            return get()
        try:
            return get(slot_deadline=self.clock.wall() + slot_timeout)
        except MaestroQABudgetExhaustedError:
            return None

    def _log_wait(self, wait: Wait) -> None:
        if wait.seconds >= _LONG_WAIT_S:
            text = str(wait)
            self.log.info("%s.", text[:1].upper() + text[1:])


def _send_metric(name: str, bucket: str, amount: float) -> None:
    """Count ``maestroqa.requests`` and ``maestroqa.refusals``, and time ``maestroqa.waited`` (milliseconds)."""
    stats = _compat.Stats
    if name == "waited_s":
        stats.timing("maestroqa.waited", amount * 1000, tags={"bucket": bucket})
    else:
        stats.incr(f"maestroqa.{name}", int(amount), tags={"bucket": bucket})


def _open_swap_objects(url: str) -> SwapObjects:
    """Open the object storage of a budget; only few connections have one."""
    from airflow_provider_maestroqa.storage.open_swap import open_swap_objects

    return open_swap_objects(url)


def _airflow_home() -> Path:
    from airflow.configuration import AIRFLOW_HOME

    return Path(AIRFLOW_HOME)
