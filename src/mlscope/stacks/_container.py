"""Stacks in containers: an image built from a lock, run by docker or podman.

The image holds Python and the wheels of the lock, nothing of mlscope: the worker's files are mapped in, and so are the
run's folder and the files that it reads. It has been tried against a recorded engine only, never on a real one.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlscope._files import explain_os_errors, write_atomic
from mlscope._lease import Lease
from mlscope._schema import canonical_digest
from mlscope.errors import StackError
from mlscope.stacks import _launch
from mlscope.stacks._engine import Engine, find_engine
from mlscope.stacks._environment import telling_variables
from mlscope.stacks._gpu import chosen_gpu
from mlscope.stacks._lock import Lock
from mlscope.stacks._stack import Launch
from mlscope.stacks._store import folder_of, kept
from mlscope.stacks._uv import Reporter, framework_version, relocated
from mlscope.stacks._wanted import Wanted

__all__ = ["ContainerStack", "container_from_lock", "container_stack", "containerfile"]

_PACKAGE = Path(__file__).parents[1]
_ENV_FILE = "container.env"
_IMAGES_OWN = {"bin", "dev", "etc", "lib", "lib64", "proc", "sbin", "sys", "usr"}
_FIRST = """\
# Written by mlscope from a lock; the base image is named by its digest, every wheel by its sha256.
"""


@dataclasses.dataclass(frozen=True, slots=True)
class ContainerStack:
    """An image; a :class:`~mlscope.stacks.Stack`."""

    id: str
    """Names the image's folder on this machine."""
    path: Path
    """Folder with its Containerfile."""
    image: str
    """Digest of the image."""
    base: str
    """The image that it was built on, by digest."""
    framework_version: str
    content: Lock
    engine: Engine
    lease: Lease
    python: Path = Path("/usr/local/bin/python")
    """Inside the container."""
    kind: str = "container"

    def lock(self) -> dict[str, Any]:
        """Base image, Python and wheels; also the Containerfile and the digest of the image that was made of it."""
        text = (self.path / "Containerfile").read_text(encoding="utf-8")
        return self.content.stored_form() | {
            "kind": "container",
            "base": self.base,
            "image": self.image,
            "containerfile": text,
        }

    @property
    def lock_sha256(self) -> str:
        """Digest of base image, Python and wheels; an image built again from them has another digest of its own."""
        return canonical_digest({"kind": "container", "base": self.base, "wheels": self.content.sha256})

    def environment(self) -> dict[str, str]:
        """Nothing; :meth:`launch` hands variables on in a file."""
        return {}

    def launch(
        self,
        folder: Path,
        *,
        prefix: Sequence[str] = (),
        files: Sequence[Path] = (),
        writable: Sequence[Path] = (),
        env: Mapping[str, str] | None = None,
        gpu: int | None = None,
    ) -> Launch:
        """A process in a container, which sees what is named here and the caller's variables that change results.

        An env file is written into `folder`; `prefix` is a command of the image. Otherwise as
        :meth:`mlscope.stacks.Stack.launch` says.
        """
        name = f"mlscope-{uuid.uuid4().hex[:12]}"
        device = None if gpu is None else chosen_gpu(gpu, {**os.environ, **(env or {})})
        _write_env(folder / _ENV_FILE, {"HOME": "/tmp", **telling_variables(os.environ), **(env or {})}, device)  # noqa: S108 - inside
        words = ["run", "--rm", "--init", "--interactive", "--name", name, "--network", "none"]
        words += ["--user", f"{os.getuid()}:{os.getgid()}", *(["--userns", "keep-id"] if self.engine.podman else [])]
        words += ["--security-opt", "label=disable"]  # SELinux would keep the container from files of the user's
        words += ["--env-file", str(folder / _ENV_FILE), "--workdir", str(folder)]
        words += _mounts([folder, *writable], [_PACKAGE, *files])
        if device is not None:
            words += ["--device", f"nvidia.com/gpu={device}"] if self.engine.podman else ["--gpus", f"device={device}"]
        launcher = [sys.executable, "-I", str(Path(_launch.__file__)), str(self.engine.program)]
        return Launch(
            (*launcher, *words, self.image, "--", *prefix, str(self.python)),
            dict(os.environ),
            engine=self.engine.program.name,
            end=(str(self.engine.program), "kill", name),
        )


def container_stack(
    lock: Lock, wanted: Wanted, *, offline: bool, fresh: bool, report: Reporter, base: str | None = None
) -> ContainerStack:
    """The image of a lock; built where it is not there yet.

    Args:
        lock: The wheels.
        wanted: What they are for.
        offline: Rule out the network.
        fresh: Build anew, without the engine's cache.
        report: Is told of stages and warnings.
        base: The base image; None: Python's official slim one of this version.

    Raises:
        StackError: No engine runs, or it fails.
        ResourceError: The disk is full or cannot be written.
    """
    engine = find_engine()
    wished = base or f"docker.io/library/python:{wanted.python.minor}-slim"
    identity = canonical_digest(["container", lock.sha256, wished, engine.program.name])[:16]

    def fits(about: dict[str, Any]) -> bool:
        return about.get("kind") == "container" and engine.image_id(str(about.get("image"))) is not None

    def make(folder: Path) -> dict[str, Any]:
        report.progress(f"building the image of {wanted.framework.name} ({len(lock.wheels)} packages)")
        image, digest = _build(engine, identity, lock, wished, folder, offline=offline, fresh=fresh)
        return {
            "kind": "container",
            "framework": wanted.framework.name,
            "framework_version": framework_version(wanted, lock),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "made_with": engine.program.name,
            "image": image,
            "base": digest,
            "lock": lock.stored_form(),
        }

    about, lease = kept(identity, make, fits=fits, fresh=fresh, warn=report.warn)
    version = framework_version(wanted, lock)
    return ContainerStack(identity, folder_of(identity), about["image"], about["base"], version, lock, engine, lease)


