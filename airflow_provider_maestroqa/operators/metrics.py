"""Pushes metrics to MaestroQA."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from airflow_provider_maestroqa.operators.push import PushOperator


class MaestroQAPushTicketMetricsOperator(PushOperator):
    """Push metrics of agents on tickets, up to 500 with each request. (API: Create Ticket Metrics)

    A metric is identified by ``metric_id``, ``ticket_id``, ``source_id`` and ``agent_id``; pushed again it replaces
    itself, so a retry does no harm. All arguments are templated.

    :param metrics: dicts of ``ticket_id``, ``source_id``, ``agent_id``, ``metric_id``, ``metric_value``,
        ``timestamp`` (an aware datetime or ISO 8601 text), and optionally ``ticket_event_id`` and
        ``metric_deleted``; a list, the output of another task, or a callable that takes ``context`` and
        ``jinja_env``.
    :return: the report of the push.
    """

    resource = "ticket_metrics"
    records_argument = "metrics"
    template_fields: Sequence[str] = ("metrics", *PushOperator.template_fields)
    template_fields_renderers = {"metrics": "json"}  # noqa: RUF012 - Airflow has it so

    def __init__(self, *, metrics: Iterable[Mapping[str, Any]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.metrics = metrics


class MaestroQAPushAgentMetricsOperator(PushOperator):
    """Push metrics of agents, up to 500 with each request. (API: Create Agent Metrics)

    A metric is identified by ``metric_id`` and ``agent_id`` alone, not by its time: the second day of a daily series
    may replace the first. All arguments are templated.

    :param metrics: dicts of ``agent_id``, ``metric_id``, ``metric_value`` and ``timestamp`` (an aware datetime or
        ISO 8601 text); a list, the output of another task, or a callable that takes ``context`` and ``jinja_env``.
    :return: the report of the push.
    """

    resource = "agent_metrics"
    records_argument = "metrics"
    template_fields: Sequence[str] = ("metrics", *PushOperator.template_fields)
    template_fields_renderers = {"metrics": "json"}  # noqa: RUF012 - Airflow has it so

    def __init__(self, *, metrics: Iterable[Mapping[str, Any]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.metrics = metrics
