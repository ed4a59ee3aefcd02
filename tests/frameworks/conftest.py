"""Workers of any interpreter, that end with their test."""

from tests.worker.conftest import start

__all__ = ["start"]
