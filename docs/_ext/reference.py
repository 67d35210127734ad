"""Add to the reference what docstrings lack: templated and inherited arguments, and the API's operations."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

PACKAGE = "airflow_provider_maestroqa"
_NAMED = re.compile(r"^:(?:param|raises) +(?:\w+ +)?(\w+):")
_API = re.compile(r"\(API: (.+)\)$")
#: Classes that only this package creates: their constructors are not shown. Of the iterators among them, the
#: parameters are not shown either.
_GIVEN_BACK = (
    "client.resources.exports.Export",
    "client.endpoints.Request",
    "sandbox.data.exports.Export",
    "sandbox.request_log.LoggedRequest",
)
_ITERATORS = (
    "client.resources.pagination.RecordIterator",
    "client.resources.coaching_export.SessionExport",
    "sandbox.data.coaching.RecordList",
)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("autodoc-process-docstring", _complete)
    app.connect("autodoc-process-signature", _readable)
    app.add_directive("maestroqa-operations", Operations)
    return {"parallel_read_safe": True}


# -- Docstrings --------------------------------------------------------------------------------------------------


def _complete(_app: Sphinx, what: str, name: str, value: Any, _options: Any, lines: list[str]) -> None:
    """Add inherited parameters, list what is templated, and link the operations of the API."""
    _link_operations(lines)
    if name.removeprefix(f"{PACKAGE}.") in _ITERATORS:
        del lines[min((place for place, line in enumerate(lines) if line.startswith(":")), default=len(lines)) :]
    if what == "class" and name.startswith(PACKAGE) and hasattr(value, "template_fields"):
        _add_inherited(value, lines)
        _say_templated(value, lines)


def _add_inherited(cls: type, lines: list[str]) -> None:
    """Add the parameters that a parent class of this package explains."""
    known = {match[1] for line in lines if (match := _NAMED.match(line))}
    place = _end_of_parameters(lines)
    for parent in cls.__mro__[1:]:
        if not parent.__module__.startswith(PACKAGE):
            continue
        for parameter, text in _explained(parent):
            if parameter not in known and parameter in _arguments(cls):
                known.add(parameter)
                lines[place:place] = text
                place += len(text)


def _end_of_parameters(lines: list[str]) -> int:
    places = [place for place, line in enumerate(lines) if line.startswith(":param ")]
    if not places:
        return len(lines)
    place = places[-1] + 1
    while place < len(lines) and lines[place].startswith(" "):
        place += 1
    return place


def _explained(cls: type) -> Iterator[tuple[str, list[str]]]:
    """Yield the parameters that a class's own docstring explains, each with its lines."""
    lines = inspect.cleandoc(cls.__doc__ or "").splitlines()
    for place, line in enumerate(lines):
        match = _NAMED.match(line) if line.startswith(":param ") else None
        if match:
            text = [line]
            while place + len(text) < len(lines) and lines[place + len(text)].startswith(" "):
                text.append(lines[place + len(text)])
            yield match[1], text


def _say_templated(cls: Any, lines: list[str]) -> None:
    arguments, templated = list(_arguments(cls)), set(cls.template_fields)
    others = [f"``{name}``" for name in arguments if name not in templated]
    named = ", ".join(f"``{name}``" for name in arguments if name in templated)
    if named:
        lines[:] = [*lines, *([""] if lines and lines[-1] else []), f":Templated: {named}"]
        if others:
            lines.append(f":Not templated: {', '.join(others)}")
        lines.append("")


def _link_operations(lines: list[str]) -> None:
    """Turn ``(API: Create a Ticket)`` into a link to the table of operations."""
    for place, line in enumerate(lines):
        if match := _API.search(line):
            titles = _titles()
            parts = [_link(part, titles) for part in match[1].split(", ")]
            lines[place] = f"{line[: match.start()]}(API: {', '.join(parts)})"


def _link(part: str, titles: dict[str, str]) -> str:
    whole = next((title for title in titles if title == part or part == f"{title[: len(part) - 2]} …"), None)
    return part if whole is None else f":ref:`{part} <{titles[whole]}>`"


# -- Signatures --------------------------------------------------------------------------------------------------


def _arguments(cls: type) -> dict[str, inspect.Parameter]:
    """Return the arguments of a class and of its parents in this package; its own first."""
    parameters: dict[str, inspect.Parameter] = {}
    for home in cls.__mro__:
        if home.__module__.startswith(PACKAGE) and "__init__" in vars(home):
            for name, parameter in inspect.signature(inspect.unwrap(home.__init__)).parameters.items():
                if name != "self" and parameter.kind is not parameter.VAR_KEYWORD:
                    parameters.setdefault(name, parameter)
    return parameters


