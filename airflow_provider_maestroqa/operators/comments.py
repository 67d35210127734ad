"""Pushes comments to MaestroQA."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from airflow_provider_maestroqa.operators.push import PushOperator


class MaestroQACreateCommentsOperator(PushOperator):
    """Add comments to tickets, up to 500 with each request. (API: Create Many Ticket Comments)

    MaestroQA adds a comment each time it receives one, so none is sent twice: a retry resumes where the earlier try
    stopped, a task that is cleared after its success sends nothing again, and comments whose response was lost are
    named instead of sent again. For that the position must be saved: on Airflow older than 3.3 set ``state_path``.
    All arguments are templated.

    :param comments: dicts of ``ticket_id``, ``body``, and optionally ``author_id``, ``role`` (``customer`` or
        ``agent``), ``channel``, ``public`` and ``time`` (an aware datetime or ISO 8601 text); a list, the output of
        another task, or a callable that takes ``context`` and ``jinja_env``.
    :return: the report of the push.
    """

    resource = "comments"
    records_argument = "comments"
    template_fields: Sequence[str] = ("comments", *PushOperator.template_fields)
    template_fields_renderers = {"comments": "json"}  # noqa: RUF012 - Airflow has it so

    def __init__(self, *, comments: Iterable[Mapping[str, Any]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.comments = comments
