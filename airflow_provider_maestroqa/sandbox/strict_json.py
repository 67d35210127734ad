"""JSON as the standard has it: no ``NaN``, no ``Infinity``."""

from __future__ import annotations

import json
from typing import Any


def parse_json(raw: bytes) -> Any:
    """Parsed strict JSON, or ``None`` when it is not."""
    try:
        return _DECODER.decode(raw.decode("utf-8"))
    except (ValueError, RecursionError):
        return None


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
