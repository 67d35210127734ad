"""Creates agents, gives them ids, sets their availability, and upserts a whole roster."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_maestroqa.operators.base import MaestroQAOperator
from airflow_provider_maestroqa.operators.push import PushOperator

if TYPE_CHECKING:
    from airflow_provider_maestroqa._compat import Context


class MaestroQACreateAgentOperator(MaestroQAOperator):
    """Create one agent. (API: Create an Agent)

    All arguments are templated. For a task that may run again, use :class:`MaestroQAUpsertAgentsOperator`.

    :param agent: the agent by the API's field names: ``name``, ``available``, ``email``, and optionally
        ``agentGroupId`` and ``agentId``.
    :param agent_group: the name or the id of the group to put it into, unless it has an ``agentGroupId``.
    :return: the agent as MaestroQA returns it (dict).
    :raises AirflowFailException: a retry could not help: a field or the group is wrong, e-mail address or id are
        taken, or the token is rejected.
    """

    template_fields: Sequence[str] = ("agent", "agent_group", "maestroqa_conn_id")
    template_fields_renderers = {"agent": "json"}  # noqa: RUF012 - Airflow has it so

    def __init__(self, *, agent: Mapping[str, Any], agent_group: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.agent = agent
        self.agent_group = agent_group

    def execute(self, context: Context) -> dict[str, Any]:
        """Create the agent."""
        with self.open_hook() as hook:
            agent = hook.create_agent(self.agent, agent_group=self.agent_group)
            self.log.info("Created agent %s.", self.agent["email"])
            return agent


class MaestroQAAddAgentIdOperator(MaestroQAOperator):
    """Give an id to the agent with an e-mail address. (API: Update an Agent (add agent id to agent))

    All arguments are templated.

    :param agent_email: the agent's e-mail address. (``email`` is where Airflow sends its failure mails.)
    :param agent_id: the id, which no other agent may have.
    :return: the agent as MaestroQA returns it (dict).
    :raises AirflowFailException: a retry could not help: there is no such agent, the id is taken, or the token is
        rejected.
    """

    template_fields: Sequence[str] = ("agent_email", "agent_id", "maestroqa_conn_id")

    def __init__(self, *, agent_email: str, agent_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.agent_email = agent_email
        self.agent_id = agent_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Give the agent the id."""
        with self.open_hook() as hook:
            agent = hook.add_agent_id(self.agent_email, self.agent_id)
            self.log.info("Agent %s has the id %s.", self.agent_email, self.agent_id)
            return agent


class MaestroQASetAgentAvailabilityOperator(MaestroQAOperator):
    """Set whether an agent is available. (API: Update an Agent (update agent availability))

    All arguments are templated.

    :param agent_email: the agent's e-mail address. (``email`` is where Airflow sends its failure mails.)
    :param available: whether the agent is available; a template may render it to ``True`` or ``False``.
    :return: the agent as MaestroQA returns it (dict).
    :raises AirflowFailException: a retry could not help: there is no such agent, or the token is rejected.
    """

    template_fields: Sequence[str] = ("agent_email", "available", "maestroqa_conn_id")

    def __init__(self, *, agent_email: str, available: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.agent_email = agent_email
        self.available = available

    def execute(self, context: Context) -> dict[str, Any]:
        """Set the availability."""
        from airflow_provider_maestroqa.client.parsing import parse_flag

        with self.open_hook() as hook:
            available = parse_flag(self.available, "available")
            agent = hook.set_agent_availability(self.agent_email, available)
            self.log.info("Agent %s is %s.", self.agent_email, "available" if available else "not available")
            return agent


class MaestroQAUpsertAgentsOperator(PushOperator):
    """Create agents, and set id and availability of the ones that exist. (API: Agents)

    The API cannot change the name or the group of an agent that exists. All arguments are templated.

    :param agents: dicts as :class:`MaestroQACreateAgentOperator` takes one; a list, the output of another task, or a
        callable that takes ``context`` and ``jinja_env``.
    :param agent_group: the name or the id of the group that new agents join, unless they have an ``agentGroupId``.
    :return: the report of the push.
    """

    resource = "agents"
    records_argument = "agents"
    template_fields: Sequence[str] = ("agents", "agent_group", *PushOperator.template_fields)
    template_fields_renderers = {"agents": "json"}  # noqa: RUF012 - Airflow has it so

    def __init__(self, *, agents: Iterable[Mapping[str, Any]], agent_group: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.agents = agents
        self.agent_group = agent_group

    def _bound_to(self) -> dict[str, Any]:
        group = {} if self.agent_group is None else {"agent_group": self.agent_group}
        return {**super()._bound_to(), **group}
