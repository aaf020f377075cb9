"""How far the policies agree with published cases whose outcome is known, as the Markdown of `docs/casebook.md`.

An answer agrees *strictly* when it is the published outcome, and is *defensible* when the source leaves a tie and the
answer is on the other side of it. A published comparison had an evaluation set, and the tuning it ran was available:
both are taken as given where a case leaves them out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from math import comb, sqrt
from pathlib import Path
from statistics import NormalDist
from typing import Any, TypeAlias

import msgspec

import trivium
from trivium.policy import Policy, Registry, load_directory
from trivium.profile import VOCABULARY


BOOK = Path(__file__).resolve().parents[1] / "tests" / "casebook"
EXPLAINED = "3.0.0"
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


class Practice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A realistic profile, what a practitioner would do and why; one of several strategies where there is a tie.

    Where the policy says something else, `agrees_if` is a change to the profile with which it would agree, and
    `differs` the reason.
    """

    name: str
    expert: list[str]
    why: str
    profile: Profile
    assumed: list[str]
    agrees_if: Profile
    differs: str


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


def practices() -> list[Practice]:
    """Read the realistic profiles."""
    return msgspec.json.Decoder(Practice).decode_lines((BOOK / "profiles.jsonl").read_bytes())


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


def baselines() -> dict[str, Adviser]:
    """Return what a policy has to beat: the rule of four fields, and each strategy as the answer to everything."""
    strategies = policies()[EXPLAINED].strategies
    return {"four fields": four_fields, **{f"always `{strategy}`": _always(strategy) for strategy in strategies}}


def _always(strategy: str) -> Adviser:
    return lambda _: strategy


def wilson(hits: int, of: int, level: float = 0.95) -> tuple[float, float]:
    """Return the Wilson score interval of a share."""
    z = NormalDist().inv_cdf((1 + level) / 2)
    share, spread = hits / of, z * z / of
    middle, half = share + spread / 2, z * sqrt(share * (1 - share) / of + spread / (4 * of))
    return (middle - half) / (1 + spread), (middle + half) / (1 + spread)


def mcnemar(only_one: int, only_other: int) -> float:
    """Return the two-sided p of the exact McNemar test, from the cases in which only one of two advisers is right."""
    pairs, fewer = only_one + only_other, min(only_one, only_other)
    return min(1.0, 2 * sum(comb(pairs, hits) for hits in range(fewer + 1)) / (1 << pairs))


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
    parts = [_measured(book, advisers()), _compared(book), [reach], _explained(book), _practiced()]
    return "\n\n".join("\n".join(part) for part in parts)


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


def _compared(book: list[Case]) -> Iterator[str]:
    """Compare the explained version with its rivals, case by case."""

    def right(adviser: Adviser, *, defensible: bool) -> list[bool]:
        answers = [(case, adviser(case.known())) for case in book]
        return [answer == case.outcome or (defensible and answer in case.also_defensible) for case, answer in answers]

    def share(hits: list[bool]) -> str:
        low, high = wilson(sum(hits), len(hits))
        return f"{sum(hits)} ({low:.0%} to {high:.0%})"

    def against(mine: list[bool], other: list[bool]) -> str:
        better, worse = (sum(a > b for a, b in zip(*pair, strict=True)) for pair in ((mine, other), (other, mine)))
        return f"{better} : {worse}, p = {mcnemar(better, worse):.2g}"

    ours = [right(_by(EXPLAINED), defensible=defensible) for defensible in (False, True)]
    yield from _head(f"of {len(book)} cases", "strict", "defensible", f"{EXPLAINED} strict", f"{EXPLAINED} defensible")
    for name, adviser in (baselines() | {version: _by(version) for version in policies()}).items():
        theirs = [right(adviser, defensible=defensible) for defensible in (False, True)]
        tests = ["-", "-"] if name == EXPLAINED else [against(*pair) for pair in zip(ours, theirs, strict=True)]
        yield _row(name, *map(share, theirs), *tests)


def _practiced() -> Iterator[str]:
    """List the realistic profiles in which a practitioner would do something else."""
    yield from _head("profile", "practitioner", f"{EXPLAINED} says", "would agree with", "why it stays")
    for one in practices():
        if one.differs:
            answer = _by(EXPLAINED)(one.profile)
            expert = ", ".join(f"`{strategy}`" for strategy in one.expert)
            yield _row(f"{one.name}: {one.why}", expert, f"`{answer}`", _changes(one.agrees_if), one.differs)


def _changes(fields: Profile) -> str:
    shown = {name: str(value).lower() if isinstance(value, bool) else value for name, value in fields.items()}
    return ", ".join(f"`{name}: {value}`" for name, value in shown.items())


def _explained(book: list[Case]) -> Iterator[str]:
    found = {case.id: case for case in book}
    yield from _head("case", "published", f"{EXPLAINED} says", "by rule", "would agree with", "why it stays")
    for one in sorted(differences(), key=lambda one: (one.answer in found[one.case].also_defensible, one.case)):
        case = found[one.case]
        link = f"[{case.id}]({case.address.split(' ')[0]})"
        grade = "defensible" if one.answer in case.also_defensible else "**miss**"
        changes = _changes(one.agrees_if)
        why = f"{one.why} ({', '.join(one.sources)})"
        yield _row(link, f"`{case.outcome}`", f"`{one.answer}`, {grade}", f"`{one.rule}`", changes, why)


def _head(*titles: str) -> Iterator[str]:
    yield _row(*titles)
    yield _row(*["---"] * len(titles))


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    print(report())
