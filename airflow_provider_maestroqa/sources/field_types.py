"""What each field of a record holds, so that a cell can be read as that."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Annotated, Any, get_args, get_origin

from typing_extensions import NotRequired, Required, get_type_hints

from airflow_provider_maestroqa.client.resources.coercion import as_attributes, as_number, as_tags, as_texts, as_time
from airflow_provider_maestroqa.client.resources.models import RecordType

TEXT = "text"
NUMBER = "number"
BOOLEAN = "boolean"
TIME = "time"
TAGS = "tags"
LIST = "list"
ATTRIBUTES = "attributes"
#: A custom attribute, of whose type nothing is known here.
ANYTHING = "anything"

#: What a user may say of a custom attribute.
TYPES = (TEXT, NUMBER, BOOLEAN, TIME)

_KIND_OF: Mapping[Any, str] = {
    as_number: NUMBER,
    as_time: TIME,
    as_tags: TAGS,
    as_texts: LIST,
    as_attributes: ATTRIBUTES,
}


@cache
def kinds_of(record_type: RecordType) -> Mapping[str, str]:
    """The kind of each field of a record."""
    hints = get_type_hints(record_type.shape, include_extras=True)
    return MappingProxyType({name: _kind_of(hint) for name, hint in hints.items()})


def _kind_of(hint: Any) -> str:
    while get_origin(hint) in (Required, NotRequired):
        (hint,) = get_args(hint)
    if hint is bool:
        return BOOLEAN
    if get_origin(hint) is Annotated:
        for validator in hint.__metadata__:
            if (kind := _KIND_OF.get(getattr(validator, "func", None))) is not None:
                return kind
    return TEXT
