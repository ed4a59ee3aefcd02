"""Where mlscope keeps things on this machine.

``MLSCOPE_HOME`` names one folder for everything; without it the user's data and cache folders are used.
"""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

__all__ = ["cache_dir", "data_dir", "index_address", "runs_dir"]


def data_dir() -> Path:
    """Folder of results: ``$MLSCOPE_HOME`` or the user's data folder (not created here)."""
    home = os.environ.get("MLSCOPE_HOME")
    return Path(home).expanduser().absolute() if home else Path(platformdirs.user_data_dir("mlscope"))


def cache_dir() -> Path:
    """Folder of things that can be had again: ``$MLSCOPE_HOME/cache`` or the user's cache folder."""
    home = os.environ.get("MLSCOPE_HOME")
    if home:
        return Path(home).expanduser().absolute() / "cache"
    return Path(platformdirs.user_cache_dir("mlscope"))


def runs_dir() -> Path:
    """Folder of the sealed run folders."""
    return data_dir() / "runs"


def index_address() -> str:
    """Address of the local index over :func:`runs_dir`."""
    return f"sqlite:///{data_dir() / 'index.db'}"
