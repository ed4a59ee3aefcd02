"""What a PyTorch model file holds, looked at before PyTorch opens it; standard library only.

``torch.export.load`` trusts its file: it unpickles tensors, evaluates the formulas of symbolic sizes as Python and
loads compiled libraries. A model file is data from somewhere, so only plain formulas and operators get that far, and
pickles of anything but tensors are forbidden by ``TORCH_FORCE_WEIGHTS_ONLY_LOAD`` (see ``pytorch.py``).
"""

from __future__ import annotations

import ast
import json
import re
import zipfile
from collections.abc import Iterator
from typing import Any

from mlscope.worker._problem import Problem

__all__ = ["operators"]

_PROGRAM = re.compile(r"(^|/)(models/[^/]+\.json|serialized_exported_program\.json)$")
_OPERATOR = re.compile(
    r"torch\.ops\.[a-zA-Z]\w*\.\w+(\.[a-zA-Z]\w*)?|torch\._?sym_\w+|math\.[a-z]+\w*|"
    r"_operator\.(?!attrgetter|itemgetter|methodcaller|call)[a-z]+_?"
)
_NODES = (
    *(ast.Expression, ast.Constant, ast.Name, ast.Load, ast.Call, ast.keyword, ast.Attribute, ast.Subscript),
    *(ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.operator, ast.unaryop, ast.boolop, ast.cmpop),
)


def operators(path: str) -> set[str] | None:
    """The operators of an exported program; None for TorchScript, which PyTorch reads without Python's help.

    Raises:
        Problem: It is neither, or there is more in it than operators and plain formulas.
        OSError, zipfile.BadZipFile: It cannot be read.
    """
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if any(name.count("/") == 1 and name.endswith("/constants.pkl") for name in names):
            return None
        programs = [name for name in names if _PROGRAM.search(name)]
        if not programs:
            raise _refused("it is neither TorchScript nor an exported program (torch.jit.save, torch.export.save)")
        if any("/data/aotinductor/" in f"/{name}" for name in names):
            raise _refused("it holds compiled libraries (AOTInductor); save the exported program itself")
        texts = {item for name in programs for item in _texts(json.loads(archive.read(name)))}
    for key, text in texts:
        if not (_OPERATOR.fullmatch(text) if key == "target" else _is_formula(text)):
            raise _refused(f"its {key} {text[:60]!r} is not what a model needs")
    return {text for key, text in texts if key == "target"}


def _refused(why: str) -> Problem:
    return Problem("model", f"pytorch cannot load the model: {why}")


def _texts(node: Any) -> Iterator[tuple[str, str]]:
    """Every text that PyTorch looks up as an operator or evaluates as Python, with the key that it stands under."""
    waiting = [node]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += node
        elif isinstance(node, dict):
            waiting += node.values()
            for key in ("target", "expr_str", "guards_code"):
                value = node.get(key) or []
                yield from ((key, str(item)) for item in ([value] if isinstance(value, str) else value))


def _is_formula(text: str) -> bool:
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False
    return all(isinstance(node, _NODES) and _harmless(node) for node in ast.walk(tree))


def _harmless(node: ast.AST) -> bool:
    """Whether a node is no way out of a formula.

    Functions of formulas are sympy's classes, which evaluate a string that they are given; so strings are words.
    """
    if isinstance(node, ast.Name):
        return not node.id.startswith("_")
    if isinstance(node, ast.Attribute):
        module = node.value.id if isinstance(node.value, ast.Name) else ""
        return bool(_OPERATOR.fullmatch(f"{module}.{node.attr}")) or node.attr in ("size", "stride", "storage_offset")
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return bool(re.fullmatch(r"[A-Z]\w*|floor|ceiling", node.func.id))
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Attribute)
    return not (isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes))) or bool(
        re.fullmatch(r"[\w.+-]*", str(node.value))
    )
