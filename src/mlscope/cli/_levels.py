"""``mlscope info evaluation levels``."""

from __future__ import annotations

import sys

from mlscope.cli._databases import opened
from mlscope.cli._evaluations import show_tables, why_empty
from mlscope.cli._flags import DatabaseFlags, FilterFlags, Globals, OutputFlags
from mlscope.cli._terminal import note

__all__ = ["levels"]

_FILTER = FilterFlags()
_DATABASE = DatabaseFlags()
_OUTPUT = OutputFlags()
_GLOBALS = Globals()


def levels(
    *,
    where: FilterFlags = _FILTER,
    database: DatabaseFlags = _DATABASE,
    output: OutputFlags = _OUTPUT,
    flags: Globals = _GLOBALS,
) -> None:
    """Report what each trace level costs.

    Of evaluations with a list of levels (--trace-level MODEL_TRACE,FRAMEWORK_TRACE): the median of each against that of
    the least level of the same experiment.
    """
    from mlscope.analyses import levels as analyse
    from mlscope.analyses import overheads
    from mlscope.results import Filter

    store = opened(database, flags)
    given = where.values()
    records = store.find(Filter(**given), limit=where.limit)
    show_tables([analyse(records)], output)
    sys.stdout.flush()
    if not records:
        note(why_empty(store, given, where.limit))
    elif not overheads(records):
        note("none of them was measured at several levels; --trace-level MODEL_TRACE,FRAMEWORK_TRACE does it")
