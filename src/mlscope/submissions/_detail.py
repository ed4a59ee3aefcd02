"""``mlperf_log_detail.txt`` in both dialects: plain lines (v0.5) and ``:::MLLOG`` with JSON (v0.7 and later).

Formats: mlcommons/inference, loadgen/logging.cc, of r0.5 and of today. Logs are read line by line, so that their size
does not matter; what cannot be read is passed over and counted.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Literal

from mlscope.submissions._summary import mode_name, setting_key
from mlscope.submissions._values import Scalar, canonical_scenario, read_json, scalar, tidy_text

__all__ = ["DETAIL_FILE", "Detail", "parse_detail", "read_detail"]

DETAIL_FILE = "mlperf_log_detail.txt"
MARK = b":::MLLOG"

_LONGEST_LINE = 1 << 20
_MOST_KEYS = 2_000
_MOST_REPEATS = 100
"""Of one key; what a log says a hundred times is no setting and no result."""
_MOST_MESSAGES = 20
_KEY = re.compile(rb':::MLLOG\s*\{\s*"key"\s*:\s*"([^"\\]{1,100})"')
_PLAIN = re.compile(r'"pid": \d+, "tid": \d+, "ts": \d+ns : (.*)', re.DOTALL)
_LONGEST_NAME = 100
_POWER = re.compile(r'"mode" : \w+, "time" : (.+)')
_BULKY = {"loaded_qsl_set", "loadgen_file_sha1", "loadgen_git_log_message", "loadgen_git_status_message"}
"""Long values that nothing here asks for."""
_PLAIN_KEYS = {
    "version": "loadgen_version",
    "Date + time of test": "test_datetime",
    "System Under Test (SUT) name": "sut_name",
    "Query Sample Library (QSL) name": "qsl_name",
    "QSL total size": "qsl_reported_total_count",
    "QSL performance size*": "qsl_reported_performance_count",
}
_SECTIONS = {"Effective Settings:": "effective_", "Requested Settings:": "requested_"}
_TIMES = ("%m-%d-%Y %H:%M:%S.%f", "%m-%d-%Y %H:%M:%S")


@dataclasses.dataclass(frozen=True, slots=True)
class Detail:
    """A detail log, read.

    Attributes:
        dialect: ``mllog`` or ``plain`` (v0.5); None where no line is of either kind.
        marked: Whether the first line is of a dialect; the official checker stops at a log that begins otherwise.
        values: Today's keys (``effective_min_duration_ms``, ``result_validity``, …) → the first value of each, as the
            official checker takes it; lists and objects are left out.
        errors: The first messages that LoadGen marked as errors.
        warnings: Likewise.
        error_count: All of them.
        warning_count: Likewise.
        unread: How many lines could not be understood.
        problems: What is wrong with the first of those, with their line numbers.
        bytes: Size of what was read.
    """

    dialect: Literal["mllog", "plain"] | None
    marked: bool
    values: Mapping[str, Scalar]
    errors: tuple[str, ...]
    warnings: tuple[str, ...]
    error_count: int
    warning_count: int
    unread: int
    problems: tuple[str, ...]
    bytes: int

    @property
    def settings(self) -> dict[str, Scalar]:
        """The settings that took effect, without ``effective_``."""
        return {
            key.removeprefix("effective_"): each for key, each in self.values.items() if key.startswith("effective_")
        }

    @property
    def started_at(self) -> datetime | None:
        """When the test began, UTC; None where the log does not say."""
        text = self.values.get("test_datetime")
        try:
            found = datetime.fromisoformat(text) if isinstance(text, str) else None
            if found is not None:
                return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            pass
        return _power_time(self.values.get("power_begin"))

    @property
    def duration_ns(self) -> int:
        """From the beginning of the timed part to its end; 0 where the log does not say."""
        begin, end = (_power_time(self.values.get(key)) for key in ("power_begin", "power_end"))
        return max(0, round((end - begin).total_seconds() * 1e9)) if begin and end else 0


def _power_time(text: object) -> datetime | None:
    """A time as LoadGen writes it for power meters: ``10-10-2019 21:33:28.575``, UTC."""
    for form in _TIMES if isinstance(text, str) else ():
        try:
            return datetime.strptime(str(text), form).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None


def read_detail(path: Path) -> Detail:
    """Read a detail log's file.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        return parse_detail(_lines(file))


def parse_detail(lines: Iterable[bytes]) -> Detail:
    """Read a detail log's lines; none of them is longer than a megabyte in memory."""
    reader = _Reader()
    for line in lines:
        reader.take(line)
    return reader.finished()


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    """Lines of a file; of one longer than a megabyte the beginning."""
    while line := file.readline(_LONGEST_LINE):
        whole = line
        while not line.endswith(b"\n") and (line := file.readline(_LONGEST_LINE)):
            pass
        yield whole


