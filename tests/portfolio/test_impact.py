"""`trivium impact`: what it counts is the difference of two scorings, row by row."""

import csv
import json
import re
from collections import Counter
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

import toolbox
import trivium
from cli.conftest import Invoke
from portfolio.test_score import PORTFOLIO, scored, table
from trivium import catalog


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


@pytest.mark.parametrize(("older", "newer"), [("2.0.0", "3.0.0"), ("3.0.0", "1.0.0")])
def test_a_report_says_who_changes_from_what_to_what_and_by_which_rule(
    tmp_path: Path, invoke: Invoke, older: str, newer: str
) -> None:
    portfolio, out = tmp_path / "portfolio.csv", tmp_path / "impact.csv"
    table(portfolio, [*PORTFOLIO, {"id": "bad", "labeled_examples": "many"}])
    pages = [tmp_path / "impact.html", tmp_path / "impact.md"]
    options = ("--from", older, "--to", newer, "-o", str(out), "--report", str(pages[0]), "--markdown", str(pages[1]))
    told = json.loads(invoke("impact", str(portfolio), *options, "--json").stdout)
    labels = catalog.shipped().advisor(newer).policy.document.strategies
    by_id = {row["id"]: row for row in scored(out)}
    changed = [one for one in by_id.values() if one["changed"] == "true"]
    markdown = pages[1].read_text("utf-8").replace("\\", "")
    assert f"{len(changed)} of {len(PORTFOLIO)} projects get another strategy; 1 row was rejected" in markdown

    charts, _, projects = markdown.partition("## Projects that change")
    for one in told["changes"]:
        label = f"{labels[one['before']]} \N{RIGHTWARDS ARROW} {labels[one['after']]} ({one['rule']})"
        assert f"| {label} | {one['projects']} |" in charts
    after = Counter(one["strategy_after"] for one in by_id.values())
    stay = Counter(one["strategy_after"] for one in by_id.values() if one["changed"] == "false")
    for name, label in labels.items():
        assert f"| {label} | {after[name]} | {stay[name]} |" in charts
    rows = [re.split(r" ?\| ?", line)[1:-1] for line in projects.splitlines() if re.match(r"\| \d", line)]
    assert sorted(row[1] for row in rows) == sorted(one["id"] for one in changed)
    for _, own, before, to, _, rule, *_ in rows:
        one = by_id[own]
        assert (before, to, rule) == (labels[one["strategy_before"]], labels[one["strategy_after"]], one["rule"])
    page = pages[0].read_text("utf-8")
    assert page.count("<tr>") == len(changed) + 1
    assert [one["id"] for one in changed if f">{one['id']}</td>" not in page] == []


def test_a_report_of_no_change_says_so(tmp_path: Path, invoke: Invoke) -> None:
    portfolio, page = tmp_path / "portfolio.csv", tmp_path / "impact.html"
    table(portfolio, PORTFOLIO)
    done = invoke("impact", str(portfolio), "--from", "3", "--to", "latest", "--report", str(page))
    assert done.exit_code == 0, done.stderr
    text = page.read_text("utf-8")
    assert "0 of 40 projects get another strategy" in text
    assert "No project gets another strategy." in text
    assert "<table>" not in text


@pytest.mark.tool("chromium")
def test_the_projects_that_change_are_sorted_in_a_real_browser(tmp_path: Path, invoke: Invoke) -> None:
    portfolio, page = tmp_path / "portfolio.csv", tmp_path / "impact.html"
    table(portfolio, PORTFOLIO)
    invoke("impact", str(portfolio), "--from", "3.0.0", "--to", "1.0.0", "--report", str(page))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=toolbox.path("chromium"), args=["--no-sandbox"])
        shown = browser.new_page()
        said: list[str] = []
        shown.on("console", lambda message: said.append(message.text))
        shown.on("pageerror", lambda error: said.append(str(error)))
        shown.goto(page.as_uri())
        rules = shown.locator("tbody tr td:nth-child(6)")
        shown.locator("th button", has_text="Rule").click()
        found = rules.all_inner_texts()
        browser.close()
    assert len(found) > 1
    assert found == sorted(found)
    assert said == []


def test_added_columns_do_not_hide_those_of_the_input(tmp_path: Path, invoke: Invoke) -> None:
    portfolio = tmp_path / "portfolio.csv"
    with portfolio.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["id", "rule"], ["one", "mine"]])
    done = invoke("impact", str(portfolio), "--from", "2.0.0")
    assert done.exit_code == 2
    assert "--prefix" in done.stderr