def container_from_lock(
    stored: Mapping[str, Any], lock: Lock, wanted: Wanted, *, offline: bool, report: Reporter
) -> ContainerStack:
    """The image of a stored lock: on the same base image, by digest; errors as for :func:`container_stack`."""
    base = stored.get("base")
    if not isinstance(base, str):
        raise StackError("the lock names no base image")
    return container_stack(lock, wanted, offline=offline, fresh=False, report=report, base=base)


def containerfile(base: str, copied: Sequence[str]) -> str:
    """The text of a Containerfile.

    Args:
        base: The base image, by digest.
        copied: Names of wheels that lie beside it, in ``wheels/``.
    """
    lines = [f"FROM {base}"]
    lines += ["COPY wheels/ /stack/wheels/"] if copied else []
    lines += ["COPY requirements.txt pylock.toml /stack/"]
    lines += ["RUN python -m pip install --no-cache-dir --no-deps --require-hashes -r /stack/requirements.txt"]
    return _FIRST + "\n".join(lines) + "\n"


def _build(
    engine: Engine, identity: str, lock: Lock, base: str, folder: Path, *, offline: bool, fresh: bool
) -> tuple[str, str]:
    """Digest of the image, and its base image by digest."""
    digest = _base_digest(engine, base, offline)
    local = relocated(lock, offline)
    copies = {wheel.filename: path for wheel, path in local.local()}
    with explain_os_errors(folder):
        (folder / "wheels").mkdir(parents=True)
        for name, path in copies.items():
            shutil.copy(path, folder / "wheels" / name)
        urls = {name: f"file:///stack/wheels/{name}" for name in copies}
        (folder / "requirements.txt").write_text(local.requirements(urls), encoding="utf-8")
        (folder / "pylock.toml").write_text(lock.pylock(), encoding="utf-8")
        (folder / "Containerfile").write_text(containerfile(digest, list(copies)), encoding="utf-8")
    tag = f"mlscope-stack:{identity}"
    engine.say(
        *("build", "--file", str(folder / "Containerfile"), "--tag", tag),
        *(["--no-cache"] if fresh else []),
        *(["--network", "none"] if offline else []),
        str(folder),
    )
    image = engine.image_id(tag)
    if image is None:
        raise StackError(f"{engine.program.name} built no image", where=tag)
    shutil.rmtree(folder / "wheels")  # they are in the image
    return image, digest


def _base_digest(engine: Engine, base: str, offline: bool) -> str:
    """The base image by digest; pulled where it is not here."""
    if "@sha256:" in base:
        return base
    if engine.image_id(base) is None:
        if offline:
            raise StackError(f"the image {base} is not here, and the network was ruled out", hint="pull it once")
        engine.say("pull", base)
    found = engine.say("image", "inspect", "--format", "{{index .RepoDigests 0}}", base)
    if "@sha256:" not in found:
        raise StackError(f"{engine.program.name} tells no digest of the image", where=base, hint="pull it anew")
    return found


def _write_env(path: Path, variables: dict[str, str], gpu: str | None) -> None:
    """The env file; of several GPUs the container gets one, which has the number 0 in there."""
    left_out = {"LD_PRELOAD", *(["CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"] if gpu is not None else [])}
    kept = {name: value for name, value in variables.items() if name not in left_out}
    for name, value in kept.items():
        if "\n" in value or "=" in name:
            raise StackError(f"the variable {name} cannot be handed to a container", hint="it has several lines")
    write_atomic(path, "".join(f"{name}={value}\n" for name, value in kept.items()))


def _around(path: Path) -> list[Path]:
    """A folder, or the folder of a file: models keep weights in files beside them. Links lead to where they lead.

    Only the file itself, where its folder would hide something of the image.
    """
    if path.is_dir():
        return [path, path.resolve()]
    found = []
    for file in (path.absolute(), path.resolve()):
        hides = len(file.parts) < 4 or file.parts[1] in _IMAGES_OWN
        found.append(file if hides else file.parent)
    return found


def _mounts(writable: Sequence[Path], files: Sequence[Path]) -> list[str]:
    """Files and folders under their own names inside the container, each once."""
    words: list[str] = []
    mapped: list[Path] = []
    for paths, ending in ((writable, ""), ([around for path in files for around in _around(path)], ",readonly")):
        for path in (path.absolute() for path in paths):
            if any(path.is_relative_to(folder) for folder in mapped):
                continue
            if "," in str(path):
                raise StackError("a path with a comma cannot be mapped into a container", where=str(path))
            mapped.append(path)
            words += ["--mount", f"type=bind,source={path},target={path}{ending}"]
    return words
