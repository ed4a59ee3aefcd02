"""Small wheels in a folder, which is all that pip is told of: resolving and installing without any network."""

from __future__ import annotations

import hashlib
import os
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from mlscope.stacks._tools import find_uv

NAMED = os.environ.get("MLSCOPE_UV")


def wheel(
    folder: Path,
    name: str,
    version: str,
    *,
    requires: Sequence[str] = (),
    tag: str = "py3-none-any",
    files: Mapping[str, str] | None = None,
) -> Path:
    """Make a wheel."""
    plain = name.replace("-", "_")
    info = f"{plain}-{version}.dist-info"
    metadata = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    contents = {
        f"{plain}/__init__.py": f"__version__ = {version!r}\n",
        **(files or {}),
        f"{info}/METADATA": "\n".join([*metadata, *(f"Requires-Dist: {each}" for each in requires)]) + "\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    record = "".join(f"{path},sha256={_hash(text)},{len(text.encode())}\n" for path, text in contents.items())
    path = folder / f"{plain}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for each, text in {**contents, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
            archive.writestr(zipfile.ZipInfo(each), text)
    return path


def _hash(text: str) -> str:
    return urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def only_from(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a folder the only place that packages come from; numpy and LoadGen are in it, as far as their names go."""
    folder.mkdir()
    for name in [each for each in os.environ if each.startswith(("PIP_", "UV_")) and each != "UV_CACHE_DIR"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    wheel(folder, "numpy", "1.26.0")
    wheel(folder, "numpy", "2.1.0")
    wheel(folder, "mlcommons-loadgen", "6.0")


def use_uv(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The uv of this machine, whatever else a test does to PATH; skips where there is none."""
    if NAMED is None:
        monkeypatch.delenv("MLSCOPE_UV", raising=False)
    else:
        monkeypatch.setenv("MLSCOPE_UV", NAMED)
    found = find_uv()
    if found is None:
        pytest.skip("uv is not installed; pip install uv, or name it in MLSCOPE_UV")
    monkeypatch.setenv("MLSCOPE_UV", str(found))
    return found
