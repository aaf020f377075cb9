"""Every name in a document means something: inputs, bands, tables, outcomes, codes, sources, strategies.

Checked before compiling, so that later stages need not defend themselves, and all at once, so that an author sees every
slip in one go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from math import inf
from typing import Literal

import msgspec

from trivium.policy.engine.tables import outcomes
from trivium.policy.errors import Problem, nearest_name
from trivium.policy.language.document import STRATEGY, UNMEASURED, Input, Promise, When
from trivium.policy.language.limits import check_limits
from trivium.policy.language.parser import Parsed, Path


class Field(msgspec.Struct, frozen=True):
    """What a profile may state for one input: a number from `minimum` to `maximum`, a flag, or one of some choices.

    `derived_from` names the field that it is computed from, where no profile states it by itself. `read_as` maps a
    choice that was added later to the one as which a policy reads it that has no band for it.
    """

    kind: Literal["number", "flag", "choice"]
    choices: tuple[str, ...] = ()
    minimum: float = 0
    maximum: float = inf
    derived_from: str | None = None
    read_as: Mapping[str, str] = {}


Vocabulary = Mapping[str, Field]


def check(parsed: Parsed, vocabulary: Vocabulary | None) -> list[Problem]:
    """Return every dangling, duplicate or ill-formed reference of a document.

    Args:
        parsed: the document.
        vocabulary: the fields profiles have; None accepts any input.
    """
    return [
        *check_limits(parsed),
        *_inputs(parsed, vocabulary),
        *_tables(parsed),
        *_levers(parsed),
        *_adopted(parsed),
        *_codes(parsed),
        *_texts(parsed),
        *_promises(parsed),
        *_examples(parsed, vocabulary),
    ]


def _inputs(parsed: Parsed, vocabulary: Vocabulary | None) -> Iterator[Problem]:
    read = {name for table in parsed.document.tables.values() for name in table.inputs}
    for name, spec in parsed.document.inputs.items():
        path: Path = ("inputs", name)
        if name in parsed.document.tables:
            yield parsed.problem(path, "duplicate-name", f"`{name}` names both an input and a table")
        if name not in read:
            yield parsed.problem(path, "unread-input", f"no table reads `{name}`: use it in a rule or remove it")
        if (spec.cuts is None) == (spec.values is None):
            yield parsed.problem(path, "malformed", f"`{name}` needs either `cuts` (numbers) or `values`")
            continue
        yield from _bands(parsed, name, spec)
        yield from _other_inputs(parsed, name, spec)
        if vocabulary is not None:
            yield from _profile_field(parsed, name, spec, vocabulary)


def _bands(parsed: Parsed, name: str, spec: Input) -> Iterator[Problem]:
    path: Path = ("inputs", name)
    stated = [*(spec.cuts or spec.values or ())]
    if len(stated) < 2:  # noqa: PLR2004 - one band decides nothing
        yield parsed.problem(path, "malformed", f"`{name}` needs at least two bands")
    if UNMEASURED in stated:
        message = f"`{UNMEASURED}` cannot be stated: write `when_unknown: {UNMEASURED}` instead"
        yield parsed.problem(path, "malformed", message)
    if spec.when_unknown not in spec.bands:
        yield _unknown(parsed, (*path, "when_unknown"), "band", spec.when_unknown, (*spec.bands, UNMEASURED))
    if spec.cuts is not None and not all(low < high for low, high in pairwise(spec.cuts.values())):
        yield parsed.problem((*path, "cuts"), "malformed", f"the cuts of `{name}` must ascend")
    if spec.values is not None and len(set(spec.api_values.values())) < len(stated):
        yield parsed.problem((*path, "values"), "malformed", f"a value of `{name}` is given twice")


def _other_inputs(parsed: Parsed, name: str, spec: Input) -> Iterator[Problem]:
    """Check what an input says of the others: a condition on itself would say nothing."""
    path: Path = ("inputs", name)
    others = {other: one.bands for other, one in parsed.document.inputs.items() if other != name}
    yield from _condition(parsed, (*path, "changing_needs"), spec.changing_needs, others)
    yield from _condition(parsed, (*path, "asked_when"), spec.asked_when, others)
    if spec.changing_needs and (spec.changed_by != "action" or spec.better == "none"):
        message = f"`{name}` is not changed for the better by action, so there is nothing that changing it could need"
        yield parsed.problem((*path, "changing_needs"), "malformed", message)
    if spec.better != "none" and spec.changed_by != "action":
        message = f"`better` is for inputs that a team changes by `action`, and `{name}` is not one"
        yield parsed.problem((*path, "better"), "malformed", message)
    for band in spec.likelihood:
        if band not in spec.bands or band == UNMEASURED:
            yield _unknown(parsed, (*path, "likelihood", band), "band", band, [*(spec.cuts or spec.values or ())])


def _profile_field(parsed: Parsed, name: str, spec: Input, vocabulary: Vocabulary) -> Iterator[Problem]:
    path: Path = ("inputs", name)
    field = vocabulary.get(name)
    if field is None:
        yield _unknown(parsed, path, "input", name, vocabulary)
    elif spec.derived_from != field.derived_from:
        wanted = f"computed from `{field.derived_from}`" if field.derived_from else "stated, and computed from nothing"
        yield parsed.problem((*path, "derived_from"), "malformed", f"`{name}` is {wanted}: `derived_from` is wrong")
    elif (field.kind == "number") != (spec.cuts is not None):
        wanted = "`cuts`" if field.kind == "number" else "`values`"
        yield parsed.problem(path, "malformed", f"`{name}` is a {field.kind} in profiles: give {wanted}")
    elif spec.cuts is not None:
        if next(iter(spec.cuts.values())) != field.minimum:
            yield parsed.problem(
                (*path, "cuts"), "malformed", f"the first cut of `{name}` must be its lowest value, {field.minimum:g}"
            )
        for band, cut in spec.cuts.items():
            if cut > field.maximum:
                message = f"no profile reaches `{band}`: `{name}` is at most {field.maximum:g}"
                yield parsed.problem((*path, "cuts", band), "malformed", message)
    else:
        stated = set(spec.api_values.values())
        allowed = {True, False} if field.kind == "flag" else set(field.choices)
        needed = allowed - field.read_as.keys()
        if not needed <= stated <= allowed:
            shown = ", ".join(sorted(str(value).lower() for value in needed))
            yield parsed.problem((*path, "values"), "malformed", f"`{name}` must cover exactly: {shown}")


def _tables(parsed: Parsed) -> Iterator[Problem]:
    document = parsed.document
    labels: dict[str, tuple[str, ...]] = {name: spec.bands for name, spec in document.inputs.items()}
    if next(reversed(document.tables), None) != STRATEGY:
        yield parsed.problem(("tables",), "malformed", f"the last table must be `{STRATEGY}`: it gives the answer")
    for name, table in document.tables.items():
        path: Path = ("tables", name)
        for index, read in enumerate(table.inputs):
            if read not in labels:
                yield _unknown(parsed, (*path, "inputs", index), "input", read, labels)
            elif not any(read in rule.when for rule in table.rules):
                message = f"no rule of `{name}` reads `{read}`: remove it"
                yield parsed.problem((*path, "inputs", index), "unread-input", message)
        for index, outcome in enumerate(table.outcomes):
            if outcome not in outcomes(table.rules):
                message = f"no rule of `{name}` says `{outcome}`: remove it"
                yield parsed.problem((*path, "outcomes", index), "unread-outcome", message)
        yield from _duplicates(parsed, ("tables", name, "rules"), (rule.id for rule in table.rules), "rule id")
        for row in range(len(table.rules)):
            yield from _rule(parsed, name, row, labels)
        labels[name] = outcomes(table.rules)


def _rule(parsed: Parsed, name: str, row: int, labels: Mapping[str, tuple[str, ...]]) -> Iterator[Problem]:
    document = parsed.document
    table, rule = document.tables[name], document.tables[name].rules[row]
    path: Path = ("tables", name, "rules", row)
    told = f"{name}/{rule.id}"
    yield from _condition(parsed, (*path, "when"), rule.when, labels, rule=told)
    for read in rule.when:
        if read in labels and read not in table.inputs:
            message = f"`{read}` is not among the table's inputs"
            yield parsed.problem((*path, "when", read), "unknown-input", message, rule=told)
    for index, code in enumerate(rule.because):
        if code not in document.codes:
            yield _unknown(parsed, (*path, "because", index), "code", code, document.codes, rule=told)
    if table.outcomes and rule.then not in table.outcomes:
        yield _unknown(parsed, (*path, "then"), "outcome", rule.then, table.outcomes, rule=told)
    if name == STRATEGY and rule.then not in document.strategies:
        yield _unknown(parsed, (*path, "then"), "strategy", rule.then, document.strategies, rule=told)


def _levers(parsed: Parsed) -> Iterator[Problem]:
    verdicts = ("adopt", "not_needed", "later", "blocked")
    for name, lever in parsed.document.levers.items():
        path: Path = ("levers", name)
        if lever.always == (lever.table is not None):
            yield parsed.problem(path, "malformed", f"`{name}` is either `always: true` or read off a `table`")
        elif lever.table is not None:
            table = parsed.document.tables.get(lever.table)
            if table is None:
                yield _unknown(parsed, (*path, "table"), "table", lever.table, parsed.document.tables)
                continue
            for outcome in outcomes(table.rules):
                if outcome not in (lever.verdicts or verdicts):
                    yield parsed.problem(
                        path,
                        "malformed",
                        f"outcome `{outcome}` of `{lever.table}` has no verdict: add it to `verdicts`",
                    )


def _adopted(parsed: Parsed) -> Iterator[Problem]:
    document = parsed.document
    if document.adopts:
        for strategy in document.strategies:
            if strategy not in document.adopts:
                message = f"`adopts` says nothing of `{strategy}`: name all strategies, or none"
                yield parsed.problem(("adopts",), "malformed", message)
    for strategy, levers in document.adopts.items():
        if strategy not in document.strategies:
            yield _unknown(parsed, ("adopts", strategy), "strategy", strategy, document.strategies)
        for index, lever in enumerate(levers):
            if lever not in document.levers:
                yield _unknown(parsed, ("adopts", strategy, index), "lever", lever, document.levers)


def _codes(parsed: Parsed) -> Iterator[Problem]:
    document = parsed.document
    named = {code for table in document.tables.values() for rule in table.rules for code in rule.because}
    for name, code in document.codes.items():
        path: Path = ("codes", name)
        if code.lever not in document.levers:
            yield _unknown(parsed, (*path, "lever"), "lever", code.lever, document.levers)
        if name not in named:
            yield parsed.problem(path, "unreachable-code", f"no rule gives `{name}` as its reason")
        for index, source in enumerate(code.source):
            if source not in document.sources:
                yield _unknown(parsed, (*path, "source", index), "source", source, document.sources)


def _texts(parsed: Parsed) -> Iterator[Problem]:
    document = parsed.document
    labels = _labels(parsed)
    for section in ("summary", "steps", "recheck"):
        parts = getattr(document, section)
        yield from _duplicates(parsed, (section,), (part.id for part in parts), "id")
        for index, part in enumerate(parts):
            yield from _condition(parsed, (section, index, "when"), part.when, labels)
    for index, step in enumerate(document.steps):
        if step.lever not in document.levers:
            yield _unknown(parsed, ("steps", index, "lever"), "lever", step.lever, document.levers)
        for cited, source in enumerate(step.source):
            if source not in document.sources:
                yield _unknown(parsed, ("steps", index, "source", cited), "source", source, document.sources)
    bands = {name: spec.bands for name, spec in document.inputs.items()}
    for index, warning in enumerate(document.warnings):
        yield from _condition(parsed, ("warnings", index, "when"), warning.when, bands)


def _promises(parsed: Parsed) -> Iterator[Problem]:
    document = parsed.document
    labels = _labels(parsed)
    yield from _duplicates(parsed, ("promises",), (promise.id for promise in document.promises), "id")
    for index, promise in enumerate(document.promises):
        path: Path = ("promises", index)
        if promise_form(promise) is None:
            yield parsed.problem(
                path,
                "malformed",
                f"`{promise.id}` must be one of: if + then_strategy; raising + never_leaves (with or without if); "
                "setting + never_enters; reachable_given",
            )
        yield from _condition(parsed, (*path, "if"), promise.if_ or {}, labels)
        yield from _condition(parsed, (*path, "setting"), promise.setting or {}, labels)
        if promise.setting is not None and len(promise.setting) != 1:
            yield parsed.problem((*path, "setting"), "malformed", "`setting` names exactly one input")
        for name in (*(promise.setting or ()), *filter(None, [promise.raising]), *(promise.reachable_given or ())):
            if name not in document.inputs:
                yield _unknown(parsed, path, "input", name, document.inputs)
        for strategies in (promise.then_strategy, promise.never_leaves, promise.never_enters):
            if strategies == []:
                yield parsed.problem(path, "malformed", f"`{promise.id}` names no strategy, so it promises nothing")
            for strategy in strategies or ():
                if strategy not in document.strategies:
                    yield _unknown(parsed, path, "strategy", strategy, document.strategies)


def _examples(parsed: Parsed, vocabulary: Vocabulary | None) -> Iterator[Problem]:
    document = parsed.document
    yield from _duplicates(parsed, ("tests",), (example.id for example in document.tests), "id")
    for index, example in enumerate(document.tests):
        path: Path = ("tests", index)
        if example.strategy not in document.strategies:
            yield _unknown(parsed, (*path, "strategy"), "strategy", example.strategy, document.strategies)
        for name, value in example.profile.items():
            if name not in document.inputs:
                yield _unknown(parsed, (*path, "profile", name), "input", name, document.inputs)
            elif document.inputs[name].cuts is not None:
                field = (vocabulary or {}).get(name, Field("number", minimum=-inf))
                if isinstance(value, bool | str) or not field.minimum <= value <= field.maximum:
                    message = f"no profile states it: `{name}` is a number from {field.minimum:g} to {field.maximum:g}"
                    yield parsed.problem((*path, "profile", name), "malformed", message)
        for key in ("codes", "without"):
            for position, code in enumerate(getattr(example, key)):
                if code not in document.codes:
                    yield _unknown(parsed, (*path, key, position), "code", code, document.codes)
        tables = {name: outcomes(table.rules) for name, table in document.tables.items()}
        yield from _condition(parsed, (*path, "outcomes"), dict(example.outcomes), tables)


def promise_form(promise: Promise) -> str | None:
    """Name the form of a promise, or None where it mixes forms."""
    given = {
        name
        for name in ("if_", "then_strategy", "raising", "never_leaves", "setting", "never_enters", "reachable_given")
        if getattr(promise, name) is not None
    }
    forms = {
        frozenset({"if_", "then_strategy"}): "implication",
        frozenset({"raising", "never_leaves"}): "monotone",
        frozenset({"if_", "raising", "never_leaves"}): "monotone",
        frozenset({"setting", "never_enters"}): "never_enters",
        frozenset({"reachable_given"}): "reachable",
    }
    return forms.get(frozenset(given))


def _labels(parsed: Parsed) -> dict[str, tuple[str, ...]]:
    document = parsed.document
    return {name: spec.bands for name, spec in document.inputs.items()} | {
        name: outcomes(table.rules) for name, table in document.tables.items()
    }


def _condition(
    parsed: Parsed, path: Path, when: When, labels: Mapping[str, tuple[str, ...]], rule: str = ""
) -> Iterator[Problem]:
    for name, wanted in when.items():
        if name not in labels:
            yield _unknown(parsed, (*path, name), "input", name, labels, rule=rule)
            continue
        for label in [wanted] if isinstance(wanted, str) else wanted:
            if label not in labels[name]:
                yield _unknown(parsed, (*path, name), "band", label, labels[name], rule=rule)


def _duplicates(parsed: Parsed, path: Path, ids: Iterable[str], what: str) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, name in enumerate(ids):
        if name in seen:
            yield parsed.problem((*path, index), "duplicate-id", f"the {what} `{name}` is given twice")
        seen.add(name)


def _unknown(parsed: Parsed, path: Path, what: str, name: str, names: Iterable[str], rule: str = "") -> Problem:
    return parsed.problem(path, f"unknown-{what}", f"no {what} `{name}`{nearest_name(name, list(names))}", rule=rule)
