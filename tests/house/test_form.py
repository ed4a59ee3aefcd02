"""The size and the face of the product's modules."""

from __future__ import annotations

import ast
import importlib
import importlib.util

import mlscope
from tests.house._source import MODULES, Module
from tests.house.test_rooms import FRAMEWORKS

MODULE_LINES = 400
FUNCTION_LINES = 60


def code_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from ``def`` to the end, without the docstring."""
    lines = (node.end_lineno or node.lineno) - node.lineno + 1
    if ast.get_docstring(node) is None:
        return lines
    docstring = node.body[0]
    return lines - ((docstring.end_lineno or docstring.lineno) - docstring.lineno + 1)


def binds_names(module: Module) -> bool:
    """Whether there is anything beyond the docstring."""
    return len(module.tree.body) > 1


def needs_a_framework_that_is_not_here(module: Module) -> bool:
    return any(
        root in FRAMEWORKS and importlib.util.find_spec(root) is None
        for root in (name.split(".")[0] for _, name in module.imports())
    )


def test_no_module_is_longer_than_400_lines() -> None:
    assert not [str(module.path) for module in MODULES if len(module.text.splitlines()) > MODULE_LINES]


def test_no_function_is_longer_than_60_lines() -> None:
    assert not [
        f"{module.path}:{node.lineno}: {node.name} has {code_lines(node)} lines"
        for module in MODULES
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and code_lines(node) > FUNCTION_LINES
    ]


def test_every_public_module_lists_its_names_and_has_them() -> None:
    scripts = {"__main__", "env"}  # run, never imported
    for module in MODULES:
        if not module.public or "migrations" in module.parts or module.path.stem in scripts:
            continue
        if needs_a_framework_that_is_not_here(module):
            continue
        if binds_names(module):
            imported = importlib.import_module(module.name)
            names = getattr(imported, "__all__", None)
            assert names is not None, f"{module.path} has no __all__"
            assert len(set(names)) == len(names), f"{module.path} lists a name twice"
            assert not [name for name in names if not hasattr(imported, name)], module.path


def test_every_public_name_of_mlscope_resolves() -> None:
    assert mlscope.__all__
    assert not [name for name in mlscope.__all__ if not hasattr(mlscope, name)]
