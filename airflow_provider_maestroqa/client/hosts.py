"""The two names of the service: MaestroQA is called Rippit now.

Both hosts serve the same accounts and accept the same tokens, and a token has one rate limit at both. So what tasks
share is kept under one name, whichever of the two a connection holds. Airflow reads this module with the provider
info: it imports nothing.
"""

from __future__ import annotations

#: The host of a connection that names none.
DEFAULT_HOST = "https://app.maestroqa.com"
#: The host under the service's new name.
NEW_HOST = "https://app.rippit.com"
#: Where tokens are made, in the menus of the service.
TOKEN_PAGE = "Other Settings, API Keys"  # noqa: S105 - the name of a page
OLD_NAME, NEW_NAME = DEFAULT_HOST.partition("://")[2], NEW_HOST.partition("://")[2]


def account_host(name: str) -> str:
    """The name under which budgets and assets are kept, whichever host a connection names.

    It is the old one of the two, so that budgets and assets of earlier versions stay what they are.

    :param name: a host's name in lower case, without a port.
    :return: the old name for the new one; any other name as it is.
    """
    return OLD_NAME if name == NEW_NAME else name
