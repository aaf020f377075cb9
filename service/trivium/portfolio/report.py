"""A portfolio for people: one page of HTML that needs nothing else, or Markdown.

Both show the same: projects per strategy, what is in the way, which answers would settle most, and the projects to look
at first. The page has no image, font or script from elsewhere; its one script sorts the table, and nothing is missing
where no script runs.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from decimal import Decimal
from html import escape
from typing import NamedTuple

from trivium.advisor import Advisor
from trivium.pages import html_text, joined, markdown_text
from trivium.portfolio.ranking import Project, Ranking
from trivium.portfolio.summary import Asked, Block, Summary


MOST_BARS = 8
"""Most entries of a chart."""

MOST_REASONS = 3
"""Most reasons of a project; the others are counted."""

MOST_MARKDOWN = 100
"""Most projects listed in Markdown."""


class Line(NamedTuple):
    """A project in the table.

    Attributes:
        name: its id, or where it stands.
        strategy: the label of its strategy.
        status: settled or provisional.
        reason: what the strategy rests on.
        months: the payback; None where it is not known, or never comes.
        payback: the payback in words.
        requests: requests a day; None where that is not known.
        step: what to do first.
    """

    name: str
    strategy: str
    status: str
    reason: str
    months: Decimal | None
    payback: str
    requests: float | None
    step: str


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
    lines: tuple[Line, ...]
    more: int


def report_of(advisor: Advisor, summary: Summary, ranking: Ranking) -> Report:
    """Return what to say of a portfolio."""
    document = advisor.policy.document
    projects = summary.projects
    rejected = f", and {summary.rejected:,} rows that were rejected" if summary.rejected else ""
    open_ones = f"{projects - summary.settled:,} provisional: an answer to an open question can still change them"
    facts = [
        f"{projects:,} projects{rejected}",
        f"{summary.settled:,} settled, {open_ones}",
        f"policy {document.policy} {document.version}",
    ]
    lines = tuple(_line(advisor, project) for project in ranking.first())
    charts = tuple(chart for chart in _charts(advisor, summary) if chart.bars)
    return Report("Portfolio report", tuple(facts), charts, lines, ranking.seen - len(lines))


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


def _line(advisor: Advisor, project: Project) -> Line:
    made = advisor.recommend(project.profile)
    reasons = joined([premise.says for premise in made.because[:MOST_REASONS]])
    more = len(made.because) - MOST_REASONS
    economics = made.economics
    return Line(
        name=project.name or f"{project.source}, row {project.number:,}",
        strategy=advisor.policy.document.strategies[made.strategy],
        status=made.status,
        reason=f"{reasons[:1].upper()}{reasons[1:]}" + (f"; {more} more" if more > 0 else ""),
        months=None if economics is None else economics.payback_months,
        payback="" if economics is None else _payback(economics.payback, economics.payback_months),
        requests=project.profile.requests_per_day,
        step=made.steps[0].action if made.steps else "",
    )


def _payback(band: str | None, months: Decimal | None) -> str:
    if months is not None:
        return f"{months:,} months"
    return band or "not known"


_COLUMNS = ("#", "Project", "Strategy", "Status", "Requests a day", "Payback of fine-tuning", "Reason", "Next step")
_RANKED = "Those whose fine-tuning pays back soonest come first, then those with the most requests a day."


# Markdown


def markdown(report: Report) -> str:
    """Return a report as Markdown."""
    text = [f"# {report.title}", "", *(f"- {markdown_text(fact)}" for fact in report.facts), ""]
    for chart in report.charts:
        text += [f"## {markdown_text(chart.title)}", "", markdown_text(chart.says), ""]
        columns = ["", "projects", *([chart.dark] if chart.dark else [])]
        labels = [bar.label + (f" (`{bar.note}`)" if bar.note else "") for bar in chart.bars]
        counts = [(f"{bar.projects:,}", f"{bar.darker:,}") for bar in chart.bars]
        rows = [[label, *count][: len(columns)] for label, count in zip(labels, counts, strict=True)]
        text += [*_table(columns, rows), ""]
    text += ["## Projects", "", _RANKED, ""]
    text += _table(_COLUMNS, [_cells(*one) for one in enumerate(report.lines[:MOST_MARKDOWN], 1)])
    if more := report.more + max(len(report.lines) - MOST_MARKDOWN, 0):
        text += ["", f"{more:,} more are not listed."]
    return "\n".join(text) + "\n"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [
        f"| {' | '.join(columns)} |",
        f"| {' | '.join('---' for _ in columns)} |",
        *(f"| {' | '.join(markdown_text(cell) for cell in row)} |" for row in rows),
    ]


def _cells(number: int, line: Line) -> list[str]:
    requests = "" if line.requests is None else f"{line.requests:,.0f}"
    return [str(number), line.name, line.strategy, line.status, requests, line.payback, line.reason, line.step]


# HTML

_STYLE = """
:root { color-scheme: light dark; --text: #1b1f24; --soft: #59636e; --page: #fff; --line: #d1d9e0; --dark: #1f5fa8;
  --light: #a9c7ea; --band: #f6f8fa; }
@media (prefers-color-scheme: dark) { :root { --text: #e6edf3; --soft: #9aa4af; --page: #0f141a; --line: #333c47;
  --dark: #7cb3f2; --light: #2f5583; --band: #171d25; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.5rem; max-width: 84rem; background: var(--page); color: var(--text);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.7rem; margin: 0 0 .5rem; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .2rem; }
p, ul { margin: .2rem 0 .8rem; color: var(--soft); }
ul { padding-left: 1.2rem; }
.key { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin: 0 .3em 0 1em; }
.key.dark, .dark { background: var(--dark); fill: var(--dark); }
.key.light, .light { background: var(--light); fill: var(--light); }
.key:first-child { margin-left: 0; }
.chart { display: grid; grid-template-columns: minmax(12rem, 30rem) 1fr auto; gap: .45rem 1rem; align-items: center; }
.chart svg { display: block; width: 100%; height: 1rem; }
.chart small { color: var(--soft); display: block; overflow-wrap: anywhere; }
.count { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; vertical-align: top; padding: .4rem .6rem; border-bottom: 1px solid var(--line); }
th { position: sticky; top: 0; background: var(--page); white-space: nowrap; }
th button { all: unset; cursor: pointer; }
th button:focus-visible { outline: 2px solid var(--dark); }
th[aria-sort=ascending] button::after { content: " \\2191"; }
th[aria-sort=descending] button::after { content: " \\2193"; }
tbody tr:nth-child(even) { background: var(--band); }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.name { overflow-wrap: anywhere; min-width: 8rem; }
td.text { min-width: 15rem; }
@media (max-width: 40rem) { .chart { grid-template-columns: 1fr auto; } .chart > :first-child,
  .chart > .label { grid-column: 1 / -1; } body { padding: 1rem; } }
@media print { :root { --text: #000; --soft: #444; --page: #fff; --line: #bbb; --dark: #1f5fa8; --light: #a9c7ea;
  --band: #fff; } body { padding: 0; max-width: none; font-size: 10pt; } th { position: static; }
  tr, .chart > * { break-inside: avoid; } h2 { break-after: avoid; } thead { display: table-header-group; }
  svg, .key { print-color-adjust: exact; -webkit-print-color-adjust: exact; } .wide { overflow: visible; } }
"""

_SCRIPT = """
for (const head of document.querySelectorAll("th")) {
  const button = document.createElement("button");
  button.textContent = head.textContent;
  head.replaceChildren(button);
  button.addEventListener("click", () => {
    const up = head.getAttribute("aria-sort") !== "ascending";
    for (const other of head.parentNode.children) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const body = head.closest("table").tBodies[0];
    const key = row => row.cells[head.cellIndex].dataset.key ?? row.cells[head.cellIndex].textContent;
    const number = text => text === "" ? (up ? Infinity : -Infinity) : Number(text);
    const numeric = body.rows[0]?.cells[head.cellIndex].classList.contains("number");
    const order = (a, b) => numeric ? number(key(a)) - number(key(b)) || 0 : key(a).localeCompare(key(b));
    body.append(...[...body.rows].sort((a, b) => up ? order(a, b) : order(b, a)));
  });
}
"""


def html(report: Report) -> str:
    """Return a report as one page of HTML, whose policy for content allows its own style and script only."""
    allowed = f"default-src 'none'; style-src '{_hash(_STYLE)}'; script-src '{_hash(_SCRIPT)}'"
    parts = [
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{allowed}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(report.title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>",
        f"<h1>{html_text(report.title)}</h1>",
        f"<ul>{''.join(f'<li>{html_text(fact)}</li>' for fact in report.facts)}</ul>",
    ]
    for chart in report.charts:
        parts += _chart(chart)
    parts += ["<h2>Projects</h2>", f"<p>{_RANKED}</p>", '<div class="wide"><table>']
    parts.append(f"<thead><tr>{''.join(f'<th scope=col>{name}</th>' for name in _COLUMNS)}</tr></thead><tbody>")
    parts += [_row(number, line) for number, line in enumerate(report.lines, 1)]
    parts.append("</tbody></table></div>")
    if report.more:
        parts.append(f"<p>{report.more:,} more are not listed.</p>")
    return "\n".join([*parts, f"</main>\n<script>{_SCRIPT}</script>\n</body>\n</html>\n"])


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _chart(chart: Chart) -> Iterator[str]:
    yield f"<section><h2>{html_text(chart.title)}</h2>"
    yield f"<p>{html_text(chart.says)}</p>"
    if chart.dark:
        yield (
            f'<p><span class="key dark"></span>{html_text(chart.dark)}'
            f'<span class="key light"></span>{html_text(chart.light)}</p>'
        )
    yield '<div class="chart">'
    most = max((bar.projects for bar in chart.bars), default=0) or 1
    for bar in chart.bars:
        note = f"<small>{html_text(bar.note)}</small>" if bar.note else ""
        dark, whole = (100 * count / most for count in (bar.darker, bar.projects))
        told = f"{bar.projects:,} projects" + (f", {bar.darker:,} of them: {chart.dark}" if chart.dark else "")
        yield (
            f'<div class="label">{html_text(bar.label)}{note}</div>'
            f'<svg role="img" aria-label="{escape(told)}" viewBox="0 0 100 10" preserveAspectRatio="none">'
            f'<rect class="light" width="{whole:.2f}" height="10"/><rect class="dark" width="{dark:.2f}" height="10"/>'
            f'</svg><div class="count">{bar.projects:,}</div>'
        )
    yield "</div></section>"


def _row(number: int, line: Line) -> str:
    requests = "" if line.requests is None else f"{line.requests:,.0f}"
    keys = {
        "requests": "" if line.requests is None else f"{line.requests:.0f}",
        "months": "" if line.months is None else str(line.months),
    }
    return (
        f'<tr><td class="number" data-key="{number}">{number:,}</td><td class="name">{html_text(line.name)}</td>'
        f"<td>{html_text(line.strategy)}</td><td>{html_text(line.status)}</td>"
        f'<td class="number" data-key="{keys["requests"]}">{requests}</td>'
        f'<td class="number" data-key="{keys["months"]}">{html_text(line.payback)}</td>'
        f'<td class="text">{html_text(line.reason)}</td><td class="text">{html_text(line.step)}</td></tr>'
    )
