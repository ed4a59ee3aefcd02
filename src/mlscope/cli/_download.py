"""``mlscope download …``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from cyclopts import Parameter

from mlscope.cli._flags import Globals
from mlscope.cli._observer import TerminalObserver
from mlscope.cli._terminal import emit, note
from mlscope.errors import UsageError

__all__ = ["datasets", "download", "models"]

_GLOBALS = Globals()

_Name = Annotated[str, Parameter(name="NAME", help="Built-in names or paths of manifests.")]
_More = Annotated[
    tuple[str, ...], Parameter(name="--name", help="The same as NAME, as the original wrote it.", metavar="NAME")
]
_All = Annotated[bool, Parameter(name="--all", help="Everything that is built in.")]
_Category = Annotated[
    Literal["vision"],
    Parameter(
        help="Accepted for old scripts; there are only data sets of pictures.",
        show_choices=False,
        show_default=False,
        metavar="vision",
    ),
]


def download(*names: _Name, all_: _All = False, flags: Globals = _GLOBALS) -> None:
    """Fetch models and data sets into the cache.

    What is there already is not fetched again; sha256 sums are verified. Later runs need no network.
    """
    known = _datasets()
    _check(names, all_)
    _fetch_models([*_models()] if all_ else [each for each in names if each not in known], flags)
    _fetch_datasets(known if all_ else [each for each in names if each in known], flags)


def models(*names: _Name, name: _More = (), all_: _All = False, flags: Globals = _GLOBALS) -> None:
    """Fetch models into the cache."""
    _check((*names, *name), all_)
    _fetch_models(_models() if all_ else (*names, *name), flags)


def datasets(
    *names: _Name, name: _More = (), all_: _All = False, category: _Category = "vision", flags: Globals = _GLOBALS
) -> None:
    """Fetch data sets into the cache.

    Pictures of data sets that are not inside mlscope are the user's own: --dataset-path names their folder.
    """
    _check((*names, *name), all_)
    _fetch_datasets(_datasets() if all_ else (*names, *name), flags)


def _check(names: Sequence[str], everything: bool) -> None:
    if not names and not everything:
        raise UsageError("nothing is named", hint="give names (mlscope info models lists them) or --all")


def _models() -> list[str]:
    from mlscope.manifests import full_name, list_models

    return [full_name(found) for found in list_models()]


def _datasets() -> list[str]:
    from mlscope.manifests import full_name, list_datasets

    return [full_name(found) for found in list_datasets()]


def _fetch_models(names: Sequence[str], flags: Globals) -> None:
    from mlscope import conductor

    if not names:
        return
    with TerminalObserver(flags.verbose) as observer:
        found = conductor.download(list(dict.fromkeys(names)), observer, offline=flags.local)
    for name, files in found.items():
        emit(f"{name}: {', '.join(map(str, files)) or 'needs no files'}")


def _fetch_datasets(names: Sequence[str], flags: Globals) -> None:
    from mlscope import conductor

    for name in dict.fromkeys(names):
        with TerminalObserver(flags.verbose) as observer:
            folder = conductor.download_dataset(name, observer, offline=flags.local)
        if folder is not None:
            emit(f"{name}: {folder}")
        else:
            note(f"{name}: the pictures are your own; name their folder with --dataset-path")
