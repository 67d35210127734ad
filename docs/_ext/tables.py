"""Tables of the pages that are generated from the code, so that no page repeats it by hand.

Each table is a directive, which a page holds in an ``eval-rst`` block::

    .. maestroqa-arguments:: operators.exports.MaestroQARequestExportOperator
    .. maestroqa-connection-fields::
    .. maestroqa-config-options::
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterable, Iterator
from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from airflow_provider_maestroqa.landing.manifest import ARCHIVE_NAME, BARE_NAME
from airflow_provider_maestroqa.landing.output_formats import OUTPUT_FORMATS, OutputFormat

PACKAGE = "airflow_provider_maestroqa"
_PARAMETER = re.compile(r"^:param +(?:\w+ +)?(\w+): *(.*)")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.add_directive("maestroqa-arguments", Arguments)
    app.add_directive("maestroqa-connection-fields", ConnectionFields)
    app.add_directive("maestroqa-datasets", Datasets)
    app.add_directive("maestroqa-config-options", ConfigOptions)
    app.add_directive("maestroqa-export-files", ExportFiles)
    app.add_directive("maestroqa-list-resources", ListResources)
    app.add_directive("maestroqa-probes", Probes)
    app.add_directive("maestroqa-output-formats", OutputFormats)
    return {"parallel_read_safe": True}


def rst_table(header: Iterable[str], rows: Iterable[Iterable[str]], *, widths: str = "auto") -> str:
    """Write a table as reStructuredText.

    :param header: the titles of the columns.
    :param rows: the cells, each a line of reStructuredText.
    :param widths: the columns' relative widths.
    """
    lines = [".. list-table::", "   :header-rows: 1", f"   :widths: {widths}", ""]
    for cells in (header, *rows):
        first, *others = cells
        lines += [f"   * - {first}", *(f"     - {cell}" for cell in others)]
    return "\n".join([*lines, ""])


class TableDirective(SphinxDirective):
    """A directive that generates a table as reStructuredText."""

    def text(self) -> str:
        """Return the reStructuredText."""
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        """Parse the generated text; in a page of Markdown the directive stands in an ``eval-rst`` block."""
        return self.parse_text_to_nodes(self.text())


class Probes(TableDirective):
    """``maestroqa-probes``: what a check asks an account about."""

    def text(self) -> str:
        """Return the table."""
        from airflow_provider_maestroqa.check.catalogue import PROBES

        rows = [
            (
                probe.reading.replace("`", "``"),
                probe.means.replace("`", "``"),
                f"``--{probe.needs}``" if probe.needs else "",
            )
            for probe in PROBES
        ]
        return rst_table(["What this package assumes", "Where it is not so", "Only with"], rows)


class ConnectionFields(TableDirective):
    """``maestroqa-connection-fields``: the keys of a connection's extra, with what they hold and their defaults."""

    def text(self) -> str:
        """Return the table."""
        from airflow_provider_maestroqa.client.connection_fields import EXTRA_FIELDS

        rows = [(f"`{field.name}`", field.help, field.written_default) for field in EXTRA_FIELDS]
        return rst_table(["Key", "What it holds", "Default"], rows, widths="20 55 25").replace("`", "``")


class ConfigOptions(TableDirective):
    """``maestroqa-config-options``: the options of airflow.cfg, with the environment variable of each."""

    def text(self) -> str:
        """Return the table."""
        from airflow_provider_maestroqa.client.connection_fields import CONFIG_OPTIONS, CONFIG_SECTION

        rows = [
            (
                f"``{option.name}``",
                f"``AIRFLOW__{CONFIG_SECTION.upper()}__{option.name.upper()}``",
                "yes" if option.is_sensitive else "no",
            )
            for option in CONFIG_OPTIONS
        ]
        return rst_table(["Option", "Environment variable", "Also ``_CMD`` and ``_SECRET``"], rows)


class Arguments(TableDirective):
    """``maestroqa-arguments``: the arguments of a class, with their defaults and descriptions.

    The option ``inherited`` adds those of the class's parents in this package.
    """

    required_arguments = 1
    option_spec = {"inherited": directives.flag}  # noqa: RUF012 - docutils has it so

    def text(self) -> str:
        """Return the table."""
        module, _, name = self.arguments[0].rpartition(".")
        cls = getattr(importlib.import_module(f"{PACKAGE}.{module}"), name)
        homes = [cls, *(cls.__mro__[1:] if "inherited" in self.options else ())]
        rows = [(f"``{argument}``", _default(parameter), text) for argument, parameter, text in _arguments(homes)]
        if not rows:
            raise self.error(f"{self.arguments[0]} has no arguments that its docstring explains.")
        return rst_table(["Argument", "Default", "What it is"], rows) + _templated(cls, [name for name, *_ in rows])


