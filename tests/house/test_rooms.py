"""Who may import whom."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable

from tests.house._source import MODULES, PACKAGE, Module

ROOMS = (
    "manifests",
    "plan",
    "assets",
    "stacks",
    "loader",
    "recipes",
    "worker",
    "results",
    "stats",
    "analyses",
    "traces",
    "submissions",
    "conductor",
    "api",
    "cli",
)
"""In order: a room imports only rooms that stand before it."""

ROOT = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"}
"""Modules of the package itself that every room but the worker may import."""

FRAMEWORKS = {
    "ai_edge_litert",
    "cuda",
    "jax",
    "mxnet",
    "onnxruntime",
    "openvino",
    "tensorflow",
    "tensorrt",
    "torch",
} | {"tensorrt_bindings"}
"""Packages of frameworks, of which this environment need not have all."""

WORKER = [module for module in MODULES if module.room == "worker"]

LOADER_PROCESS = {"__main__", "_process", "_hooks", "_pictures", "_prepared", "_steps"}
"""Modules of the loader that run in the stack that a manifest names for it."""


def offences(modules: list[Module], wrong: Callable[[Module, list[str]], bool]) -> list[str]:
    """``file:line: name`` of every import that `wrong` objects to."""
    return [
        f"{module.path}:{line}: {name}"
        for module in modules
        for line, name in module.imports()
        if wrong(module, name.split("."))
    ]


def room_of(name: list[str]) -> str | None:
    """The room or root module that an import of mlscope leads to; None for other packages and for the protocol."""
    if name[0] != "mlscope" or name[:3] == ["mlscope", "worker", "protocol"]:
        return None
    return name[1] if len(name) > 1 else ""


def test_every_room_has_its_place_in_the_order() -> None:
    rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert rooms == set(ROOMS)


def test_a_room_imports_only_rooms_before_it() -> None:
    def wrong(module: Module, name: list[str]) -> bool:
        target = room_of(name)
        if target is None or target == module.room:
            return False
        if target in ROOT or target == "__version__":
            return module.room == "worker"
        alone = module.room in {"worker", "stats"}
        return alone or target not in ROOMS[: ROOMS.index(module.room)]

    assert not offences([module for module in MODULES if module.room in ROOMS], wrong)


def test_root_modules_import_no_room() -> None:
    root = [module for module in MODULES if module.room in ROOT]
    assert not offences(root, lambda _, name: room_of(name) not in {None, *ROOT})


def test_private_modules_are_used_only_in_their_own_room() -> None:
    def wrong(module: Module, name: list[str]) -> bool:
        strange = name[0] == "mlscope" and len(name) > 2 and name[1] not in {module.room, *ROOT}
        return strange and any(part.startswith("_") for part in name[2:])

    assert not offences([module for module in MODULES if module.room in ROOMS], wrong)


def test_only_the_store_knows_sqlalchemy() -> None:
    elsewhere = [module for module in MODULES if module.parts[:2] != ("results", "store")]
    assert not offences(elsewhere, lambda _, name: name[0] in {"sqlalchemy", "alembic", "psycopg"})


def test_only_its_predictor_and_its_profiler_import_a_framework() -> None:
    own = [("worker", "predictors"), ("worker", "profilers")]
    elsewhere = [module for module in MODULES if module.parts[:2] not in own]
    assert not offences(elsewhere, lambda _, name: name[0] in FRAMEWORKS)


def test_the_worker_imports_only_what_every_stack_has() -> None:
    may = {*sys.stdlib_module_names, "numpy", "mlperf_loadgen", "mlscope", *FRAMEWORKS}
    assert not offences(WORKER, lambda _, name: name[0] not in may)


def test_the_protocol_needs_the_standard_library_only() -> None:
    protocol = [module for module in WORKER if module.name == "mlscope.worker.protocol"]
    assert protocol
    assert not offences(protocol, lambda _, name: name[0] not in sys.stdlib_module_names)


def test_the_worker_is_written_in_python_3_9() -> None:
    for module in WORKER:
        ast.parse(module.text, str(module.path), feature_version=(3, 9))


def test_a_loader_process_needs_numpy_and_the_decoder_only() -> None:
    process = [module for module in MODULES if module.room == "loader" and module.path.stem in LOADER_PROCESS]
    assert len(process) == len(LOADER_PROCESS)
    may = {*sys.stdlib_module_names, "numpy", "cv2", "PIL"}
    own = {f"mlscope.loader.{name}" for name in LOADER_PROCESS}
    assert not offences(process, lambda _, name: name[0] not in may and ".".join(name[:3]) not in own)
    for module in process:
        ast.parse(module.text, str(module.path), feature_version=(3, 9))
