"""The worker's loop: read a command, do it, answer.

stdout and stderr belong to the framework (they go to ``logs/worker.log``); the protocol has a pipe of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import signal
import traceback
from typing import IO

import numpy as np

from mlscope.worker._memory import peak_rss_bytes
from mlscope.worker._model import Model
from mlscope.worker._problem import Problem
from mlscope.worker.protocol import (
    Blocks,
    Failed,
    Hello,
    Load,
    LoadTest,
    Message,
    OpenLoop,
    Probe,
    Quit,
    Ready,
    Stream,
    read_message,
    write_message,
)

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    """Run until Quit or until the core is gone; exit code 0 (71 when the core goes during a LoadGen test)."""
    parser = argparse.ArgumentParser(prog="mlscope worker")
    parser.add_argument("--commands", type=int, required=True, help="file descriptor to read commands from")
    parser.add_argument("--answers", type=int, required=True, help="file descriptor to write answers to")
    options = parser.parse_args(arguments)
    # Ctrl-C is the core's business: a SIGINT inside LoadGen's StartTest would kill what was measured.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    commands, answers = os.fdopen(options.commands, "rb"), os.fdopen(options.answers, "wb")
    with contextlib.suppress(BrokenPipeError), commands, answers:
        write_message(answers, Hello(os.getpid(), platform.python_version(), np.__version__))
        _serve(commands, answers)
    return 0


def _serve(commands: IO[bytes], answers: IO[bytes]) -> None:
    model = Model()
    while True:
        command = read_message(commands)
        if command is None:
            return
        try:
            answer = _carry_out(command, model, commands, answers)
        except Problem as problem:
            answer = Failed(problem.kind, problem.message)
        except OSError as error:
            traceback.print_exc()
            answer = Failed("disk", str(error))
        except Exception as error:  # noqa: BLE001 - the process boundary: whatever a framework raises is reported
            traceback.print_exc()
            answer = Failed("internal", f"{type(error).__name__}: {error}")
        write_message(answers, answer)
        if isinstance(command, Quit):
            return


def _carry_out(command: Message, model: Model, commands: IO[bytes], answers: IO[bytes]) -> Message:
    if isinstance(command, Load):
        return model.load(command)
    if isinstance(command, (Stream, Blocks)):
        _feed(command, model, commands, answers)
        return Ready(peak_rss_bytes())
    if isinstance(command, (LoadTest, OpenLoop, Probe)):
        return _run_load(command, model, commands, answers)
    if isinstance(command, (Ready, Quit)):
        if isinstance(command, Quit):
            model.close()
        return Ready(peak_rss_bytes())
    raise Problem("internal", f"{type(command).__name__} is no command")


def _run_load(command: LoadTest | OpenLoop | Probe, model: Model, commands: IO[bytes], answers: IO[bytes]) -> Message:
    """Load is imported when it is wanted: not every stack has LoadGen."""
    if isinstance(command, LoadTest):
        from mlscope.worker.load import loadgen

        return loadgen.run(command, model, commands, answers)
    if isinstance(command, OpenLoop):
        from mlscope.worker.load import openloop

        return openloop.run(command, model, commands, answers)
    from mlscope.worker.load import probe

    return probe.run(command, model)


def _feed(command: Stream | Blocks, model: Model, commands: IO[bytes], answers: IO[bytes]) -> None:
    """Run what the core hands over piece by piece, until it says that there is no more."""
    from mlscope.worker.load import blocks, stream

    if isinstance(command, Stream):
        stream.run(command, model, commands, answers)
    else:
        blocks.run(command, model, commands, answers)
