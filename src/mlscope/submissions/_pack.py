"""Many files as one archive or folder; the same files always give the same bytes."""

from __future__ import annotations

import io
import shutil
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from mlscope._files import explain_os_errors
from mlscope.errors import UsageError

__all__ = ["check_target", "pack"]

_CHUNK = 1 << 20
_LARGE = 1 << 30
_TAR = (".tar.zst", ".tzst")


def check_target(out: Path, *, overwrite: bool) -> None:
    """Refuse a place that cannot be written to, before anything is done.

    Raises:
        UsageError: It is there already, or its name says no kind of archive.
    """
    if out.suffix and out.suffix != ".zip" and not out.name.endswith(_TAR):
        raise UsageError(
            f"{out.suffix} is no archive that can be written",
            where=str(out),
            hint="end it in .zip or .tar.zst, or in nothing for a folder",
        )
    if out.is_dir() and any(out.iterdir()):
        raise UsageError("is a folder that holds something already", where=str(out), hint="name another place")
    if out.exists() and not out.is_dir() and not overwrite:
        raise UsageError("is there already", where=str(out), hint="use --overwrite or another name")


def pack(files: Mapping[str, Path | bytes], out: Path) -> None:
    """Write files to an archive, which appears as a whole, or to a folder.

    Args:
        files: Name, with forward slashes → file or content.
        out: ``….zip``, ``….tar.zst`` or a folder (:func:`check_target`).

    Raises:
        ResourceError: The disk is full or the place cannot be written.
    """
    with explain_os_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        if out.suffix == ".zip" or out.name.endswith(_TAR):
            temporary = out.with_name(f".{out.name}.tmp")
            try:
                (_zip if out.suffix == ".zip" else _tar)(files, temporary)
                temporary.replace(out)
            finally:
                temporary.unlink(missing_ok=True)
            return
        for name in sorted(files):
            target = out / name
            target.parent.mkdir(parents=True, exist_ok=True)
            content = files[name]
            if isinstance(content, bytes):
                target.write_bytes(content)
            else:
                shutil.copyfile(content, target)


def _zip(files: Mapping[str, Path | bytes], out: Path) -> None:
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as package:
        for name in sorted(files):
            content = files[name]
            size = len(content) if isinstance(content, bytes) else content.stat().st_size
            with package.open(name, "w", force_zip64=size > _LARGE) as target:
                if isinstance(content, bytes):
                    target.write(content)
                else:
                    with content.open("rb") as source:
                        shutil.copyfileobj(source, target, _CHUNK)


def _tar(files: Mapping[str, Path | bytes], out: Path) -> None:
    import pyarrow as pa

    with (
        pa.output_stream(str(out), compression="zstd") as compressed,
        tarfile.open(fileobj=compressed, mode="w|", format=tarfile.PAX_FORMAT) as package,
    ):
        for name in sorted(files):
            content = files[name]
            item = tarfile.TarInfo(name)
            item.mode = 0o644
            if isinstance(content, bytes):
                item.size = len(content)
                package.addfile(item, io.BytesIO(content))
            else:
                item.size = content.stat().st_size
                with content.open("rb") as source:
                    package.addfile(item, source)
