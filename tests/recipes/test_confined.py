"""A script changes nothing but its own folder: prevented where the kernel can, noticed where it can be noticed."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from mlscope.errors import AssetError
from mlscope.recipes import landlock_version, provenance
from tests.recipes.conftest import COPY, Kitchen

needs_landlock = pytest.mark.skipif(not landlock_version(), reason="this kernel has no Landlock")
UNCONFINED = """
import os, sys
os.execv(sys.executable, [sys.executable, sys.argv[2], sys.argv[3]])
"""


@needs_landlock
@pytest.mark.parametrize(
    "act",
    [
        "open({path!r}, 'w')",
        "open({file!r}, 'a')",
        "os.mkdir({path!r})",
        "os.remove({file!r})",
        "os.rename({file!r}, 'mine')",
        "os.symlink('x', {path!r})",
        "os.truncate({file!r}, 0)",
        "subprocess.run(['touch', {path!r}], check=True)",
    ],
)
def test_nothing_outside_of_the_folder_can_be_changed(
    kitchen: Kitchen, tmp_path: Path, made: Callable[[], list[str]], act: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("as it was")
    deed = act.format(path=str(outside / "new"), file=str(outside / "file"))
    with pytest.raises(AssetError, match="script failed"):
        kitchen.make(f"import os, subprocess\n{deed}\n" + COPY)
    assert [(path.name, path.read_text()) for path in outside.iterdir()] == [("file", "as it was")]
    assert made() == []


@needs_landlock
def test_inside_of_the_folder_everything_can_be_done(kitchen: Kitchen) -> None:
    script = """
    import os, pathlib, shutil, subprocess, sys, tempfile
    os.mkdir("a")
    pathlib.Path("a/b").write_text("text")
    os.mkdir("c")
    os.rename("a/b", "c/d")
    os.link("c/d", "c/e")
    shutil.rmtree("c")
    subprocess.run(["true"], stdout=open("/dev/null", "w"), check=True)
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"x")
    pathlib.Path("made.txt").write_text("all done")
    """
    found = kitchen.make(script)["graph"].path
    assert found.read_text() == "all done"
    told = provenance(found)
    assert told is not None
    assert told["confined"] == f"Landlock {landlock_version()}"


@pytest.mark.skipif(landlock_version() < 4, reason="this kernel's Landlock knows no TCP")
def test_a_script_has_no_network(kitchen: Kitchen) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(AssetError, match="PermissionError"):
            kitchen.make(f"import socket\nsocket.create_connection(('127.0.0.1', {port}))\n" + COPY)


def test_without_landlock_a_changed_source_is_noticed(
    kitchen: Kitchen, tmp_path: Path, made: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    wrapper = tmp_path / "wrapper.py"
    wrapper.write_text(UNCONFINED)
    monkeypatch.setattr("mlscope.recipes._run._CONFINE", wrapper)
    with pytest.raises(AssetError, match="changed its source words"):
        kitchen.make(COPY + "\npathlib.Path(job['sources']['words']).write_text('changed')\n")
    assert made() == []
