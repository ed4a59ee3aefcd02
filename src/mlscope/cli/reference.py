"""Writes the parts of ``docs/`` that are made from code: ``python -m mlscope.cli.reference [--check] [DOCS]``.

The same code always gives the same bytes, so that ``--check`` can tell whether the documents are up to date.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from mlscope.cli._app import build, help_page
from mlscope.cli._pages import COMMANDS
from mlscope.cli._terminal import emit, note
from mlscope.errors import EXIT_CODES

__all__ = ["cli_reference", "documents", "main"]

_WIDTH = 100

_HEAD = """\
# Command line

Generated from the code by `python -m mlscope.cli.reference`: every page below is what `--help` prints.

Old command lines of MLModelScope are understood: flags may be written with underscores (`--batch_size=4`), switches
with a value (`--gpu=false`), and flags may stand before or after a command's words. A flag that is given twice counts
the last time. JSON output is one document on stdout; progress, notes and warnings go to stderr. Colours appear only
on a terminal, and never when `NO_COLOR` is set.
"""


_CONFIGURATION = """\
`--config FILE` names a configuration; without it `$XDG_CONFIG_HOME/mlscope/config.toml` (`~/.config/...`) is read, or
else MLModelScope's `~/.carml_config.yaml` (or `.yml`). Flags go before the configuration, and that before defaults.

mlscope's own file has a table for each command; keys are the flags' names. Keys of an outer table hold for every
command below it that knows the flag. A key that no command knows is an error.

```toml
database-address = "postgresql://me@db.example.org/mlscope"

[predict]
batch-size = 8
env = {OMP_NUM_THREADS = 2}

[predict.dataset]
dataset-name = "imagenet"
dataset-path = "/data/imagenet"
```

Of MLModelScope's YAML four keys are read: `database.endpoints` (`--database-address`), `app.name`
(`--database-name`), `tracer.endpoints` (`--tracer-address`) and `tracer.level` (`--trace-level`). The others are
ignored; `--verbose` names them. The first of several endpoints is taken. A bare host in a file that was found by
itself is ignored with a warning, because it does not say which kind of database it is.
"""

_MANIFESTS = """\
# Manifests

Generated from the code. `mlscope manifest check` tells whether a manifest is good, `mlscope manifest init` writes a
first one; editors can use the JSON Schemas in [schemas](schemas/model.json).

"""


_RULES = """\
# Rules of `mlscope submission check`

Generated from the code. `checks/…`, `loader.py` and `parsers/…` are files of the official checker
(mlcommons/inference, tools/submission/submission_checker at b66003e1), the old checker is `submission_checker_old.py`
beside it, the rules are `inference_rules.adoc` of mlcommons/inference_policies at ac93e89, the policies
`submission_rules.adoc` of mlcommons/policies at c195f80.

"""


def cli_reference() -> str:
    """Markdown of all commands, configuration files and exit codes."""
    app = build()
    parts = [_HEAD, "## mlscope\n", _block(help_page(app, (), _WIDTH))]
    everywhere = ""
    for path in COMMANDS:
        page, _, flags = help_page(app, path, _WIDTH).partition("\nGlobal flags:\n")
        everywhere = flags or everywhere
        parts += [f"{'#' * (min(len(path), 3) + 1)} mlscope {' '.join(path)}\n", _block(page)]
    parts += ["## Global flags\n", "Every command has these too.\n", _block(everywhere)]
    parts += ["## Configuration\n", _CONFIGURATION, "## Exit codes\n", _exit_codes()]
    return "\n".join(parts)


def _block(text: str) -> str:
    return f"```text\n{text}```\n"


def _exit_codes() -> str:
    rows = [f"| {code} | {meaning.replace('``', '`')} |" for code, meaning in EXIT_CODES.items()]
    text = "\n".join(["| code | meaning |", "|---|---|", *rows])
    return f"{text}\n\n[What to do about each of them](exit-codes.md).\n"


def documents() -> dict[str, str]:
    """Every generated document by its path below ``docs/``."""
    from mlscope.manifests import json_schemas, manifest_reference
    from mlscope.plan import settings_reference
    from mlscope.submissions import rules_reference

    found = {
        "cli.md": cli_reference(),
        "loadgen-settings.md": settings_reference(),
        "manifests.md": _MANIFESTS + manifest_reference(),
        "submission-rules.md": _RULES + rules_reference(),
    }
    for kind, schema in json_schemas().items():
        found[f"schemas/{kind}.json"] = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Write the documents, or with ``--check`` say which of them differ.

    Returns:
        0, or 1 when a document is not up to date.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    check = "--check" in arguments
    folders = [each for each in arguments if each != "--check"]
    docs = Path(folders[0]) if folders else Path(__file__).resolve().parents[3] / "docs"
    stale = []
    for name, text in documents().items():
        path = docs / name
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(path)
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    for path in stale:
        emit(f"{path} {'is not up to date' if check else 'written'}")
    if check and stale:
        note("run: python -m mlscope.cli.reference")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
