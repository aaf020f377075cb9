"""What a report on a portfolio says, whatever it is written in.

Projects per strategy, what is in the way, which answers would settle most, and the projects to look at first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Literal, NamedTuple

from trivium.advisor import Advisor
from trivium.economics import Economics
from trivium.pages import joined
from trivium.portfolio.columns import shown
from trivium.portfolio.ranking import Project, Ranking
from trivium.portfolio.summary import Asked, Block, Summary
from trivium.recommendation import Recommendation


MOST_BARS = 8
"""Most entries of a chart."""

MOST_NAMES = 20
"""Most columns of a list; the others are counted."""

MOST_REASONS = 3
"""Most reasons of a project; the others are counted."""


class Column(NamedTuple):
    """A column of a table: its title, and what it holds."""

    title: str
    kind: Literal["number", "name", "text", "word"] = "word"


class Cell(NamedTuple):
    """A cell of a column of numbers: what it says, and the number to sort by; None where that is not known."""

    text: str
    number: float | Decimal | None


class Listing(NamedTuple):
    """Projects in a table, the first ones first.

    Attributes:
        title: what they are.
        says: in which order they come.
        columns: the columns.
        rows: a text for each column, or a cell for one of numbers.
        more: how many projects are left out.
    """

    title: str
    says: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str | Cell, ...], ...]
    more: int


class Bar(NamedTuple):
    """A bar of a chart: what it is of, how many projects, and how many of these are shown darker."""

    label: str
    projects: int
    darker: int
    note: str = ""


class Chart(NamedTuple):
    """Bars under a title; what dark and light stand for, where both do."""

    title: str
    says: str
    bars: tuple[Bar, ...]
    dark: str = ""
    light: str = ""


class Report(NamedTuple):
    """What a report says, whatever it is written in."""

    title: str
    facts: tuple[str, ...]
    charts: tuple[Chart, ...]
    listing: Listing


def report_of(advisor: Advisor, summary: Summary, ranking: Ranking, rejects: str | Path | None = None) -> Report:
    """Return what to say of a portfolio.

    Args:
        advisor: the policy.
        summary: the counts.
        ranking: the first projects.
        rejects: the file that says what is wrong with rejected rows; None where there is none.
    """
    document = advisor.policy.document
    facts = [
        f"{number_of(summary.projects, 'project')}{rejected_of(summary, rejects)}",
        status_of(summary),
        *columns_of(summary),
        f"policy {document.policy} {document.version}",
    ]
    charts = tuple(chart for chart in _charts(advisor, summary) if chart.bars)
    return Report("Portfolio report", tuple(facts), charts, _listing(advisor, ranking))


def number_of(count: int, name: str) -> str:
    """Return a number of things, whose name is in the singular."""
    return f"{count:,} {name}" if count == 1 else f"{count:,} {name}s"


def status_of(summary: Summary) -> str:
    """Return how many projects are settled and how many are not."""
    left = summary.projects - summary.settled
    if not left:
        return f"{summary.settled:,} settled, none provisional"
    share = f"{left / summary.projects:.0%}"
    return (
        f"{summary.settled:,} settled, {left:,} provisional ({share}): an answer to an open question can still change"
        f" {'it' if left == 1 else 'them'}"
    )


def rejected_of(summary: Summary, rejects: str | Path | None = None) -> str:
    """Return how many rows were rejected, and where that is explained, as the end of a sentence.

    Nothing where all were scored.
    """
    count = summary.rejected
    if not count:
        return ""
    where = f": what is wrong with {'it' if count == 1 else 'them'} is in {rejects}" if rejects else ""
    return f"; {number_of(count, 'row')} {'was' if count == 1 else 'were'} rejected{where}"


def columns_of(summary: Summary) -> Iterator[str]:
    """Yield which columns were read as fields, and which were not."""
    names = list(summary.columns)
    read = [name for name in names if summary.columns[name] is not None]
    others = [name for name in names if summary.columns[name] is None]
    if names:
        left = f"; not read: {_named(others)}" if others else ""
        yield f"read {len(read):,} of {number_of(len(names), 'column')}: {_named(read)}{left}"


def _printable(character: str) -> str:
    return character if character.isprintable() else "\N{REPLACEMENT CHARACTER}"


def _named(names: Sequence[str]) -> str:
    """List names on one line, the first ones where there are many."""
    listed = ["".join(map(_printable, shown(name))) for name in names[:MOST_NAMES]]
    more = len(names) - MOST_NAMES
    return ", ".join(listed) + (f" and {more:,} more" if more > 0 else "")


def _charts(advisor: Advisor, summary: Summary) -> Iterator[Chart]:
    document = advisor.policy.document
    strategies = [
        Bar(label, summary.strategies[name], summary.settled_by[name]) for name, label in document.strategies.items()
    ]
    yield Chart("Strategies", "Projects by recommended strategy.", tuple(strategies), "settled", "provisional")
    blocks = summary.most_blocking()
    for name, lever in document.levers.items():
        title = f"What keeps projects from {lever.label[:1].lower()}{lever.label[1:]}"
        yield Chart(title, "A project can have several reasons.", _blocking(blocks, name))
    yield Chart(
        "What to find out first",
        "Projects for which the question comes first; those first that an answer alone can settle for most of them.",
        _asking(summary.most_asked()),
        "an answer can settle it",
        "further questions stay open",
    )


def _blocking(blocks: Sequence[Block], lever: str) -> tuple[Bar, ...]:
    bars = [Bar(one.says, one.projects, one.projects, one.code) for one in blocks if one.lever == lever]
    return tuple(bars[:MOST_BARS])


def _asking(questions: Sequence[Asked]) -> tuple[Bar, ...]:
    return tuple(Bar(one.question, one.projects, one.settles, one.input) for one in questions[:MOST_BARS])


REQUESTS = Column("Requests a day", "number")
_PAYBACK = Column("Payback of fine-tuning", "number")
_COLUMNS = (
    Column("Project", "name"),
    Column("Strategy"),
    Column("Status"),
    REQUESTS,
    _PAYBACK,
    Column("Reason", "text"),
    Column("Next step", "text"),
)


def _listing(advisor: Advisor, ranking: Ranking) -> Listing:
    """List the first projects; without the payback where none of them has costs."""
    projects = ranking.first()
    made = [advisor.recommend(project.profile) for project in projects]
    has_costs = any(one.economics is not None for one in made)
    columns = [at for at, column in enumerate(_COLUMNS) if has_costs or column is not _PAYBACK]
    rows = [_row(advisor, project, one) for project, one in zip(projects, made, strict=True)]
    return Listing(
        "Projects",
        order_of(has_costs=has_costs),
        tuple([_COLUMNS[at] for at in columns]),
        tuple([tuple([row[at] for at in columns]) for row in rows]),
        ranking.seen - len(rows),
    )


def order_of(*, has_costs: bool) -> str:
    """Say in which order projects are listed."""
    if has_costs:
        return "Those whose fine-tuning pays back soonest come first, then those with the most requests a day."
    return "Those with the most requests a day come first."


def _row(advisor: Advisor, project: Project, made: Recommendation) -> tuple[str | Cell, ...]:
    return (
        name_of(project),
        advisor.policy.document.strategies[made.strategy],
        made.status,
        requests_of(project),
        _payback(made.economics),
        reason_of(made),
        step_of(made),
    )


def name_of(project: Project) -> str:
    """Return what a project is called, or where it stands."""
    return project.name or f"{project.source}, row {project.number:,}"


def requests_of(project: Project) -> Cell:
    """Return the requests a day of a project."""
    requests = project.profile.requests_per_day
    return Cell("" if requests is None else f"{requests:,.0f}", requests)


def reason_of(made: Recommendation) -> str:
    """Return what a recommendation rests on, the first of it in words."""
    reasons = joined([premise.says for premise in made.because[:MOST_REASONS]])
    more = len(made.because) - MOST_REASONS
    return f"{reasons[:1].upper()}{reasons[1:]}" + (f"; {number_of(more, 'more reason')}" if more > 0 else "")


def step_of(made: Recommendation) -> str:
    """Return what a recommendation says to do first."""
    return made.steps[0].action if made.steps else ""


def _payback(economics: Economics | None) -> Cell:
    if economics is None:
        return Cell("", None)
    months = economics.payback_months
    return Cell(economics.payback or "not known" if months is None else f"{months:,} months", months)
