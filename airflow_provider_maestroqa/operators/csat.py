"""Pushes customers' ratings to MaestroQA."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from airflow_provider_maestroqa.operators.push import PushOperator


class MaestroQAPushCsatScoresOperator(PushOperator):
    """Push CSAT scores, customers' ratings of tickets, up to 100 with each request. (API: Push Bulk CSAT Scores)

    MaestroQA adds a score each time it receives one, so none is sent twice: a retry resumes where the earlier try
    stopped, a task that is cleared after its success sends nothing again, and scores whose response was lost are
    named instead of sent again. For that the position must be saved: on Airflow older than 3.3 set ``state_path``.
    The response says of each score whether it was created, and if not, why; the reason is in the log and at
    ``rejects_path``. All arguments are templated.

    :param scores: dicts of ``submitted_at`` (an aware datetime or ISO 8601 text), ``ticket_id``, ``agent_id`` or
        ``agent_email``, ``score`` (a whole number), and optionally ``comment``, ``score_label``, ``min_score``
        (1 when absent), ``max_score`` (5 when absent) and ``clarifying_answers``: a list of dicts of ``question``,
        and optionally ``comment``, ``score``, ``score_label``, ``min_score`` and ``max_score``. A list, the output of
        another task, or a callable that takes ``context`` and ``jinja_env``.
    :return: the report of the push.
    """

    resource = "csat_scores"
    records_argument = "scores"
    template_fields: Sequence[str] = ("scores", *PushOperator.template_fields)
    template_fields_renderers = {"scores": "json"}  # noqa: RUF012 - Airflow has it so

    def __init__(self, *, scores: Iterable[Mapping[str, Any]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scores = scores
