"""Ctrl-C and SIGTERM while a run is under way."""

from __future__ import annotations

import contextlib
import signal
import threading
from types import FrameType, TracebackType
from typing import Any

__all__ = ["Interrupts"]

_PATIENCE = 3


class Interrupts:
    """The first signal ends the measurement; from then on, or from :meth:`hold` on, signals wait.

    What was measured is put away undisturbed: a user who presses Ctrl-C twice loses nothing. The third signal gets
    through all the same; the raw files are kept until they are no longer needed, and the next command seals them.
    """

    def __init__(self) -> None:
        self._held = False
        self._count = 0
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) is not signal.SIG_IGN:  # nohup, or a shell's background job
                    self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            with contextlib.suppress(TypeError):  # a handler that was not made by Python
                signal.signal(number, handler)

    def hold(self) -> None:
        """From here on signals wait."""
        self._held = True

    @property
    def waiting(self) -> bool:
        """Whether a signal came."""
        return self._count > 0

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._count += 1
        if not self._held or self._count >= _PATIENCE:
            self._held = True
            raise KeyboardInterrupt
