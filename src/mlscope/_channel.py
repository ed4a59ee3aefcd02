"""A child process with a private pair of pipes for lines, and a log file for what it prints."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

__all__ = ["Channel"]


class Channel:
    """Starts ``command --commands FD --answers FD`` and exchanges lines with it.

    Frameworks print to stdout, so the protocol has descriptors of its own. The child leads a process group of its
    own: Ctrl-C on the terminal reaches only the core, which decides what becomes of the measurement.
    """

    def __init__(self, command: Sequence[str], *, log: Path, env: Mapping[str, str], cwd: Path) -> None:
        commands_read, self._commands = os.pipe()
        self._answers, answers_write = os.pipe()
        self.log = log
        self._buffer = bytearray()
        try:
            with log.open("ab") as file:
                self.process = subprocess.Popen(
                    [*command, "--commands", str(commands_read), "--answers", str(answers_write)],
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    env=dict(env),
                    cwd=cwd,
                    pass_fds=(commands_read, answers_write),
                    start_new_session=True,
                )
        except OSError:
            os.close(self._commands)
            os.close(self._answers)
            raise
        finally:
            os.close(commands_read)
            os.close(answers_write)

    def fileno(self) -> int:
        """The descriptor that answers come from, for a selector."""
        return self._answers

    def send(self, line: bytes) -> bool:
        """Send one line (with its newline); False when the child is gone."""
        view = memoryview(line)
        try:
            while view:
                view = view[os.write(self._commands, view) :]
        except BrokenPipeError:
            return False
        return True

    def receive(self) -> list[bytes] | None:
        """The whole lines that one read brings (perhaps none yet); None when the child has closed its end."""
        data = os.read(self._answers, 1 << 16)
        if not data:
            return None
        self._buffer += data
        *lines, rest = bytes(self._buffer).split(b"\n")
        self._buffer = bytearray(rest)
        return [line + b"\n" for line in lines]

    def receive_one(self) -> bytes | None:
        """Wait for exactly one line (the child sends no more until it is asked); None when it is gone."""
        while True:
            lines = self.receive()
            if lines is None:
                return None
            if lines:
                return lines[0]

    def tail(self, lines: int = 5) -> str:
        """The last lines of the child's log."""
        with self.log.open("rb") as file:
            return _tail(file, lines)

    def kill(self) -> None:
        """End the child and whatever it started, at once."""
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def close(self, timeout_s: float = 10.0) -> int:
        """Close the pipes, wait for the child (kill it when it stays), return its exit code."""
        for handle in (self._commands, self._answers):
            if handle >= 0:
                os.close(handle)
        self._commands = self._answers = -1
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            return self.process.returncode


def _tail(file: BinaryIO, lines: int) -> str:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 8192))
    return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
