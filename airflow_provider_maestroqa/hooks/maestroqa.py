"""What MaestroQA can do, as methods: one parent class for each chapter of its API."""

from __future__ import annotations

from airflow_provider_maestroqa.hooks.agents import AgentMethods
from airflow_provider_maestroqa.hooks.attachments import AttachmentMethods
from airflow_provider_maestroqa.hooks.coaching import CoachingMethods
from airflow_provider_maestroqa.hooks.exports import ExportMethods
from airflow_provider_maestroqa.hooks.pushes import PushMethods
from airflow_provider_maestroqa.hooks.tickets import TicketMethods


class MaestroQAHook(
    ExportMethods,
    TicketMethods,
    AgentMethods,
    AttachmentMethods,
    CoachingMethods,
    PushMethods,
):
    """Talks to MaestroQA with the token of an Airflow connection, within the token's request budget.

    Use it in a ``with`` block, or close it, so that its connections do not stay open.

    :param maestroqa_conn_id: id of a connection of type ``maestroqa``: password is the API token, host the base URL
        (default ``https://app.maestroqa.com``), extra holds ``rate_limits``, ``rate_limit_store``, ``timeout``
        (seconds), ``verify``, ``proxies`` and ``allow_http``.
    """
