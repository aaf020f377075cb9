"""A report as one page of HTML that needs nothing else, or as Markdown; both show the same.

The page has no image, font or script from elsewhere; its one script sorts the table, and nothing is missing where no
script runs.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from html import escape

from trivium.pages import html_text, markdown_text
from trivium.portfolio.report import Cell, Chart, Column, Listing, Report, number_of


MOST_MARKDOWN = 100
"""Most projects listed in Markdown."""


# Markdown


def markdown(report: Report) -> str:
    """Return a report as Markdown."""
    text = [f"# {report.title}", "", *(f"- {markdown_text(fact)}" for fact in report.facts), ""]
    for chart in report.charts:
        text += [f"## {markdown_text(chart.title)}", "", markdown_text(chart.says), ""]
        columns = ["", "projects", *([chart.dark] if chart.dark else [])]
        labels = [bar.label + (f" ({bar.note})" if bar.note else "") for bar in chart.bars]
        counts = [(f"{bar.projects:,}", f"{bar.darker:,}") for bar in chart.bars]
        rows = [[label, *count][: len(columns)] for label, count in zip(labels, counts, strict=True)]
        text += [*_table(columns, rows), ""]
    return "\n".join([*text, *_listed(report.listing)]) + "\n"


def _listed(listing: Listing) -> Iterator[str]:
    yield from (f"## {markdown_text(listing.title)}", "", markdown_text(listing.says))
    if listing.rows:
        yield ""
        rows = [[str(number), *map(_text, row)] for number, row in enumerate(listing.rows[:MOST_MARKDOWN], 1)]
        yield from _table(["#", *(column.title for column in listing.columns)], rows)
    if more := listing.more + max(len(listing.rows) - MOST_MARKDOWN, 0):
        yield from ("", _left_out(more))


def _left_out(count: int) -> str:
    return f"{number_of(count, 'more project')} {'is' if count == 1 else 'are'} not listed."


def _text(cell: str | Cell) -> str:
    return cell if isinstance(cell, str) else cell.text


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [
        f"| {' | '.join(columns)} |",
        f"| {' | '.join('---' for _ in columns)} |",
        *(f"| {' | '.join(markdown_text(cell) for cell in row)} |" for row in rows),
    ]


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
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; vertical-align: top; padding: .4rem .6rem; border-bottom: 1px solid var(--line); }
th { position: sticky; top: 0; background: var(--page); vertical-align: bottom; }
th button { all: unset; cursor: pointer; }
th button:focus-visible { outline: 2px solid var(--dark); }
th[aria-sort=ascending] button::after { content: " \\2191"; }
th[aria-sort=descending] button::after { content: " \\2193"; }
tbody tr:nth-child(even) { background: var(--band); }
td { hyphens: auto; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
td.name, td.text { overflow-wrap: anywhere; }
td.name { min-width: 8rem; }
td.text { min-width: 12rem; }
@media screen and (max-width: 64rem) { body { padding: 1rem; }
  .chart { grid-template-columns: 1fr auto; } .chart > .label { grid-column: 1 / -1; }
  table, tbody, thead, tr, td { display: block; } thead tr { display: flex; flex-wrap: wrap; gap: 0 1rem; }
  th { position: static; padding: .2rem 0; border: 0; } th:not(:has(button)) { display: none; }
  th button { text-decoration: underline; } tbody tr { padding: .6rem .5rem; border-bottom: 1px solid var(--line); }
  td, td.number { border: 0; padding: .1rem 0; text-align: left; }
  td:empty { display: none; } td::before { content: attr(data-title) ": "; color: var(--soft); }
  td.name { font-weight: 600; } td.name::before { font-weight: normal; } }
@media print { :root { --text: #000; --soft: #444; --page: #fff; --line: #bbb; --dark: #1f5fa8; --light: #a9c7ea;
  --band: #fff; } body { padding: 0; max-width: none; font-size: 9pt; } th { position: static; }
  table { font-size: 7.5pt; line-height: 1.35; } th, td { padding: .15rem .3rem; hyphens: auto; }
  td.name { min-width: 5rem; } td.text { min-width: 8rem; }
  .chart { grid-template-columns: 45% 1fr auto; gap: .3rem .8rem; } .chart svg { height: .7rem; }
  tr, .chart > * { break-inside: avoid; } h2, h2 ~ p { break-after: avoid; } thead { display: table-header-group; }
  svg, .key { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
@page { margin: 1.4cm; }
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
    parts += _projects(report.listing)
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
        told = number_of(bar.projects, "project") + (f", {bar.darker:,} of them: {chart.dark}" if chart.dark else "")
        yield (
            f'<div class="label">{html_text(bar.label)}{note}</div>'
            f'<svg role="img" aria-label="{escape(told)}" viewBox="0 0 100 10" preserveAspectRatio="none">'
            f'<rect class="light" width="{whole:.2f}" height="10"/><rect class="dark" width="{dark:.2f}" height="10"/>'
            f'</svg><div class="count">{bar.projects:,}</div>'
        )
    yield "</div></section>"


def _projects(listing: Listing) -> Iterator[str]:
    yield f"<h2>{html_text(listing.title)}</h2><p>{html_text(listing.says)}</p>"
    if listing.rows:
        titles = ["#", *(column.title for column in listing.columns)]
        yield "<table>"
        yield f"<thead><tr>{''.join(f'<th scope=col>{html_text(title)}</th>' for title in titles)}</tr></thead><tbody>"
        for number, row in enumerate(listing.rows, 1):
            cells = [_NUMBER, *listing.columns], [Cell(f"{number:,}", number), *row]
            yield f"<tr>{''.join(map(_cell, *cells))}</tr>"
        yield "</tbody></table>"
    if listing.more:
        yield f"<p>{_left_out(listing.more)}</p>"


_NUMBER = Column("#", "number")


def _cell(column: Column, cell: str | Cell) -> str:
    kind = f' data-title="{escape(column.title)}"' + (f' class="{column.kind}"' if column.kind != "word" else "")
    if isinstance(cell, str):
        return f"<td{kind}>{html_text(cell)}</td>"
    key = "" if cell.number is None else f"{cell.number:f}"
    return f'<td{kind} data-key="{key}">{html_text(cell.text)}</td>'
