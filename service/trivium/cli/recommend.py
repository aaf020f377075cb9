"""`trivium recommend`: one profile in, one recommendation out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO

import click
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from trivium import catalog
from trivium.advisor import Advisor
from trivium.cli.common import POLICY, console, json_option, print_json, read_profile
from trivium.cli.words import shown
from trivium.policy import Document
from trivium.profile import Profile
from trivium.recommendation import Change, Explain, Recommendation


STYLES = {
    "adopt": "bold green",
    "later": "yellow",
    "blocked": "red",
    "not_needed": "dim",
    "supports": "green",
    "opposes": "red",
    "blocks": "red",
    "informs": "cyan",
}

policy_option = click.option(
    "--policy",
    "selector",
    type=POLICY,
    envvar="TRIVIUM_DEFAULT_POLICY",
    metavar="SELECTOR",
    help="1.0.0, 1 for the newest 1.x, or latest.  [default: the newest active version]",
)


@click.command
@click.argument("file", type=click.File("rb"))
@policy_option
@click.option(
    "--explain",
    type=click.Choice(["full", "codes", "none"]),
    default="full",
    show_default=True,
    help="How much of the reasons to give.",
)
@json_option
def recommend(file: IO[bytes], selector: str | None, explain: Explain, as_json: bool) -> None:
    """Recommend a strategy for a profile.

    FILE holds the profile, a JSON object; - reads standard input. Every field is optional: with none, the
    answer says what to find out first.
    """
    profile = read_profile(file)
    give(catalog.shipped().advisor(selector), profile, explain, as_json)


def give(advisor: Advisor, profile: Profile, explain: Explain, as_json: bool) -> None:
    """Print the recommendation for a profile."""
    if as_json:
        print_json(advisor.answer(profile, explain)[0])
    else:
        show(console(), advisor.recommend(profile, explain), advisor.policy.document)


def show(out: Console, made: Recommendation, document: Document) -> None:
    """Print a recommendation for people."""
    names = document.strategies
    policy = made.policy
    title = Text.assemble((names[made.strategy], "bold"), "  ", (made.status, "green" if _settled(made) else "yellow"))
    out.print(title, Text(made.summary), sep="\n")
    for warning in made.warnings:
        out.print(Text(f"Warning: {warning.message} ({warning.code})", "yellow"))
    if made.ignored_inputs:
        out.print(Text(f"Not read by this policy: {', '.join(made.ignored_inputs)}", "yellow"))

    levers = _table("lever", "verdict", "because of")
    for name, lever in made.levers.items():
        verdict = Text(lever.verdict.replace("_", " "), STYLES[lever.verdict])
        levers.add_row(document.levers[name].label, verdict, ", ".join(lever.codes))
    out.print(levers)

    _section(
        out,
        "Why",
        (
            (
                Text.assemble((reason.effect, STYLES[reason.effect]), f"\n{document.levers[reason.lever].label}"),
                Text.assemble(
                    (reason.code, "bold"), f" ({reason.rule})", f"\n{reason.message}" if reason.message else ""
                ),
            )
            for reason in made.rationale
        ),
    )
    _section(
        out,
        "What to do",
        (
            (Text(step.phase, "bold"), Text.assemble(step.action, (f"\nDone when: {step.done_when}", "dim")))
            for step in made.steps
        ),
    )
    _section(
        out,
        "What would change it",
        (
            (Text(names[flip.strategy], "bold"), Text(f"by {flip.by}"), Text("\n".join(map(_change, flip.changes))))
            for flip in made.flips
        ),
    )
    _section(
        out,
        "Open questions, the most useful first",
        (
            (
                Text(str(number)),
                Text.assemble(asked.question, (f" ({asked.input})", "dim"), f"\n{_led_to(asked.could_lead_to, names)}"),
            )
            for number, asked in enumerate(made.open_questions, 1)
        ),
    )
    _section(out, "Assumed, because not given", ((Text(one.input), Text(one.band)) for one in made.assumptions))
    _section(out, "Ask again when", ((Text("-"), Text(event)) for event in made.recheck_when))
    identity = f"policy {policy.name} {policy.version} ({policy.status}), decision {made.decision_id}"
    out.print(Text(f"\n{identity}{f', id {made.id}' if made.id is not None else ''}", "dim"))


def _settled(made: Recommendation) -> bool:
    return made.status == "settled"


def _led_to(strategies: Iterable[str], names: dict[str, str]) -> str:
    return "Decides between: " + ", ".join(names[strategy] for strategy in strategies)


def _change(change: Change) -> str:
    known = "" if change.known else " (assumed)"
    return f"{change.input}: {shown(change.from_)}{known} -> {shown(change.to)}"


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _section(out: Console, title: str, rows: Iterable[tuple[RenderableType, ...]]) -> None:
    """Print a titled list, or nothing when it is empty."""
    listing = Table.grid(padding=(0, 2, 0, 0))
    for row in rows:
        listing.add_row(*row)
    if listing.row_count:
        out.print(Text(f"\n{title}", "bold underline"))
        out.print(listing)
