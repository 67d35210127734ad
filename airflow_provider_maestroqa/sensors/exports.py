"""Waits until an export is complete."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_maestroqa import _compat
from airflow_provider_maestroqa._compat import BaseSensorOperator, conf
from airflow_provider_maestroqa.operators.base import FIRST_SLOT_S, ExportWaiter
from airflow_provider_maestroqa.runtime.task_errors import airflow_errors

if TYPE_CHECKING:
    from airflow_provider_maestroqa._compat import Context, PokeReturnValue
    from airflow_provider_maestroqa.client.resources.export_polling import ExportEvent, ExportWait


class MaestroQAExportSensor(ExportWaiter, BaseSensorOperator):
    """Wait until an export is complete. (API: Retrieve the results of an export)

    A transient failure or an unknown status does not end the wait; an export that failed at MaestroQA, and 401, 403
    or 404 do. Airflow's own ``timeout`` (seconds), ``poke_interval`` (seconds), ``mode`` and ``soft_fail``
    mean the same whether the sensor is deferrable or not.

    ``export_id`` and ``maestroqa_conn_id`` are templated.

    :param export_id: the export's id: the output of
        :class:`~airflow_provider_maestroqa.operators.exports.MaestroQARequestExportOperator`.
    :param deferrable: whether to wait in the triggerer instead of on a worker; there the pauses grow from
        ``poke_interval`` up to five minutes. Default: Airflow's ``[operators] default_deferrable``.
    :return: ``{"export_id": str, "has_data": bool}``.
    :raises AirflowSensorTimeout: the export was not complete within ``timeout``.
    :raises AirflowFailException: a retry could not help: the export failed, or MaestroQA rejected the request. Its
        cause is the error itself.
    """

    template_fields: Sequence[str] = ("export_id", "maestroqa_conn_id")
    ui_color = "#e8f0fe"

    def __init__(
        self,
        *,
        export_id: str,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.export_id = export_id
        self.deferrable = deferrable
        self._wait: ExportWait | None = None

    def poke(self, context: Context) -> PokeReturnValue:  # noqa: ARG002
        """Poll the export once."""
        from airflow_provider_maestroqa.client.resources.export_polling import ExportWait

        with airflow_errors():
            if self._wait is None:
                # Kept between pokes so that each state is logged once.
                self._wait = ExportWait(
                    self.pending_export_id,
                    poll_interval=self.poke_interval,
                    deadline=float("inf"),
                    controls_pauses=False,
                )
            event = self._poll(self._wait)
            return _compat.PokeReturnValue(event is not None, self._result(event) if event is not None else None)

    def execute(self, context: Context) -> dict[str, Any]:
        """Wait on this worker; when deferrable, poll at most once, and leave the rest to the triggerer."""
        if not self.deferrable:
            return super().execute(context)  # type: ignore[no-any-return]
        try:
            deadline = time.time() + float(self.timeout)
            with airflow_errors():
                event = self._poll()
                if event is not None:
                    return self._result(event)
        except _compat.AirflowFailException as error:
            self._skip_if_soft(error)
            raise
        self.defer_to_trigger(self.pending_export_id, poll_interval=float(self.poke_interval), deadline=deadline)

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> dict[str, Any]:  # noqa: ARG002
        """Resume the task when the trigger has fired."""
        from airflow_provider_maestroqa.client.errors import MaestroQAExportTimeoutError

        try:
            with airflow_errors():
                return self._result(event)
        except MaestroQAExportTimeoutError as error:
            timed_out = _compat.AirflowSensorTimeout(str(error))
            self._skip_if_soft(timed_out)
            raise timed_out from error
        except _compat.AirflowFailException as error:
            self._skip_if_soft(error)
            raise

    @property
    def pending_export_id(self) -> str:
        """The export that the sensor waits for."""
        from airflow_provider_maestroqa.client.parsing import number_as_text

        export_id: str = number_as_text(self.export_id)
        return export_id

    def _poll(self, wait: ExportWait | None = None) -> ExportEvent | None:
        with self.open_hook() as hook:
            return hook.wait_for_export(
                self.pending_export_id,
                poll_interval=float(self.poke_interval),
                # It is the sensor, or its trigger, that ends a wait.
                deadline=float("inf"),
                max_polls=1,
                slot_timeout=FIRST_SLOT_S if self.deferrable else None,
                wait=wait,
            )

    def _result(self, event: Any) -> dict[str, Any]:
        from airflow_provider_maestroqa.client.resources.export_polling import read_event

        done = read_event(event, export_id=self.pending_export_id)
        self.log.info(done["message"])
        return {"export_id": done["export_id"], "has_data": done["has_data"]}

    def _skip_if_soft(self, error: Exception) -> None:
        """Skip where a soft sensor on a worker would."""
        if self.soft_fail or self.never_fail:
            raise _compat.AirflowSkipException(str(error)) from error
