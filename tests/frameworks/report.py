"""``scripts/test --all-frameworks``: runs the checks of every framework and writes what came of it into a document."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

from mlscope.stacks import describe_machine

CHECKOUT = Path(__file__).resolve().parents[2]
DOCUMENT = CHECKOUT / "docs" / "frameworks.md"
TESTS = ("tests/frameworks", "tests/e2e/test_frameworks.py", "tests/recipes/test_builtin.py")
BEGIN, END = "<!-- all-frameworks -->\n", "<!-- /all-frameworks -->"


def main(words: Sequence[str]) -> int:
    """Run pytest with these arguments; 0 where all was well."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "junit.xml"
        command = [sys.executable, "-m", "pytest", "--numprocesses", "2", f"--junitxml={file}", *TESTS, *words]
        code = subprocess.run(command, cwd=CHECKOUT, check=False).returncode
        if code not in (0, 1):
            return code  # interrupted, or nothing was run
        cases = list(ElementTree.parse(file).iter("testcase"))
    text = DOCUMENT.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    DOCUMENT.write_text(f"{before}{BEGIN}{outcome(cases)}{END}{rest.partition(END)[2]}", encoding="utf-8")
    return code


def outcome(cases: Sequence[ElementTree.Element]) -> str:
    """What ran, on what, and what it printed."""
    machine = describe_machine()
    where = f"{machine['cpu_name']}, {machine['cpu_count']} CPUs, {machine['operating_system']}, {machine['python']}"
    lines = [f"Last run: {datetime.now(UTC):%Y-%m-%d} on {where}, no GPU.", "", "| tests | passed | failed | skipped |"]
    lines.append("|---|---|---|---|")
    counts: dict[str, dict[str, int]] = {}
    skipped: dict[str, None] = {}
    for case in cases:
        module = str(case.get("classname")).removeprefix("tests.")
        found = next((kind for kind in ("failure", "error", "skipped") if case.find(kind) is not None), "passed")
        row = counts.setdefault(module, {"passed": 0, "failed": 0, "skipped": 0})
        row["failed" if found in ("failure", "error") else found] += 1
        if (reason := case.find("skipped")) is not None:
            skipped[f"{module}: {one_line(reason.get('message', ''))}"] = None
    lines += [f"| {name} | {n['passed']} | {n['failed']} | {n['skipped']} |" for name, n in sorted(counts.items())]
    lines += ["", *(f"- Skipped: {each}" for each in skipped), *([""] if skipped else [])]
    for case in cases:
        said = {item.get("name"): item.get("value", "") for item in case.iter("property")}
        if "command" in said:
            lines += ["```console", f"$ {said['command']}", printed(said["output"]), "```", ""]
    return "\n".join(lines).rstrip() + "\n"


def printed(output: str) -> str:
    """What a command printed, without the lines that name the folder of its run."""
    lines = [line for line in output.splitlines() if not re.match(r"(Run|Folder|Next)  ", line)]
    return "\n".join(lines).rstrip()


def one_line(text: str) -> str:
    """Without addresses and folders of a machine."""
    return re.sub(r"(https?://|file:)?/\S+", "…", " ".join(text.split()))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
