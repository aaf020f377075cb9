"""The texts of a policy, compiled: what the policy alone decides is filled in, the rest waits for a cell."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Literal, NamedTuple, TypeAlias

from trivium.policy import Policy
from trivium.policy.engine.tables import Conditional, FiredRule
from trivium.policy.language.document import Code, Lever, Step
from trivium.policy.language.texts import Text, compile_text, phrase, slots
from trivium.recommendation import Citation, Labels


Kind: TypeAlias = Literal["short", "opens"]
"""The texts that tell why a lever is not adopted, and what would open it."""


EFFECTS = ("supports", "informs", "opposes", "blocks")
"""The order in which reasons are told that are alike otherwise."""


def rank(code: Code, levers: Mapping[str, Lever]) -> int:
    """Return the place of a code among reasons that are alike otherwise: by its effect, then by its lever.

    What speaks for or against a lever says more than what speaks for one that is always adopted.
    """
    return 2 * EFFECTS.index(code.effect) + (levers[code.lever].table is None)


class CodeTexts(NamedTuple):
    """The texts of a code.

    Attributes:
        message: the reason in a sentence.
        short: the same as a clause.
        opens: what would change it.
        inputs: the inputs that the message is about, as bits.
        rank: as `rank` has it.
    """

    message: Text
    short: Text | None
    opens: Text | None
    inputs: int
    rank: int


class PlannedTexts(NamedTuple):
    """A step and its texts."""

    step: Step
    action: Text
    done_when: Text


class WarningTexts(NamedTuple):
    """A warning, and which inputs a profile must state for it to be given."""

    positions: tuple[int, ...]
    code: str
    message: Text


class Wording:
    """What a policy says.

    Args:
        policy: the policy.

    Attributes:
        phrases: per input and band, its phrase.
        questions: per input, the question.
        checks: per input, how to find out its value, and when that is done.
        codes: name of a code to its texts.
        statements: the statements of the summary, the first of which holds that is said.
        steps: the steps, by where they are advised.
        rechecks: the events that re-open an answer, by where they do.
        warnings: combinations of inputs that are odd, by where they are.
        citations: name of a source to the source.
        labels: what strategies and levers are called.
        named: of a rule, the inputs and the tables that its condition names.
        against: of a rule, a lever and a kind of text, what the rule says against the lever.
    """

    def __init__(self, policy: Policy) -> None:
        document = policy.document

        def text(written: str) -> Text:
            return compile_text(written, document.inputs)

        self.phrases = [[phrase(field.spec, band) for band in field.bands] for field in policy.inputs]
        self.questions = [text(field.spec.question) for field in policy.inputs]
        self.checks = [(text(one.spec.check.action), text(one.spec.check.done_when)) for one in policy.inputs]
        self.codes = {
            name: CodeTexts(
                text(code.message),
                None if code.short is None else text(code.short),
                None if code.opens is None else text(code.opens),
                sum({1 << policy.positions[slot.name] for slot in slots(text(code.message))}),
                rank(code, document.levers),
            )
            for name, code in document.codes.items()
        }
        self.statements = Conditional(
            [
                (rule.condition, compile_text(said.text, document.inputs, document.levers))
                for rule, said in zip(policy.summary.rules, document.summary, strict=True)
            ],
            policy.variables,
        )
        self.steps = Conditional(
            [
                (policy.condition(step.when), PlannedTexts(step, text(step.action), text(step.done_when)))
                for step in document.steps
            ],
            policy.variables,
        )
        self.rechecks = Conditional(
            [(policy.condition(one.when), text(one.event)) for one in document.recheck], policy.variables
        )
        self.warnings = Conditional(
            [
                (when, WarningTexts(tuple([position for position, _ in when]), one.code, text(one.message)))
                for one in document.warnings
                for when in [policy.condition(one.when)]
            ],
            policy.variables,
        )
        self.citations = {name: Citation(name, one.title, one.year, one.url) for name, one in document.sources.items()}
        self.labels = Labels(document.strategies, {name: lever.label for name, lever in document.levers.items()})
        self._policy = policy
        self.named = cache(self._named)
        self.against = cache(self._against)

    def _named(self, rule: FiredRule) -> tuple[int, tuple[int, ...]]:
        """Return the inputs that a rule's condition names, as bits, and the indexes of the tables."""
        count = len(self._policy.inputs)
        positions = [position for position, _ in rule.condition]
        return sum({1 << at for at in positions if at < count}), tuple(at - count for at in positions if at >= count)

    def _against(self, rule: FiredRule, lever: str, kind: Kind) -> list[Text]:
        """Return the texts of a kind that a rule says against a lever."""
        codes = [(name, self._policy.document.codes[name]) for name in rule.because]
        names = [name for name, code in codes if code.lever == lever and code.effect in {"opposes", "blocks"}]
        return [text for name in names if (text := getattr(self.codes[name], kind)) is not None]
