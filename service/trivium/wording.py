"""The texts of a policy, compiled: what the policy alone decides is filled in, the rest waits for a cell."""

from __future__ import annotations

from typing import NamedTuple

from trivium.policy import Policy
from trivium.policy.engine.tables import Condition
from trivium.policy.language.document import Step
from trivium.policy.language.texts import Text, compile_text, phrase
from trivium.recommendation import Citation, Labels


class CodeTexts(NamedTuple):
    """The texts of a code."""

    message: Text
    short: Text | None
    opens: Text | None


class PlannedTexts(NamedTuple):
    """A step, where it is advised, and its texts."""

    when: Condition
    step: Step
    action: Text
    done_when: Text


class Wording:
    """What a policy says.

    Args:
        policy: the policy.

    Attributes:
        phrases: per input and band, its phrase.
        questions: per input, the question.
        checks: per input, how to find out its value, and when that is done.
        codes: name of a code to its texts.
        statements: id of a statement of the summary to its text.
        steps: the steps.
        rechecks: the events that re-open an answer, each with the condition under which it does.
        warnings: combinations of inputs that are odd: condition, code and message.
        citations: name of a source to the source.
        labels: what strategies and levers are called.
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
            )
            for name, code in document.codes.items()
        }
        self.statements = {
            said.id: compile_text(said.text, document.inputs, document.levers) for said in document.summary
        }
        self.steps = [
            PlannedTexts(policy.condition(step.when), step, text(step.action), text(step.done_when))
            for step in document.steps
        ]
        self.rechecks = [(policy.condition(one.when), text(one.event)) for one in document.recheck]
        self.warnings = [(policy.condition(one.when), one.code, text(one.message)) for one in document.warnings]
        self.citations = {name: Citation(name, one.title, one.year, one.url) for name, one in document.sources.items()}
        self.labels = Labels(document.strategies, {name: lever.label for name, lever in document.levers.items()})
