"""Prices by name: from genai-prices where installed, else from our own file; never from a network or the clock."""

import re
import socket
import sys
import threading
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from typing import Any

import genai_prices
import msgspec
import pytest
import yaml
from litestar.testing import TestClient

from trivium import catalog, prices
from trivium.api.app import create_app
from trivium.economics import Costs, price_digest
from trivium.prices import DEFAULTS, FILE, figures
from trivium.profile import make_profile


OWN: dict[str, Any] = yaml.safe_load(FILE.read_text("utf-8"))
KNOWN = (
    "gpt-4o",
    "gpt-4o-2024-08-06",
    "gpt-4o-2024-11-20",
    "gpt-4o-mini",
    "gpt-4o-mini-2024-07-18",
    "gpt-4.1",
    "gpt-4.1-2025-04-14",
    "gpt-4.1-mini",
    "gpt-4.1-mini-2025-04-14",
    "gpt-4.1-nano",
    "gpt-4.1-nano-2025-04-14",
    "gpt-3.5-turbo",
    "gpt-3.5-turbo-0125",
    "gpt-5",
    "gpt-5-2025-08-07",
    "gpt-5-mini",
    "gpt-5-nano",
    "claude-opus-4-5",
    "claude-sonnet-4-5",
    "claude-haiku-4-5",
    "gemini-2.5-pro",
    "gemini-2.5-flash",
    "ft:gpt-4o-2024-08-06:acme::x",
    "ft:gpt-4o-mini-2024-07-18:acme::x",
    "ft:gpt-3.5-turbo-0125:acme::x",
)


def forget() -> None:
    prices._genai_prices.cache_clear()  # noqa: SLF001 - whether it is installed is asked once
    prices._known_models.cache_clear()  # noqa: SLF001 - so are the names it knows
    figures.cache_clear()


@pytest.fixture
def _without_genai_prices(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    forget()
    yield
    forget()


@pytest.mark.parametrize("path", ["/recommend", "/recommend/batch", "/recommend/impact?from=2.0.0&to=3.0.0"])
def test_the_first_look_up_of_a_price_is_left_to_a_thread(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    forget()
    threads = set()
    load = prices._genai_prices.__wrapped__  # noqa: SLF001 - where the import is

    @cache
    def noted() -> Any:
        threads.add(threading.get_ident())
        return load()

    monkeypatch.setattr(prices, "_genai_prices", noted)
    profile = {"costs": {"model": "gpt-4o"}}
    renderer = catalog.shipped().renderer()
    assert not renderer.is_slow(make_profile({}))
    assert renderer.is_slow(make_profile(profile))
    with TestClient(create_app()) as client:
        with client.portal() as portal:
            loop = portal.call(threading.get_ident)
        answer = client.post(path, json=profile if path == "/recommend" else {"profiles": [{}, profile]})
        assert answer.status_code == 200
    assert threads
    assert loop not in threads
    assert not renderer.is_slow(make_profile(profile))


def values(name: str) -> dict[str, Decimal]:
    return {field: figure.value for field, figure in figures(name).items()}


def sources(name: str) -> set[str]:
    return {figures(name)[field].source for field in ("input_price", "output_price")}


@pytest.mark.usefixtures("_without_genai_prices")
def test_without_the_extra_our_own_file_knows_a_few_models() -> None:
    assert values("gpt-4o")["input_price"] == Decimal("2.5")
    assert values("ft:gpt-4.1:acme::x")["output_price"] == 12
    assert values("gpt-5") == {"input_price": Decimal("1.25"), "output_price": 10, "cache_factor": Decimal("0.1")}
    assert figures("gpt-6") == {}
    assert price_digest(Costs(model="gpt-6")) is None


@pytest.mark.parametrize("name", KNOWN)
def test_both_sources_say_the_same(name: str, request: pytest.FixtureRequest) -> None:
    listed = values(name)
    assert sources(name) == {f"genai-prices {genai_prices.__version__}"}
    request.getfixturevalue("_without_genai_prices")
    assert values(name) == listed


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("gpt-4.5-preview", ("75", "150", "0.5")),
        ("claude-3-5-haiku-latest", ("0.8", "4", "0.1")),
        ("gpt-4o-2024-05-13", ("5", "15", "1")),
    ],
)
def test_genai_prices_knows_many_more(name: str, found: tuple[str, ...]) -> None:
    assert tuple(values(name)[field] for field in ("input_price", "output_price", "cache_factor")) == tuple(
        map(Decimal, found)
    )


@pytest.mark.parametrize("name", ["", "ft:", "ft::", "our-own-7b", "gpt-4o:x", "\0", "x" * 200, "ft:gpt-4o-audio", "É"])
def test_a_name_nobody_knows_has_no_price(name: str) -> None:
    assert "input_price" not in figures(name)


def test_a_model_that_is_not_paid_by_the_token_has_no_price() -> None:
    assert figures("whisper-1") == {}


def test_names_asked_for_are_not_kept_for_ever() -> None:
    snapshot = genai_prices.data_snapshot.get_snapshot()
    before = len(snapshot._provider_misses), len(snapshot._lookup_cache)  # noqa: SLF001 - what would grow
    for number in range(50):
        figures(f"our-own-{number}b")
    assert (len(snapshot._provider_misses), len(snapshot._lookup_cache)) == before  # noqa: SLF001 - what would grow


def test_no_network_and_no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a price was looked for on the network")

    threads = threading.active_count()
    monkeypatch.setattr(socket.socket, "connect", refuse)
    forget()
    assert figures("gpt-4o")
    assert threading.active_count() == threads


def test_the_file_is_whole() -> None:
    fields = set(Costs.__struct_fields__)
    assert DEFAULTS.keys() < fields
    assert re.fullmatch(r"\d{4}-\d\d", OWN["as_of"])
    for model in OWN["models"]:
        re.compile(model["match"])
        assert model["figures"].keys() <= OWN["figures"].keys()
        assert ("input_multiplier" in model["figures"]) == ("output_multiplier" in model["figures"])
    for field, figure in DEFAULTS.items():
        msgspec.convert({field: float(figure.value) if field != "tuned_input_tokens" else 0}, Costs)


def test_a_model_that_cannot_be_tuned_has_no_tuned_price() -> None:
    assert "input_price" not in figures("ft:claude-haiku-4-5")


@pytest.mark.parametrize(
    ("name", "near"), [("gpt4o-mini", "gpt-4o-mini"), ("claude-sonet-4-5", "claude-sonnet-4-5"), ("GPT 5", "gpt-5")]
)
def test_the_nearest_known_names(name: str, near: str, request: pytest.FixtureRequest) -> None:
    assert near in prices.nearest_models(name)
    request.getfixturevalue("_without_genai_prices")
    assert near in prices.nearest_models(name)
    assert prices.nearest_models("\0" * 200) == []
