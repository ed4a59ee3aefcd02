"""The product's own source files, parsed."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
PACKAGE = CHECKOUT / "src" / "mlscope"


@dataclasses.dataclass(frozen=True)
class Module:
    """One file of the package."""

    path: Path

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, str(self.path))

    @property
    def parts(self) -> tuple[str, ...]:
        """Below ``mlscope``: ``("results", "store", "_sql")``; a package's ``__init__`` is left out."""
        parts = self.path.relative_to(PACKAGE).with_suffix("").parts
        return parts[:-1] if parts[-1] == "__init__" else parts

    @property
    def name(self) -> str:
        return ".".join(("mlscope", *self.parts))

    @property
    def room(self) -> str:
        """First folder below ``mlscope``, or the root module's own name (empty for ``mlscope`` itself)."""
        return self.parts[0] if self.parts else ""

    @property
    def public(self) -> bool:
        return not any(part.startswith("_") for part in self.parts)

    def imports(self) -> Iterator[tuple[int, str]]:
        """(line, dotted name) of every import, wherever it stands; ``from a import b`` gives ``a.b``."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                source = self._absolute(node)
                yield from ((node.lineno, f"{source}.{alias.name}") for alias in node.names)

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        package = self.path.relative_to(PACKAGE.parent).parent.parts
        base = package[: len(package) - node.level + 1]
        return ".".join((*base, node.module) if node.module else base)


RECIPES = PACKAGE / "manifests" / "builtin" / "recipes"
"""Scripts that run in environments of their own; data, not modules."""

MODULES = [Module(path) for path in sorted(PACKAGE.rglob("*.py")) if RECIPES not in path.parents]
