"""What all operators that push records share."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_maestroqa.assets import push_event_extra
from airflow_provider_maestroqa.operators.base import MaestroQAOperator
from airflow_provider_maestroqa.runtime import task_context
from airflow_provider_maestroqa.runtime.lineage import Data, DataTransfer, LineageMixin, maestroqa_data
from airflow_provider_maestroqa.runtime.task_errors import airflow_errors

if TYPE_CHECKING:
    from airflow_provider_maestroqa._compat import Context
    from airflow_provider_maestroqa.runtime.retry_state import RetryState


class PushOperator(LineageMixin, MaestroQAOperator):
    """Push any number of records, in order, each exactly once; or name the ones whose outcome is unknown.

    A retry resumes where the earlier try stopped, where the position can be saved: on Airflow 3.3 and newer, or at
    ``state_path``.

    :param on_error: ``fail`` stops at the first rejected record; ``collect`` continues without it.
    :param rejects_path: storage URL of an object for the rejected records of ``collect``: JSON lines of ``index``
        (from 0), ``reason`` and ``record``. The URL may name the connection, as in
        ``s3://my_conn@bucket/key``. Each instance of a mapped task appends its index.
    :param max_rejects: how many rejected records ``collect`` allows; one more fails. Default: any number.
    :param on_unknown_outcome: what to do about records that may or may not have arrived and must not arrive twice:
        ``fail`` stops and names them, ``resend`` sends them again, ``skip`` continues after them.
    :param concurrency: how many requests may be under way at once, up to 10. Default: one, and one more for each that
        has no response after a third of a second. Comments and CSAT scores are sent one request at a time, whatever
        it is.
    :param state_path: storage URL of an object that saves the position for a retry, on any Airflow. Each run needs
        its own: put ``{{ run_id }}`` into it.
    :raises AirflowFailException: a retry could not help: an argument or a record is wrong, too many are rejected, the
        token is rejected, or it is unknown whether some records arrived.
    """

    template_fields: Sequence[str] = (
        "maestroqa_conn_id",
        "on_error",
        "rejects_path",
        "max_rejects",
        "on_unknown_outcome",
        "concurrency",
        "state_path",
    )
    #: What is pushed.
    resource: str
    #: The argument that holds the records.
    records_argument: str
    #: For tickets: whether to try the update first.
    update_first: bool = False
    #: For agents: the group that new ones join.
    agent_group: str | None = None
    #: Where the records come from, for lineage.
    sources: tuple[Data, ...] = ()

    def __init__(
        self,
        *,
        on_error: str = "fail",
        rejects_path: str | None = None,
        max_rejects: int | None = None,
        on_unknown_outcome: str = "fail",
        concurrency: int | None = None,
        state_path: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.on_error = on_error
        self.rejects_path = rejects_path
        self.max_rejects = max_rejects
        self.on_unknown_outcome = on_unknown_outcome
        self.concurrency = concurrency
        self.state_path = state_path

    def execute(self, context: Context) -> dict[str, Any]:
        """Push the records."""
        return self.push(context, getattr(self, self.records_argument))

    def push(self, context: Context, records: Any, state: RetryState | None = None) -> dict[str, Any]:
        """Push records.

        :param context: Airflow's context of the task.
        :param records: an iterable of dicts, or a callable that takes ``context`` and ``jinja_env`` and returns one.
        :param state: of this try, as :meth:`announce` returned it.
        :return: the report of the push.
        """
        from airflow_provider_maestroqa.client.parsing import parse_flag
        from airflow_provider_maestroqa.runtime.retry_state import mapped_path

        state = state or self.announce(context)
        if callable(records):
            # Airflow 3 calls a callable in a template field; before, that is for us to do.
            records = records(context=context, jinja_env=self.get_template_env())
        with closing(state), self.open_hook() as hook:
            target = maestroqa_data(hook.settings.base_url, self.resource)
            self.data_transfer = DataTransfer(self.sources, (target,))
            report = hook.push(
                self.resource,
                records,
                on_error=self.on_error,
                rejects_path=mapped_path(self.rejects_path, context) if self.rejects_path else None,
                max_rejects=self.max_rejects,
                on_unknown_outcome=self.on_unknown_outcome,
                concurrency=self.concurrency,
                update_first=parse_flag(self.update_first, "update_first"),
                agent_group=self.agent_group,
                memory=state,
                run=task_context.run_label(context),
                is_first_try=task_context.is_first_try(context),
            )
        self.data_transfer = DataTransfer(self.sources, (replace(target, rows=report["confirmed"]),))
        task_context.add_event_extra(context, self.outlets, push_event_extra(report), written=target.uri)
        return report

    def announce(self, context: Context) -> RetryState:
        """Save that this try has sent nothing yet, so that one that fails before it can send is not suspected.

        :return: the state of this try.
        """
        from airflow_provider_maestroqa.pushes.resources import resource_named
        from airflow_provider_maestroqa.pushes.runner import announce

        with airflow_errors():
            state = self._retry_state(context)
            announce(
                state,
                resource_named(self.resource),
                run=task_context.run_label(context),
                is_first_try=task_context.is_first_try(context),
            )
        return state

    def _bound_to(self) -> dict[str, Any]:
        """What a saved position depends on, besides the records themselves."""
        return {"resource": self.resource, "maestroqa_conn_id": self.maestroqa_conn_id}

    def _retry_state(self, context: Context) -> RetryState:
        from airflow_provider_maestroqa.runtime.retry_state import RetryState

        return RetryState(
            context,
            key="push",
            arguments=self._bound_to(),
            state_path=self.state_path,
            exclusive=True,
        )