class _Reader:
    """What was gathered from the lines so far."""

    def __init__(self) -> None:
        self._values: dict[str, Scalar] = {}
        self._seen: Counter[str] = Counter()
        self._messages: dict[str, list[str]] = {"error": [], "warning": []}
        self._counts: Counter[str] = Counter()
        self._problems: list[str] = []
        self._dialect: Literal["mllog", "plain"] | None = None
        self._marked = False
        self._section = ""
        self._number = self._unread = self._bytes = 0

    def take(self, line: bytes) -> None:
        self._number += 1
        self._bytes += len(line)
        if line.startswith(MARK):
            self._dialect = self._dialect or "mllog"
            self._marked = self._marked or self._number == 1
            self._take_mllog(line)
        elif line.startswith(b'"pid"'):
            self._dialect = self._dialect or "plain"
            self._marked = self._marked or self._number == 1
            self._take_plain(line)
        elif self._dialect != "plain" and line.strip():  # the plain dialect has lines of git's log among its own
            self._unreadable("neither of LoadGen's dialects")

    def finished(self) -> Detail:
        return Detail(
            dialect=self._dialect,
            marked=self._marked,
            values=self._values,
            errors=tuple(self._messages["error"]),
            warnings=tuple(self._messages["warning"]),
            error_count=self._counts["error"],
            warning_count=self._counts["warning"],
            unread=self._unread,
            problems=tuple(self._problems),
            bytes=self._bytes,
        )

    def _take_mllog(self, line: bytes) -> None:
        found = _KEY.match(line)
        key = found[1].decode("utf-8", errors="replace") if found else ""
        marked = b'_error": true' in line or b'_warning": true' in line or key.startswith("error_")
        if not marked and (key in _BULKY or self._seen[key] >= _MOST_REPEATS):
            return
        try:
            entry = read_json(line[len(MARK) :])
            key, value = entry["key"], entry["value"]
        except json.JSONDecodeError:
            self._unreadable("cut off, or no JSON")
            return
        except (KeyError, TypeError):
            self._unreadable("an entry without key and value")
            return
        except ValueError as error:
            self._unreadable(str(error))
            return
        self._seen[str(key)] += 1
        if isinstance(value, Scalar):
            self._keep(str(key), value)
        if marked:
            self._judge(entry, str(key), value)

    def _judge(self, entry: dict[str, Any], key: str, value: object) -> None:
        """Keep a message that LoadGen marked."""
        metadata = entry.get("metadata")
        flags = metadata if isinstance(metadata, dict) else {}
        if flags.get("is_error") is True or key.startswith("error_"):
            self._say("error", f"{key}: {value}")
        elif flags.get("is_warning") is True:
            self._say("warning", f"{key}: {value}")

    def _take_plain(self, line: bytes) -> None:
        found = _PLAIN.match(line.decode("utf-8", errors="replace").rstrip("\r\n"))
        if found is None:
            self._unreadable("cut off, or no line of LoadGen")
            return
        text = found[1].strip()
        if text in _SECTIONS:
            self._section = _SECTIONS[text]
            return
        for kind in ("ERROR", "WARNING"):
            if text.startswith(f"{kind} :"):
                self._say(kind.lower(), text[len(kind) + 2 :].strip())
                return
        name, colon, value = text.partition(":")
        if colon and len(name) <= _LONGEST_NAME:
            self._take_pair(tidy_text(name.strip()), value.strip())
        elif not text:
            self._section = ""

    def _take_pair(self, name: str, value: str) -> None:
        if name in ("POWER_BEGIN", "POWER_END"):
            power = _POWER.fullmatch(value)
            self._keep(name.lower(), power[1].strip() if power else value)
        elif name in _PLAIN_KEYS:
            text = _PLAIN_KEYS[name] in ("loadgen_version", "test_datetime", "sut_name", "qsl_name")
            self._keep(_PLAIN_KEYS[name], value if text else scalar(value))
        elif name == "Scenario":
            self._keep(f"{self._section or 'effective_'}scenario", canonical_scenario(value) or value)
        elif name == "Test mode":
            self._keep(f"{self._section or 'effective_'}test_mode", mode_name(value) or value)
        elif self._section:
            self._keep(f"{self._section}{setting_key(name)}", scalar(value))

    def _keep(self, key: str, value: Scalar) -> None:
        if key not in self._values and len(self._values) < _MOST_KEYS:
            self._values[key] = tidy_text(value) if isinstance(value, str) else value

    def _say(self, kind: str, text: str) -> None:
        self._counts[kind] += 1
        if len(self._messages[kind]) < _MOST_MESSAGES:
            self._messages[kind].append(tidy_text(text)[:500])

    def _unreadable(self, why: str) -> None:
        self._unread += 1
        if len(self._problems) < _MOST_MESSAGES:
            self._problems.append(f"line {self._number}: {tidy_text(why)}")
