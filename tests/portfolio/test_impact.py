"""`trivium impact`: what it counts is the difference of two scorings, row by row."""

import csv
import json
from collections import Counter
from pathlib import Path

import pytest

import trivium
from cli.conftest import Invoke
from portfolio.test_score import PORTFOLIO, scored, table


pytest_plugins = ["cli.conftest"]


@pytest.mark.parametrize(("older", "newer"), [("1.0.0", "2.0.0"), ("2.0.0", "3.0.0"), ("3.0.0", "1.0.0")])
def test_it_counts_the_difference_of_two_scorings(tmp_path: Path, invoke: Invoke, older: str, newer: str) -> None:
    portfolio, out = tmp_path / "portfolio.csv", tmp_path / "impact.csv"
    table(portfolio, [*PORTFOLIO, {"id": "bad", "labeled_examples": "many"}])
    done = invoke("impact", str(portfolio), "--from", older, "--to", newer, "-o", str(out), "--json")
    told = json.loads(done.stdout)

    expected = Counter[tuple[str, str, str]]()
    for row, profile in zip(scored(out), PORTFOLIO, strict=False):
        before, after = (trivium.recommend(profile, policy=version) for version in (older, newer))
        assert (row["strategy_before"], row["strategy_after"]) == (before.strategy, after.strategy)
        assert row["changed"] == ("true" if before.strategy != after.strategy else "false")
        assert bool(row["rule"]) == (before.strategy != after.strategy)
        if row["rule"]:
            assert row["rule"] in {reason.rule for reason in after.rationale}
            expected[before.strategy, after.strategy, row["rule"]] += 1
    assert expected
    assert {(one["before"], one["after"], one["rule"]): one["projects"] for one in told["changes"]} == expected
    assert (told["from"], told["to"]) == (older, newer)
    assert (told["projects"], told["rejected"], told["changed"]) == (len(PORTFOLIO), 1, expected.total())
    assert "labeled_examples" in scored(out)[-1]["error"]


def test_a_policy_changes_nothing_beside_itself(tmp_path: Path, invoke: Invoke) -> None:
    portfolio = tmp_path / "portfolio.csv"
    table(portfolio, PORTFOLIO)
    done = invoke("impact", str(portfolio), "--from", "3.0.0", "--to", "3.0.0", "--json")
    told = json.loads(done.stdout)
    assert (told["changed"], told["changes"]) == (0, [])


def test_an_unknown_policy_is_said(tmp_path: Path, invoke: Invoke) -> None:
    portfolio = tmp_path / "portfolio.csv"
    table(portfolio, PORTFOLIO)
    done = invoke("impact", str(portfolio), "--from", "9")
    assert done.exit_code == 3
    assert "no policy `9`" in done.stderr


def test_added_columns_do_not_hide_those_of_the_input(tmp_path: Path, invoke: Invoke) -> None:
    portfolio = tmp_path / "portfolio.csv"
    with portfolio.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["id", "rule"], ["one", "mine"]])
    done = invoke("impact", str(portfolio), "--from", "2.0.0")
    assert done.exit_code == 2
    assert "--prefix" in done.stderr
