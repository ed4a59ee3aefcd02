"""Container engines: docker or podman, by their command."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from mlscope.errors import ResourceError, StackError

__all__ = ["Engine", "find_engine"]


@dataclasses.dataclass(frozen=True, slots=True)
class Engine:
    """A command that builds and runs images."""

    program: Path

    @property
    def podman(self) -> bool:
        """Whether it is podman, whose ways with users and GPUs differ."""
        return "podman" in self.program.name

    def say(self, *words: str) -> str:
        """Run it and give what it prints.

        Raises:
            StackError: It fails; the message has its last words.
            ResourceError: The disk is full.
        """
        done = self._run(words)
        if done.returncode:
            said = " ".join((done.stderr or done.stdout).split()) or f"exit code {done.returncode}"
            if "no space left" in said.lower():
                raise ResourceError("no space left for images", where=str(self.program), hint="remove some of them")
            raise StackError(f"{self.program.name} {words[0]} failed: {said[-400:]}", hint="try the command by hand")
        return done.stdout.strip()

    def image_id(self, name: str) -> str | None:
        """The digest of an image of this machine; None where there is none."""
        done = self._run(["image", "inspect", "--format", "{{.Id}}", name])
        found = done.stdout.strip()
        if done.returncode or not found:
            return None
        return found if found.startswith("sha256:") else f"sha256:{found}"

    def _run(self, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                [self.program, *words],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
            )
        except OSError as error:
            raise StackError(f"cannot be started: {error.strerror}", where=str(self.program)) from error


def find_engine() -> Engine:
    """The engine of ``MLSCOPE_ENGINE``, or podman or docker, whichever runs.

    Raises:
        StackError: None is installed, or none runs.
    """
    named = os.environ.get("MLSCOPE_ENGINE")
    programs = [shutil.which(name) for name in ([named] if named else ["podman", "docker"])]
    installed = [Engine(Path(program)) for program in programs if program]
    if not installed:
        raise StackError(
            f"{named} is not installed" if named else "neither podman nor docker is installed",
            hint="containers need one of them; an environment (kind uv) needs none",
        )
    reasons = []
    for engine in installed:
        try:
            engine.say("info")
        except StackError as error:
            reasons.append(error.what)
        else:
            return engine
    raise StackError(
        f"no container engine runs here: {'; '.join(reasons)}",
        hint="start it, or take an environment (kind uv), which needs none",
    )
