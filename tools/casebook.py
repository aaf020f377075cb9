"""How far the policies agree with published cases whose outcome is known, as the Markdown of `docs/casebook.md`.

An answer agrees *strictly* when it is the published outcome, and is *defensible* when the source leaves a tie and the
answer is on the other side of it. A published comparison had an evaluation set, and the tuning it ran was available:
both are taken as given where a case leaves them out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

import trivium
from trivium.policy import Policy, Registry, load_directory
from trivium.profile import VOCABULARY


BOOK = Path(__file__).resolve().parents[1] / "tests" / "casebook"
EXPLAINED = "2.0.0"
"""The version whose differences from the casebook have reasons."""

HARD = "hard_or_borderline"
GIVEN = {"has_evaluation_set": True, "fine_tuning_available": True}

Profile: TypeAlias = dict[str, Any]
Adviser: TypeAlias = Callable[[Profile], str]


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A published case; `assumed` names the fields of its profile that are derived rather than told."""

    id: str
    source: str
    address: str
    summary: str
    profile: Profile
    assumed: list[str]
    outcome: str
    also_defensible: list[str]
    evidence: str
    tags: list[str]

    def known(self, without: Collection[str] = ()) -> Profile:
        """Return the profile to ask about, without some of its fields."""
        return {name: value for name, value in (GIVEN | self.profile).items() if name not in without}


class Difference(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A case where the policy says something else, the rule that decides, and why the policy stays with it.

    `agrees_if` is a change to the profile with which the answer would be the published outcome; `sources` are those of
    the policy that the reason rests on.
    """

    case: str
    answer: str
    rule: str
    agrees_if: Profile
    why: str
    sources: list[str]


class Agreement(msgspec.Struct, frozen=True):
    """How many of some cases an adviser agrees with."""

    strict: int
    defensible: int
    cases: int


def cases() -> list[Case]:
    """Read the casebook."""
    return msgspec.json.Decoder(Case).decode_lines((BOOK / "cases.jsonl").read_bytes())


def differences() -> list[Difference]:
    """Read the reasons for the differences."""
    return msgspec.json.Decoder(Difference).decode_lines((BOOK / "differences.jsonl").read_bytes())


def four_fields(profile: Profile) -> str:
    """Advise by the simplest rule that does well: what a policy has to beat."""
    retrieves = profile.get("knowledge_need", "none") != "none"
    tunes = (
        profile.get("task_consistency") == "consistent"
        and profile.get("labeled_examples", 0) >= 500  # noqa: PLR2004 - the framework's own number
        and profile.get("base_model_underperforms") is True
    )
    if retrieves:
        return "rag_and_fine_tuning" if tunes else "rag"
    return "fine_tuning" if tunes else "prompt_engineering"


def policies() -> dict[str, Policy]:
    """Return the policies that ship, by version."""
    served = Registry(load_directory(trivium.POLICIES, VOCABULARY)).by_version
    return {version: one.policy for version, one in served.items()}


def advisers() -> dict[str, Adviser]:
    """Return the rule of four fields, and every policy that ships, by name."""
    return {"four fields": four_fields, **{version: _by(version) for version in policies()}}


def _by(version: str) -> Adviser:
    return lambda profile: trivium.recommend(profile, policy=version).strategy


def fired(policy: Policy, case: Case) -> list[str]:
    """Return the rules that decide a case."""
    cell, _ = policy.read_profile(case.known())
    return [f"{table.name}/{rule.id}" for table, rule in zip(policy.tables, policy.decide(cell).fired, strict=True)]


def agreement(adviser: Adviser, some: Sequence[Case], without: Callable[[Case], Collection[str]]) -> Agreement:
    """Count the cases that an adviser agrees with, asked without some fields of each."""
    answers = [(case, adviser(case.known(without(case)))) for case in some]
    strict = sum(answer == case.outcome for case, answer in answers)
    return Agreement(strict, strict + sum(answer in case.also_defensible for case, answer in answers), len(some))


def report() -> str:
    """Return the measured table, the reach of the cases, and the differences with their reasons."""
    book, policy = cases(), policies()[EXPLAINED]
    rules = sum(len(table.rules) for table in policy.tables)
    reached = {rule for case in book for rule in fired(policy, case)}
    reach = (
        f"Some case reaches {len(reached)} of the {rules} rules of {EXPLAINED}; the others rest on their sources alone."
    )
    return "\n".join([*_measured(book, advisers()), "", reach, "", *_explained(book)])


def _measured(book: list[Case], by: dict[str, Adviser]) -> Iterator[str]:
    def row(title: str, some: list[Case], count: str, without: Callable[[Case], Collection[str]] = lambda _: ()) -> str:
        found = [getattr(agreement(adviser, some, without), count) for adviser in by.values()]
        return _row(f"{title} ({len(some)})", *[f"{number} ({number / len(some):.1%})" for number in found])

    yield from _head("agreement (cases)", *by)
    yield row("strict", book, "strict")
    yield row("strict or defensible", book, "defensible")
    hard = [case for case in book if HARD in case.tags]
    yield row("hard or borderline: strict", hard, "strict")
    yield row("hard or borderline: strict or defensible", hard, "defensible")
    for outcome in sorted({case.outcome for case in book}):
        yield row(f"published `{outcome}`: strict", [case for case in book if case.outcome == outcome], "strict")
    without: dict[str, Callable[[Case], Collection[str]]] = {
        "without `base_model_underperforms`": lambda _: ["base_model_underperforms"],
        "without assumed fields": lambda case: case.assumed,
    }
    for title, fields in without.items():
        yield row(f"{title}: strict", book, "strict", fields)
        yield row(f"{title}: strict or defensible", book, "defensible", fields)


def _explained(book: list[Case]) -> Iterator[str]:
    found = {case.id: case for case in book}
    yield from _head("case", "published", f"{EXPLAINED} says", "by rule", "would agree with", "why it stays")
    for one in sorted(differences(), key=lambda one: (one.answer in found[one.case].also_defensible, one.case)):
        case = found[one.case]
        link = f"[{case.id}]({case.address.split(' ')[0]})"
        grade = "defensible" if one.answer in case.also_defensible else "**miss**"
        changes = ", ".join(f"`{name}: {value}`" for name, value in one.agrees_if.items())
        why = f"{one.why} ({', '.join(one.sources)})"
        yield _row(link, f"`{case.outcome}`", f"`{one.answer}`, {grade}", f"`{one.rule}`", changes, why)


def _head(*titles: str) -> Iterator[str]:
    yield _row(*titles)
    yield _row(*["---"] * len(titles))


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    print(report())
