"""What uv and pip say when they fail, as one line that a user can act on."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from mlscope.errors import ChecksumError, MlscopeError, ResourceError, StackError
from mlscope.stacks._pythons import Interpreter

__all__ = ["EVERY_WORKER", "Unresolvable", "explained"]

EVERY_WORKER = "every worker"
"""Who needs numpy and LoadGen."""

_NETWORK = re.compile(
    r"error sending request|dns error|tcp connect error|Connection refused|Temporary failure in name resolution|"
    r"NewConnectionError|ConnectTimeout|ReadTimeout|Max retries exceeded|operation timed out|Failed to fetch|"
    r"TimeoutError|Network is unreachable|403 Client Error|401 Client Error|50[0-9] Server Error",
    re.IGNORECASE,
)
_TAG = re.compile(r"`cp3([0-9]+)m?`")


class Unresolvable(StackError):
    """No set of packages meets what is asked for (the network is not to blame)."""


def explained(said: str, python: Interpreter, origins: Mapping[str, str], offline: bool) -> MlscopeError:
    """The error that the words of uv or pip stand for.

    Args:
        said: All that the tool wrote to stderr.
        python: What was resolved for.
        origins: Requirement → who makes it.
        offline: Whether the network was ruled out.
    """
    text = " ".join(re.sub(r"\x1b\[[0-9;]*m", "", said).split())
    for attempt in (_resources, _hashes, _network(offline)):
        if (error := attempt(text)) is not None:
            return error
    for look in (_missing, _no_wheel, _needs_without_wheel):
        if (error := look(text, python)) is not None:
            return error
    return _conflict(text, origins) or _unknown(text)


def _resources(text: str) -> MlscopeError | None:
    for words, what in (
        ("No space left on device", "no space left on the disk"),
        ("Disk quota exceeded", "the disk quota is used up"),
        ("Read-only file system", "the file system is read-only"),
        ("Permission denied", "permission denied"),
    ):
        if words.lower() in text.lower():
            path = re.search(r"(?:to|at|in|:) [`'\"]?(/[^`'\":]+)", text)
            return ResourceError(
                f"{what}; the environment was not made",
                where=path[1] if path else None,
                hint="free some space, or set MLSCOPE_HOME to another disk",
            )
    return None


def _hashes(text: str) -> MlscopeError | None:
    uv = re.search(r"Hash mismatch for `([^`]+)`.*?Expected: \S*?([0-9a-f]{64}).*?Computed: \S*?([0-9a-f]{64})", text)
    pip = re.search(r"(\S+) \(?from.*?Expected sha256 ([0-9a-f]{64}).*?Got ([0-9a-f]{64})", text)
    found = uv or (pip if "DO NOT MATCH THE HASHES" in text else None)
    if found is None:
        return None
    return ChecksumError(
        f"{found[1]}: the wheel's sha256 is {found[3][:16]}…, the lock promises {found[2][:16]}…",
        hint="nothing was installed; resolve anew (mlscope stack lock --upgrade) if the new file is the right one",
    )


def _network(offline: bool) -> Callable[[str], MlscopeError | None]:
    def attempt(text: str) -> MlscopeError | None:
        if "network was disabled" in text or "Network connectivity is disabled" in text:
            found = re.search(r"(?:Because |download )`?([^\s`]+)`? (?:was not found|cause)", text)
            what = found[1] if found else "a package"
            return StackError(
                f"{what} is not in the package cache of this machine, and the network was ruled out",
                hint="run it once with a network (without --local)",
            )
        if not _NETWORK.search(text) or "No solution found" in text:
            return None
        address = re.search(r"https?://[^\s`'\")]+", text) or re.search(r"host='([^']+)'", text)
        host = (urlsplit(address[0]).netloc or address[1] if address else "").rpartition("@")[2]
        reasons = ("Name or service not known", "Connection refused", "timed out", "certificate", "401", "403")
        reason = next((each for each in reasons if each.lower() in text.lower()), None)
        hint = "check the network, and the index in pip's configuration (pip config list)"
        where = f"the package index {host}" if host else "the package index"
        return StackError(f"{where} cannot be reached" + (f" ({reason})" if reason else ""), hint=hint)

    return attempt


def _missing(text: str, python: Interpreter) -> MlscopeError | None:
    """A name or a version that no index has."""
    if found := re.search(r"Because (\S+) was not found in the (?:package registry|provided package locations)", text):
        return Unresolvable(f"no package index has {found[1]}", hint="check its name")
    found = re.search(
        r"(?:there is|there are) no versions? of ([A-Za-z0-9._-]+?)([=<>!~][^\s,]*(?:,[^\s]+)?) and", text
    )
    if found is None:
        found = re.search(r"No matching distribution found for ([A-Za-z0-9._-]+)([=<>!~]\S*)?", text)
    if found is None:
        return None
    return _not_there(found[1], found[2], python)


def _not_there(name: str, wanted: str | None, python: Interpreter) -> MlscopeError:
    """What there is instead: of the same release line, or else the newest."""
    from mlscope.assets import released_versions

    known = [str(version) for version in released_versions(name)]
    if wanted and wanted.removeprefix("==") in known:  # pip does not tell this from a version that does not exist
        return Unresolvable(
            f"{name} {wanted.removeprefix('==')} has no wheel for Python {python.minor} on {python.platform}",
            hint="choose another version, or another Python with --python",
        )
    line = re.match(r"\D*([0-9]+\.[0-9]+)", wanted or "")
    near = [version for version in known if line and f"{version}.".startswith(f"{line[1]}.")]
    hint = f"there are {', '.join(near[-6:])}" if near else f"the newest are {', '.join(known[:-4:-1])}"
    return Unresolvable(
        f"no package index has {name}{wanted or ''} for Python {python.minor}",
        hint=hint if known else "check its name",
    )


def _no_wheel(text: str, python: Interpreter) -> MlscopeError | None:
    """A version that exists, but not for this Python or platform."""
    found = re.search(r"(?:Because|and) (?:all versions of )?(\S+) has no (?:usable )?wheels", text)
    found = found or re.search(r"(?:Because|and) all versions of (\S+) have no usable wheels", text)
    found = found or re.search(r"Package `(\S+)` can't be installed because it doesn't have", text)
    if found is None:
        return None
    minors = sorted({int(minor) for minor in _TAG.findall(text)} - {int(python.minor.split(".")[1])})
    has = f"; it has wheels for Python {', '.join(f'3.{minor}' for minor in minors)}" if minors else ""
    usable = [minor for minor in minors if minor >= 9]
    hint = f"choose another version, or --python 3.{usable[-1]}" if usable else "choose another version"
    source = "" if minors or "usable" not in found[0] else " (there are only sources, which mlscope does not build)"
    name = found[1].replace("==", " ")
    return Unresolvable(f"{name} has no wheel for Python {python.minor} on {python.platform}{source}{has}", hint=hint)


def _needs_without_wheel(text: str, python: Interpreter) -> MlscopeError | None:
    """A version that exists and needs others, of which none is for this Python."""
    found = re.search(
        r"no wheels with a matching Python (?:ABI|version) tag .*?we can conclude that (\S+) cannot be used\. "
        r"And because (\S+) depends on \1",
        text,
    )
    if found is None:
        return None
    return Unresolvable(
        f"{found[2]} needs {found[1]}, of which no version has a wheel for Python {python.minor} on {python.platform}",
        hint="choose another version, or another Python with --python",
    )


def _conflict(text: str, origins: Mapping[str, str]) -> MlscopeError | None:
    """Who needs what, in one paragraph."""
    facts, wants = _said_by_pip(text) if "The conflict is caused by:" in text else _said_by_uv(text)
    asked = dict.fromkeys(pair for want in wants for pair in _asked(want, origins))
    missing = bool(facts) and all(fact.startswith("only ") for fact in facts)
    for who in dict.fromkeys(who for who, _ in asked):
        facts.append(f"{who} wants {' and '.join(what for each, what in asked if each == who)}")
    if not facts:
        return None
    return Unresolvable(
        f"{'there is no such version' if missing else 'no set of packages fits together'}: {'; '.join(facts)}",
        hint="change one of them: the framework's version, an extra package, or pip's constraints",
    )


def _said_by_pip(text: str) -> tuple[list[str], list[str]]:
    """Facts, and requirements of the request."""
    causes = re.split(r"The conflict is caused by:| To fix this |ERROR: Resolution", text)[1]
    parts = re.split(r" ?(The user requested|\S+ \S+ depends on) ", causes)[1:]
    facts, wants = [], []
    for lead, rest in zip(parts[::2], parts[1::2], strict=True):
        if lead.endswith("depends on"):
            facts.append(f"{lead.removesuffix(' depends on')} needs {rest}")
        else:
            wants.append(rest.removeprefix("(constraint) "))
    return list(dict.fromkeys(facts)), wants


def _said_by_uv(text: str) -> tuple[list[str], list[str]]:
    """Facts, and requirements of the request: the premises of its proof, without what it concludes from them."""
    facts: dict[str, None] = {}
    wants: list[str] = []
    mode = ""
    for premise in re.findall(r"(?:Because|And because|because) (.*?),? we can conclude that", text):
        for clause in re.split(r",? and ", premise):
            needs = re.fullmatch(r"(?:we know .* that )?(.+?) depends? on (.+)", clause)
            if clause.startswith("we know "):
                mode = ""
            elif needs:
                facts[_need(*needs.groups())] = None
                mode = "depends"
            elif clause.startswith("you require "):
                wants += [clause.removeprefix("you require ")]
                mode = "wants"
            elif " " not in clause and mode == "wants":
                wants.append(clause)
            elif clause.startswith("only "):
                facts[clause] = None
    return list(facts), [want for want in wants if " " not in want]


def _need(who: str, what: str) -> str:
    ranges = what.removeprefix("one of: ").split()
    more = f" (or {len(ranges) - 1} ranges beside it)" if len(ranges) > 1 else ""
    return f"{who} {'need' if who.startswith('all ') else 'needs'} {ranges[0]}{more}"


def _asked(want: str, origins: Mapping[str, str]) -> list[tuple[str, str]]:
    """All that is asked of a package: who asks, and for what."""
    try:
        wanted = Requirement(want)
    except InvalidRequirement:
        return [("the request", want)]
    if not wanted.specifier and origins.get(want) == EVERY_WORKER:
        return []  # nobody doubts it
    asked = [(who, Requirement(text)) for text, who in origins.items()]
    found = [
        (who, str(each))
        for who, each in asked
        if canonicalize_name(each.name) == canonicalize_name(wanted.name) and (each.specifier or not wanted.specifier)
    ]
    known = any(each.specifier == wanted.specifier for _, each in asked if str(each.name) == wanted.name)
    return found if known else [*found, ("pip's configuration", want)]


def _unknown(text: str) -> MlscopeError:
    said = re.sub(r"^(error|ERROR): ", "", text)
    return StackError(f"the environment cannot be made: {said[:600]}")
