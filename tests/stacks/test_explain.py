"""The words of uv and pip as one line: what they really said, recorded."""

from __future__ import annotations

import dataclasses

import pytest

from mlscope.errors import ChecksumError, MlscopeError, ResourceError, StackError
from mlscope.stacks import _explain
from mlscope.stacks._explain import Unresolvable, explained
from mlscope.stacks._pythons import this_python

PYTHON = dataclasses.replace(this_python(), version="3.11.7", platform="linux-x86_64")
ORIGINS = {
    "numpy": "every worker",
    "onnxruntime==1.18.1": "the request",
    "numpy<1.20": "the request",
    "numpy>=2": "the manifest of toy",
    "protobuf>=6": "the request",
    "tensorflow==2.15.0": "the request",
}

RECORDED: list[tuple[str, str, type[MlscopeError], str]] = [
    (
        "a conflict of two",
        """error: No solution found when resolving dependencies
  cause: Because onnxruntime==1.18.1 depends on numpy>=1.21.6,<2.0 and you require onnxruntime==1.18.1, we can \
conclude that you require numpy>=1.21.6,<2.0.
         And because you require numpy<1.20, we can conclude that your requirements are unsatisfiable.""",
        Unresolvable,
        "no set of packages fits together: onnxruntime==1.18.1 needs numpy>=1.21.6,<2.0; the request wants "
        "onnxruntime==1.18.1 and numpy<1.20; the manifest of toy wants numpy>=2",
    ),
    (
        "a conflict with many ranges",
        """error: No solution found when resolving dependencies
  cause: Because tensorflow==2.15.0 depends on one of:
             protobuf>=3.20.3,<4.21.0
             protobuf>4.21.0,<4.21.1
             protobuf>4.21.5,<5.0.0.dev0
         and you require tensorflow==2.15.0, we can conclude that you require one of:
             protobuf>=3.20.3,<4.21.0
             protobuf>4.21.5,<5.0.0.dev0

         And because you require protobuf>=6, we can conclude that your requirements are unsatisfiable.""",
        Unresolvable,
        "tensorflow==2.15.0 needs protobuf>=3.20.3,<4.21.0 (or 2 ranges beside it); the request wants "
        "tensorflow==2.15.0 and protobuf>=6",
    ),
    (
        "a conflict in several steps",
        """cause: Because all versions of other depend on numpy<2 and mid<=1.0 depends on other, we can conclude that \
mid<=1.0 depends on numpy<2. (1)

         Because only other==1.0 is available and mid>=1.1 depends on other>1, we can conclude that mid>=1.1 cannot \
be used.
         And because we know from (1) that mid<=1.0 depends on numpy<2, we can conclude that all versions of mid \
depend on numpy<2.
         And because you require mid and numpy>=2, we can conclude that your requirements are unsatisfiable.""",
        Unresolvable,
        "all versions of other need numpy<2; mid<=1.0 needs other; only other==1.0 is available; "
        "mid>=1.1 needs other>1;",
    ),
    (
        "constraints of pip's configuration",
        "cause: Because you require numpy<1.20 and numpy<=1.5, we can conclude that your requirements are unmet.",
        Unresolvable,
        "the request wants numpy<1.20; the manifest of toy wants numpy>=2; pip's configuration wants numpy<=1.5",
    ),
    (
        "nothing new enough",
        "cause: Because only toy<=2.0 is available and you require toy>=3, we can conclude that your requirements are "
        "unsatisfiable.",
        Unresolvable,
        "there is no such version: only toy<=2.0 is available",
    ),
    (
        "a version that does not exist",
        "cause: Because there is no version of onnxruntime==9.9.9 and you require onnxruntime==9.9.9, we can conclude "
        "that your requirements are unsatisfiable.",
        Unresolvable,
        "no package index has onnxruntime==9.9.9 for Python 3.11; the newest are 1.9.2, 1.9.0, 1.8.1",
    ),
    (
        "a version near others",
        "cause: Because there is no version of onnxruntime==1.9.5 and you require onnxruntime==1.9.5, we can conclude",
        Unresolvable,
        "no package index has onnxruntime==1.9.5 for Python 3.11; there are 1.9.0, 1.9.2",
    ),
    (
        "a name that does not exist",
        "cause: Because nosuch was not found in the package registry and you require nosuch, we can conclude that",
        Unresolvable,
        "no package index has nosuch; check its name",
    ),
    (
        "no wheel for this Python",
        """cause: Because onnxruntime==1.10.0 has no wheels with a matching Python ABI tag (e.g., `cp311`) and you \
require onnxruntime==1.10.0, we can conclude that your requirements are unsatisfiable.

hint: You require CPython 3.11 (`cp311`), but we only found wheels for `onnxruntime` (v1.10.0) with the following \
Python ABI tags: `cp36m`, `cp37m`, `cp38`, `cp39`""",
        Unresolvable,
        "onnxruntime 1.10.0 has no wheel for Python 3.11 on linux-x86_64; it has wheels for Python 3.6, 3.7, 3.8, 3.9; "
        "choose another version, or --python 3.9",
    ),
    (
        "sources only",
        "cause: Because all versions of tensorrt-cu12 have no usable wheels and you require tensorrt-cu12, we can "
        "conclude that your requirements are unsatisfiable.",
        Unresolvable,
        "tensorrt-cu12 has no wheel for Python 3.11 on linux-x86_64 (there are only sources, which mlscope does not "
        "build)",
    ),
    (
        "another Python than the lock's",
        "error: Package `numpy` can't be installed because it doesn't have a source distribution or wheel for the "
        "current platform hint: You're using CPython 3.11 (`cp311`), but `numpy` (v2.4.6) only has wheels with the "
        "following Python implementation tag: `cp312`",
        Unresolvable,
        "numpy has no wheel for Python 3.11 on linux-x86_64; it has wheels for Python 3.12",
    ),
    (
        "a wrong hash",
        f"""error: Failed to download `coloredlogs==15.0.1`
  cause: Hash mismatch for `coloredlogs==15.0.1`

         Expected:
           sha256:{"7" * 64}

         Computed:
           sha256:{"6" * 64}""",
        ChecksumError,
        "coloredlogs==15.0.1: the wheel's sha256 is 6666666666666666…, the lock promises 7777777777777777…",
    ),
    (
        "a wrong hash, by pip",
        f"""ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE. If you have updated the package \
versions, please update the hashes. Otherwise, examine the package contents carefully; someone may have tampered with \
them.
    toy@ http://127.0.0.1/toy-1.0-py3-none-any.whl from http://127.0.0.1/toy-1.0-py3-none-any.whl (from -r \
requirements.txt (line 3)):
        Expected sha256 {"7" * 64}
             Got        {"6" * 64}""",
        ChecksumError,
        "the wheel's sha256 is 6666666666666666…, the lock promises 7777777777777777…",
    ),
    (
        "a full disk",
        """error: Failed to install: sympy-1.14.0-py3-none-any.whl (sympy==1.14.0)
  cause: Failed to copy to `/x/e/lib/python3.11/site-packages/sympy/simplify/tests/test_simplify.py`
  cause: failed to copy file from /u/M/test_simplify.py to /x/e/.tmp: No space left on device (os error 28)""",
        ResourceError,
        "no space left on the disk; the environment was not made",
    ),
    (
        "no network and a cold cache",
        """error: No solution found when resolving dependencies
  cause: Because onnxruntime was not found in the cache and you require onnxruntime==1.20.1, we can conclude that \
your requirements are unsatisfiable.

hint: Packages were unavailable because the network was disabled. When the network is disabled, registry packages may \
only be read from the cache.""",
        StackError,
        "onnxruntime is not in the package cache of this machine, and the network was ruled out",
    ),
    (
        "a cold cache for an address",
        """error: Failed to download `numpy==2.4.6`
  cause: Network connectivity is disabled, but the requested data wasn't found in the cache: https://x.org/n.whl""",
        StackError,
        "numpy==2.4.6 is not in the package cache of this machine",
    ),
    (
        "an index that refuses",
        """error: Failed to fetch: http://me:secret@127.0.0.1:9/simple/onnxruntime/
  cause: error sending request for url (http://127.0.0.1:9/simple/onnxruntime/)
  cause: client error (Connect)
  cause: tcp connect error
  cause: Connection refused (os error 111)""",
        StackError,
        "the package index 127.0.0.1:9 cannot be reached (Connection refused); check the network",
    ),
    (
        "a host without a name",
        """error: Request failed after 3 retries in 9.0s
  cause: Failed to fetch: https://nohost.invalid/simple/onnxruntime/
  cause: dns error
  cause: failed to lookup address information: Name or service not known""",
        StackError,
        "the package index nohost.invalid cannot be reached (Name or service not known)",
    ),
    (
        "a conflict, by pip",
        """ERROR: Cannot install onnxruntime==1.18.1 and numpy>=2 because these package versions have conflicting \
dependencies.

The conflict is caused by:
    The user requested numpy>=2
    onnxruntime 1.18.1 depends on numpy<2.0 and >=1.21.6
    The user requested (constraint) numpy<=1.5

To fix this you could try to:
1. loosen the range of package versions you've specified""",
        Unresolvable,
        "no set of packages fits together: onnxruntime 1.18.1 needs numpy<2.0 and >=1.21.6; the request wants "
        "numpy<1.20; the manifest of toy wants numpy>=2; pip's configuration wants numpy<=1.5",
    ),
    (
        "a version that does not exist, by pip",
        "ERROR: Could not find a version that satisfies the requirement onnxruntime==9.9.9 (from versions: 1.15.0) "
        "ERROR: No matching distribution found for onnxruntime==9.9.9",
        Unresolvable,
        "no package index has onnxruntime==9.9.9 for Python 3.11",
    ),
    (
        "a version without a wheel, by pip",
        "ERROR: No matching distribution found for onnxruntime==1.8.1",
        Unresolvable,
        "onnxruntime 1.8.1 has no wheel for Python 3.11 on linux-x86_64",
    ),
    ("something else", "error: the moon is full\n", StackError, "the environment cannot be made: the moon is full"),
]


@pytest.mark.parametrize(("name", "said", "kind", "words"), RECORDED, ids=[each[0] for each in RECORDED])
def test_what_was_said_becomes_one_line(
    name: str, said: str, kind: type[MlscopeError], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlscope.assets

    known = ["1.8.1", "1.9.0", "1.9.2"]
    monkeypatch.setattr(mlscope.assets, "released_versions", lambda asked: known if asked == "onnxruntime" else [])
    error = explained(said, PYTHON, ORIGINS, offline="network" in name)
    assert type(error) is kind
    assert words in str(error)
    assert "\n" not in str(error)
    assert "secret" not in str(error)


def test_its_names_are_these() -> None:
    assert _explain.__all__ == ["EVERY_WORKER", "Unresolvable", "explained"]
