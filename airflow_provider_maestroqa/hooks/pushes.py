"""The hook's methods that push any number of records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_maestroqa.client.endpoints import Request
from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.client.resources.pagination import id_of
from airflow_provider_maestroqa.hooks.agent_groups import AgentGroupMethods
from airflow_provider_maestroqa.runtime.lineage import record_written
from airflow_provider_maestroqa.storage.open import open_object

if TYPE_CHECKING:
    from airflow_provider_maestroqa.pushes.checkpoint import StateStore
    from airflow_provider_maestroqa.pushes.resources import Resource


class PushMethods(AgentGroupMethods):
    """Pushes: tickets, comments, metrics, CSAT scores and agents, any number of them. (API: Tickets, Agents, Metrics,
    Push Bulk CSAT Scores)
    """

    def push(
        self,
        resource: str,
        records: Iterable[object],
        *,
        on_error: str = "fail",
        rejects_path: str | None = None,
        max_rejects: int | None = None,
        on_unknown_outcome: str = "fail",
        concurrency: int | None = None,
        update_first: bool = False,
        agent_group: str | None = None,
        memory: StateStore | None = None,
        run: str = "",
        is_first_try: bool = True,
    ) -> dict[str, Any]:
        """Push records of any type, in order, each exactly once, or report those whose outcome is unknown.

        Records are read one at a time, checked, and sent in batches of the largest size that the API accepts. When a
        batch is rejected because of a few records, those are searched for (``on_error="collect"``).

        :param resource: ``ticket_metrics``, ``agent_metrics``, ``comments``, ``csat_scores``, ``tickets`` or
            ``agents``.
        :param records: any iterable of dicts with the API's field names.
        :param on_error: ``fail`` stops at the first record that is rejected, ``collect`` continues without it.
        :param rejects_path: storage URL of an object for the rejected records: JSON lines of ``index``, ``reason``
            and ``record``.
        :param max_rejects: how many rejected records ``collect`` allows; one more fails. Default: any number.
        :param on_unknown_outcome: what to do about comments and CSAT scores that may or may not have arrived:
            ``fail`` stops and names them, ``resend`` sends them again, ``skip`` continues after them.
        :param concurrency: how many requests may be under way at once, up to 10. Default: one, and one more for each
            that has no response after a third of a second. Comments and CSAT scores are sent one request at a time,
            whatever it is.
        :param update_first: for tickets: try the update first, because most of them exist.
        :param agent_group: for agents: the name or the id of the group that new ones join, unless a record has an
            ``agentGroupId``.
        :param memory: saves the position for a retry. Default: nothing is saved.
        :param run: which run of which task this is, for the saved position.
        :param is_first_try: whether no earlier try of this run can have sent anything.
        :return: the report: ``resource``, ``sent``, ``confirmed``, ``created``, ``updated``, ``rejected``,
            ``unconfirmed``, ``repeated``, ``requests``, ``waited_s`` and ``rejects_path``.
        :raises MaestroQAConfigError: an argument is wrong; nothing was sent.
        :raises MaestroQADataError: a record is rejected, or more than ``max_rejects`` are, or the records are not
            those of the try before.
        :raises MaestroQAOutcomeUnknownError: comments or CSAT scores may or may not have arrived, or a response
            confirms fewer records than were sent.
        """
        from airflow_provider_maestroqa.pushes.options import PushOptions
        from airflow_provider_maestroqa.pushes.records import check_source
        from airflow_provider_maestroqa.pushes.report import noun_of
        from airflow_provider_maestroqa.pushes.resources import resource_named
        from airflow_provider_maestroqa.pushes.runner import run_push

        options = PushOptions.parse(
            on_error=on_error,
            max_rejects=max_rejects,
            on_unknown_outcome=on_unknown_outcome,
            concurrency=concurrency,
        )
        pushed = resource_named(resource, update_first=update_first)
        if agent_group is not None:
            pushed = self._agents_in_group(pushed.name, agent_group)
        record_written(self, pushed.name)
        client = self.client

        def send(request: Request, *, on_in_flight: Callable[[bool], None] | None = None) -> Any:
            return client.send(
                replace(request, resend=True) if options.resends else request, on_in_flight=on_in_flight
            )

        report = run_push(
            pushed,
            check_source(records, noun_of(pushed.name)),
            send=send,
            request_stats=self.request_stats,
            options=options,
            rejects_to=open_object(rejects_path) if rejects_path else None,
            state_store=memory,
            run=run,
            is_first_try=is_first_try,
            clock=self.clock,
        )
        return report.as_dict()

    def _agents_in_group(self, resource: str, agent_group: str) -> Resource:
        from airflow_provider_maestroqa.pushes.resources import agents_in_group

        if resource != "agents":
            raise MaestroQAConfigError(f"agent_group is for agents only, not for {resource}. Leave it out.")
        return agents_in_group(str(id_of(self.find_agent_group(agent_group))))

    def create_comments(self, comments: Iterable[Mapping[str, Any]], **options: Any) -> dict[str, Any]:
        """Add comments to tickets, up to 500 with each request. (API: Create Many Ticket Comments)

        :param comments: any iterable of comments by the API's field names.
        :param options: otherwise as for :meth:`push`.
        :return: the report of the push.
        """
        return self.push("comments", comments, **options)

    def push_ticket_metrics(self, metrics: Iterable[Mapping[str, Any]], **options: Any) -> dict[str, Any]:
        """Push metrics of agents on tickets, up to 500 with each request. (API: Create Ticket Metrics)

        A metric with the same ids as one that is there replaces it.

        :param metrics: any iterable of metrics by the API's field names.
        :param options: otherwise as for :meth:`push`.
        :return: the report of the push.
        """
        return self.push("ticket_metrics", metrics, **options)

    def push_agent_metrics(self, metrics: Iterable[Mapping[str, Any]], **options: Any) -> dict[str, Any]:
        """Push metrics of agents, up to 500 with each request. (API: Create Agent Metrics)

        MaestroQA tells metrics apart by ``metric_id`` and ``agent_id`` alone, not by their time: the second day of a
        daily series may replace the first.

        :param metrics: any iterable of metrics by the API's field names.
        :param options: otherwise as for :meth:`push`.
        :return: the report of the push.
        """
        return self.push("agent_metrics", metrics, **options)

    def push_csat_scores(self, scores: Iterable[Mapping[str, Any]], **options: Any) -> dict[str, Any]:
        """Push CSAT scores, customers' ratings of tickets, up to 100 with each request. (API: Push Bulk CSAT Scores)

        MaestroQA adds a score each time it receives one.

        :param scores: any iterable of scores by the API's field names.
        :param options: otherwise as for :meth:`push`.
        :return: the report of the push.
        """
        return self.push("csat_scores", scores, **options)
