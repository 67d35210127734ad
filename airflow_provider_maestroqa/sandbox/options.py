"""How a sandbox behaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

#: Options that say how many there are at the start.
_RECORDS = ("todos", "coaching_points", "coaching_sessions")


@dataclass(frozen=True)
class Settings:
    """How this sandbox behaves; :class:`~airflow_provider_maestroqa.sandbox.server.Sandbox` explains each."""

    seed: int
    rows: int
    polls: int
    seconds: float
    url_ttl: float
    retry_after: bool
    agents: int
    custom_attributes: Mapping[str, str]
    batch_mode: str
    unknown_tickets: str
    largest_body: int
    attachment_id_reuse: str
    todos: int
    coaching_points: int
    coaching_sessions: int
    export_end_day: str

    def __post_init__(self) -> None:
        for name in ("rows", "polls", "seconds", "url_ttl", "agents", "largest_body", *_RECORDS):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be 0 or more, not {getattr(self, name)}.")
