"""What is wrong with a manifest, and where."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from mlscope.errors import ManifestError

__all__ = ["BrokenManifest", "Finding"]


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """One fault or doubt in one manifest."""

    path: Path
    line: int
    """Counts from 1."""
    column: int
    """Counts from 1, in characters."""
    severity: Literal["error", "warning"]
    message: str

    @property
    def where(self) -> str:
        """``path:line:column``."""
        return f"{self.path}:{self.line}:{self.column}"

    def __str__(self) -> str:
        return f"{self.where}: {self.severity}: {self.message}"


class BrokenManifest(ManifestError):
    """A manifest with at least one error; `findings` holds them all, in the order of the file."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(sorted(findings, key=lambda finding: (finding.line, finding.column)))
        first, *others = self.findings
        faults = f"{len(others)} more fault{'s' * (len(others) > 1)}"
        hint = f"{faults}: mlscope manifest check lists them all" if others else None
        super().__init__(first.message, where=first.where, hint=hint)
