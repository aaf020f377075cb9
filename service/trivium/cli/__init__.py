"""The command line: `trivium`."""

from __future__ import annotations

import click

import trivium
from trivium.cli.about import completion, openapi, version
from trivium.cli.common import Commands
from trivium.cli.impact import impact
from trivium.cli.interview import interview
from trivium.cli.policy import policy
from trivium.cli.recommend import recommend
from trivium.cli.score import score
from trivium.cli.serve import serve
from trivium.cli.signing import keygen, sign
from trivium.cli.template import template


EPILOG = """\b
Exit codes:
  0  done
  1  a check found problems (--expect, --fail-on, policy check, policy test, --enforce, a policy that does not load)
  2  wrong usage or invalid input
  3  unknown or retired policy
  4  the service cannot start, or its worker died (settings, policies, port)

Tables go to a terminal; in a pipe, or with --json, the same as JSON. Problems go to standard error."""


@click.group(cls=Commands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(trivium.__version__, prog_name="trivium", message="%(prog)s %(version)s")
def main() -> None:
    """Prompt engineering, retrieval, fine-tuning, or both: a recommendation with reasons."""


for command in (keygen, sign):
    policy.add_command(command)
for command in (serve, recommend, score, impact, template, interview, policy, openapi, version, completion):
    main.add_command(command)
