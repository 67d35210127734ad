"""What is optional is not imported by a module that others import at once."""

import ast
import re
import sys

OURS = "airflow_provider_maestroqa"


def imported_at_once(path):
    """The packages that a module imports when it is imported itself."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            yield from (name.name.partition(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]


def test_modules_import_at_once_what_the_package_depends_on_and_those_that_need_more_are_known(script, root):
    dependencies = script("package_checks").project()["project"]["dependencies"]
    names = {re.match(r"[\w-]+", text)[0].replace("-", "_") for text in dependencies}
    # What a distribution is called and what it brings are not always the same.
    needed = names - {"apache_airflow"} | {"airflow", "pydantic_core"}
    optional = {}
    for path in (root / OURS).rglob("*.py"):
        module = ".".join(path.relative_to(root).with_suffix("").parts)
        for name in set(imported_at_once(path)) - needed - sys.stdlib_module_names - {OURS}:
            optional[module] = name
    assert optional == script("package_probes").OPTIONAL
