"""What the polls of all triggers share: the hook, and that none but errors of this package leave them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook


async def make_hook(conn_id: str) -> MaestroQAHook:
    """Make the hook beside the event loop: importing it takes half a second, once, and other triggers run meanwhile.

    :param conn_id: id of the connection to MaestroQA.
    """

    def make() -> MaestroQAHook:
        from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook

        return MaestroQAHook(conn_id)

    return await asyncio.to_thread(make)


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
