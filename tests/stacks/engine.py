"""A recorded engine: writes down what it is asked, and answers as docker and podman do.

``run`` starts the words behind the image on this machine, with the Python of the tests, so that a worker can be
talked to.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

SCRIPT = """\
#!{python}
import json, os, sys
log = {log!r}
words = sys.argv[1:]
with open(log, "a") as file:
    file.write(json.dumps(words) + "\\n")
built = os.path.exists(log + ".built")
if words[:2] == ["image", "inspect"]:
    name = words[-1]
    if "RepoDigests" in words[3]:
        print(name + "@sha256:" + "b" * 64)
    elif name.startswith("docker.io/"):
        sys.exit(0 if os.path.exists(log + ".pulled") and print("sha256:" + "b" * 64) is None else 1)
    elif built:
        print("sha256:" + "a" * 64)
    else:
        sys.exit("Error: no such image")
elif words[0] == "pull":
    open(log + ".pulled", "w").close()
elif words[0] == "build":
    if os.path.exists(log + ".fails"):
        sys.exit(open(log + ".fails").read())
    open(log + ".built", "w").close()
elif words[0] == "run":
    if os.path.exists(log + ".refuses"):
        code, _, text = open(log + ".refuses").read().partition(" ")
        print(text, file=sys.stderr)
        sys.exit(int(code))
    inner = words[words.index("sha256:" + "a" * 64) + 1 :]
    inner[inner.index("/usr/local/bin/python")] = sys.executable
    os.execv("/bin/sh", inner)
"""


class Engine:
    """The engine's folder, and what it was asked."""

    def __init__(self, folder: Path, name: str) -> None:
        self.log = folder / f"{name}.log"
        self.program = folder / name
        self.program.write_text(SCRIPT.format(python=sys.executable, log=str(self.log)))
        self.program.chmod(0o755)

    def asked(self, first: str) -> list[list[str]]:
        """The command lines that begin with a word."""
        if not self.log.exists():
            return []
        lines = map(json.loads, self.log.read_text().splitlines())
        return [words for words in lines if words[0] == first]

    def fail(self, text: str) -> None:
        """Let builds fail with these words."""
        Path(f"{self.log}.fails").write_text(text)

    def refuse(self, code: int, text: str) -> None:
        """Let containers end at once with this exit code and these words."""
        Path(f"{self.log}.refuses").write_text(f"{code} {text}")