def _readable(
    _app: Sphinx, what: str, name: str, value: Any, _options: Any, signature: str | None, returns: str | None
) -> tuple[str | None, str | None] | None:
    """Show every argument of an operator in its signature."""
    if name.removeprefix(f"{PACKAGE}.") in (*_GIVEN_BACK, *_ITERATORS) or name == f"{PACKAGE}.sandbox.LoggedRequest":
        return "", None
    if what != "class" or not name.startswith(PACKAGE) or not hasattr(value, "template_fields"):
        return None if signature is None else (_without_internals(signature), returns)
    shown = [_written(one) for one in _arguments(value).values()]
    return f"(*, {', '.join(shown)}, **kwargs)", returns


def _without_internals(signature: str) -> str:
    """Drop the repr of defaults that are functions, and the modules of types."""
    return re.sub(r"<[\w .<>-]+>(?=[,)])", "…", re.sub(r"~(?:\w+\.)+", "", signature))


def _written(parameter: inspect.Parameter) -> str:
    default = "" if parameter.default is parameter.empty else f" = {parameter.default!r}"
    return f"{parameter.name}: {parameter.annotation}{default}"


# -- The operations of the API -------------------------------------------------------------------------------------


def _titles() -> dict[str, str]:
    """Return the titles in MaestroQA's API document, with the labels of their chapters here."""
    from airflow_provider_maestroqa.client.endpoints import ENDPOINTS

    labels = {}
    for operation, endpoint in ENDPOINTS.items():
        labels[endpoint.section] = _label(endpoint.section)
        labels[_title(operation)] = _label(endpoint.section)
    return labels


def _title(operation: str) -> str:
    from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook

    first = inspect.getdoc(getattr(MaestroQAHook, operation)).splitlines()[0]
    match = _API.search(first)
    if match is None:
        raise ValueError(f"The first line of MaestroQAHook.{operation} does not name its section: (API: …).")
    return match[1]


def _label(name: str) -> str:
    return "api-" + re.sub(r"\W+", "-", name.lower().replace("_", "-"))


def _tasks() -> dict[str, list[str]]:
    """Return the operators whose first line names a title, by this title."""
    import importlib

    from airflow_provider_maestroqa.get_provider_info import get_provider_info

    info = get_provider_info()
    modules = [
        module for house in ("operators", "sensors") for entry in info[house] for module in entry["python-modules"]
    ]
    modules += [entry["python-module"] for entry in info["transfers"]]
    classes: dict[str, list[str]] = {}
    for module in modules:
        for name, value in vars(importlib.import_module(module)).items():
            if inspect.isclass(value) and value.__module__ == module:
                named = _API.search(inspect.cleandoc(value.__doc__ or "").splitlines()[0])
                for title in named[1].split(", ") if named else ():
                    classes.setdefault(title, []).append(f":class:`~{module}.{name}`")
    return classes


class Operations(SphinxDirective):
    """``maestroqa-operations``: the API as one table per chapter, read from the code."""

    def run(self) -> list[nodes.Node]:
        """Write the tables as reStructuredText and parse it."""
        from airflow_provider_maestroqa.client.endpoints import ENDPOINTS

        tasks, text, chapter = _tasks(), [], None
        for operation, endpoint in ENDPOINTS.items():
            if endpoint.section != chapter:
                chapter = endpoint.section
                others = tasks.get(chapter, [])
                text += ["", f".. _{_label(chapter)}:", "", f".. rubric:: {chapter}", ""]
                text += [f"Whole chapter: {', '.join(others)}.", ""] if others else []
                text += [".. list-table::", "   :header-rows: 1", "   :widths: 32 40 18 10", ""]
                text += _row("Operation", "Request and hook", "Budget", "Safe to send twice")
            title, hook = _title(operation), f"{PACKAGE}.hooks.maestroqa.MaestroQAHook.{operation}"
            done_by = [f":meth:`~{hook}`", *tasks.get(title, [])]
            forms = " or ".join(
                f"``{one.method} {one.full_path}``" for one in (endpoint, endpoint.alternative) if one
            )
            request = f"{forms}\n\n       {' '.join(done_by)}"
            batch = f", up to {endpoint.batch_size} records" if endpoint.batch_size else ""
            with_param = f"with ``{endpoint.idempotency_param}``" if endpoint.idempotency_param else "no"
            safe = "yes" if endpoint.idempotent else with_param
            text += _row(title, request, f"{endpoint.bucket}{batch}", safe)
        return self.parse_text_to_nodes("\n".join(text))


def _row(*cells: str) -> list[str]:
    first, *others = cells
    return [f"   * - {first}", *(f"     - {cell}" for cell in others), ""]
