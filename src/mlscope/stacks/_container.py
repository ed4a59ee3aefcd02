"""Stacks in containers: an image built from a lock, run by docker or podman.

The image holds Python and the wheels of the lock, nothing of mlscope: the worker's files are mapped in, and so are the
run's folder and the files that it reads. It has been tried against a recorded engine only, never on a real one.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlscope._files import explain_os_errors, write_atomic
from mlscope._schema import canonical_digest
from mlscope.errors import StackError
from mlscope.stacks import _launch
from mlscope.stacks._engine import Engine, find_engine
from mlscope.stacks._environment import telling_variables
from mlscope.stacks._lock import Lock
from mlscope.stacks._store import Lease, folder_of, kept
from mlscope.stacks._uv import Reporter, framework_version, relocated
from mlscope.stacks._wanted import Wanted

__all__ = ["ContainerStack", "container_from_lock", "container_stack", "containerfile"]

_PACKAGE = Path(__file__).parents[1]
_ENV_FILE = "container.env"
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
        """Nothing; :meth:`command` hands variables on in a file."""
        return {}

    def command(
        self, folder: Path, *, files: Sequence[Path] = (), env: Mapping[str, str] | None = None, gpu: int | None = None
    ) -> list[str]:
        """What the worker's script and its arguments are put behind.

        Args:
            folder: The run's folder, which becomes the working folder; an env file is written into it.
            files: Other files and folders that the worker reads.
            env: Variables for the worker, beside those of the caller that change results.
            gpu: Number of the GPU that it may use.

        Raises:
            StackError: A variable cannot be written into an env file.
            ResourceError: The disk is full or cannot be written.
        """
        variables = {**telling_variables(os.environ), **(env or {})}
        variables.pop("LD_PRELOAD", None)
        for name, value in variables.items():
            if "\n" in value or "=" in name:
                raise StackError(f"the variable {name} cannot be handed to a container", hint="it has several lines")
        write_atomic(folder / _ENV_FILE, "".join(f"{name}={value}\n" for name, value in variables.items()))
        words = ["run", "--rm", "--init", "--interactive", "--network", "none"]
        words += ["--user", f"{os.getuid()}:{os.getgid()}", *(["--userns", "keep-id"] if self.engine.podman else [])]
        words += ["--env-file", str(folder / _ENV_FILE), "--workdir", str(folder)]
        words += _mount(folder) + _mount(_PACKAGE, readonly=True)
        for path in dict.fromkeys(path.absolute() for path in files):
            words += _mount(path, readonly=True)
        if gpu is not None:
            words += ["--device", f"nvidia.com/gpu={gpu}"] if self.engine.podman else ["--gpus", f"device={gpu}"]
        launcher = [sys.executable, "-I", str(Path(_launch.__file__))]
        return [*launcher, str(self.engine.program), *words, self.image, "--", str(self.python)]


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


def _mount(path: Path, *, readonly: bool = False) -> list[str]:
    """A file or folder under its own name inside the container."""
    if "," in str(path):
        raise StackError("a path with a comma cannot be mapped into a container", where=str(path))
    return ["--mount", f"type=bind,source={path},target={path}" + (",readonly" if readonly else "")]
