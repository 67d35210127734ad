"""What may leave a poll of a trigger: an error of this package, and no other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def own_errors(doing: str) -> Iterator[None]:
    """Turn whatever goes wrong in a poll into an error of this package, which the next poll may cure.

    :param doing: what is being done, for the message. The message of the other error may hold anything, so only its
        type is told.
    :raises MaestroQAError: anything went wrong.
    """
    from airflow_provider_maestroqa.client.errors import MaestroQAError

    failure = ""
    try:
        yield
    except MaestroQAError:
        raise
    except Exception as error:  # noqa: BLE001 -- a trigger that ends by it would be lost
        failure = type(error).__name__
    if failure:
        raise MaestroQAError(f"{failure} while {doing}.", retryable=True)
