"""What the user decides about a push."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.client.parsing import parse_choice


@dataclass(frozen=True)
class PushOptions:
    """What to do when something is refused, or when nobody knows what happened.

    :param on_error: ``fail`` stops at the first record that is refused; ``collect`` goes on without it.
    :param max_rejects: how many refused records ``collect`` allows; one more fails. ``None`` is no limit.
    :param on_unknown_outcome: what to do about records that may or may not have arrived and must not arrive twice:
        ``fail`` stops and names them, ``resend`` sends them again, ``skip`` goes on after them.
    """

    on_error: str = "fail"
    max_rejects: int | None = None
    on_unknown_outcome: str = "fail"

    @property
    def collects(self) -> bool:
        """Whether the push goes on without records that are refused."""
        return self.on_error == "collect"

    @property
    def resends(self) -> bool:
        """Whether a record may arrive twice rather than not at all."""
        return self.on_unknown_outcome == "resend"

    @classmethod
    def checked(
        cls, *, on_error: object = "fail", max_rejects: object = None, on_unknown_outcome: object = "fail"
    ) -> PushOptions:
        """Read the options as a DAG author or a template writes them.

        :raises MaestroQAConfigError: a value is not one of those above.
        """
        on_error = parse_choice(on_error, "on_error", ("fail", "collect"))
        most = None if max_rejects is None or max_rejects in ("", "None") else _as_count(max_rejects, "max_rejects")
        if most and on_error != "collect":
            raise MaestroQAConfigError(
                "max_rejects allows refused records only together with on_error='collect'. Set both, or neither."
            )
        unknown = parse_choice(on_unknown_outcome, "on_unknown_outcome", ("fail", "resend", "skip"))
        return cls(on_error, most, unknown)


def _as_count(value: object, field: str) -> int:
    if isinstance(value, str) and value.strip().isdecimal():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise MaestroQAConfigError(f"{field} must be a whole number, 0 or more, got {value!r}.")
