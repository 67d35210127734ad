"""Profiles: how an account behaves, as a check of it has found out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from airflow_provider_maestroqa.sandbox.options import command_line_options


def profile_options(file: str | Path) -> dict[str, Any]:
    """Read the options of a sandbox that behaves like an account, from the profile that a check of it has written.

    :param file: written by ``python -m airflow_provider_maestroqa check --json``.
    :raises ValueError: it is no such file, or of a newer version.
    :raises OSError: it cannot be read.
    """
    try:
        profile = json.loads(Path(file).read_bytes())
        options: dict[str, Any] = dict(profile["sandbox"])
    except (ValueError, TypeError, KeyError):
        raise ValueError(f"{file} is no profile of a check.") from None
    known = command_line_options()
    if unknown := sorted(set(options) - set(known)):
        raise ValueError(f"{file}: this version of the sandbox has no option {', '.join(unknown)}.")
    for name, value in options.items():
        expected: Any = (int, float) if isinstance(known[name].default, float) else type(known[name].default)
        if not isinstance(value, list if expected is tuple else expected):
            raise ValueError(f"{file}: {name} cannot be {value!r}.")  # noqa: TRY004
    return options
