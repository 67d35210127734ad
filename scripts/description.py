"""The package's description on an index: README.md, with links that lead somewhere from there.

Hatchling runs this while it builds. A link to a file of the tree leads nowhere on an index's page, so it becomes an
address below ``repository`` of ``pyproject.toml``, or plain text where ``repository`` is empty.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

#: An image or a link to no address: to a file of the tree, or to a heading.
RELATIVE = re.compile(r"(!?)\[([^\]\[]*)\]\((?!https?://|mailto:)([^)\s]+)\)")
#: Code is left as it is.
FENCE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
VERSION = re.compile(r'^__version__ = "(.+)"$', re.MULTILINE)


def describe(readme: str, pages: str = "") -> str:
    """README for a reader who has no tree.

    :param readme: its text.
    :param pages: the address of the tree's root, ending in a slash. Empty: links become their text, and images go.
    """

    def replace(match: re.Match[str]) -> str:
        image, text, target = match.groups()
        if target.startswith("#"):
            return match[0]
        if pages:
            return f"{image}[{text}]({pages}{target})"
        return "" if image else text

    parts = FENCE.split(readme)
    return "".join(part if part.startswith("```") else RELATIVE.sub(replace, part) for part in parts)


def pages_of(repository: str, version: str) -> str:
    """The address of the tree's root at a version's tag, ending in a slash; empty without a repository."""
    return f"{repository}/blob/v{version}/" if repository else ""


def urls_of(repository: str, version: str) -> dict[str, str]:
    """The project's URLs for an index; none without a repository."""
    if not repository:
        return {}
    pages = pages_of(repository, version)
    return {
        "Repository": repository,
        "Documentation": f"{pages}docs/index.md",
        "Changelog": f"{pages}CHANGELOG.md",
        "Issues": f"{repository}/issues",
    }


class Description(MetadataHookInterface):
    """Gives hatchling the description."""

    def update(self, metadata: dict[str, Any]) -> None:
        root = Path(self.root)
        (version,) = VERSION.findall((root / "airflow_provider_maestroqa" / "__init__.py").read_text("utf-8"))
        repository = self.config.get("repository", "").rstrip("/")
        text = describe((root / "README.md").read_text("utf-8"), pages_of(repository, version))
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
        metadata["urls"] = urls_of(repository, version)
