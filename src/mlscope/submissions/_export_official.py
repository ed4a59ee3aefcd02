"""Imported results of a round, as the tree that they came from."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Sequence
from pathlib import Path

from mlscope._files import explain_os_errors
from mlscope.errors import StoreError
from mlscope.results import Evaluation, Filter, Store
from mlscope.submissions._layout import Layout, Place
from mlscope.submissions._merge import merge
from mlscope.submissions._rounds import Round
from mlscope.submissions._sources import SOURCE_FILE, restore

__all__ = ["export_official", "find_official"]


def find_official(store: Store, where: Filter, round_: Round, division: str | None = None) -> list[Evaluation]:
    """The imported results of a round.

    Args:
        store: Where to look.
        where: Which of them.
        round_: Of this round.
        division: Of this division; None: of all.

    Raises:
        StoreError: The store cannot be read.
    """
    found = []
    for record in store.find(where, newest_first=False):
        named = record.submission
        if record.kind != "official" or named is None or named.round != round_.name:
            continue
        if division in (None, named.division):
            found.append(Evaluation.from_store(store, record.id))
    return found


def export_official(
    results: Sequence[Evaluation], round_: Round, root: Path, *, overwrite: bool = False
) -> list[tuple[Place, Evaluation]]:
    """Write imported results, file by file as they were; what is in the tree already stays.

    Args:
        results: Of one round.
        round_: That round.
        root: Folder of the tree.
        overwrite: Replace results that are there.

    Returns:
        Where each result lies.

    Raises:
        StoreError: There are none, their files contradict each other, or the tree has one of them already.
        ResourceError: The disk is full or cannot be written.
    """
    if not results:
        raise StoreError(f"there are no imported results of {round_.name}", hint="mlscope submission import takes them")
    found, folders = [], []
    with explain_os_errors(root):
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".export-", dir=root) as scratch, contextlib.ExitStack() as opened:
            restore((opened.enter_context(each.open(SOURCE_FILE)) for each in results), Path(scratch))
            for each in results:
                named = each.record.submission
                assert named is not None
                place = _place(Path(scratch), Layout(round_, named.division, named.submitter), each)
                found.append((place, each))
                folders += [Path(folder) for folder in Layout(round_, named.division, named.submitter).folders(place)]
            merge(Path(scratch), root, folders, overwrite=overwrite)
    return found


def _place(tree: Path, layout: Layout, result: Evaluation) -> Place:
    """The place of a result; the record has the scenario in today's spelling, the folder in its own."""
    named = result.record.submission
    assert named is not None
    place = Place(named.system, named.benchmark, named.scenario)
    above = tree / layout.result(place).parent
    names = [path.name for path in above.iterdir()] if above.is_dir() else []
    spelt = [name for name in names if name.replace("_", "").replace("-", "").lower() == named.scenario.lower()]
    return Place(named.system, named.benchmark, spelt[0]) if spelt else place
