"""``mlscope manifest …``."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mlscope.cli._flags import FormatFlags, Globals
from mlscope.cli._layout import columns
from mlscope.cli._terminal import emit, note
from mlscope.errors import ManifestError, UsageError

if TYPE_CHECKING:
    from mlscope.conductor import Resolution

__all__ = ["check", "convert", "init", "resolve"]

_FORMAT = FormatFlags()
_GLOBALS = Globals()

_Output = Annotated[
    Path | None, Parameter(name=("--output", "-o"), help="Write to a file, not to stdout.", metavar="FILE")
]
_Overwrite = Annotated[bool, Parameter(help="Replace the output file.")]


def check(
    *paths: Annotated[Path, Parameter(name="PATH", help="Manifests, or folders with manifests.")],
    output: FormatFlags = _FORMAT,
    flags: Globals = _GLOBALS,
) -> int:
    """Check manifests; every fault with file, line and column.

    Both dialects are understood, mlscope's and MLModelScope's. Ends with code 3 when there is a fault; doubts are
    printed as warnings.
    """
    from mlscope.manifests import check as check_manifests

    if not paths:
        raise UsageError("no manifest is named")
    findings = check_manifests(paths)
    errors = sum(finding.severity == "error" for finding in findings)
    if output.format == "json":
        plain = [dataclasses.asdict(finding) | {"path": str(finding.path)} for finding in findings]
        emit(json.dumps(plain, indent=2, ensure_ascii=False))
    else:
        emit("\n".join(map(str, findings)))
        warnings = len(findings) - errors
        note(f"{errors or 'no'} error{'s' * (errors != 1)}, {warnings or 'no'} warning{'s' * (warnings != 1)}")
    return ManifestError.exit_code if errors else 0


def resolve(
    *paths: Annotated[Path, Parameter(name="PATH", help="Manifests of models, or folders with manifests.")],
    python: Annotated[
        str | None, Parameter(help="Python of the environments (3.12). Default: the one that fits.", metavar="VERSION")
    ] = None,
    output: FormatFlags = _FORMAT,
    flags: Globals = _GLOBALS,
) -> int:
    """Tell which software would run the models, or why there is none.

    The framework's constraint is resolved against what is installed and what the package indexes have; nothing is
    built. Ends with code 3 when a manifest is broken.
    """
    from mlscope import conductor
    from mlscope.cli._observer import TerminalObserver

    if not paths:
        raise UsageError("no manifest is named")
    with TerminalObserver(flags.verbose) as observer:
        found = conductor.resolve_manifests(paths, observer, python=python, offline=flags.local)
    if output.format == "json":
        plain = [dataclasses.asdict(each) | {"path": str(each.path)} for each in found]
        emit(json.dumps(plain, indent=2, ensure_ascii=False))
    else:
        emit("\n".join(_resolution_lines(found)))
    return ManifestError.exit_code if any(each.broken for each in found) else 0


def _resolution_lines(found: Sequence[Resolution]) -> list[str]:
    """A table, and below it the reasons and doubts, each once."""
    names = ("manifest", "framework", "wants", "version", "stack", "Python")
    rows = [(each.framework, each.constraint, each.version, each.stack, each.python) for each in found]
    cells = [[each.path.name, *(value or "-" for value in row)] for each, row in zip(found, rows, strict=True)]
    lines = columns(names, cells, 1000)
    reasons: dict[str, list[str]] = {}
    for each in found:
        for text in filter(None, (each.reason, each.note)):
            reasons.setdefault(text, []).append(each.path.name)
    lines += [line for text, who in reasons.items() for line in ("", f"{', '.join(who)}:", f"  {text}")]
    if any(each.framework and each.version is None for each in found):
        lines += ["", "A run with --framework NAME[==VERSION] takes another version than the manifest wants."]
    return lines


def convert(
    path: Annotated[Path, Parameter(name="FILE", help="A manifest of either dialect.")],
    /,
    *,
    output: _Output = None,
    overwrite: _Overwrite = False,
    flags: Globals = _GLOBALS,
) -> None:
    """Convert a manifest of MLModelScope to mlscope's own dialect.

    Relative files in it stay relative to the manifest: the result belongs into the same folder.
    """
    from mlscope.manifests import convert as convert_manifest

    _write(convert_manifest(path), output, overwrite)


def init(
    model: Annotated[Path, Parameter(name="MODEL", help="A model file, .onnx or .tflite.")],
    /,
    *,
    name: Annotated[str | None, Parameter(help="Name of the model. Default: the file's.", metavar="NAME")] = None,
    output: _Output = None,
    overwrite: _Overwrite = False,
    flags: Globals = _GLOBALS,
) -> None:
    """Write a manifest's skeleton from a model file's own inputs and outputs.

    What the file cannot tell (how pictures become tensors, the labels) is marked in it, to be filled in.
    """
    from mlscope._files import digest
    from mlscope.conductor import inspect_model
    from mlscope.manifests import skeleton_model

    if not model.is_file():
        raise UsageError("there is no such file", where=str(model))
    framework, inputs, outputs = inspect_model(model)
    folder = output.parent if output else Path()
    text = skeleton_model(
        name or re.sub(r"[^A-Za-z0-9_.-]", "_", model.stem),
        framework,
        os.path.relpath(model, folder),
        digest(model),
        inputs,
        outputs,
    )
    _write(text, output, overwrite)


def _write(text: str, output: Path | None, overwrite: bool) -> None:
    """To a file, which is not replaced unasked, or to stdout."""
    from mlscope._files import write_atomic

    if output is None:
        if overwrite:
            raise UsageError("--overwrite is about a file", hint="name one with --output FILE")
        emit(text)
        return
    if output.exists() and not overwrite:
        raise UsageError("is there already", where=str(output), hint="use --overwrite or another name")
    write_atomic(output, text)
    note(f"written to {output}")
