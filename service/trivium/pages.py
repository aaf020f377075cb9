"""A recommendation for people, as Markdown or HTML: one outline, written down in two ways.

Everything that comes from a profile or a policy is escaped, so that it shows as it is and never acts as markup; control
characters and marks that turn the direction of writing are shown as U+FFFD.
"""

from __future__ import annotations

import html as html_library
import re
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from trivium.profile import NUMBERS


if TYPE_CHECKING:  # the recommendation shows itself as a page, so it imports this module
    from trivium.economics import CostAssumption, Economics
    from trivium.recommendation import Flip, Labels, Premise, Recommendation


class Item(NamedTuple):
    """An entry of a list: what it begins with in bold, what it says, and a note in italics."""

    text: str
    lead: str = ""
    note: str = ""


class Section(NamedTuple):
    """A list with a title."""

    title: str
    items: tuple[Item, ...]
    numbered: bool = False


class Outline(NamedTuple):
    """What a page says, whatever it is written in."""

    title: str
    summary: str
    sections: tuple[Section, ...]
    footer: str
    command: str


def outline(made: Recommendation, command: str = "") -> Outline:
    """Return what to show of a recommendation.

    Args:
        made: the recommendation.
        command: what gives the same answer again on a command line.
    """
    title = f"{_labels(made).strategies[made.strategy]} - {made.status}"
    policy = f"Policy {made.policy.name} {made.policy.version}"
    parts = [policy, f"decision {made.decision_id}", *([] if made.id is None else [f"id {made.id}"])]
    sections = [section for section in _sections(made) if section.items]
    return Outline(title, made.summary, tuple(sections), " · ".join(parts), command)


def markdown(made: Recommendation, command: str = "") -> str:
    """Return a recommendation as Markdown; arguments as for `outline`."""
    page = outline(made, command)
    lines = [f"## {markdown_text(page.title)}", "", markdown_text(page.summary), ""]
    for section in page.sections:
        lines += [f"**{markdown_text(section.title)}**", ""]
        for number, item in enumerate(section.items, 1):
            lead = f"**{markdown_text(item.lead)}** " if item.lead else ""
            note = f" *{markdown_text(item.note)}*" if item.note else ""
            lines.append(f"{f'{number}.' if section.numbered else '-'} {lead}{markdown_text(item.text)}{note}")
        lines.append("")
    lines.append(f"<sub>{markdown_text(page.footer)}</sub>")
    if page.command:
        lines += ["", *(f"    {line}" for line in _plain(page.command).splitlines())]
    return "\n".join(lines) + "\n"


def html(made: Recommendation, command: str = "") -> str:
    """Return a recommendation as a fragment of HTML without scripts or styles; arguments as for `outline`."""
    page = outline(made, command)
    parts = [f"<h2>{html_text(page.title)}</h2>", f"<p>{html_text(page.summary)}</p>"]
    for section in page.sections:
        parts.append(f"<h3>{html_text(section.title)}</h3>")
        items = "".join(
            "<li>"
            + (f"<strong>{html_text(item.lead)}</strong> " if item.lead else "")
            + html_text(item.text)
            + (f" <em>{html_text(item.note)}</em>" if item.note else "")
            + "</li>"
            for item in section.items
        )
        kind = "ol" if section.numbered else "ul"
        parts.append(f"<{kind}>{items}</{kind}>")
    parts.append(f"<p><small>{html_text(page.footer)}</small></p>")
    if page.command:
        parts.append(f"<pre>{html_library.escape(_plain(page.command))}</pre>")
    return f'<article class="trivium">{"".join(parts)}</article>\n'


def _sections(made: Recommendation) -> Iterator[Section]:
    labels = _labels(made).strategies
    levers = _labels(made).levers
    yield Section("Please check", tuple(Item(f"{one.message} ({one.code})") for one in made.warnings))
    yield Section("Why", tuple(Item(_sentence(one.says), note=_basis(one)) for one in made.because))
    reasons = [(one.decisive, Item(one.message, note=one.code)) for one in made.rationale]
    decisive = [item for is_decisive, item in reasons if is_decisive]
    others = [item for is_decisive, item in reasons if not is_decisive]
    yield Section("Decisive reasons", tuple(decisive))
    yield Section("Other reasons", tuple(others))
    so_far = " so far" if made.status == "provisional" else ""
    yield Section(
        "Not adopted",
        tuple(
            Item(
                " ".join(
                    filter(None, [lever.why_not, f"What would change that: {lever.opens}" if lever.opens else ""])
                ),
                f"{levers[name]} ({lever.verdict.replace('not_needed', f'not needed{so_far}')}):",
            )
            for name, lever in made.levers.items()
            if lever.verdict != "adopt"
        ),
    )
    for phase, title in (("now", "Do now"), ("next", "Do next"), ("later", "Do later")):
        steps = (Item(step.action, note=f"Done when: {step.done_when}") for step in made.steps if step.phase == phase)
        yield Section(title, tuple(steps), numbered=True)
    if made.economics is not None:
        yield Section("Money", tuple(_money(made.economics)))
    yield Section("What you can do to change this", tuple(_flips(made.paths, labels)))
    yield Section("What would overturn this", tuple(_flips(made.risks, labels)))
    yield Section("Ask next", tuple(_questions(made, labels)), numbered=True)
    yield Section("Ask again when", tuple(Item(event) for event in made.recheck_when))
    ignored = ", ".join(f"`{name}`" for name in made.ignored_inputs)
    yield Section("Not read by this policy", (Item(ignored),) if ignored else ())
    if more := sum(getattr(made.more, name) for name in ("rationale", "steps", "paths", "risks", "questions")):
        yield Section(
            "More",
            (Item(f"The full view has {more} more entries: view=full over HTTP, or --view full on the command line."),),
        )


