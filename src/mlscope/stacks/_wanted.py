"""What an environment is to consist of: a framework's manifest and a constraint as requirements of packages."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from mlscope.errors import StackError
from mlscope.manifests import Constraint, FrameworkManifest, load_framework
from mlscope.stacks._explain import EVERY_WORKER
from mlscope.stacks._pythons import Interpreter

__all__ = ["LOADGEN", "Wanted", "constraint_of", "named_framework"]

LOADGEN = "mlcommons-loadgen"
"""Left out where it has no wheel: everything but ``mlscope benchmark`` works without it."""
_ALWAYS = ("numpy", LOADGEN)


@dataclasses.dataclass(frozen=True, slots=True)
class Wanted:
    """The requirements of one environment, and who makes them."""

    framework: FrameworkManifest
    constraint: Constraint
    extra: tuple[str, ...]
    gpu: bool
    python: Interpreter

    @property
    def package(self) -> str | None:
        """Normalised name of the distribution whose version is the framework's; None: mlscope itself."""
        own = self.own()
        return canonicalize_name(Requirement(own[0]).name) if own else None

    def names(self) -> list[str]:
        """Normalised names of all distributions whose version may be the framework's, the likeliest first."""
        framework = self.framework
        texts = [*self.own()[:1], *framework.packages[:1], *framework.gpu_packages[:1], framework.package or ""]
        return list(dict.fromkeys(canonicalize_name(_parsed(text).name) for text in texts if text))

    def pinned(self) -> str | None:
        """The framework's version, where the constraint leaves no choice."""
        exact = [each for each in self.constraint.specifiers if each.operator == "==" and "*" not in each.version]
        return exact[0].version if exact else None

    def requirements(self, version: str | None, *, loadgen: bool = True) -> dict[str, str]:
        """Requirement as pip writes it → who makes it.

        Args:
            version: The framework's version, if it is known already: what only some versions need depends on it.
            loadgen: Whether LoadGen is to be in it.
        """
        found = {name: EVERY_WORKER for name in _ALWAYS if loadgen or name != LOADGEN}
        found |= {_plain(text): f"the manifest of {self.framework.name}" for text in self.own()[1:]}
        if self.own():
            first = Requirement(self.own()[0])
            first.specifier = SpecifierSet(f"=={version}") if version else first.specifier & self.constraint.specifiers
            first.marker = None
            found[str(first)] = "the request"
        for rule in self.framework.requires if version else ():
            if Constraint.parse(rule.when).admits(str(version)):
                found |= {_plain(text): f"{self.framework.name} {version}" for text in self._holding(rule.packages)}
        return found | {_plain(text): "the request" for text in self._holding(self.extra)}

    def admits(self, name: str, version: Version) -> bool:
        """Whether nothing that is wanted of a distribution speaks against this version."""
        asked = [Requirement(text) for text in self.requirements(self.pinned())]
        own = [each.specifier for each in asked if canonicalize_name(each.name) == name]
        return all(each.contains(version, prereleases=True) for each in own)

    def own(self) -> list[str]:
        """The framework's packages whose markers hold."""
        named = (self.gpu and self.framework.gpu_packages) or self.framework.packages
        plain = (self.framework.package,) if self.framework.package else ()
        return self._holding(named or plain)

    def _holding(self, texts: Sequence[str]) -> list[str]:
        """Those whose markers hold for the interpreter."""
        where = {"python_version": self.python.minor, "python_full_version": self.python.version}
        return [text for text in texts if _holds(_parsed(text), where)]


def named_framework(text: str) -> tuple[FrameworkManifest, str]:
    """What a user calls a framework: ``onnxruntime``, ``onnxruntime==1.20.1``, ``mxnet ^1.9``, ``ort>=1.18,<1.20``.

    Returns:
        Its manifest, and the constraint (``*`` where none is written).

    Raises:
        StackError: There is no such framework, or the constraint is none.
    """
    name = re.split(r"[\s=<>!~^*]", text.strip(), maxsplit=1)[0]
    constraint = text.strip()[len(name) :].strip()
    if not name:
        raise StackError(f"'{text}' names no framework", hint="write onnxruntime or onnxruntime==1.20.1")
    framework = load_framework(name).manifest
    constraint_of(framework, constraint)
    return framework, constraint or "*"


def constraint_of(framework: FrameworkManifest, text: str) -> Constraint:
    """A framework's constraint.

    Raises:
        StackError: It is none.
    """
    try:
        return Constraint.parse(text)
    except ValueError as error:
        raise StackError(f"the version of {framework.name} cannot be chosen: {error}") from error


def _holds(requirement: Requirement, where: Mapping[str, str]) -> bool:
    return requirement.marker is None or requirement.marker.evaluate(dict(where))


def _plain(text: str) -> str:
    """A requirement in one spelling, without its marker."""
    parsed = _parsed(text)
    parsed.marker = None
    return str(parsed)


def _parsed(text: str) -> Requirement:
    try:
        return Requirement(text)
    except InvalidRequirement as error:
        raise StackError(f"'{text}' is no requirement of a package", hint="write numpy or 'numpy<2'") from error
