"""Names that the reference documented in 0.1.0 and that have moved: they work, with a warning, until 0.3."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Mapping
from typing import Any


def moved(module: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a module whose names have moved.

    :param module: the module's name.
    :param names: old name → full new name.
    """

    def find(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        warnings.warn(f"{module}.{name} is now {names[name]}.", DeprecationWarning, stacklevel=2)
        home, _, new_name = names[name].rpartition(".")
        return getattr(importlib.import_module(home), new_name)

    return find
