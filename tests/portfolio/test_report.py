"""The report says what the summary and the library say, needs nothing else, and runs nothing that a portfolio holds."""

import base64
import hashlib
import itertools
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from playwright.sync_api import sync_playwright

import toolbox
import trivium
from costs import COSTS
from trivium import catalog
from trivium.portfolio import report
from trivium.portfolio.ranking import MOST_RANKED, Ranking
from trivium.portfolio.report_formats import html, markdown
from trivium.portfolio.rows import RowScorer
from trivium.portfolio.summary import Summary, either
from trivium.profile import Profile


ADVISOR = catalog.shipped().advisor()
SCORER = RowScorer(ADVISOR)
ODD = "<script>alert(1)</script>|`*_ \x1b[31m\u202e"

names = st.text(st.characters(codec="utf-8"), max_size=30) | st.just(ODD)
projects = st.builds(
    Profile,
    requests_per_day=st.none() | st.floats(0, 1e9),
    labeled_examples=st.sampled_from([None, 0.0, 120.0, 20_000.0]),
    knowledge_need=st.sampled_from([None, "none", "changing_facts"]),
)


def made(portfolio: list[tuple[str, Profile]]) -> tuple[Summary, report.Report]:
    summary, ranking = Summary.of(ADVISOR.policy.strategies), Ranking()
    for number, (name, profile) in enumerate(portfolio, 2):
        scored = SCORER.score(profile)
        summary.add(scored)
        ranking.add(name, "in.csv", number, profile, scored)
    return summary, report.report_of(ADVISOR, summary, ranking)


