"""From a source in a manifest to a verified file of this machine."""

from __future__ import annotations

import re
import sysconfig
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mlscope._files import digest
from mlscope.assets._archive import extract
from mlscope.assets._cache import Cache
from mlscope.assets._progress import Progress, SilentProgress
from mlscope.assets._sources import FileSource, HttpSource, PypiSource, Source, parse_source, redact
from mlscope.errors import AssetError, ChecksumError, OfflineError

__all__ = ["Fetched", "fetch"]


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file that is there and whole."""

    path: Path
    """In the cache, read-only; or where a ``file:`` source lies."""
    sha256: str
    """Of the file; computed in this call, whatever the manifest promised."""


def fetch(
    source: str | Sequence[str],
    *,
    sha256: str | None,
    md5: str | None = None,
    member: str | None = None,
    base: Path,
    offline: bool = False,
    progress: Progress | None = None,
    warn: Callable[[str], None] | None = None,
) -> Fetched:
    """Have a file: from its place on this machine, from the cache, or from where its source says.

    A file that does not have the promised digest never reaches the cache, and a cached file is hashed anew before
    it is handed out. Two processes that want the same file share one download.

    Args:
        source: ``file:PATH`` (used where it lies), ``https://…``, ``http://…`` or
            ``pypi:NAME==VERSION#path/in/wheel`` (without ``#…`` the wheel itself); several are alternatives,
            tried in order.
        sha256: Digest that the file must have. With `member` it is the member's, not the archive's: that is what
            ``graph_checksum`` means in MLModelScope's manifests.
        md5: The same for old manifests that know nothing better; accepted with a warning.
        member: Path inside the archive (zip or tar) that `source` is.
        base: Folder that relative ``file:`` paths start from.
        offline: Use only what is on this machine.
        progress: Hears of downloads.
        warn: Hears, one sentence each, what every user must know.

    Raises:
        ChecksumError: The bytes are not the promised ones.
        OfflineError: The file is not on this machine and `offline` is set.
        AssetError: The file cannot be had; with several sources the message tells why each one failed.
        ResourceError: The disk is full or the cache cannot be written.
    """
    sources = [source] if isinstance(source, str) else list(source)
    if not sources:
        raise AssetError("no source is given", hint="write file:PATH, https://… or pypi:NAME==VERSION#PATH")
    say = warn or (lambda text: None)
    wanted = _Wanted(_hex(sha256, 64, "sha256"), _hex(md5, 32, "md5"))
    fetcher = _Fetcher(wanted, member, base, offline, progress or SilentProgress(), say, Cache.open(say))
    errors: list[AssetError] = []
    for text in sources:
        try:
            return fetcher.fetch(text)
        except AssetError as error:
            errors.append(error)
            if isinstance(error, ChecksumError) and len(sources) > 1:
                say(str(error))
    raise _joined(errors)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a file has to be."""

    sha256: str | None = None
    md5: str | None = None

    @property
    def known(self) -> bool:
        return bool(self.sha256 or self.md5)

    def check(self, path: Path, where: str) -> str:
        """The file's sha256.

        Raises:
            ChecksumError: It is another file than the promised one.
        """
        got = digest(path)
        self._compare("sha256", self.sha256, got, where)
        if self.md5:
            self._compare("md5", self.md5, digest(path, "md5"), where)
        return got

    @staticmethod
    def _compare(algorithm: str, expected: str | None, got: str, where: str) -> None:
        if expected and expected != got:
            raise ChecksumError(
                f"wrong {algorithm}: expected {expected}, got {got}",
                where=where,
                hint="nothing was kept; if the new file is right, correct the manifest",
            )


_ANYTHING = _Wanted()


