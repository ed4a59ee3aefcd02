"""``mlscope submission check``."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from mlscope.cli._declare import flag, group
from mlscope.cli._flags import Globals, OutputFlags
from mlscope.cli._reports import show_text
from mlscope.cli._terminal import clean, note
from mlscope.errors import INVALID_SUBMISSION

__all__ = ["check"]


@group("Official checker", 50)
@dataclasses.dataclass(frozen=True, kw_only=True)
class _OfficialFlags:
    official: Annotated[
        Path | None,
        flag("Also run the official checker out of this checkout of mlcommons/inference.", metavar="DIR"),
    ] = None
    official_python: Annotated[
        str | None,
        flag("The interpreter for it, which needs PyYAML. Default: that of mlscope.", metavar="FILE"),
    ] = None


_OFFICIAL = _OfficialFlags()
_OUTPUT = OutputFlags()
_GLOBALS = Globals()


def check(
    root: Annotated[Path, Parameter(name="DIR", help="The folder with closed/ and open/ in it.")],
    /,
    *,
    round_name: Annotated[
        str | None, flag("v0.5, v5.0, v5.1, v6.0 or v6.1. Default: told by the seeds in the logs.", "--round")
    ] = None,
    submitter: Annotated[str | None, flag("Check only this submitter.", metavar="NAME")] = None,
    skip_dataset_size_check: Annotated[
        bool, flag("Only warn of accuracy runs over a part of the data set, as the official checker's flag does.")
    ] = False,
    official: _OfficialFlags = _OFFICIAL,
    output: OutputFlags = _OUTPUT,
    flags: Globals = _GLOBALS,
) -> int:
    """Check a submission to MLPerf Inference against the rules of its round.

    Image classification is checked in full, also where the official checker looks away; of other benchmarks the
    structure. Exit code 0: no error; 23: there are errors.
    """
    from mlscope import submissions
    from mlscope.analyses import to_csv, to_text

    report = submissions.check_submission(
        root, round_name, submitter=submitter, skip_dataset_size=skip_dataset_size_check
    )
    if official.official is not None:
        if flags.verbose:
            note("running the official checker")
        verdict = submissions.run_official(
            official.official,
            root,
            report.round,
            submitter=submitter,
            skip_dataset_size=skip_dataset_size_check,
            python=official.official_python or sys.executable,
        )
        report = dataclasses.replace(report, official=verdict)
    if output.format == "json":
        text = json.dumps(submissions.report_json(report), indent=2, ensure_ascii=False) + "\n"
    elif output.format == "csv":
        text = to_csv(submissions.findings_table(report), not output.no_header)
    else:
        table = to_text(submissions.checked_table(report), not output.no_header) if report.results else ""
        text = "\n".join([*([table] if table else []), *map(clean, submissions.report_lines(report))]) + "\n"
    show_text(text, output)
    return 0 if report.passed else INVALID_SUBMISSION
