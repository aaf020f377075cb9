"""`trivium impact`: what another version of the policy changes in a portfolio."""

from __future__ import annotations

import click
from rich.console import Console
from rich.text import Text

from trivium.advisor import Advisor
from trivium.cli.common import FOUND_PROBLEMS, INVALID_INPUT, Failure, console, find_served, json_option, print_json
from trivium.cli.destinations import Destinations
from trivium.cli.portfolios import Given, portfolio_options
from trivium.cli.score import make_outputs, open_sources, show_progress, write_reports
from trivium.cli.tables import table
from trivium.errors import TriviumError
from trivium.portfolio.impact import ImpactScorer, counted
from trivium.portfolio.impact_report import impact_report_of
from trivium.portfolio.job import Job, State
from trivium.portfolio.report import number_of


@click.command
@portfolio_options
@click.option("--from", "older", required=True, metavar="VERSION|FILE", help="The policy that decides now.")
@click.option("--to", "newer", metavar="VERSION|FILE", help="The policy to compare with.  [default: the newest active]")
@json_option
def impact(given: Given, older: str, newer: str | None, as_json: bool) -> None:
    """Show which rows of a portfolio get another strategy by another policy.

    IN... are read as by `score`. OUT has for each row both strategies, whether they differ, and the rule that decides.
    """
    before, after = Advisor(find_served(older)), Advisor(find_served(newer))
    scorer = ImpactScorer(before, after)
    try:
        with open_sources(given, Destinations(given, scorer.columns)) as sources:
            job = Job(sources, scorer, given.reading)
            outputs = make_outputs(sources, given)
            with show_progress(sum(source.size for source in sources)) as progress:
                state = job.run(outputs, progress=progress)
            if given.report or given.markdown:
                write_reports(given, impact_report_of(scorer, state.summary, state.ranking, outputs.rejects))
    except TriviumError as error:
        raise Failure(f"Error: {error}", INVALID_INPUT) from None
    except KeyboardInterrupt:
        raise Failure("Stopped", FOUND_PROBLEMS) from None
    for rejected in state.rejects:
        click.echo(rejected, err=True)
    if given.fills_standard_output:
        _show(Console(stderr=True, highlight=False, markup=False, emoji=False), state, scorer, before)
    elif as_json:
        summary = state.summary
        print_json(
            {
                "from": before.policy.version,
                "to": after.policy.version,
                "projects": summary.projects,
                "rejected": summary.rejected,
                "changed": scorer.changes.total(),
                "changes": counted(scorer.changes),
            }
        )
    else:
        _show(console(), state, scorer, before)


def _show(out: Console, state: State, scorer: ImpactScorer, before: Advisor) -> None:
    projects, rejected = state.summary.projects, state.summary.rejected
    left_out = f", {rejected:,} rejected" if rejected else ""
    changed = scorer.changes.total()
    out.print(
        Text(
            f"{changed:,} of {number_of(projects, 'project')} {'changes' if changed == 1 else 'change'}{left_out}",
            "bold",
        )
    )
    if changed:
        shown = table(f"by {before.policy.version}", f"by {scorer.advisor.policy.version}", "projects", "rule")
        for one in counted(scorer.changes):
            shown.add_row(one.before, one.after, f"{one.projects:,}", one.rule)
        out.print(shown)
