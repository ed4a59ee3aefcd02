"""``mlscope stack …``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from mlscope.cli import _values
from mlscope.cli._flags import FormatFlags, Globals
from mlscope.cli._layout import columns
from mlscope.cli._observer import TerminalObserver
from mlscope.cli._terminal import clean, emit, note, width
from mlscope.errors import UsageError

if TYPE_CHECKING:
    from mlscope.stacks import Stack, StoredStack

__all__ = ["build", "list_all", "lock", "prune", "remove", "show"]

_FORMAT = FormatFlags()
_GLOBALS = Globals()

_Framework = Annotated[
    str,
    Parameter(
        name="FRAMEWORK",
        help="A framework, and which versions of it: onnxruntime==1.20.1, 'mxnet>=1.9', openvino.",
    ),
]
_Python = Annotated[
    str | None,
    Parameter(help="Python of the environment: 3.12, or an interpreter's path. Default: this one.", metavar="VERSION"),
]
_Packages = Annotated[
    tuple[str, ...], Parameter(name="--package", help="A further package; may be repeated.", metavar="REQUIREMENT")
]
_Gpu = Annotated[bool, Parameter(help="Take the builds for a GPU.")]
_Upgrade = Annotated[bool, Parameter(help="Resolve anew, though it was resolved before.")]
_ID = Parameter(name="ID", help="The environment's id, or the first digits of it that no other has.")
_IDS = Parameter(name="ID", help="Ids of environments, or the first digits of them that no other has.")


def lock(
    framework: _Framework,
    /,
    *,
    python: _Python = None,
    packages: _Packages = (),
    gpu: _Gpu = False,
    upgrade: _Upgrade = False,
    path: Annotated[
        Path | None, Parameter(name=("--output", "-o"), help="Write to a file, not to stdout.", metavar="FILE")
    ] = None,
    overwrite: Annotated[bool, Parameter(help="Replace the output file.")] = False,
    output: FormatFlags = _FORMAT,
    flags: Globals = _GLOBALS,
) -> None:
    """Resolve a framework's environment to a lock with hashes.

    The text is a pylock.toml (PEP 751); with --format json also the Python, and the packages with their digests. What
    was resolved once stays until --upgrade. Indexes, find-links and constraints of pip's configuration hold.
    """
    from mlscope._files import write_atomic
    from mlscope.stacks import lock_stack, named_framework

    if overwrite and path is None:
        raise UsageError("--overwrite is about a file", hint="name one with --output FILE")
    if path is not None and path.exists() and not overwrite:
        raise UsageError("is there already", where=str(path), hint="use --overwrite or another name")
    manifest, constraint = named_framework(framework)
    with TerminalObserver(flags.verbose) as observer:
        found = lock_stack(
            manifest,
            constraint,
            python=python,
            extra=packages,
            gpu=gpu,
            offline=flags.local,
            upgrade=upgrade,
            progress=observer.stage,
            warn=observer.warn,
        )
    text = json.dumps(found, indent=2) + "\n" if output.format == "json" else str(found["pylock"])
    if path is None:
        emit(text)
        return
    write_atomic(path, text)
    note(f"written to {path}")


def build(
    framework: _Framework,
    /,
    *,
    python: _Python = None,
    packages: _Packages = (),
    kind: Annotated[
        Literal["uv", "container"],
        Parameter(
            help="uv: a virtual environment (with pip where there is no uv). container: an image, by podman or docker.",
            converter=_values.choice,
        ),
    ] = "uv",
    gpu: _Gpu = False,
    upgrade: _Upgrade = False,
    no_cache: Annotated[bool, Parameter(help="Build anew, though it is there; images without the engine's cache.")] = (
        False
    ),
    output: FormatFlags = _FORMAT,
    flags: Globals = _GLOBALS,
) -> None:
    """Build a framework's environment, or its container image.

    What an evaluation needs is built by itself; this builds it beforehand. Later uses start at once.
    """
    from mlscope.stacks import find_stack, named_framework

    manifest, constraint = named_framework(framework)
    with TerminalObserver(flags.verbose) as observer:
        stack = find_stack(
            manifest,
            constraint,
            kind=kind,
            python=python,
            extra=packages,
            gpu=gpu,
            offline=flags.local,
            upgrade=upgrade,
            fresh=no_cache,
            progress=observer.stage,
            warn=observer.warn,
        )
    facts = _built(stack, manifest.name)
    if output.format == "json":
        emit(json.dumps(facts | {"lock": stack.lock()}, indent=2))
    else:
        emit("\n".join(f"{name.replace('_', ' ').capitalize():<12}{clean(value)}" for name, value in facts.items()))


def _built(stack: Stack, framework: str) -> dict[str, Any]:
    """What is told of a stack that was just built."""
    from mlscope.stacks import ContainerStack, UvStack

    facts: dict[str, Any] = {"framework": f"{framework} {stack.framework_version}", "kind": stack.kind}
    if isinstance(stack, UvStack | ContainerStack):
        facts = {"id": stack.id, **facts, "path": str(stack.path)}
    if isinstance(stack, ContainerStack):
        facts |= {"image": stack.image}
    return facts | {"python": str(stack.python), "lock": f"sha256:{stack.lock_sha256}"}


def list_all(*, output: FormatFlags = _FORMAT, flags: Globals = _GLOBALS) -> None:
    """List the environments and images of this machine.

    The last used come first. Sizes count files that are shared with uv's cache.
    """
    from mlscope.stacks import list_stacks

    found = list_stacks()
    if output.format == "json":
        emit(json.dumps([_entry(each) for each in found], indent=2))
        return
    if not found:
        note("there are none yet; `mlscope stack build onnxruntime` makes a first one")
        return
    headings = ("id", "framework", "kind", "Python", "packages", "size", "last used (UTC)", "")
    rows = [
        [
            each.id,
            f"{each.framework} {each.framework_version}",
            each.kind,
            each.python,
            str(each.packages),
            _size(each.size_bytes),
            f"{each.used:%Y-%m-%d %H:%M}",
            "in use" if each.in_use else "",
        ]
        for each in found
    ]
    emit("\n".join(columns(headings, rows, max(width(sys.stdout), 120))))


def show(stack: Annotated[str, _ID], /, *, output: FormatFlags = _FORMAT, flags: Globals = _GLOBALS) -> None:
    """Show what one environment consists of.

    With --format json everything that is known of it, its lock too.
    """
    from mlscope.stacks import about_stack

    about = about_stack(stack)
    if output.format == "json":
        emit(json.dumps(about, indent=2))
        return
    lock = about["lock"]
    facts = {
        "Framework": f"{about['framework']} {about['framework_version']}",
        "Kind": f"{about['kind']}, made with {about['made_with']} at {about['created']}",
        "Python": f"{lock['python']['implementation']} {lock['python']['version']}, {lock['python']['platform']}",
        "Folder": about["path"],
        "Image": about.get("image", ""),
    }
    lines = [f"{name:<12}{clean(value)}" for name, value in facts.items() if value]
    packages = [[each["name"], each["version"], f"sha256:{each['sha256']}"] for each in lock["packages"]]
    emit("\n".join([*lines, "", *columns(("package", "version", "wheel"), packages, 200)]))


def remove(*stacks: Annotated[str, _IDS], output: FormatFlags = _FORMAT, flags: Globals = _GLOBALS) -> None:
    """Remove environments.

    They are built again when they are needed. One that a run uses is not removed.
    """
    from mlscope.stacks import remove_stack

    if not stacks:
        raise UsageError("no environment is named", hint="mlscope stack list shows them")
    _gone([remove_stack(each) for each in dict.fromkeys(stacks)], output)


def prune(
    *,
    days: Annotated[float, Parameter(help="Spare those that were used in the last N days.", metavar="N")] = 30,
    output: FormatFlags = _FORMAT,
    flags: Globals = _GLOBALS,
) -> None:
    """Remove the environments that were not used for a while.

    What builds that died have left goes too. Environments that a run uses stay.
    """
    from mlscope.stacks import prune_stacks

    if days < 0:
        raise UsageError("--days cannot be negative")
    _gone(prune_stacks(days), output)


def _gone(removed: list[StoredStack], output: FormatFlags) -> None:
    if output.format == "json":
        emit(json.dumps([_entry(each) for each in removed], indent=2))
        return
    for each in removed:
        emit(f"removed {each.id} ({each.framework} {each.framework_version}, {_size(each.size_bytes)})")
    if not removed:
        note("there was nothing to remove")


def _entry(stack: StoredStack) -> dict[str, Any]:
    return {
        "id": stack.id,
        "kind": stack.kind,
        "framework": stack.framework,
        "framework_version": stack.framework_version,
        "python": stack.python,
        "packages": stack.packages,
        "size_bytes": stack.size_bytes,
        "created": stack.created.isoformat(),
        "used": stack.used.isoformat(timespec="seconds"),
        "in_use": stack.in_use,
        "path": str(stack.path),
    }


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
