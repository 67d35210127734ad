"""A connection becomes a client of MaestroQA."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow.providers.http.hooks.http import HttpHook

from airflow_provider_maestroqa import _compat
from airflow_provider_maestroqa._compat import BaseHook
from airflow_provider_maestroqa.client.budget import Budget, Wait, open_budget
from airflow_provider_maestroqa.client.endpoints import build_call
from airflow_provider_maestroqa.client.errors import (
    MaestroQAConfigError,
    MaestroQADataError,
    MaestroQAError,
    MaestroQANotFoundError,
)
from airflow_provider_maestroqa.client.models import Export, export_parameters
from airflow_provider_maestroqa.client.settings import Settings, read_settings
from airflow_provider_maestroqa.client.sync import SyncClient, prepare_session
from airflow_provider_maestroqa.client.waiting import ExportEvent, ExportWait, Pause, call_deadline

if TYPE_CHECKING:
    import requests

    from airflow_provider_maestroqa._compat import Connection

#: No list answers fewer records than this one, so the *Test* button asks for one record of it.
_TEST_CALL = build_call("list_todos", {"count": 1})
_TEST_PATIENCE_S = 20.0
_LONG_WAIT_S = 5.0


class MaestroQAHook(BaseHook):
    """Talks to MaestroQA with the token of an Airflow connection, within the token's request budget.

    Use it in a ``with`` block, or close it, so that its connections do not stay open.

    :param maestroqa_conn_id: id of a connection of type ``maestroqa``: password is the API token, host the base URL
        (default ``https://app.maestroqa.com``), extra holds ``rate_limits``, ``rate_limit_store``, ``timeout``
        (seconds), ``verify``, ``proxies`` and ``allow_http``.
    """

    conn_name_attr = "maestroqa_conn_id"
    default_conn_name = "maestroqa_default"
    conn_type = "maestroqa"
    hook_name = "MaestroQA"

    def __init__(self, maestroqa_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.maestroqa_conn_id = maestroqa_conn_id

    def __enter__(self) -> MaestroQAHook:
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

    # -- Exports -----------------------------------------------------------------------------------------------

    def request_raw_export(
        self,
        start: datetime | str,
        end: datetime | str,
        *,
        export_name: str | None = None,
        single_file_export: str | None = None,
        include_calibrations: str | None = None,
        include_grader_qa: bool | None = None,
        include_deleted: bool | None = None,
    ) -> str:
        """Ask for the grades that were last updated in a window. (API: Request A "Raw" Export)

        :param start: grades updated after this time; an aware datetime or ISO 8601 text with a time zone.
        :param end: grades updated before this time.
        :param export_name: a name for the export. Default: MaestroQA makes one up.
        :param single_file_export: only one file instead of the whole archive: ``individual_answers``,
            ``section_scores``, ``total_scores``, ``annotations`` or ``csat``.
        :param include_calibrations: ``all``, ``none`` or ``only``.
        :param include_grader_qa: whether to include grader QA benchmark scores.
        :param include_deleted: whether to include deleted answers.
        :return: the export's id.
        :raises MaestroQAConfigError: an argument is wrong; nothing was sent.
        :raises MaestroQAOutcomeUnknownError: the answer was lost, so the export may or may not have been asked for.
        """
        return self.request_export(
            "raw",
            start=start,
            end=end,
            export_name=export_name,
            single_file_export=single_file_export,
            include_calibrations=include_calibrations,
            include_grader_qa=include_grader_qa,
            include_deleted=include_deleted,
        )

    def request_groups_export(
        self, *, export_name: str | None = None, include_unavailable: bool | None = None
    ) -> str:
        """Ask for all agent groups and their members. (API: Request an "agent groups" export)

        :param export_name: a name for the export. Default: MaestroQA makes one up.
        :param include_unavailable: whether to include agents that are not marked available.
        :return: the export's id.
        :raises MaestroQAConfigError: an argument is wrong; nothing was sent.
        :raises MaestroQAOutcomeUnknownError: the answer was lost, so the export may or may not have been asked for.
        """
        return self.request_export("groups", export_name=export_name, include_unavailable=include_unavailable)

    def request_audit_log_export(
        self, start: datetime | str, end: datetime | str, *, export_name: str | None = None
    ) -> str:
        """Ask for the user activity of a window. (API: Request an "audit logs" export)

        :param start: activity after this time; an aware datetime or ISO 8601 text with a time zone.
        :param end: activity before this time.
        :param export_name: a name for the export. Default: MaestroQA makes one up.
        :return: the export's id.
        :raises MaestroQAConfigError: an argument is wrong; nothing was sent.
        :raises MaestroQAOutcomeUnknownError: the answer was lost, so the export may or may not have been asked for.
        """
        return self.request_export("audit_log", start=start, end=end, export_name=export_name)

    def request_export(self, export_type: str, *, start: object = None, end: object = None, **options: object) -> str:
        """Ask for an export of any type; see the three methods above for what each one takes.

        :param export_type: ``raw``, ``groups`` or ``audit_log``.
        :return: the export's id.
        """
        parameters = export_parameters(export_type, start=start, end=end, **options)
        call = build_call(f"request_{export_type}_export", parameters)
        answer = self.client.send(call)
        export_id = answer.get("exportId") if isinstance(answer, Mapping) else None
        if not isinstance(export_id, str) or not export_id:
            raise MaestroQADataError(
                f"{call} was accepted but answered no exportId, so the export cannot be followed."
            )
        return export_id

    def get_export(self, export_id: str, *, deadline: float | None = None, polling: bool = False) -> Export:
        """Look at an export: its status and, once complete, where to download it. (API: Retrieve the results …)

        :param export_id: the export's id.
        :param deadline: Unix time in seconds after which nothing is tried again. Default: 15 minutes from now.
        :param polling: whether the caller looks again anyway; then a failure is raised at once.
        :return: the export. Its ``data_url`` is a secret; it is masked in the task's log.
        :raises MaestroQANotFoundError: MaestroQA knows no such export.
        """
        call = build_call("get_export", {"exportId": checked_export_id(export_id)})
        export = Export.from_answer(export_id, self.client.send(call, deadline=deadline, polling=polling))
        for secret in _secrets_of(export.data_url):
            _compat.mask_secret(secret)
        return export

    async def aget_export(self, export_id: str, *, deadline: float | None = None, polling: bool = False) -> Export:
        """Look at an export without blocking the event loop; otherwise as :meth:`get_export`."""
        from airflow_provider_maestroqa.client.aio import AsyncClient

        call = build_call("get_export", {"exportId": checked_export_id(export_id)})
        settings, budget = await self._aopen()
        async with AsyncClient(settings, budget) as client:
            export = Export.from_answer(export_id, await client.send(call, deadline=deadline, polling=polling))
        for secret in _secrets_of(export.data_url):
            await _compat.amask_secret(secret)
        return export

    def wait_for_export(
        self, export_id: str, *, poll_interval: float = 30.0, deadline: float, looks: int | None = None
    ) -> ExportEvent | None:
        """Look at an export until it has ended or the deadline has passed.

        :param export_id: the export's id.
        :param poll_interval: seconds before the second look; each pause is then a fifth longer, up to five minutes.
        :param deadline: Unix time in seconds.
        :param looks: how often to look at most. Default: until the end.
        :return: how the wait ended (see :func:`~airflow_provider_maestroqa.client.waiting.read_event`), or ``None``
            when it has not ended within so many looks.
        """
        wait = ExportWait(export_id, poll_interval=poll_interval, deadline=deadline)
        for look in itertools.count(1):
            step = wait.after(self._look(export_id, deadline), now=time.time())
            if not isinstance(step, Pause):
                return step
            if step.news:
                (self.log.warning if step.is_warning else self.log.info)(step.news)
            if look == looks:
                return None
            time.sleep(step.seconds)
        raise AssertionError("itertools.count() has no end")

    def _look(self, export_id: str, deadline: float) -> Export | MaestroQAError:
        try:
            return self.get_export(export_id, deadline=call_deadline(deadline, now=time.time()), polling=True)
        except MaestroQAError as error:
            return error

    # -- Connection --------------------------------------------------------------------------------------------

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
        return self._read(self.get_connection(self.maestroqa_conn_id))

    @cached_property
    def client(self) -> SyncClient:
        """The client that carries this hook's calls."""
        return SyncClient(self.settings, self._budget, _plain_session(self.settings))

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

    async def _aopen(self) -> tuple[Settings, Budget]:
        if "settings" not in self.__dict__:
            self.__dict__["settings"] = self._read(await _compat.aget_connection(self.maestroqa_conn_id))
        if "_budget" not in self.__dict__:
            await asyncio.to_thread(getattr, self, "_budget")
        return self.settings, self._budget

    def _read(self, connection: Connection) -> Settings:
        settings = read_settings(
            self.maestroqa_conn_id,
            host=connection.host,
            schema=connection.schema,
            port=connection.port,
            password=connection.password,
            extra=_extra_of(connection),
        )
        if settings.ignored:
            self.log.warning(
                "Connection %r: the extra keys %s mean nothing to MaestroQA and are ignored.",
                self.maestroqa_conn_id,
                ", ".join(settings.ignored),
            )
        return settings

    def _say_wait(self, wait: Wait) -> None:
        if wait.seconds >= _LONG_WAIT_S:
            self.log.info(
                "Waiting %.0f s for the token's request budget (%s bucket, window of %s s, %s ahead).",
                wait.seconds,
                wait.bucket,
                wait.window,
                wait.ahead,
            )

    # -- The form in the UI of Airflow 2.11 to 3.1; newer ones read get_provider_info -----------------------------

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Name and hide the fields of the connection form."""
        behaviour = _form()["ui-field-behaviour"]
        return {key.replace("-", "_"): value for key, value in behaviour.items()}

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Make the extra fields of the connection form."""
        from flask_appbuilder.fieldwidgets import BS3PasswordFieldWidget, BS3TextFieldWidget
        from flask_babel import lazy_gettext
        from wtforms import BooleanField, PasswordField, StringField

        def field(spec: Mapping[str, Any]) -> Any:
            label, description = lazy_gettext(spec["label"]), spec["description"]
            if "boolean" in spec["schema"]["type"]:
                return BooleanField(label, description=description)
            if spec["schema"].get("format") == "password":
                return PasswordField(label, widget=BS3PasswordFieldWidget(), description=description)
            return StringField(label, widget=BS3TextFieldWidget(), description=description)

        return {name: field(spec) for name, spec in _form()["conn-fields"].items()}


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


def checked_export_id(export_id: object) -> str:
    """Tell an export id from what a broken template leaves."""
    if isinstance(export_id, str) and export_id.strip() and export_id != "None":
        return export_id
    raise MaestroQAConfigError(
        f"export_id must be the id that a request for an export returned, got {export_id!r}. "
        "Pass the output of MaestroQARequestExportOperator."
    )


def _secrets_of(url: str) -> list[str]:
    """The texts that give access to a presigned URL: libraries log its query apart from its host."""
    if not url:
        return []
    query = urlsplit(url).query
    return [url, query] if query else [url]


def _extra_of(connection: Connection) -> dict[str, Any]:
    extra = connection.extra_dejson
    return dict(extra) if isinstance(extra, Mapping) else {}


def _form() -> dict[str, Any]:
    from airflow_provider_maestroqa.get_provider_info import get_provider_info

    form: dict[str, Any] = get_provider_info()["connection-types"][0]
    return form


def _airflow_home() -> Path:
    from airflow.configuration import AIRFLOW_HOME

    return Path(AIRFLOW_HOME)
