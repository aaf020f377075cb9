"""`trivium interview`: questions on standard error, the recommendation on standard output."""

from __future__ import annotations

import sys
from typing import IO

import click
import msgspec
from rich.console import Console
from rich.text import Text

from trivium.advisor import Advisor
from trivium.cli.common import find_served, read_profile
from trivium.cli.recommend import form_options, give, policy_option
from trivium.interview import Interview, choices, read_answer
from trivium.policy import CompiledInput
from trivium.policy.language.texts import phrase
from trivium.profile import Profile, canonical, make_profile
from trivium.recommendation import View


HELP = "Answer each question. Enter: nobody knows.  ?: why it is asked, and how to find out.  quit: end here."


@click.command
@policy_option
@click.option("--profile", "file", type=click.File("rb"), metavar="FILE", help="What is known already, as JSON.")
@form_options
def interview(selector: str | None, file: IO[bytes] | None, view: View, markdown: bool, as_json: bool) -> None:
    """Recommend a strategy by asking, one question at a time.

    Each time it is the question that matters most, and none is asked once the answer is settled. The questions go
    to standard error and the recommendation to standard output. The end of the input ends the interview.
    """
    profile = Profile() if file is None else read_profile(file)
    advisor = Advisor(find_served(selector))
    known = _Asking(advisor).complete(profile)
    give(advisor, known, view, markdown=markdown, as_json=as_json)


class _Asking:
    """Asks until the answer is settled, nothing is left to ask, or nobody answers any more."""

    def __init__(self, advisor: Advisor) -> None:
        self._advisor = advisor
        self._names = advisor.policy.document.strategies
        self._out = Console(stderr=True, highlight=False, markup=False, emoji=False)

    def complete(self, profile: Profile) -> Profile:
        """Return the profile with what is answered."""
        policy = self._advisor.policy
        asked = 0
        skipped: set[str] = set()
        interview = Interview(policy, self._advisor.stated(profile))
        self._say(HELP, "dim")
        while interview.asking is not None:
            field = self._askable(interview.asking, profile, skipped)
            if field is None:
                skipped.add(interview.asking.name)
                self._say(f"\nNot asked here, though it matters: {interview.asking.spec.question}", "dim")
            else:
                asked += 1
                self._out.print(Text.assemble(f"\n{asked}. {field.spec.question}", (f" ({field.name})", "dim")))
                line = self._listen(field, interview)
                if line is None:
                    break
                if line:
                    answered = make_profile({field.name: read_answer(field, line)})
                    profile = msgspec.structs.replace(profile, **{field.name: getattr(answered, field.name)})
                else:
                    skipped.add(field.name)
                    self._say(f"Assumed: {phrase(field.spec, field.bands[field.assumed])}", "dim")
            interview = Interview(policy, self._advisor.stated(profile), frozenset(skipped))
            if field is not None:
                said = "Settled" if interview.settled else "Still possible"
                self._say(f"{said}: {self._named(interview.reachable)}")
        self._say(f"\n{asked} of {len(policy.inputs)} questions asked. What is known, as a profile:", "dim")
        given = {name: canonical(value) for name, value in msgspec.structs.asdict(profile).items() if value is not None}
        self._out.print(Text(f"{msgspec.json.encode(given).decode()}\n"), soft_wrap=True)
        return profile

    def _askable(self, field: CompiledInput, profile: Profile, skipped: set[str]) -> CompiledInput | None:
        """Return what to ask for an input: itself, or what its computation still lacks; None where there is nothing."""
        if field.spec.derived_from is None:
            return field
        economics = self._advisor.assess(profile)
        lacks = set(economics.missing) - skipped if economics else set()
        return next((one for one in self._advisor.policy.inputs if one.name in lacks), None)

    def _listen(self, field: CompiledInput, interview: Interview) -> str | None:
        """Return a line that answers, an empty one when nobody knows, None at the end."""
        allowed = ", ".join(choices(field)) or field.spec.unit
        while True:
            self._out.print(Text(f"[{allowed}] > "), end="")
            line = sys.stdin.buffer.readline().decode(errors="replace")
            said = line.strip()
            if not sys.stdin.isatty():
                self._say(said)  # a terminal shows what is typed
            if not line or said.lower() == "quit":
                return None
            if said == "?":
                check = field.spec.check
                self._say(f"It decides between: {self._named(interview.leads_to)}")
                for band in (field.bands[at] for at in field.stated):
                    self._say(f"  {band}: {phrase(field.spec, band)}")
                self._say(f"To find out: {check.action}\nDone when: {check.done_when}")
                continue
            try:
                if said:
                    read_answer(field, said)
            except ValueError as error:
                self._say(f"Not understood: {error}", "red")
            else:
                return said

    def _named(self, strategies: tuple[str, ...]) -> str:
        return ", ".join(self._names[strategy] for strategy in strategies)

    def _say(self, text: str, style: str = "") -> None:
        self._out.print(Text(text, style))
