"""Deletes customers' data at MaestroQA."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from airflow_provider_maestroqa._compat import conf
from airflow_provider_maestroqa.operators.base import FIRST_SLOT_S, MaestroQAOperator
from airflow_provider_maestroqa.runtime import task_context
from airflow_provider_maestroqa.runtime.concealed import Concealed
from airflow_provider_maestroqa.runtime.lineage import DataTransfer, LineageMixin
from airflow_provider_maestroqa.runtime.task_errors import airflow_errors

if TYPE_CHECKING:
    from airflow_provider_maestroqa._compat import Context
    from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook
    from airflow_provider_maestroqa.runtime.retry_state import RetryState

_DIGEST_LENGTH = 24


class MaestroQADeleteCustomerDataOperator(LineageMixin, MaestroQAOperator):
    """Delete all data of customers at MaestroQA, and wait until it is gone. It cannot be undone. (API: Data Deletion)

    Addresses are cut into fives. MaestroQA finishes deletions once a day. A retry waits for what was requested, and
    requests only the rest and what has failed, where this can be saved: on Airflow 3.3 and newer, or at
    ``state_path``; elsewhere it requests all again, which does no harm.

    No e-mail address is in a log, an XCom, a trigger, an event, an error, the saved state or the rendered fields. All
    arguments but ``wait_for_completion`` and ``deferrable`` are templated.

    :param emails: e-mail addresses of the customers: a callable that takes ``context`` and ``jinja_env`` and returns
        them, the output of another task, a list, one address, or a template that renders to JSON. What another task
        returns is stored by Airflow as its XCom, and what stands in the DAG file is shown with it: a callable avoids
        both. An empty list deletes nothing.
    :param audit_label: what MaestroQA's audit log calls the request. Default: made of the DAG, the run and the task.
    :param confirm: must be true, or nothing is requested.
    :param wait_for_completion: whether to wait until MaestroQA has deleted all.
    :param deferrable: whether to wait in the triggerer instead of on a worker. Default: Airflow's
        ``[operators] default_deferrable``.
    :param poll_interval: seconds between two polls of the same deletion.
    :param timeout: seconds that the wait may take.
    :param state_path: storage URL of an object that saves what was requested for a retry, on any Airflow. Each run
        needs its own: put ``{{ run_id }}`` into it.
    :return: ``{"deletions", "status"}``: the deletions' ids, and ``completed``, or ``requested`` without a wait.
    :raises AirflowFailException: a retry could not help: ``confirm`` is not true, an address is none, or the token is
        rejected.
    :raises MaestroQADeletionFailedError: MaestroQA gave up on a deletion or does not know it; a retry requests it
        again.
    :raises MaestroQADeletionTimeoutError: a deletion was not completed in time; Airflow retries as the DAG says.
    """

    template_fields: Sequence[str] = (
        "maestroqa_conn_id",
        "emails",
        "audit_label",
        "confirm",
        "poll_interval",
        "timeout",
        "state_path",
    )
    template_fields_renderers = {"emails": "json"}  # noqa: RUF012 - Airflow has it so
    ui_color = "#fce8e6"
    #: Nothing is moved. Told so, OpenLineage does not describe the task by its attributes.
    data_transfer = DataTransfer()

    def __init__(
        self,
        *,
        emails: Iterable[str] | str | Callable[..., Iterable[str]],
        audit_label: str | None = None,
        confirm: bool = False,
        wait_for_completion: bool = True,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poll_interval: float = 300,
        timeout: float = 3 * 24 * 60 * 60,
        state_path: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.emails = emails
        self.audit_label = audit_label
        self.confirm = confirm
        self.wait_for_completion = wait_for_completion
        self.deferrable = deferrable
        self.poll_interval = poll_interval
        self.timeout = timeout
        self.state_path = state_path
        self._has_requested = False

    @property
    def emails(self) -> Any:
        """The addresses, concealed; or where they will come from: another task, a callable, a template."""
        return self._emails

    @emails.setter
    def emails(self, value: Any) -> None:
        is_reference = callable(value) or hasattr(value, "resolve") or (isinstance(value, str) and "{{" in value)
        self._emails = value if is_reference or isinstance(value, Concealed) else Concealed(value)

    def render_template(self, content: Any, *args: Any, **kwargs: Any) -> Any:
        """Render a template as any operator does; within what is concealed, too."""
        if isinstance(content, Concealed):
            return Concealed(super().render_template(content.reveal(), *args, **kwargs))
        return super().render_template(content, *args, **kwargs)

    def execute(self, context: Context) -> dict[str, Any]:
        """Request the deletions that no earlier try has requested, and wait for all."""
        from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
        from airflow_provider_maestroqa.client.parsing import parse_flag, parse_seconds
        from airflow_provider_maestroqa.client.resources.data_deletion import parse_audit_label, parse_emails

        with airflow_errors():
            if not parse_flag(self.confirm, "confirm"):
                raise MaestroQAConfigError(
                    "confirm is not true, so nothing was deleted. A deletion cannot be undone; pass confirm=True "
                    "where it is meant."
                )
            poll_interval = parse_seconds(self.poll_interval, "poll_interval")
            timeout = parse_seconds(self.timeout, "timeout")
            emails = parse_emails(self._read_emails(context))
            label = parse_audit_label(self.audit_label or _default_label(context), emails)
            state = self._retry_state(context)
            with self.open_hook() as hook:
                deletion_ids = self._request(hook, state, emails, label)
                if not (deletion_ids and self.wait_for_completion):
                    state.clear()
                    return {"deletions": deletion_ids, "status": "requested" if deletion_ids else "completed"}
                deadline = time.time() + timeout
                # When deferrable, poll just once here, and not at all where that would have to wait.
                event = hook.wait_for_data_deletions(
                    deletion_ids,
                    poll_interval=poll_interval,
                    deadline=deadline,
                    max_rounds=1 if self.deferrable else None,
                    slot_timeout=FIRST_SLOT_S if self.deferrable else None,
                )
            if event is None:
                self.defer_to_trigger(deletion_ids, poll_interval=poll_interval, deadline=deadline)
            return self._finish(state, event)

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> dict[str, Any]:
        """Resume the task when the trigger has fired."""
        with airflow_errors():
            return self._finish(self._retry_state(context), event)

    def on_kill(self) -> None:
        """Log that the deletions outlive the task."""
        if self._has_requested:
            self.log.warning("The deletions continue at MaestroQA: they cannot be canceled there.")

    def _read_emails(self, context: Context) -> Any:
        emails = self.emails.reveal() if isinstance(self.emails, Concealed) else self.emails
        # Airflow 3 calls a callable in a template field; before, that is for us to do.
        return emails(context=context, jinja_env=self.get_template_env()) if callable(emails) else emails

    def _request(self, hook: MaestroQAHook, state: RetryState, emails: Sequence[str], label: str | None) -> list[str]:
        """Request what no earlier try has requested; return the ids of all deletions."""
        from airflow_provider_maestroqa.client.formatting import pluralize
        from airflow_provider_maestroqa.client.resources.data_deletion import split_emails

        requested = _requested(state)
        digests = {email: _digest(email, hook.settings.token) for email in emails}
        earlier = {digest for covered in requested.values() for digest in covered}
        rest = [email for email in emails if digests[email] not in earlier]
        if requested:
            self.log.info(
                "An earlier try has requested %s; requesting the rest, of %s.",
                pluralize(len(requested), "deletions"),
                pluralize(len(rest), "customers"),
            )
        elif not emails:
            self.log.info("There is no address, so nothing is deleted.")
        for batch in split_emails(rest):
            (deletion_id,) = hook.request_data_deletion(batch, audit_label=label)
            self._has_requested = True
            requested[deletion_id] = [digests[email] for email in batch]
            state.save({"deletions": requested})
        return list(requested)

    def defer_to_trigger(self, deletion_ids: Sequence[str], *, poll_interval: float, deadline: float) -> NoReturn:
        """Leave the wait to the triggerer, which resumes the task in ``execute_complete``.

        :param deletion_ids: the deletions' ids.
        :param poll_interval: seconds between two polls of the same deletion.
        :param deadline: Unix time in seconds at which the wait ends.
        """
        from airflow_provider_maestroqa.triggers.data_deletion import MaestroQADataDeletionTrigger

        self.defer_until(
            deadline,
            MaestroQADataDeletionTrigger(
                deletion_ids=list(deletion_ids),
                poll_interval=poll_interval,
                deadline=deadline,
                maestroqa_conn_id=self.maestroqa_conn_id,
            ),
        )

    def _finish(self, state: RetryState, event: Mapping[str, Any] | None) -> dict[str, Any]:
        from airflow_provider_maestroqa.client.errors import MaestroQADeletionFailedError
        from airflow_provider_maestroqa.client.resources.data_deletion import FAILED
        from airflow_provider_maestroqa.client.resources.deletion_polling import read_deletion_event

        try:
            completed = read_deletion_event(event)
        except MaestroQADeletionFailedError:
            statuses = event["deletions"] if event else {}
            rest = {one: covered for one, covered in _requested(state).items() if statuses.get(one) not in FAILED}
            state.save({"deletions": rest})
            raise
        state.clear()
        self.log.info("%s", completed["message"])
        return {"deletions": list(completed["deletions"]), "status": "completed"}

    def _retry_state(self, context: Context) -> RetryState:
        from airflow_provider_maestroqa.runtime.retry_state import RetryState

        arguments = {"maestroqa_conn_id": self.maestroqa_conn_id, "run": task_context.run_label(context)}
        return RetryState(context, key="data_deletion", arguments=arguments, state_path=self.state_path)


def _requested(state: RetryState) -> dict[str, list[str]]:
    """The deletions that earlier tries have requested, each with the digests of its addresses."""
    saved = state.load()
    deletions = saved.get("deletions") if isinstance(saved, Mapping) else None
    return dict(deletions) if isinstance(deletions, Mapping) else {}


def _digest(email: str, token: str) -> str:
    """What is saved of an address: without the token nobody can find out by trying which address it is of."""
    return hmac.digest(token.encode(), email.casefold().encode(), "sha256").hex()[:_DIGEST_LENGTH]


def _default_label(context: Context) -> str:
    index = task_context.map_index(context)
    label = task_context.run_label(context)
    return "/".join(filter(None, ("airflow", label, "" if index is None else str(index))))
