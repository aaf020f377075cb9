"""On every one of the 1,259,712 cells of policy 1.0.0, lookups, diagram and the slow reference say the same."""

import pytest

import reference
import trivium
from trivium.policy import load_policy
from trivium.profile import VOCABULARY


FILE = trivium.POLICIES / "adaptation-1.0.0.yaml"
POLICY = load_policy(FILE.read_text(encoding="utf-8"), FILE.name, VOCABULARY)
REFERENCE = reference.shipped("1.0.0")


def test_rows_have_the_ids_outcomes_and_codes_that_the_document_gives_them() -> None:
    for table in POLICY.tables:
        written = REFERENCE.tables[table.name]
        assert [rule.position for rule in table.rules] == list(range(len(written)))
        assert [(rule.id, table.outcomes[rule.outcome], list(rule.because)) for rule in table.rules] == [
            (rule["id"], rule["then"], rule.get("because", [])) for rule in written
        ]


@pytest.mark.exhaustive
def test_lookups_diagram_and_reference_agree_in_strategy_and_fired_rules_on_every_cell() -> None:
    value, root, cells = POLICY.diagrams.value, POLICY.root, 0
    for cell in REFERENCE.cells():
        state, rows = REFERENCE.state(cell)
        decision = POLICY.decide(cell)
        assert [rule.position for rule in decision.fired] == rows, cell
        assert POLICY.strategies[decision.strategy] == state["strategy"], cell
        assert value(root, cell) == decision.strategy, cell
        cells += 1
    assert cells == POLICY.cells == 1_259_712


@pytest.mark.exhaustive
def test_counting_gives_the_number_of_cells_per_strategy() -> None:
    counts = POLICY.diagrams.count(POLICY.root)
    assert counts == {answer: REFERENCE.answers.count(answer) for answer in range(len(REFERENCE.strategies))}
