"""`trivium recommend`: one profile in, one recommendation out."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO, Any, Literal

import click

from trivium.advisor import Advisor
from trivium.cli.common import (
    FOUND_PROBLEMS,
    POLICY,
    Failure,
    console,
    find_served,
    json_option,
    print_json,
    read_profile,
)
from trivium.profile import Profile
from trivium.recommendation import VIEWS, View
from trivium.rendering import Advice, Renderer


policy_option = click.option(
    "--policy",
    "selector",
    type=POLICY,
    envvar="TRIVIUM_DEFAULT_POLICY",
    metavar="POLICY",
    help="1.0.0, 1 for the newest 1.x, latest, or a YAML file.  [default: the newest active version]",
)


def form_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say how to print the answer."""
    view = click.option(
        "--view",
        type=click.Choice(VIEWS),
        default="standard",
        show_default=True,
        help="How much of the answer to give as JSON.",
    )
    page = click.option("--markdown", is_flag=True, help="Print the answer as a page of Markdown.")
    return view(page(json_option(command)))


@click.command
@click.argument("file", type=click.File("rb"))
@policy_option
@form_options
@click.option("--expect", metavar="STRATEGY", help="Exit with 1 when another strategy is recommended.")
@click.option(
    "--fail-on", type=click.Choice(["provisional"]), help="Exit with 1 when what is unknown can change the strategy."
)
def recommend(
    file: IO[bytes],
    selector: str | None,
    view: View,
    markdown: bool,
    as_json: bool,
    expect: str | None,
    fail_on: Literal["provisional"] | None,
) -> None:
    """Recommend a strategy for a profile.

    FILE holds the profile, a JSON object; - reads standard input. Every field is optional: with none, the
    answer says what to find out first.
    """
    profile = read_profile(file)
    advisor = Advisor(find_served(selector))
    strategies = advisor.policy.strategies
    if expect is not None and expect not in strategies:
        raise click.BadParameter(
            f"`{expect}` is no strategy of the policy: {', '.join(strategies)}", param_hint="--expect"
        )
    advice = give(advisor, profile, view, markdown=markdown, as_json=as_json)
    problems = []
    if expect is not None and advice.outcome.strategy != expect:
        problems.append(f"expected {expect}, and {advice.outcome.strategy} is recommended")
    if fail_on is not None and advice.outcome.status == fail_on:
        problems.append("the answer is provisional: what is unknown can change the strategy")
    if problems:
        raise Failure("\n".join(problems), FOUND_PROBLEMS)


def give(advisor: Advisor, profile: Profile, view: View, *, markdown: bool, as_json: bool) -> Advice:
    """Print the recommendation for a profile, and return what was decided."""
    renderer = Renderer(advisor)
    if as_json and not markdown:
        body, advice = renderer.json(profile, view)
        print_json(body)
        return advice
    page, advice = renderer.markdown(profile)
    if markdown:
        click.echo(page, nl=False)
    else:
        from rich.markdown import Markdown  # noqa: PLC0415 - it takes a while to import

        console().print(Markdown(page.decode()))
    return advice
