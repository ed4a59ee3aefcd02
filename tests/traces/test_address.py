"""Addresses of trace servers."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlscope.errors import UsageError
from mlscope.traces import parse_tracer, trace_context

GOOD = {
    "http://localhost:4318": "http://localhost:4318/v1/traces",
    "http://localhost": "http://localhost:4318/v1/traces",
    "https://otel.example.org/in": "https://otel.example.org:443/in/v1/traces",
    "http://host:1/v1/traces": "http://host:1/v1/traces",
    "grpc://host": "http://host:4317",
    "grpcs://[::1]:5": "https://[::1]:5",
    "zipkin://host": "http://host:9411/api/v2/spans",
    "zipkin://host:9411/api/v1/spans": "http://host:9411/api/v2/spans",
    "zipkins://host/z/": "https://host:443/z/api/v2/spans",
    "localhost": "http://localhost:4318/v1/traces",
    "localhost:16686": "http://localhost:4318/v1/traces",
    "jaeger:14268": "http://jaeger:4318/v1/traces",
    "localhost:9411": "http://localhost:9411/api/v2/spans",
    "localhost:9411/api/v1/spans": "http://localhost:9411/api/v2/spans",
    "localhost:4317": "http://localhost:4317",
    "10.0.0.1:4000": "http://10.0.0.1:4000/v1/traces",
}


@pytest.mark.parametrize("text", GOOD)
def test_what_addresses_mean(text: str) -> None:
    address = parse_tracer(text)
    assert address.url == GOOD[text]
    assert address.old_style == ("://" not in text)
    again = parse_tracer(address.shown)
    assert (again.url, again.protocol) == (address.url, address.protocol)


@pytest.mark.parametrize(
    "text",
    ["", " ", "foo bar", "http://", "ftp://host", "host:99999", "host:x", "http://host:0", "grpc://host/path",
     "http://host?x=1", "host/page", "http://-host", "http://[::1", "udp://localhost:6831", "://"],
)  # fmt: skip
def test_what_is_no_address_is_one_line(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--tracer-address: .*; write http://HOST:4318"):
        parse_tracer(text)


@given(st.text(max_size=30))
def test_any_text_is_an_address_or_one_error(text: str) -> None:
    for each in (text, f"http://{text}", f"zipkin://user:{text}@host"):
        with contextlib.suppress(UsageError):
            address = parse_tracer(each)
            assert parse_tracer(address.shown).url == address.url


def test_passwords_do_not_show() -> None:
    address = parse_tracer("zipkin://me:secret@host:9411")
    assert (address.user, address.password) == ("me", "secret")
    assert "secret" not in repr(address) + address.shown + address.url
    for wrong in ("zipkin://me:secret@ho st", "ftp://me:secret@host"):
        with pytest.raises(UsageError) as caught:
            parse_tracer(wrong)
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", True),
        ("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more", True),
        ("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", False),
        ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", False),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", False),
        ("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", False),
        ("nonsense", False),
        (None, False),
    ],
)
def test_w3c_contexts(text: str | None, good: bool) -> None:
    assert (trace_context(text) is not None) is good
