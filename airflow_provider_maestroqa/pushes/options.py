"""What the user decides about a push: what to do when records are rejected, or when an outcome is unknown."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.client.parsing import is_blank, parse_choice, parse_count

#: How many requests of a push are under way at most. Each holds up to 4 MB of records.
MAX_CONCURRENCY = 10


@dataclass(frozen=True)
class PushOptions:
    """What to do when a record is rejected, or when an outcome is unknown.

    :param on_error: ``fail`` stops at the first record that is rejected; ``collect`` continues without it.
    :param max_rejects: how many rejected records ``collect`` allows; one more fails. ``None`` is no limit.
    :param on_unknown_outcome: what to do about records that may or may not have arrived and must not be sent twice:
        ``fail`` stops and names them, ``resend`` sends them again, ``skip`` continues after them.
    :param concurrency: how many requests may be under way at once, for records that may be sent twice without harm;
        ``None`` picks it from how long responses take.
    """

    on_error: str = "fail"
    max_rejects: int | None = None
    on_unknown_outcome: str = "fail"
    concurrency: int | None = None

    @property
    def collects(self) -> bool:
        """Whether the push continues without records that are rejected."""
        return self.on_error == "collect"

    @property
    def resends(self) -> bool:
        """Whether to send a record twice rather than not at all."""
        return self.on_unknown_outcome == "resend"

    @classmethod
    def parse(
        cls,
        *,
        on_error: object = "fail",
        max_rejects: object = None,
        on_unknown_outcome: object = "fail",
        concurrency: object = None,
    ) -> PushOptions:
        """Read the options as a DAG author or a template writes them.

        :raises MaestroQAConfigError: a value is not one of those above.
        """
        on_error = parse_choice(on_error, "on_error", ("fail", "collect"))
        limit = None if is_blank(max_rejects) else parse_count(max_rejects, "max_rejects")
        if limit and on_error != "collect":
            raise MaestroQAConfigError(
                "max_rejects allows rejected records only together with on_error='collect'. Set both, or neither."
            )
        unknown = parse_choice(on_unknown_outcome, "on_unknown_outcome", ("fail", "resend", "skip"))
        at_once = None if is_blank(concurrency) else parse_count(concurrency, "concurrency")
        if at_once is not None and not 1 <= at_once <= MAX_CONCURRENCY:
            raise MaestroQAConfigError(
                f"concurrency must be from 1 to {MAX_CONCURRENCY}, got {at_once}. None picks it as the push goes."
            )
        return cls(on_error, limit, unknown, at_once)
