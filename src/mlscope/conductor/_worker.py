"""The core's end of a worker process."""

from __future__ import annotations

import contextlib
import shlex
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlscope._channel import Channel
from mlscope.errors import MlscopeError, ModelError, ResourceError, StackError, UsageError, WorkerError
from mlscope.stacks import Stack
from mlscope.worker import protocol
from mlscope.worker.protocol import Failed, Hello, Loaded, Message, Quit, Ready

__all__ = ["Worker", "problem"]

_ENTRY = Path(protocol.__file__).with_name("__main__.py")
_NULL = subprocess.DEVNULL
_NOT_STARTED = (125, 126, 127)
_KINDS: dict[str, type[MlscopeError]] = {
    "model": ModelError,
    "input": ModelError,
    "option": UsageError,
    "framework": StackError,
    "disk": ResourceError,
    "internal": WorkerError,
}


def problem(failed: Failed, log: Path) -> MlscopeError:
    """The error that a worker's answer stands for."""
    kind = _KINDS.get(failed.kind, WorkerError)
    if kind is ResourceError:
        reason = " ".join(failed.message.split()).rpartition("] ")[2]  # without the errno
        return ResourceError(
            f"the worker cannot write: {reason[:1].lower()}{reason[1:]}",
            where=str(log.parent.parent),
            hint="free some space and run it again",
        )
    hint = f"the whole story is in {log}" if kind is WorkerError else None
    return kind(" ".join(failed.message.split()), hint=hint)


class Worker:
    """Starts a worker on a stack, as :meth:`mlscope.stacks.Stack.launch` says, and talks to it."""

    def __init__(
        self,
        stack: Stack,
        *,
        folder: Path,
        log: Path,
        prefix: str = "",
        files: Sequence[Path] = (),
        writable: Sequence[Path] = (),
        env: Mapping[str, str] | None = None,
        gpu: int | None = None,
    ) -> None:
        try:
            words = shlex.split(prefix)
        except ValueError as error:
            raise UsageError(f"--worker-prefix cannot be read: {error}") from error
        self._launch = stack.launch(folder, prefix=words, files=files, writable=writable, env=env, gpu=gpu)
        command = [*self._launch.command, "-u", str(_ENTRY)]
        try:
            self.channel = Channel(command, log=log, env=self._launch.environment, cwd=folder)
        except OSError as error:
            where = command[0]
            raise StackError(f"the worker cannot be started: {error.strerror}", where=where) from error
        self.peak_rss_bytes: int | None = None
        hello = self.wait()
        if not isinstance(hello, Hello):
            raise WorkerError("the worker did not say hello", where=str(log))
        self.pid = hello.pid
        self.python = hello.python
        self.numpy = hello.numpy

    def send(self, message: Message) -> None:
        """Send a command; a worker that is gone is noticed when its answer is read."""
        self.channel.send(protocol.encode(message))

    def receive(self) -> list[Message]:
        """The answers that one read brings.

        Raises:
            WorkerError: The worker is gone.
            MlscopeError: The worker says that it could not do what it was asked for.
        """
        lines = self.channel.receive()
        if lines is None:
            raise self.death()
        return [self._checked(line) for line in lines]

    def wait(self) -> Message:
        """Wait for one answer; errors as in :meth:`receive`."""
        line = self.channel.receive_one()
        if line is None:
            raise self.death()
        return self._checked(line)

    def ask(self, command: Message) -> Message:
        """Send a command and wait for its answer; errors as in :meth:`receive`."""
        self.send(command)
        return self.wait()

    def load(self, command: protocol.Load) -> Loaded:
        """Load the model; errors as in :meth:`receive`."""
        answer = self.ask(command)
        if not isinstance(answer, Loaded):
            raise WorkerError(f"the worker answered {type(answer).__name__} to Load")
        return answer

    def _checked(self, line: bytes) -> Message:
        message = protocol.decode(line)
        if isinstance(message, Failed):
            raise problem(message, self.channel.log)
        return message

    def death(self) -> MlscopeError:
        """Why the worker is gone."""
        self._end()
        code = self.channel.process.returncode
        tail = self.channel.tail(1)
        engine = self._launch.engine
        if engine is not None and code in _NOT_STARTED:
            said = " ".join(self.channel.tail(4).split()) or f"exit code {code}"
            return StackError(f"{engine} cannot start the worker: {said}", hint=f"its log is {self.channel.log}")
        if engine is not None and code > 128:
            code = 128 - code
        if code < 0:
            name = signal.Signals(-code).name
            hint = {
                "SIGKILL": "somebody killed it, or the machine ran out of memory",
                "SIGBUS": "the disk may be full",
            }.get(name, f"its log ends with: {tail}" if tail else f"its log is {self.channel.log}")
            return WorkerError(f"the worker was ended by {name}; what it measured is kept", hint=hint)
        return WorkerError(
            f"the worker ended with exit code {code}; what it measured is kept",
            hint=f"its log ends with: {tail}" if tail else None,
        )

    def note_memory(self) -> None:
        """Note its peak memory so far."""
        answer = self.ask(Ready())
        if isinstance(answer, Ready):
            self.peak_rss_bytes = answer.peak_rss_bytes

    def quit(self) -> None:
        """Ask the worker to finish and wait for it; notes its peak memory."""
        answer = self.ask(Quit())
        if isinstance(answer, Ready):
            self.peak_rss_bytes = answer.peak_rss_bytes
        self.channel.close()

    def kill(self) -> None:
        """End it at once; what it wrote into its files stays."""
        self._end()
        self.channel.close()

    def _end(self) -> None:
        """Kill the command, and the container that would go on without it."""
        running = self.channel.process.poll() is None
        self.channel.kill()
        if running and self._launch.end:
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                subprocess.run(self._launch.end, stdin=_NULL, stdout=_NULL, stderr=_NULL, timeout=30, check=False)
