"""The keys of a connection's extra, one row each.

Settings, the forms of all Airflows, the options of airflow.cfg and the tables on the docs' connection page are made
from these rows. Airflow reads
them very early, with the provider info: this module imports the standard library only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

DEFAULT_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class ConnectionField:
    """A key of a connection's extra.

    :param name: the key.
    :param parser: how its value is read: a key of ``PARSERS`` in :mod:`.settings`.
    :param label: its label in the form.
    :param help: what it holds: sentences for the form and the docs, with code in backticks.
    :param default: its value where the key is absent, as the extra would hold it.
    :param default_text: what the default means, where the value alone does not say.
    :param schema: the JSON schema of its input field.
    :param is_sensitive: whether it may hold a password: a URL, or an object with URLs.
    :param attribute: its name in :class:`~.settings.Settings`. Default: the key.
    :param is_option: whether airflow.cfg may hold a default of it.
    """

    name: str
    parser: str
    label: str
    help: str
    default: Any = None
    default_text: str = ""
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": ["string", "null"]})
    is_sensitive: bool = False
    attribute: str = ""
    is_option: bool = True

    @property
    def written_default(self) -> str:
        """The default in words, with code in backticks."""
        literal = f"`{json.dumps(self.default)}`" if self.default not in (None, {}) else ""
        return ": ".join(filter(None, (self.default_text, literal)))

    @property
    def form_help(self) -> str:
        """What the form says of it: plain text."""
        is_checkbox = "boolean" in self.schema["type"]
        default = "" if is_checkbox else f" Empty: {self.default_text or json.dumps(self.default)}."
        return self.help.replace("`", "") + default

    @property
    def form_field(self) -> dict[str, Any]:
        """The field as Airflow's provider info describes it, under ``conn-fields``."""
        schema = {**self.schema, "format": "password"} if self.is_sensitive else dict(self.schema)
        return {"label": self.label, "description": self.form_help, "schema": schema}

    @property
    def config_option(self) -> dict[str, Any]:
        """The option as Airflow's provider info describes it, under ``config``."""
        option = {
            "description": f"{self.help} For connections that leave it empty.",
            "version_added": "0.2.0",
            "type": "string",
            "example": None,
            "default": None,
        }
        return {**option, "sensitive": True} if self.is_sensitive else option


EXTRA_FIELDS = (
    ConnectionField(
        "rate_limits",
        parser="limits",
        label="Rate limits",
        help="The token's budget: for each bucket a list of windows, each `[requests, seconds]`, as JSON such as "
        '`{"normal": [[10, 1], [100, 60]], "hard": [[1, 1], [30, 60]]}`.',
        default={"normal": [[10, 1], [100, 60]], "hard": [[1, 1], [30, 60]]},
        default_text="what MaestroQA documents",
        schema={"type": ["object", "null"]},
        attribute="limits",
    ),
    ConnectionField(
        "rate_limit_store",
        parser="text",
        label="Rate limit store",
        help="Where tasks share the token's budget. For workers on several machines: "
        "`redis://:password@host:6379/0`, `rediss://…` with TLS, `unix://…`, "
        "`postgresql://user:password@host/database`, `airflow://conn_id` for a connection to one of these, or "
        "`s3://conn_id@bucket/prefix`, `gs://…`, `abfs://…`. Else `sqlite:///absolute/path` or `memory`.",
        default_text="a SQLite file on this machine",
        is_sensitive=True,
    ),
    ConnectionField(
        "timeout",
        parser="timeout",
        label="Timeout (seconds)",
        help="Seconds to wait for the next bytes of a response. At most 10 of them to connect.",
        default=int(DEFAULT_TIMEOUT_S),
        schema={"type": ["number", "null"], "minimum": 1, "maximum": 3600},
        attribute="timeout_s",
    ),
    ConnectionField(
        "verify",
        parser="verify",
        label="Verify TLS",
        help="`true`, `false`, or the path of a file with certificate authorities, as workers and triggerer see it.",
        default=True,
        schema={
            "type": ["string", "null"],
            "examples": ["true", "false", "/etc/ssl/certs/ca-certificates.crt"],
        },
    ),
    ConnectionField(
        "proxies",
        parser="proxies",
        label="Proxy",
        help="The URL of an HTTP proxy, such as `http://user:password@proxy:3128`, or an object such as "
        '`{"https": "http://proxy:3128"}`.',
        default={},
        default_text="what the environment says",
        is_sensitive=True,
    ),
    ConnectionField(
        "allow_http",
        parser="flag",
        label="Allow plain HTTP",
        help="`true` lets the token travel unencrypted, over `http://`, to a host other than this machine.",
        default=False,
        schema={"type": ["boolean", "null"]},
        # Each connection that sends its token in the clear is to say so itself.
        is_option=False,
    ),
)
#: The section of airflow.cfg with the defaults of connections.
CONFIG_SECTION = "maestroqa"
_HOST = ConnectionField(
    "host", parser="text", label="Base URL", help="The base URL, or a bare host name.", default_text="MaestroQA's own"
)
#: The options of that section: a connection that leaves the field of this name empty has this value.
CONFIG_OPTIONS = (_HOST, *(field for field in EXTRA_FIELDS if field.is_option))
