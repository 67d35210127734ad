"""The hook's methods for agents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_maestroqa.client.endpoints import build_request
from airflow_provider_maestroqa.client.errors import MaestroQAConflictError, MaestroQAOutcomeUnknownError
from airflow_provider_maestroqa.client.resources.pagination import id_of
from airflow_provider_maestroqa.hooks.agent_groups import AgentGroupMethods
from airflow_provider_maestroqa.runtime.lineage import record_written


class AgentMethods(AgentGroupMethods):
    """Agents: create them, give them an id, set their availability. (API: Agents)"""

    def create_agent(self, agent: Mapping[str, Any], *, agent_group: str | None = None) -> dict[str, Any]:
        """Create an agent. (API: Create an Agent)

        :param agent: the agent by the API's field names: ``name``, ``available``, ``email``, and optionally
            ``agentGroupId`` and ``agentId``.
        :param agent_group: the name or the id of the group to put it into, unless it has an ``agentGroupId``.
        :return: the agent as MaestroQA returns it.
        :raises MaestroQADataError: a field is missing or wrong; nothing was sent.
        :raises MaestroQAConfigError: there is no such group, or there are two of this name; nothing was created.
        :raises MaestroQAConflictError: another agent has this e-mail address or this id.
        :raises MaestroQAOutcomeUnknownError: the response was lost, and now such an agent exists.
        """
        from airflow_provider_maestroqa.client.resources.models import AGENT

        checked = self._in_group(AGENT.check(agent), agent_group)
        record_written(self, "agents")
        try:
            return self.send_for_record(build_request("create_agent", checked), sent=checked)
        except MaestroQAConflictError as error:
            conflict = error
        if conflict.after_ambiguous_failure:
            raise MaestroQAOutcomeUnknownError(
                f"The response to the first try to create agent {checked['email']} was lost, and now MaestroQA says: "
                f"{conflict.message} It may be the agent that was just created, or another one. Check in MaestroQA, "
                "or use upsert_agent, which has the same result in both cases."
            )
        raise conflict

    def add_agent_id(self, email: str, agent_id: str) -> dict[str, Any]:
        """Give an id to the agent with an e-mail address. (API: Update an Agent (add agent id to agent))

        :param email: the agent's e-mail address.
        :param agent_id: the id, which no other agent may have.
        :return: the agent as MaestroQA returns it.
        :raises MaestroQADataError: an argument is wrong; nothing was sent.
        :raises MaestroQANotFoundError: no agent has this e-mail address.
        :raises MaestroQAConflictError: another agent has this id.
        """
        from airflow_provider_maestroqa.client.resources.models import AGENT_ID

        checked = AGENT_ID.check({"email": email, "agentId": agent_id})
        record_written(self, "agents")
        return self.send_for_record(build_request("add_agent_id", checked), sent=checked)

    def set_agent_availability(self, email: str, available: bool) -> dict[str, Any]:
        """Set whether an agent is available. (API: Update an Agent (update agent availability))

        :param email: the agent's e-mail address.
        :param available: whether the agent is available.
        :return: the agent as MaestroQA returns it.
        :raises MaestroQADataError: an argument is wrong; nothing was sent.
        :raises MaestroQANotFoundError: no agent has this e-mail address.
        """
        from airflow_provider_maestroqa.client.resources.models import AGENT_AVAILABILITY

        checked = AGENT_AVAILABILITY.check({"email": email, "available": available})
        record_written(self, "agents")
        return self.send_for_record(build_request("set_agent_availability", checked), sent=checked)

    def upsert_agent(self, agent: Mapping[str, Any], *, agent_group: str | None = None) -> dict[str, Any]:
        """Create an agent, or set id and availability of the one that exists. (API: Create, Update an Agent)

        The API cannot change the name or the group of an existing agent.

        :param agent: the agent by the API's field names.
        :param agent_group: the name or the id of the group to put a new agent into, unless it has an
            ``agentGroupId``. It is looked for with each call: for many agents use :meth:`push`.
        :return: the agent as MaestroQA returns it.
        :raises MaestroQADataError: a field is missing or wrong; nothing was sent.
        :raises MaestroQAConfigError: there is no such group, or there are two of this name; nothing was changed.
        :raises MaestroQAConflictError: another agent has this id.
        """
        from airflow_provider_maestroqa.client.resources.models import AGENT
        from airflow_provider_maestroqa.client.resources.upserts import upsert_agent

        checked = self._in_group(AGENT.check(agent), agent_group)
        record_written(self, "agents")
        stored, _ = upsert_agent(checked, self.client.send)
        return dict(stored or checked)

    def _in_group(self, agent: dict[str, Any], agent_group: str | None) -> dict[str, Any]:
        if agent_group is None or "agentGroupId" in agent:
            return agent
        return {**agent, "agentGroupId": str(id_of(self.find_agent_group(agent_group)))}