class ListResources(TableDirective):
    """``maestroqa-list-resources``: the lists of records, with what each can be filtered by and how to read it."""

    def text(self) -> str:
        """Return the table."""
        from airflow_provider_maestroqa.client.resources.catalogue import LIST_RESOURCES

        hook = f"{PACKAGE}.hooks.maestroqa.MaestroQAHook"
        rows = []
        for row in LIST_RESOURCES.values():
            methods = [f":meth:`~{hook}.{name}`" for name in (row.list_operation, row.get_operation)]
            filters = [f"``{name}``" for name in row.arguments]
            rows.append((f"``{row.name}``", row.section, ", ".join(filters), ", ".join(methods)))
        return rst_table(["Resource", "Chapter of the API", "Filters", "Methods of the hook"], rows)


class ExportFiles(TableDirective):
    """``maestroqa-export-files``: the files of exports, with their columns and natural keys."""

    def text(self) -> str:
        """Return the table."""
        from airflow_provider_maestroqa.client.resources.export_files import EXPORT_FILES

        rows = [(f"``{file.name}``", _names(file.columns), _names(file.key_columns)) for file in EXPORT_FILES]
        return rst_table(["File", "Columns", "A record is identified by"], rows, widths="15 55 30")


class Datasets(TableDirective):
    """``maestroqa-datasets``: what an asset's URI can name."""

    def text(self) -> str:
        """Return the table."""
        from airflow_provider_maestroqa.assets import DATASETS

        return rst_table(["Dataset", "What it is"], [(f"``{name}``", content) for name, content in DATASETS.items()])


class OutputFormats(TableDirective):
    """``maestroqa-output-formats``: the formats that an export can be landed in."""

    def text(self) -> str:
        """Return the table."""
        header = ["``file_format``", "A ZIP becomes", "A single CSV becomes", "Cleaned"]
        return rst_table(header, map(self._row, OUTPUT_FORMATS.values()))

    @staticmethod
    def _row(output_format: OutputFormat) -> tuple[str, ...]:
        name = f"``{output_format.name}``"
        if output_format.keeps_archive:
            return name, f"``{ARCHIVE_NAME}``", f"``{output_format.stored_name(BARE_NAME)}``", "never"
        table, single = output_format.table_name("<file>.csv"), output_format.table_name(BARE_NAME)
        cleaned = "always" if output_format.always_cleans else "on request"
        return name, f"``{table}`` for each ``<file>.csv``", f"``{single}``", cleaned


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"``{name}``" for name in names)


def _arguments(homes: Iterable[type]) -> Iterator[tuple[str, inspect.Parameter, str]]:
    names = set()
    for home in homes:
        if not home.__module__.startswith(PACKAGE) or "__init__" not in vars(home):
            continue
        explained = dict(_explained(home))
        for name, parameter in inspect.signature(inspect.unwrap(home.__init__)).parameters.items():
            if name in names or name == "self" or parameter.kind is parameter.VAR_KEYWORD:
                continue
            names.add(name)
            text = explained.get(name) or next((dict(_explained(other)).get(name, "") for other in homes), "")
            yield name, parameter, text


def _explained(cls: type) -> Iterator[tuple[str, str]]:
    """Yield the parameters that a class's docstring explains, each as one line."""
    name, text = "", ""
    for line in inspect.cleandoc(cls.__doc__ or "").splitlines():
        match = _PARAMETER.match(line)
        if match or not line.startswith(" "):
            if name:
                yield name, text
            name, text = match.groups() if match else ("", "")
        else:
            text += f" {line.strip()}"
    if name:
        yield name, text


def _templated(cls: Any, arguments: list[str]) -> str:
    others = [name for name in arguments if name.strip("`") not in getattr(cls, "template_fields", arguments)]
    if not hasattr(cls, "template_fields"):
        return ""
    return f"\nAll but {' and '.join(others)} are templated.\n" if others else "\nAll arguments are templated.\n"


def _default(parameter: inspect.Parameter) -> str:
    if parameter.default is parameter.empty:
        return "required"
    written = repr(parameter.default)
    return "see there" if written.startswith("<") else f"``{written}``".replace("'", '"')
