"""The flags that choose the software: framework, version, Python."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Annotated, Any, Literal

from mlscope.cli._declare import FlagGroup, flag, group

__all__ = ["StackFlags"]


@group("Software", 15)
@dataclasses.dataclass(frozen=True, kw_only=True)
class StackFlags(FlagGroup):
    """Which software runs the model."""

    frameworks: Annotated[
        tuple[str, ...],
        flag(
            "Framework, and version if wanted, instead of the manifest's (onnxruntime==1.20.1, openvino); in its "
            "own environment. Options for it alone stand in brackets: openvino[precision=auto]. May be repeated: each "
            "is measured, and one table compares them.",
            "--framework",
            metavar="NAME[==VERSION]",
        ),
    ] = ()
    pythons: Annotated[
        tuple[str, ...],
        flag("Python of that environment (3.12). May be repeated.", "--python", metavar="VERSION"),
    ] = ()
    packages: Annotated[
        tuple[str, ...],
        flag(
            "Further package of that environment; may be repeated.",
            "--package",
            metavar="REQUIREMENT",
        ),
    ] = ()
    stack: Annotated[
        Literal["auto", "host", "uv", "container"],
        flag(
            "Where the framework comes from; auto: this interpreter where it will do and none of --framework, --python "
            "and --package is given."
        ),
    ] = "auto"
    random_weights: Annotated[
        int | None, flag("Run with random weights of this seed: speed only, no accuracy.", metavar="SEED")
    ] = None

    def values(self) -> dict[str, Any]:
        """As for :class:`FlagGroup`; what may be repeated is in :meth:`axes`."""
        return {"stack": self.stack, "packages": self.packages, "random_weights": self.random_weights}

    def axes(self) -> list[dict[str, str | None]]:
        """Every combination of framework and Python, as fields of a request."""
        pairs = itertools.product(self.frameworks or (None,), self.pythons or (None,))
        return [{"framework": framework, "python": python} for framework, python in pairs]
