"""What a report on two policies says of a portfolio: who changes, from what to what, and by which rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from trivium.portfolio.impact import ImpactScorer, counted
from trivium.portfolio.ranking import Project, Ranking
from trivium.portfolio.report import (
    REQUESTS,
    Bar,
    Cell,
    Chart,
    Column,
    Listing,
    Report,
    columns_of,
    name_of,
    number_of,
    order_of,
    reason_of,
    rejected_of,
    requests_of,
    step_of,
)
from trivium.portfolio.summary import Summary


MOST_CHANGES = 24
"""Most changes of the chart: with four strategies there are twelve, each by a few rules."""


def impact_report_of(
    scorer: ImpactScorer, summary: Summary, ranking: Ranking, rejects: str | Path | None = None
) -> Report:
    """Return what to say of a portfolio by two policies.

    Args:
        scorer: has compared all of it.
        summary: what the newer policy says of it.
        ranking: the first of the projects that change.
        rejects: the file that says what is wrong with rejected rows; None where there is none.
    """
    older, newer = scorer.before.policy.document, scorer.advisor.policy.document
    changed = scorer.changes.total()
    gets = "gets" if changed == 1 else "get"
    facts = (
        f"{changed:,} of {number_of(summary.projects, 'project')} {gets} another strategy"
        + rejected_of(summary, rejects),
        *columns_of(summary),
        f"policy {older.policy} {older.version} before, {newer.policy} {newer.version} after",
    )
    projects = ranking.first()
    rows = tuple(_row(scorer, project) for project in projects)
    has_costs = any(project.profile.costs is not None for project in projects)
    says = order_of(has_costs=has_costs) if rows else "No project gets another strategy."
    listing = Listing("Projects that change", says, _columns(scorer), rows, ranking.seen - len(rows))
    charts = tuple(_charts(scorer, summary)) if changed else ()
    return Report("What changes", facts, charts, listing)


def _charts(scorer: ImpactScorer, summary: Summary) -> Iterator[Chart]:
    older, newer = scorer.before.policy.document, scorer.advisor.policy.document
    changes = counted(scorer.changes)
    bars = []
    for one in changes[:MOST_CHANGES]:
        label = f"{older.strategies[one.before]} \N{RIGHTWARDS ARROW} {newer.strategies[one.after]}"
        bars.append(Bar(label, one.projects, one.projects, one.rule))
    more = len(changes) - len(bars)
    left_out = f" The {more:,} rarest changes are not shown." if more > 0 else ""
    yield Chart(
        "Changes", f"From which strategy to which, and by which rule of {newer.version}.{left_out}", tuple(bars)
    )
    new: Counter[str] = Counter()
    for change in changes:
        new[change.after] += change.projects
    yield Chart(
        f"Strategies by {newer.version}",
        "Projects by the strategy that they get.",
        tuple(
            Bar(label, summary.strategies[name], summary.strategies[name] - new[name])
            for name, label in newer.strategies.items()
        ),
        f"the same by {older.version}",
        f"another strategy by {older.version}",
    )


def _columns(scorer: ImpactScorer) -> tuple[Column, ...]:
    older, newer = scorer.before.policy.version, scorer.advisor.policy.version
    return (
        Column("Project", "name"),
        Column(f"By {older}"),
        Column(f"By {newer}"),
        REQUESTS,
        Column("Rule"),
        Column("Reason", "text"),
        Column("Next step", "text"),
    )


def _row(scorer: ImpactScorer, project: Project) -> tuple[str | Cell, ...]:
    change = scorer.change(project.profile)
    made = scorer.advisor.recommend(project.profile)
    return (
        name_of(project),
        scorer.before.policy.document.strategies[change.before],
        scorer.advisor.policy.document.strategies[change.after],
        requests_of(project),
        change.rule,
        reason_of(made),
        step_of(made),
    )
