"""The operations of MaestroQA's API as methods: one parent class for each chapter of the API."""

from __future__ import annotations

from typing import Any

from airflow_provider_maestroqa.hooks import connection_form as form
from airflow_provider_maestroqa.hooks.agents import AgentMethods
from airflow_provider_maestroqa.hooks.attachments import AttachmentMethods
from airflow_provider_maestroqa.hooks.coaching import CoachingMethods
from airflow_provider_maestroqa.hooks.data_deletion import DataDeletionMethods
from airflow_provider_maestroqa.hooks.exports import ExportMethods
from airflow_provider_maestroqa.hooks.pushes import PushMethods
from airflow_provider_maestroqa.hooks.search import SearchMethods
from airflow_provider_maestroqa.hooks.tickets import TicketMethods
from airflow_provider_maestroqa.hooks.user_groups import UserGroupMethods


class MaestroQAHook(
    ExportMethods,
    TicketMethods,
    AgentMethods,
    UserGroupMethods,
    AttachmentMethods,
    CoachingMethods,
    PushMethods,
    DataDeletionMethods,
    SearchMethods,
):
    """Sends requests to MaestroQA with the token of an Airflow connection, within the token's request budget.

    Use it in a ``with`` block, or close it, so that its connections do not stay open.

    :param maestroqa_conn_id: id of a connection of type ``maestroqa``: password is the API token, host the base URL
        (default ``https://app.maestroqa.com``; or ``https://app.rippit.com``), extra the keys that
        the page on the connection explains.
    """

    # Airflow 2.11 to 3.1 read these in this very class, not in its parents; newer ones read the provider info.

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Rename and hide the standard fields of the connection form."""
        return form.field_behaviour()

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Make the fields of the extra in the connection form."""
        return form.extra_widgets()