def _basis(premise: Premise) -> str:
    """Return what a statement rests on; one that something is not known rests on nothing."""
    is_unknown = premise.basis == "assumed" and premise.value is None and premise.input not in NUMBERS
    return "" if is_unknown else premise.basis


def _labels(made: Recommendation) -> Labels:
    if made.labels is None:
        raise ValueError("the names of strategies were left out: make a page of the full view")
    return made.labels


def _flips(flips: Iterable[Flip], labels: dict[str, str]) -> Iterator[Item]:
    for flip in flips:
        changes = joined([change.says for change in flip.changes])
        note = "" if flip.why == "action" else flip.why
        yield Item(f"if {changes}", f"{labels[flip.strategy]}:", note)


def _questions(made: Recommendation, labels: dict[str, str]) -> Iterator[Item]:
    for asked in made.questions:
        answers = "; ".join(
            f"{answer.says}: {_left_open(answer.reachable, made.reachable, labels)}" for answer in asked.answers
        )
        yield Item(f"{asked.question} (`{asked.input}`)", note=f"{answers}.")


def _left_open(reachable: list[str], before: list[str], labels: dict[str, str]) -> str:
    """Say what an answer leaves open, of what is open without it."""
    return "all still open" if reachable == before else " or ".join(labels[strategy] for strategy in reachable)


def joined(clauses: Sequence[str]) -> str:
    """Join clauses as a list in a sentence."""
    if len(clauses) < 2:  # noqa: PLR2004 - nothing to join
        return "".join(clauses)
    return f"{', '.join(clauses[:-1])}, and {clauses[-1]}"


def _money(economics: Economics) -> Iterator[Item]:
    for label, money in (
        ("prompted", economics.monthly_prompted),
        ("tuned", economics.monthly_tuned),
        ("saved by tuning", economics.monthly_saving),
    ):
        if money is not None:
            yield Item(f"{_usd(money)} a month", f"{label}:")
    if economics.upfront is not None:
        yield Item(_usd(economics.upfront), "upfront:")
    yield Item(_sentence(economics.says))
    if economics.assumptions:
        yield Item(", ".join(_assumed(economics.assumptions)), "assumed:")
    if economics.missing:
        yield Item(", ".join(f"`{name}`" for name in economics.missing), "missing:")


def _assumed(assumptions: Iterable[CostAssumption]) -> Iterator[str]:
    """Write down assumptions: two of one field as one where they are equal, else with what tells them apart."""
    fields: dict[str, list[CostAssumption]] = {}
    for one in assumptions:
        fields.setdefault(one.field, []).append(one)
    for field, found in fields.items():
        values = [f"{one.value:,}" for one in found]
        if len({one.value for one in found}) == 1:
            values = values[:1]
        elif len({one.unit for one in found}) > 1:  # of input tokens and of output tokens
            values = [f"{value} {one.unit}" for value, one in zip(values, found, strict=True)]
        else:
            values = [f"{value} {whose}" for value, whose in zip(values, ("when prompted", "when tuned"), strict=True)]
        yield f"`{field}` {' and '.join(values)}"


def _usd(money: Decimal) -> str:
    return f"{'-' if money < 0 else ''}${abs(money):,.2f}"


def _sentence(clause: str) -> str:
    return f"{clause[:1].upper()}{clause[1:]}."


_UNSEEN = re.compile(r"[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~&!$])")
_STARTS_A_BLOCK = re.compile(r"^(\s*)([-+=]|\d+[.)])", re.MULTILINE)
_CODE = re.compile(r"`([A-Za-z_][\w.]*)`")
"""A name between backticks, which is shown as code; all other backticks are text."""


def _plain(text: str) -> str:
    return _UNSEEN.sub("\N{REPLACEMENT CHARACTER}", text)


def markdown_text(text: str) -> str:
    """Write a text on one line of Markdown."""
    parts = _CODE.split(re.sub(r"\s+", " ", _plain(text)).strip())
    parts[::2] = [_MARKUP.sub(r"\\\1", part) for part in parts[::2]]
    parts[1::2] = [f"`{name}`" for name in parts[1::2]]
    return _STARTS_A_BLOCK.sub(lambda match: f"{match[1]}{match[2][:-1]}\\{match[2][-1]}", "".join(parts))


def html_text(text: str) -> str:
    """Write a text in HTML."""
    parts = [html_library.escape(part) for part in _CODE.split(_plain(text))]
    parts[1::2] = [f"<code>{name}</code>" for name in parts[1::2]]
    return "".join(parts)