class Page(HTMLParser):
    """The tags, attributes and texts of a page; void tags aside, each is closed in its order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in {"style", "script"}:
            self.texts.append(data)


EMPTY = html(made([("x", Profile())])[1])


@given(st.lists(st.tuples(names, projects), min_size=1, max_size=5))
@settings(max_examples=20)
def test_nothing_in_a_portfolio_acts_as_markup(portfolio: list[tuple[str, Profile]]) -> None:
    said = made(portfolio)[1]
    page, plain = Page(html(said)), Page(EMPTY)
    assert page.tags <= plain.tags | {"code", "small", "section", "svg", "rect", "div"}
    assert page.attributes <= plain.attributes
    rendered = MarkdownIt("gfm-like", {"linkify": False}).render(markdown(said))
    assert set(re.findall(r"<(\w+)", rendered)) <= {
        "h1",
        "h2",
        "ul",
        "li",
        "p",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "code",
    }


def test_the_page_needs_nothing_else_and_its_policy_allows_its_own_parts_only() -> None:
    page = html(made([(ODD, Profile())])[1])
    assert not re.search(r"https?:|src=|href=|@import|url\(", page)
    policy = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)[0]
    for tag in ("style", "script"):
        (inside,) = re.findall(f"<{tag}>(.*?)</{tag}>", page, flags=re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; ")
    assert not re.search(r"\sstyle=|\son\w+=", page)


def column(said: report.Report, title: str) -> list[Any]:
    """Return the cells of a column of the projects."""
    at = [one.title for one in said.listing.columns].index(title)
    return [row[at] for row in said.listing.rows]


def test_counts_and_rows_are_those_of_the_library() -> None:
    portfolio = [
        (f"p{number}", Profile(requests_per_day=float(number), knowledge_need="changing_facts")) for number in range(40)
    ]
    summary, said = made(portfolio)
    strategies = said.charts[0]
    assert sum(bar.projects for bar in strategies.bars) == summary.projects == 40
    assert sum(bar.darker for bar in strategies.bars) == summary.settled
    assert [cell.number for cell in column(said, "Requests a day")] == [float(number) for number in reversed(range(40))]
    first = trivium.recommend({"requests_per_day": 39, "knowledge_need": "changing_facts"})
    assert column(said, "Next step")[0] == first.steps[0].action
    assert column(said, "Reason")[0].lower().startswith(first.because[0].says)
    for written in (html(said), markdown(said)):
        for part in ("p39", "Retrieval (RAG)", "40 projects"):
            assert part in written.replace("\\", "")


def test_a_code_has_one_bar_that_holds_for_all_its_projects() -> None:
    counts = [None, None, 0.0, 60.0, 60.0, 10.0, 20_000.0]
    portfolio = [("", Profile(base_model_underperforms=True, labeled_examples=count)) for count in counts]
    portfolio.append(("", Profile(base_model_underperforms=True, labeled_examples=0.0, can_label_more=True)))
    summary, said = made(portfolio)
    (chart,) = (chart for chart in said.charts if chart.title == "What keeps projects from fine-tuning")
    notes = [bar.note for bar in chart.bars]
    assert len(set(notes)) == len(notes)
    (bar,) = (bar for bar in chart.bars if bar.note == "EXAMPLES_TO_COLLECT")
    assert bar.projects == 7
    assert bar.label == (
        "There are fewer than 10, 10 to 49 or 50 to 199 labeled examples: too few for this kind of task,"
        " but somebody can label and review more examples."
    )
    assert "(assumed)" not in str(summary.shown())
    assert [one["says"] for one in summary.shown()["blocks"] if one["code"] == bar.note] == [bar.label]


@pytest.mark.parametrize(
    ("phrases", "says"),
    [
        (["it is so"], "it is so"),
        (["nobody can do it", "somebody can do it"], "nobody can do it or somebody can do it"),
        (["under 9 come a day", "9 or more come a day"], "under 9 or 9 or more come a day"),
        (["facts that rarely change", "facts that change"], "facts that rarely change or change"),
        (["the goal is cost", "the goal is style", "the goal is facts"], "the goal is cost, style or facts"),
        (["there are 2 to 9 texts", "there are 10 texts or more"], "there are 2 to 9 texts or 10 texts or more"),
    ],
)
def test_phrases_are_joined_without_saying_words_twice(phrases: list[str], says: str) -> None:
    assert either(phrases) == says


def test_the_soonest_payback_comes_first_and_a_long_portfolio_is_cut() -> None:
    costs = {"model": "gpt-4o", "tuned_model": "gpt-4o-mini", "variable_input_tokens": 500, "tuned_input_tokens": 200}
    costs |= {"output_tokens": 50, "examples_to_make": 300, "label_cost": 10}
    ranking = Ranking()
    for number in range(MOST_RANKED + 50):
        ranking.add("", "in.csv", number, Profile(requests_per_day=float(number)), SCORER.score(Profile()))
    for engineering in (6000, 100, 90_000):
        own = {"requests_per_day": 20_000, "prompt_tokens": 2000, "costs": {**costs, "engineering": engineering}}
        profile = trivium.profile.make_profile(own)
        ranking.add(str(engineering), "in.csv", 1, profile, SCORER.score(profile))
    kept = ranking.first()
    assert [one.name for one in kept[:3]] == ["100", "6000", "90000"]
    assert [one.number for one in kept[3:6]] == [MOST_RANKED + 49, MOST_RANKED + 48, MOST_RANKED + 47]
    assert (len(kept), ranking.seen) == (MOST_RANKED, MOST_RANKED + 53)


PAID = trivium.profile.make_profile({"requests_per_day": 20_000, "prompt_tokens": 2000, "costs": COSTS})


def test_payback_is_said_only_where_a_project_has_costs() -> None:
    plain = ("Desk", Profile(requests_per_day=10.0))
    said = made([plain])[1]
    assert "Payback of fine-tuning" not in html(said)
    assert "Payback of fine-tuning" not in markdown(said)
    assert said.listing.says == "Those with the most requests a day come first."
    assert {len(row) for row in said.listing.rows} == {len(said.listing.columns)}
    paid = made([plain, ("Labels", PAID)])[1]
    assert [cell.text for cell in column(paid, "Payback of fine-tuning")] == ["3.74 months", ""]
    assert "pays back soonest" in paid.listing.says


def test_columns_of_parts_come_in_an_order_of_their_own() -> None:
    parts: list[dict[str, str | None]] = [{"b": None, "id": "id"}, {"b": None, "id": "id"}, {"a": None}]
    for order in itertools.permutations(parts):
        whole = Summary.of(ADVISOR.policy.strategies)
        for columns in order:
            whole.merge(Summary.of(ADVISOR.policy.strategies, columns))
        assert list(whole.columns.items()) == [("a", None), ("b", None), ("id", "id")]
    many = Summary.of([], {f"c{number}": None for number in range(30)} | {"id": "id"})
    assert next(report.columns_of(many)).endswith("c18, c19 and 10 more")


def test_numbers_agree_with_what_they_count() -> None:
    one = made([("Desk", Profile())])[1]
    assert one.facts[:2] == (
        "1 project",
        "0 settled, 1 provisional (100%): an answer to an open question can still change it",
    )
    assert 'aria-label="1 project, 0 of them: settled"' in html(one)
    assert column(one, "Reason")[0].endswith("; 1 more reason")
    summary, two = made([("Desk", Profile()), ("Labels", PAID), ("Mail", Profile())])
    assert two.facts[0] == "3 projects"
    summary.settled_by["rag"] = 3
    assert report.status_of(summary) == "3 settled, none provisional"


@pytest.mark.tool("chromium")
@pytest.mark.parametrize(
    ("media", "width"),
    [
        ("screen", 1200),
        ("screen", 1030),
        ("screen", 1000),
        ("screen", 400),
        ("print", 688),  # A4 upright without its margins, in CSS pixels
    ],
)
def test_the_page_is_as_wide_as_the_screen_or_the_paper(tmp_path: Path, media: Any, width: int) -> None:
    portfolio = [("Unbroken" * 20, PAID), ("Contract review", Profile(knowledge_need="changing_facts"))]
    file = tmp_path / "report.html"
    file.write_text(html(made(portfolio)[1]), "utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=toolbox.path("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": 1000})
        page.emulate_media(media=media)
        page.goto(file.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator("table").bounding_box()["width"] <= width  # type: ignore[index]  # there is one
        assert page.locator("tbody tr td.text").first.bounding_box()["width"] > 100  # type: ignore[index]
        browser.close()


@pytest.fixture
def written(tmp_path: Path) -> Path:
    portfolio = [(f"p{number}", Profile(requests_per_day=float(number * 7 % 40))) for number in range(40)]
    file = tmp_path / "report.html"
    file.write_text(html(made(portfolio)[1]), "utf-8")
    return file


@pytest.mark.tool("chromium")
def test_the_table_is_sorted_in_a_real_browser_and_is_whole_without_scripts(written: Path) -> None:
    said: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=toolbox.path("chromium"), args=["--no-sandbox"])
        for scripts in (True, False):
            page = browser.new_context(java_script_enabled=scripts).new_page()
            page.on("console", lambda message: said.append(message.text))
            page.on("pageerror", lambda error: said.append(str(error)))
            page.goto(written.as_uri())
            cells = page.locator("tbody tr td:nth-child(5)")
            assert cells.count() == 40
            if scripts:
                button = page.locator("th button", has_text="Requests a day")
                for order in (False, True):
                    button.click()
                    shown = [int(text) for text in cells.all_inner_texts()]
                    assert shown == sorted(shown, reverse=order)
        browser.close()
    assert said == []
