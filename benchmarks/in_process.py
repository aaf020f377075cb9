"""One decision, and one whole recommendation, in process beside zen-engine's bare decision."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from operator import attrgetter
from statistics import median
from time import process_time
from typing import Any

import msgspec

from benchmarks import VERSION, zen_rival
from benchmarks.cases import Cases, Fields
from benchmarks.rows import Race, Row, at_least, at_most, compared
from trivium import POLICIES, Advisor, Policy
from trivium.policy import Lifecycle, ServedPolicy, load_policy
from trivium.profile import VOCABULARY, make_profile, parse_profile
from trivium.rendering import Renderer


AGREE = 4000
"""Profiles on which both engines must agree, before anything is timed."""

ROUNDS = 15
DECISIONS = 2000
ZEN_DECISIONS = 400
CELLS = 400
"""Cells per round in which an advisor is asked for the first time, and then again."""

LOADS = 15

_encode = msgspec.json.encode


def rows() -> Iterator[Row]:
    """Measure."""
    policy = load_policy(_written(VERSION), f"adaptation-{VERSION}.yaml", VOCABULARY)
    agree(policy)
    yield from decisions(policy)
    yield from recommendations(policy)
    yield loading("1.0.0", 50)
    yield loading("2.0.0", 100)
    yield loading("3.0.0", 150)


def agree(policy: Policy) -> None:
    """Check that zen-engine decides as Trivium does; half of the profiles have numbers at the cuts."""
    cases = Cases(policy)
    profiles = [*cases.at_edges(AGREE // 2), *(cases.mixed() for _ in range(AGREE // 2))]
    for zen in (zen_rival.created(policy.document), zen_rival.precompiled(policy.document)):
        for fields in profiles:
            cell, _ = policy.read_profile(fields)
            ours, theirs = policy.strategies[policy.decide(cell).strategy], zen(_text(fields))
            if ours != theirs:
                raise AssertionError(f"Trivium says {ours}, zen-engine {theirs}: {fields}")


def decisions(policy: Policy) -> Iterator[Row]:
    """One decision with the fired rules and codes, from a decoded profile; nothing is cached anywhere."""
    cases = Cases(policy, seed=2)
    profiles = [cases.mixed() for _ in range(DECISIONS)]
    texts = [_text(fields) for fields in profiles[:ZEN_DECISIONS]]
    values = attrgetter(*(field.name for field in policy.inputs))

    def decide(profile: Any) -> Any:
        cell = policy.cell(values(profile))
        decision = policy.decide(cell)
        return policy.strategies[decision.strategy], [code for rule in decision.fired for code in rule.because]

    race = Race(
        {
            "trivium": (decide, [make_profile(fields) for fields in profiles]),
            "zen": (zen_rival.created(policy.document), texts),
            "precompiled": (zen_rival.precompiled(policy.document), texts),
        },
        ROUNDS,
    )
    own = f"{race.microseconds('trivium'):.2f} us, uncached"
    yield at_least(
        "decision with rationale vs zen-engine's",
        race.ratio("zen", "trivium"),
        50,
        f"{own}; zen-engine {race.microseconds('zen'):.0f} us",
    )
    yield compared(
        "  vs zen-engine with a static loader, which precompiles",
        race.ratio("precompiled", "trivium"),
        f"{own}; zen-engine {race.microseconds('precompiled'):.1f} us",
    )


def recommendations(policy: Policy) -> Iterator[Row]:
    """One whole recommendation, JSON in and JSON out."""
    cases = Cases(policy, seed=3)
    complete, partial = cases.distinct(CELLS, cases.complete), cases.distinct(CELLS, cases.partial)
    mix = complete[::2] + partial[::2]
    served = ServedPolicy(policy, Lifecycle())
    asked: list[Renderer] = []

    def answer(body: bytes) -> bytes:
        if body is fresh:
            asked[:] = [Renderer(Advisor(served))]
            return b""
        return asked[0].json(parse_profile(body))[0]

    fresh = b"the next advisor has seen nothing"
    texts = [_text(fields) for fields in mix]

    def never(profiles: list[Fields]) -> Any:
        return answer, [fresh, *(_encode(fields) for fields in profiles)]

    race = Race(
        {
            "zen": (zen_rival.created(policy.document), texts),
            "precompiled": (zen_rival.precompiled(policy.document), texts),
            "complete": never(complete),
            "partial": never(partial),
            "mix": never(mix),
            "seen": (answer, [_encode(cases.again(fields)) for fields in mix for _ in range(3)]),
        },
        ROUNDS,
    )
    yield Row("recommendation, JSON in and JSON out, vs zen-engine's bare decision", "")
    zen = f"zen-engine {race.microseconds('zen'):.0f} us"

    def own(name: str) -> str:
        return f"{race.microseconds(name):.0f} us"

    yield at_least(
        "  cell never seen, half of the profiles complete, half partial",
        race.ratio("zen", "mix"),
        1,
        f"{own('mix')}; {zen}",
    )
    for name in ("complete", "partial"):
        yield compared(f"  cell never seen, {name} profiles", race.ratio("zen", name), f"{own(name)}; {zen}")
    yield at_least(
        "  cell seen before, other numbers in its bands",
        race.ratio("zen", "seen"),
        10,
        f"{race.microseconds('seen'):.1f} us; {zen}",
    )
    for name, which in (("mix", "never seen"), ("seen", "seen before")):
        yield compared(
            f"  cell {which}, vs zen-engine with a static loader",
            race.ratio("precompiled", name),
            f"zen-engine {race.microseconds('precompiled'):.1f} us",
        )


def loading(version: str, limit: float) -> Row:
    """Time loading and proving a policy; the limit is in milliseconds."""
    text = _written(version)
    took = []
    gc.collect()
    gc.freeze()  # the collector shall not walk what other rows left behind, while it is the loader's time that counts
    for _ in range(LOADS):
        start = process_time()
        load_policy(text, version, VOCABULARY)
        took.append((process_time() - start) * 1000)
    gc.unfreeze()
    return at_most(f"load and prove policy {version}", median(took), limit, " ms")


def _written(version: str) -> str:
    return (POLICIES / f"adaptation-{version}.yaml").read_text(encoding="utf-8")


def _text(fields: Fields) -> str:
    return _encode(fields).decode()
