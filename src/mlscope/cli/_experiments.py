"""``mlscope experiments export`` and ``import``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from mlscope.cli import _values
from mlscope.cli._flags import FilterFlags, FormatFlags, Globals
from mlscope.cli._reports import why_empty
from mlscope.cli._submission_import import tell_imported
from mlscope.cli._terminal import clean, emit, warn
from mlscope.errors import UsageError

__all__ = ["export", "import_archive"]

_FILTER = FilterFlags()
_FORMAT = FormatFlags()
_GLOBALS = Globals()


def export(
    place: Annotated[
        Path, Parameter(name="PLACE", help="What is written: a file that ends in .zip or .tar.zst, or a folder.")
    ],
    /,
    *runs: Annotated[
        str, Parameter(name="ID", help="Ids of runs, or the first digits of them. Default: all that pass the filters.")
    ],
    to: Annotated[
        Literal["mlscope", "ck", "mlperf"],
        Parameter(
            help="mlscope: the run folders. ck: experiments of CK. mlperf: imported trees of results, as they came.",
            converter=_values.choice,
        ),
    ] = "mlscope",
    overwrite: Annotated[bool, Parameter(help="Replace an archive that is there.")] = False,
    where: FilterFlags = _FILTER,
    flags: Globals = _GLOBALS,
) -> None:
    """Write recorded runs to an archive that another machine can import.

    Every file goes along with its digest. With --to ck points of CK are written as they came, and own runs as CK would
    have recorded them.
    """
    from mlscope.results import Filter, open_store
    from mlscope.submissions import export_experiments

    store = open_store()
    given = where.values()
    if runs and given:
        raise UsageError("ids and filters are given", hint="give ids, or filters")
    if runs:
        records = [store.get(run) for run in dict.fromkeys(runs)]
    else:
        records = store.find(Filter(**given), limit=where.limit)
    if not records:
        raise UsageError(f"there is no run to export: {why_empty(store, given, where.limit)}")
    unique = list({record.id: record for record in records}.values())
    count = export_experiments(unique, place, to, overwrite=overwrite)
    emit(f"exported {len(unique)} run{'' if len(unique) == 1 else 's'} in {count} files to {place}")


def import_archive(
    place: Annotated[
        Path,
        Parameter(name="PLACE", help="A zip or tar archive, or a folder: of run folders, or of experiments of CK."),
    ],
    /,
    *,
    output: FormatFlags = _FORMAT,
    flags: Globals = _GLOBALS,
) -> None:
    """Take in runs of another machine, or experiments of CK.

    Run folders are checked by their digests; what was changed is left out. Every point of CK becomes a record of kind
    ck. What is here already stays as it is.
    """
    from mlscope.submissions import import_experiments

    tell_imported(import_experiments(place, warn=lambda text: warn(clean(text))), output, "run")
