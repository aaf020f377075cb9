"""Coverage by decision path, against trying every cell."""

import io
import itertools

import pytest
from hypothesis import given
from rich.console import Console

import generators
import toolbox
import trivium
from trivium.cli.authoring import STARTER
from trivium.cli.examples import run_examples
from trivium.cli.tables import show_tested
from trivium.policy import Policy, compile_policy, prove
from trivium.policy.engine.diagram import Limits
from trivium.policy.proofs import coverage as counted
from trivium.policy.proofs.coverage import path_coverage


COMMUTE = (toolbox.ROOT / "tests" / "policy" / "commute.yaml").read_text()


def path_of(policy: Policy, cell: tuple[int, ...]) -> frozenset[str]:
    """Return the rules behind a cell's answer, the slow way."""
    fired = policy.decide(cell).fired
    names = [table.name for table in policy.tables]
    found: set[str] = set()

    def ask(name: str) -> None:
        index = names.index(name)
        found.add(f"{name}/{fired[index].id}")
        for rule in policy.document.tables[name].rules[: fired[index].position + 1]:
            for read in rule.when:
                if read in names:
                    ask(read)

    ask("strategy")
    return frozenset(found)


def slow_coverage(policy: Policy) -> tuple[int, int, int, int]:
    cells = list(itertools.product(*(range(len(field.bands)) for field in policy.inputs)))
    taken = {path_of(policy, policy.read_profile(example.profile)[0]) for example in policy.document.tests}
    paths = [path_of(policy, cell) for cell in cells]
    return len(taken), len(set(paths)), sum(path in taken for path in paths), len(cells)


def test_counts_are_those_of_trying_every_cell() -> None:
    policy = compile_policy(COMMUTE)
    made = path_coverage(policy)
    assert made is not None
    assert (made.covered, made.total, made.cells, made.all_cells) == slow_coverage(policy)


@given(generators.documents())
def test_counts_of_any_policy_are_those_of_trying_every_cell(document: generators.Part) -> None:
    example = {"id": "one", "strategy": "stay", "profile": {}}
    policy = compile_policy(generators.text({**document, "tests": [example]}))
    made = path_coverage(policy)
    assert made is not None
    assert (made.covered, made.total, made.cells, made.all_cells) == slow_coverage(policy)


@pytest.mark.parametrize("version", ["1.0.0", "2.0.0", "3.0.0"])
def test_shipped_policies_can_be_counted(version: str) -> None:
    policy = compile_policy((trivium.POLICIES / f"adaptation-{version}.yaml").read_text())
    assert not prove(policy)
    made = path_coverage(policy)
    assert made is not None
    assert 0 < made.covered <= made.total
    assert 0 < made.cells <= made.all_cells == policy.cells


def test_too_many_paths_are_not_counted_and_the_command_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counted, "LIMITS", Limits(nodes=3))
    assert path_coverage(compile_policy(COMMUTE)) is None
    out = Console(file=io.StringIO(), width=200)
    show_tested(out, run_examples(STARTER.read_text(encoding="utf-8"), "starter.yaml"))
    assert isinstance(out.file, io.StringIO)
    assert "decision paths: too many to count" in out.file.getvalue()