@dataclass(frozen=True, slots=True)
class _Fetcher:
    """One call of :func:`fetch`, for any of its sources."""

    wanted: _Wanted
    member: str | None
    base: Path
    offline: bool
    progress: Progress
    warn: Callable[[str], None]
    cache: Cache

    def fetch(self, text: str) -> Fetched:
        """The file from this one source."""
        source = parse_source(text, self.base)
        shown = redact(text)
        members = [source.path] if isinstance(source, PypiSource) and source.path else []
        members += [self.member] if self.member else []
        found = self._unpacked(source, members, shown) if members else self._whole(source, self.wanted, shown)
        if not self.wanted.sha256 and (self.wanted.md5 or not isinstance(source, FileSource)):
            has = "only an MD5, which can be forged" if self.wanted.md5 else "no checksum"
            self.warn(f"{shown}: the manifest has {has}; the file's sha256 is {found.sha256}")
        return found

    def _unpacked(self, source: Source, members: Sequence[str], shown: str) -> Fetched:
        """The last of `members`, each one inside the one before."""
        if self.wanted.sha256 and (cached := self._cached(self.wanted.sha256, _last(members[-1]), self.wanted)):
            return cached
        fetched_before = isinstance(source, HttpSource) and self.cache.recall(source.key) is not None
        archive = self._whole(source, _ANYTHING, shown)
        try:
            return self._all_members(archive, members, shown)
        except ChecksumError:
            if self.offline or not fetched_before:
                raise
        # The manifest may be newer than the archive that was fetched from this address some day.
        return self._all_members(self._whole(source, _ANYTHING, shown, fresh=True), members, shown)

    def _all_members(self, archive: Fetched, members: Sequence[str], shown: str) -> Fetched:
        for index, member in enumerate(members):
            last = index + 1 == len(members)
            where = f"{shown}#{member}" if member == self.member else shown
            archive = self._member(archive, member, self.wanted if last else _ANYTHING, where)
        return archive

    def _member(self, archive: Fetched, member: str, wanted: _Wanted, shown: str) -> Fetched:
        key = f"{archive.sha256}#{member}"
        known = self.cache.recall(key)
        if known and (cached := self._cached(known, _last(member), wanted)):
            return cached
        with self.cache.lock(key, shown):
            part = self.cache.partial(key, ".member")
            try:
                extract(archive.path, member, part, shown=shown)
                sha256 = wanted.check(part, shown)
                path = self.cache.add(part, sha256, _last(member))
            finally:
                part.unlink(missing_ok=True)
            self.cache.remember(key, sha256, shown)
        return Fetched(path, sha256)

    def _whole(self, source: Source, wanted: _Wanted, shown: str, *, fresh: bool = False) -> Fetched:
        """The file that the source itself is, be it an archive or not."""
        match source:
            case FileSource():
                return _local(source.path, wanted)
            case HttpSource():
                return self._remote(source, wanted, shown, fresh=fresh)
            case PypiSource():
                if wanted.sha256 and (cached := self._cached(wanted.sha256, source.name, wanted)):
                    return cached
                found = self._wheel(source)
                return Fetched(found.path, wanted.check(found.path, shown)) if wanted.known else found

    def _wheel(self, source: PypiSource) -> Fetched:
        # Several kinds of machine may share one home folder, and each has its own wheel.
        machine = f"{sysconfig.get_platform()} {sysconfig.get_python_version()}"
        key = f"pypi:{source.name}=={source.version} {machine}"
        known = self.cache.recall(key)
        if known and (cached := self._cached(known, source.name, _ANYTHING)):
            return cached
        from mlscope.assets._pypi import find_wheel

        wheel = find_wheel(source, offline=self.offline)
        promised = _Wanted(sha256=wheel.sha256)
        if isinstance(wheel.place, Path):
            return _local(wheel.place, promised)
        address = parse_source(wheel.place, self.base)
        found = self._whole(address, promised, redact(wheel.place))
        self.cache.remember(key, found.sha256, key)
        return found

    def _remote(self, source: HttpSource, wanted: _Wanted, shown: str, *, fresh: bool) -> Fetched:
        if not fresh and (cached := self._fetched_before(source, wanted)):
            return cached
        if self.offline:
            raise OfflineError(
                "it is not in the cache, and the network was ruled out",
                where=shown,
                hint="run `mlscope download` with a network, or leave out --local",
            )
        checked = wanted.known or self.wanted.known
        if not source.secure and not checked:
            self.warn(f"{shown}: fetched without encryption and without a checksum; anybody may have changed it")
        with self.cache.lock(source.key, source.name or shown):
            if not fresh and (cached := self._fetched_before(source, wanted)):
                return cached
            return self._download(source, wanted, shown, insecure_ok=checked or not source.secure)

    def _download(self, source: HttpSource, wanted: _Wanted, shown: str, *, insecure_ok: bool) -> Fetched:
        from mlscope.assets._http import download

        part = self.cache.partial(source.key)
        name = source.name or shown
        while True:
            resumed = download(source.url, part, name=name, progress=self.progress, insecure_ok=insecure_ok)
            try:
                sha256 = wanted.check(part, shown)
                break
            except ChecksumError:
                part.unlink(missing_ok=True)
                if not resumed:  # else the earlier part may be to blame
                    raise
        path = self.cache.add(part, sha256, source.name)
        self.cache.remember(source.key, sha256, shown)
        return Fetched(path, sha256)

    def _fetched_before(self, source: HttpSource, wanted: _Wanted) -> Fetched | None:
        sha256 = wanted.sha256 or self.cache.recall(source.key)
        return self._cached(sha256, source.name, wanted) if sha256 else None

    def _cached(self, sha256: str, name: str, wanted: _Wanted) -> Fetched | None:
        """The cached file with this digest, if it is what is wanted."""
        path = self.cache.find(sha256, name)
        if path is None or (wanted.sha256 or sha256) != sha256:
            return None
        if wanted.md5 and digest(path, "md5") != wanted.md5:
            return None
        return Fetched(path, sha256)


def _local(path: Path, wanted: _Wanted) -> Fetched:
    if not path.exists():
        raise AssetError("there is no such file", where=str(path), hint="check the path in the manifest")
    if not path.is_file():
        raise AssetError("this is no file", where=str(path), hint="check the path in the manifest")
    try:
        return Fetched(path, wanted.check(path, str(path)))
    except OSError as error:
        raise AssetError(f"it cannot be read: {error.strerror}", where=str(path)) from error


def _hex(text: str | None, length: int, algorithm: str) -> str | None:
    """A digest as it is compared; old manifests write an empty one for none."""
    if not text:
        return None
    if not re.fullmatch(f"[0-9a-fA-F]{{{length}}}", text):
        raise AssetError(f"{text!r} is no {algorithm}", hint=f"a {algorithm} has {length} hexadecimal digits")
    return text.lower()


def _last(member: str) -> str:
    return PurePosixPath(member).name


def _joined(errors: Sequence[AssetError]) -> AssetError:
    """One error for all alternatives."""
    if len(errors) == 1:
        return errors[0]
    kinds = {type(error) for error in errors}
    why = "; ".join(f"({number}) {error.where}: {error.what}" for number, error in enumerate(errors, 1))
    kind = kinds.pop() if len(kinds) == 1 else AssetError
    return kind(f"none of the {len(errors)} sources has it: {why}")
