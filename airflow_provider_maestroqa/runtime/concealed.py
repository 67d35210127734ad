"""Values of an operator that Airflow must neither store nor show, such as e-mail addresses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Concealed:
    """Holds a value so that whoever prints, serializes or looks into this object does not find it.

    Airflow stores the rendered template fields of a task as JSON or text and shows them; of this it stores a
    placeholder.

    :param value: the value.
    """

    # The value is in a closure: encoders that go through the attributes of an object do not find it there.
    __slots__ = ("_reveal",)

    def __init__(self, value: Any) -> None:
        self._reveal: Callable[[], Any] = lambda: value

    def reveal(self) -> Any:
        """The value."""
        return self._reveal()

    def serialize(self) -> str:
        """What Airflow stores of it."""
        return str(self)

    def __repr__(self) -> str:
        return "*** (not shown)"

    def __copy__(self) -> Concealed:
        return self

    def __deepcopy__(self, memo: object) -> Concealed:
        return self

    def __getstate__(self) -> None:
        raise TypeError("A concealed value must not be pickled.")
