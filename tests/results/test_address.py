"""What a database address means, and what is said about one that means nothing."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlscope.errors import UsageError
from mlscope.results.store._address import PostgresAddress, SqliteAddress, parse_address


@pytest.mark.parametrize(
    ("address", "name", "file"),
    [
        ("sqlite:///{0}/runs.db", None, "runs.db"),
        ("sqlite:///{0}/runs.db", "mine", "mine.db"),
        ("sqlite:///{0}/runs.sqlite", "mine", "mine.sqlite"),
        ("sqlite:///{0}/runs.db", "mine.db", "mine.db"),
        ("sqlite:///{0}/folder/", None, "folder/mlscope.db"),
        ("sqlite:///{0}/folder", None, "folder/mlscope.db"),
        ("sqlite:///{0}/folder/", "mine", "folder/mine.db"),
        ("sqlite:///{0}/folder", "mine", "folder/mine.db"),
        ("sqlite:///{0}/folder/", "ResNet50_v1.0_trace", "folder/ResNet50_v1_0_trace.db"),
        ("sqlite:///{0}/there.is", "mine", "there.is/mine.db"),
        ("sqlite:///{0}/plain", None, "plain"),
        ("SQLite:///{0}/runs.db", "", "runs.db"),
    ],
)
def test_sqlite_addresses_name_a_file(tmp_path: Path, address: str, name: str | None, file: str) -> None:
    (tmp_path / "there.is").mkdir()
    (tmp_path / "plain").touch()
    assert parse_address(address.format(tmp_path), name=name) == SqliteAddress(tmp_path / file)


def test_three_slashes_are_relative_to_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse_address("sqlite:///runs.db") == SqliteAddress(tmp_path / "runs.db")
    assert parse_address("sqlite:////data/runs.db") == SqliteAddress(Path("/data/runs.db"))


def test_postgresql_addresses_name_a_schema() -> None:
    for scheme in ("postgresql", "postgres", "postgresql+psycopg"):
        found = parse_address(f"{scheme}://me:p%40ss@db.example:5433/lab?sslmode=require", name="ResNet50_v1.0")
        assert found == PostgresAddress(
            "db.example", 5433, "me", "p@ss", "lab", "ResNet50_v1_0", (("sslmode", "require"),)
        )


def test_parts_of_a_postgresql_address_can_be_left_out() -> None:
    assert parse_address("postgresql://[::1]/lab") == PostgresAddress("::1", None, None, None, "lab", "mlscope")
    assert parse_address("postgresql:///lab") == PostgresAddress(None, None, None, None, "lab", "mlscope")


@pytest.mark.parametrize(
    ("address", "secret", "password"),
    [
        ("postgresql://me@h/d", "s", "s"),
        ("postgresql://me:own@h/d", "s", "own"),
        ("postgresql://me@h/d?password=own", "s", "own"),
        ("postgresql://me@h/d", None, None),
    ],
)
def test_the_secret_is_the_password_where_the_address_has_none(
    address: str, secret: str | None, password: str | None
) -> None:
    found = parse_address(address, secret=secret)
    assert isinstance(found, PostgresAddress)
    assert found.password == password
    assert "password" not in dict(found.options)


@pytest.mark.parametrize(
    ("address", "advice"),
    [
        ("localhost", "postgresql://USER@localhost/DATABASE"),
        ("10.0.0.1:5432", "postgresql://USER@10.0.0.1:5432/DATABASE"),
        ("mongo.example", "postgresql://USER@mongo.example/DATABASE"),
        ("localhost", "sqlite:///FILE.db"),
        ("me:hunter2@lab", "postgresql://USER@lab/DATABASE"),
        ("results/runs.db", "write sqlite:///results/runs.db"),
        ("runs.db", "write sqlite:///runs.db"),
        ("", "postgresql://USER@HOST/DATABASE"),
        ("mongodb://localhost", "comes later"),
        ("mongodb+srv://u:hunter2@host/db", "comes later"),
        ("mysql://u:hunter2@host/db", "unknown kind of database mysql://"),
        ("sqlite://", "write sqlite:///FILE.db"),
        ("sqlite:///", "write sqlite:///FILE.db"),
        ("sqlite://runs.db", "write sqlite:///FILE.db"),
        ("sqlite:///:memory:", "write sqlite:///FILE.db"),
        ("postgresql://u:hunter2/x@host/db", "--secret"),
        ("postgresql://u:hunter2#x@host/db", "--secret"),
        ("postgresql://u:hunter2@host:port/db", "--secret"),
        ("postgresql://u:hunter2@host:99999/db", "--secret"),
        ("postgresql://host/a@b", "--secret"),
        ("postgresql://[::1/db", "--secret"),
    ],
)
def test_other_addresses_are_answered_with_how_to_write_them(address: str, advice: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_address(address)
    assert advice in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a b", "../up", 'x"; DROP', "ä", "a" * 64, "/"])
@pytest.mark.parametrize("address", ["sqlite:///folder/", "postgresql://host/db"])
def test_names_hold_letters_digits_underscores_and_dashes(address: str, name: str) -> None:
    with pytest.raises(UsageError, match="database name"):
        parse_address(address, name=name)


@pytest.mark.parametrize("name", ["pg_catalog", "information_schema", "pg_x"])
def test_names_that_postgresql_reserves_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="keeps"):
        parse_address("postgresql://host/db", name=name)


@given(
    password=st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1),
    user=st.from_regex(r"[a-z]{1,8}", fullmatch=True),
)
def test_any_password_is_understood_and_never_shown(password: str, user: str) -> None:
    marked = f"#secret#{password}"
    found = parse_address(f"postgresql://{user}:{quote(marked, safe='')}@host:5432/db?sslpassword={quote(marked)}")
    assert isinstance(found, PostgresAddress)
    assert found.password == marked
    assert found.shown == f"postgresql://{user}@host:5432/db"
    assert "#secret#" not in repr(found)
    assert "%23secret%23" not in repr(found)


@given(st.text(max_size=60))
@example("~nobody-of-this-name/runs.db")
@example("a" * 5000)
@example("\0")
def test_any_text_is_an_address_or_one_clear_line(text: str) -> None:
    for address in (text, f"postgresql://{text}", f"sqlite:///{text}"):
        try:
            parse_address(address)
        except UsageError as error:
            assert error.hint  # noqa: PT017 - either outcome is right
