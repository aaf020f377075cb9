"""Running a policy's examples, and what they cover of it."""

from __future__ import annotations

import msgspec

from trivium.policy import Policy, PolicyError, compile_policy, prove
from trivium.policy.proofs.coverage import PathCoverage, path_coverage
from trivium.profile import VOCABULARY


class Outcome(msgspec.Struct, frozen=True):
    """One example: its id, whether it passed, and what was different if not."""

    id: str
    passed: bool
    detail: str


class Coverage(msgspec.Struct, frozen=True):
    """How many parts of a policy some example uses, of how many, and which none does."""

    covered: int
    total: int
    missing: list[str]


class Tested(msgspec.Struct, frozen=True):
    """The examples of one policy file, and what they cover."""

    file: str
    policy: str
    version: str
    examples: list[Outcome]
    rules: Coverage
    codes: Coverage
    strategies: Coverage
    paths: PathCoverage | None


def run_examples(text: str, file: str) -> Tested:
    """Run the examples of a policy.

    Raises:
        PolicyError: the policy has other problems than failing examples.
    """
    policy = compile_policy(text, file, VOCABULARY)
    places = {policy.parsed.place(("tests", index)): one.id for index, one in enumerate(policy.document.tests)}
    failed, others = {}, []
    for problem in prove(policy):
        place = (problem.line, problem.column)
        if problem.code == "failing-example" and place in places:
            failed[places[place]] = problem.message.partition(": ")[2]
        else:
            others.append(problem)
    if others:
        raise PolicyError(others)
    rules, codes, strategies = _used(policy)
    document = policy.document
    return Tested(
        file=file,
        policy=document.policy,
        version=document.version,
        examples=[
            Outcome(example.id, example.id not in failed, failed.get(example.id, "")) for example in document.tests
        ],
        rules=_coverage([f"{table.name}/{rule.id}" for table in policy.tables for rule in table.rules], rules),
        codes=_coverage(list(document.codes), codes),
        strategies=_coverage(list(policy.strategies), strategies),
        paths=path_coverage(policy),
    )


def _used(policy: Policy) -> tuple[set[str], set[str], set[str]]:
    """Return the rules, codes and strategies that some example leads to."""
    rules: set[str] = set()
    codes: set[str] = set()
    strategies: set[str] = set()
    for example in policy.document.tests:
        cell, _ = policy.read_profile(example.profile)
        decision = policy.decide(cell)
        strategies.add(policy.strategies[decision.strategy])
        for table, rule in zip(policy.tables, decision.fired, strict=True):
            rules.add(f"{table.name}/{rule.id}")
            codes.update(rule.because)
    return rules, codes, strategies


def _coverage(names: list[str], used: set[str]) -> Coverage:
    missing = [name for name in names if name not in used]
    return Coverage(len(names) - len(missing), len(names), missing)
