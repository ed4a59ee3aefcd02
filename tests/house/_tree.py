"""The list of files in docs/architecture.md, made from the modules' own first lines."""

from __future__ import annotations

import ast
import re

from tests.house._source import CHECKOUT, MODULES, PACKAGE

DOCUMENT = CHECKOUT / "docs" / "architecture.md"
BLOCK = re.compile(r"(?<=<!-- tree -->\n).*?(?=<!-- /tree -->)", re.DOTALL)


def tree() -> str:
    """One line a file; packages are headed by their own first line."""
    lines = []
    for module in sorted(MODULES, key=lambda module: (module.path.parent, module.path.name)):
        if "versions" in module.parts:
            continue
        sentence = (ast.get_docstring(module.tree) or "").split("\n\n")[0].replace("\n", " ")
        sentence = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", sentence.replace("``", "`"))
        lines.append(f"- `{module.path.relative_to(PACKAGE)}`: {sentence}")
    return "\n".join(lines) + "\n"


def updated(text: str) -> str:
    """The document with today's list."""
    return BLOCK.sub(lambda _: tree(), text)


if __name__ == "__main__":
    DOCUMENT.write_text(updated(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
