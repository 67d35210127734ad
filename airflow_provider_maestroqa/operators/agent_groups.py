"""Adds agents to a group and removes agents from it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_maestroqa.operators.base import MaestroQAOperator

if TYPE_CHECKING:
    from airflow_provider_maestroqa._compat import Context


class MaestroQAUpdateAgentGroupOperator(MaestroQAOperator):
    """Add agents to a group and remove agents from it. (API: Update an Agent Group)

    It may run again without harm: who is in the group already is not added, and who is not in it is not removed. All
    arguments are templated.

    :param agent_group: the group's name, case-sensitive, or its id.
    :param add: the e-mail addresses of agents to add, a list.
    :param remove: the e-mail addresses of agents to remove, a list.
    :return: ``{"agent_group", "added", "removed"}``: the group's name, and how many agents joined and left.
    :raises AirflowFailException: a retry could not help: there is no such group, or there are two of this name, a
        member is no agent, or the token is rejected.
    """

    template_fields: Sequence[str] = ("agent_group", "add", "remove", "maestroqa_conn_id")
    template_fields_renderers = {"add": "json", "remove": "json"}  # noqa: RUF012 - Airflow has it so

    def __init__(
        self,
        *,
        agent_group: str,
        add: Iterable[str] | None = None,
        remove: Iterable[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.agent_group = agent_group
        self.add = add
        self.remove = remove

    def execute(self, context: Context) -> dict[str, Any]:
        """Change the group."""
        with self.open_hook() as hook:
            result = hook.update_agent_group(self.agent_group, add=self.add, remove=self.remove)
            self.log.info("%(added)d agents joined the group %(agent_group)s, and %(removed)d left it.", result)
            return result
