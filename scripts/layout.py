"""Draw the rooms and the layers of the package: what CONTRIBUTING.md shows.

    python scripts/layout.py               write them into CONTRIBUTING.md

Rooms are the folders, each with the first line of its docstring. Layers are those that the tests enforce.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "airflow_provider_maestroqa"
PAGE = ROOT / "CONTRIBUTING.md"


def rooms() -> str:
    """The tree of folders and of the modules at the top, a line each."""
    lines = [f"{PACKAGE.name}/"]
    for path in sorted(PACKAGE.glob("*.py")):
        if path.name != "__init__.py":
            lines.append(_line(1, path.name, path))
    for path in sorted(PACKAGE.rglob("__init__.py")):
        folder = path.parent.relative_to(PACKAGE)
        if folder.parts:
            lines.append(_line(len(folder.parts), f"{folder.name}/", path))
    return "\n".join(lines)


def layers() -> str:
    """The table of layers, the highest first."""
    tree = ast.parse((ROOT / "tests" / "contract" / "test_imports.py").read_text())
    (table,) = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "LAYERS"
    ]
    return "\n".join("  " + "   ".join(layer) for layer in table)


def page(text: str) -> str:
    """The contributing page with both drawings as they are now."""
    for name, drawing in (("rooms", rooms()), ("layers", layers())):
        start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        before, _, rest = text.partition(start)
        text = f"{before}{start}\n```text\n{drawing}\n```\n\n{end}{rest.partition(end)[2]}"
    return text


def _line(depth: int, name: str, path: Path) -> str:
    first = (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n")[0]
    sentence = first.partition(". ")[0].rstrip(".").replace("``", "")
    return f"{'  ' * depth}{name}".ljust(24) + f" {sentence}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
    sys.exit(0)
