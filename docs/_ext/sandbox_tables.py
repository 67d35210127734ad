"""Tables of the page on the sandbox: its command line, its kinds of faults and its control endpoints."""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx
from tables import TableDirective, rst_table


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.add_directive("maestroqa-sandbox-command", CommandLine)
    app.add_directive("maestroqa-sandbox-faults", FaultKinds)
    app.add_directive("maestroqa-sandbox-control", ControlEndpoints)
    return {"parallel_read_safe": True}


class CommandLine(TableDirective):
    """``maestroqa-sandbox-command``: the options of the command line."""

    def text(self) -> str:
        """Return the table."""
        from airflow_provider_maestroqa.sandbox.options import command_line_options

        rows = [
            (f"``{option.written_flag(name)}``", option.written_default, option.about)
            for name, option in command_line_options().items()
        ]
        rows.append(
            ("``--like``", "none", "behave like the account of this profile, which :doc:`a check </check>` wrote")
        )
        rows.append(("``--fault``", "none", "something that goes wrong; may be given several times"))
        return rst_table(["Option", "Default", "What it does"], rows)


class FaultKinds(TableDirective):
    """``maestroqa-sandbox-faults``: the kinds of faults."""

    def text(self) -> str:
        """Return the table."""
        from airflow_provider_maestroqa.sandbox.faults import KINDS

        rows = [(f"``{name}``", kind.family, kind.about.replace("`", "``")) for name, kind in KINDS.items()]
        return rst_table(["Kind", "Family", "What happens"], rows)


class ControlEndpoints(TableDirective):
    """``maestroqa-sandbox-control``: the control endpoints, from their docstrings."""

    def text(self) -> str:
        """Return the table."""
        from aiohttp import web

        from airflow_provider_maestroqa.sandbox.control import routes

        endpoints = [route for route in routes if isinstance(route, web.RouteDef)]
        rows = [(f"``{one.method} {one.path}``", (one.handler.__doc__ or "").rstrip(".")) for one in endpoints]
        return rst_table(["Request", "What it does"], rows)
