"""``mlscope info models``, ``datasets``, ``frameworks`` and ``system``."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from mlscope.cli._declare import flag
from mlscope.cli._flags import FormatFlags, Globals
from mlscope.cli._layout import columns
from mlscope.cli._terminal import clean, emit, width

if TYPE_CHECKING:
    from mlscope.manifests import DatasetManifest, Found, ModelManifest

__all__ = ["datasets", "frameworks", "models", "system"]

_FORMAT = FormatFlags()
_GLOBALS = Globals()


def models(*, output: FormatFlags = _FORMAT, flags: Globals = _GLOBALS) -> None:
    """List the models: the built-in ones and those of registered sources.

    Any manifest's path can stand wherever a model's name can; `mlscope manifest add` registers sources.
    """
    from mlscope.cli._sources import warn_of_broken
    from mlscope.manifests import list_models

    _show([_model(found.manifest) | _place(found) for found in list_models()], output)
    warn_of_broken()


def _place(found: Found[ModelManifest] | Found[DatasetManifest]) -> dict[str, Any]:
    """Source, description and file of a manifest."""
    source = found.source
    return {
        "source": source.name if source else "built in",
        "description": found.manifest.description,
        "manifest": str(found.path),
        "commit": source.commit if source else None,
    }


def _model(manifest: ModelManifest) -> dict[str, Any]:
    accuracy = manifest.reference_accuracy
    return {
        "name": manifest.name,
        "version": manifest.version,
        "framework": f"{manifest.framework.name} {manifest.framework.version}",
        "task": manifest.task,
        "reference": accuracy.model_dump(mode="json", exclude_none=True) if accuracy else None,
    }


def datasets(*, output: FormatFlags = _FORMAT, flags: Globals = _GLOBALS) -> None:
    """List the data sets: the built-in ones and those of registered sources.

    Any manifest's path can stand wherever a data set's name can; `mlscope manifest add` registers sources.
    """
    from mlscope.cli._sources import warn_of_broken
    from mlscope.manifests import list_datasets

    _show(
        [
            {
                "name": found.manifest.name,
                "version": found.manifest.version,
                "task": found.manifest.task,
                "classes": found.manifest.classes,
                "pictures": "inside mlscope" if found.manifest.path else "--dataset-path DIR",
                **_place(found),
            }
            for found in list_datasets()
        ],
        output,
    )
    warn_of_broken()


def frameworks(*, output: FormatFlags = _FORMAT, flags: Globals = _GLOBALS) -> None:
    """List the known frameworks: which versions can run here, and why not where none can.

    ``installed`` is beside mlscope, of ``environments`` there is one each, and ``index`` tells the newest version that
    could be installed (asked once a day, not with --local) and how many there are. JSON has all of them, and aliases.
    """
    from mlscope.manifests import list_frameworks
    from mlscope.stacks import framework_states

    known = [found.manifest for found in list_frameworks()]
    entries: list[dict[str, Any]] = [
        {
            "name": manifest.name,
            "installed": state.host,
            "environments": list(state.environments),
            "offered": None if state.offered is None else list(state.offered),
            "why_not": state.why_not,
            "files": list(manifest.suffixes),
            "devices": list(manifest.devices),
            "aliases": list(manifest.aliases),
            "description": manifest.description,
        }
        for manifest, state in zip(known, framework_states(known, offline=flags.local), strict=True)
    ]
    if output.format == "json":
        emit(json.dumps(entries, indent=2, ensure_ascii=False))
        return
    names = ("name", "installed", "environments", "index", "devices", "files")
    reasons: dict[str, list[str]] = {}
    for entry in entries:
        if entry["why_not"]:
            reasons.setdefault(entry["why_not"], []).append(entry["name"])
    lines = columns(names, [_framework_row(entry) for entry in entries], width(sys.stdout))
    emit("\n".join([*lines, *([""] if reasons else []), *(f"{', '.join(who)}: {why}" for why, who in reasons.items())]))


def _framework_row(entry: Mapping[str, Any]) -> list[str]:
    offered, built = entry["offered"], entry["environments"]
    index = f"{offered[0]} of {len(offered)}" if offered else "none" if offered is not None else None
    more = f" + {len(built) - 2}" if len(built) > 2 else ""
    shown = [f"{', '.join(built[:2])}{more}" or None, index, entry["devices"], entry["files"]]
    return [_cell(value) for value in (entry["name"], entry["installed"], *shown)]


def system(
    *,
    ceilings: Annotated[
        bool,
        flag("Also peak operations and memory bandwidth, by numpy; measured once a machine, some seconds."),
    ] = False,
    output: FormatFlags = _FORMAT,
    flags: Globals = _GLOBALS,
) -> None:
    """Describe this machine as records describe it.

    The passport tells how quiet it is: it is watched for a second.
    """
    from mlscope.conductor import glance
    from mlscope.stacks import describe_machine, machine_ceilings

    machine = describe_machine()
    if ceilings:
        machine["ceilings"] = machine_ceilings(machine)
    machine["passport"] = glance(machine).model_dump(mode="json", exclude_none=True)
    if output.format == "json":
        emit(json.dumps(machine, indent=2, ensure_ascii=False))
        return
    rows = [[name, _cell(value)] for name, value in _flat(machine)]
    emit("\n".join(columns([], rows, width(sys.stdout))))


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Nested mappings as ``outer.inner``."""
    flat: list[tuple[str, Any]] = []
    for name, value in values.items():
        flat += _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else [(f"{prefix}{name}", value)]
    return flat


def _show(entries: Sequence[dict[str, Any]], output: FormatFlags) -> None:
    if output.format == "json":
        emit(json.dumps(entries, indent=2, ensure_ascii=False))
        return
    names = [name for name in (entries[0] if entries else ()) if name not in {"manifest", "commit"}]
    rows = [[_cell(entry[name]) for name in names] for entry in entries]
    emit("\n".join(columns(names, rows, width(sys.stdout))))


def _cell(value: Any) -> str:
    if value is None or value == []:
        return "-"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {each}" for name, each in value.items() if name != "source")
    if isinstance(value, list | tuple):
        return clean(", ".join(map(str, value)))
    return clean(" ".join(str(value).split()))
