"""What changes between two versions of a policy: exact numbers of cells, samples, and the version bump that follows.

Both policies are composed again over their common refinement, the union of inputs and of cuts, where an input that one
side does not read is free; a product walk then counts cells per pair of strategies.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from trivium.policy.engine.compiled import CompiledInput, Policy, compose
from trivium.policy.engine.diagram import FALSE, TRUE, Diagrams, Root, TooLargeError
from trivium.policy.language.document import UNMEASURED, Document


Bump: TypeAlias = Annotated[Literal["none", "patch", "minor", "major"], msgspec.Meta(title="VersionBump")]
Profile: TypeAlias = dict[str, str | bool | int | float]

SAMPLES = 3


class StrategyChange(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """Cells that go from one strategy to another, with samples.

    Between versions that know the same values, each sample, read as a profile, changes so.
    """

    from_: str
    to: str
    cells: int
    samples: list[Profile]


class CodeChange(msgspec.Struct, frozen=True):
    """Cells that get a code in one version only: `gained` in the newer one, `lost` in the older one."""

    code: str
    gained: int
    lost: int


class Difference(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """Everything that differs between two versions."""

    from_: Annotated[str, msgspec.Meta(description="The older version.")]
    to: Annotated[str, msgspec.Meta(description="The newer version.")]
    cells: Annotated[int, msgspec.Meta(description="Number of cells of the common refinement.")]
    changed_cells: Annotated[int, msgspec.Meta(description="How many of them change strategy.")]
    changes: Annotated[list[StrategyChange], msgspec.Meta(description="Per pair of strategies, most cells first.")]
    code_changes: Annotated[
        list[CodeChange],
        msgspec.Meta(description="Codes that some cells get in one version only, with the number of cells."),
    ]
    codes_added: Annotated[list[str], msgspec.Meta(description="Codes only the newer version has.")]
    codes_removed: Annotated[list[str], msgspec.Meta(description="Codes only the older version has.")]
    rules_added: Annotated[list[str], msgspec.Meta(description="`table/rule` ids only the newer version has.")]
    rules_removed: Annotated[list[str], msgspec.Meta(description="`table/rule` ids only the older version has.")]
    inputs_added: Annotated[list[str], msgspec.Meta(description="Inputs only the newer version reads.")]
    inputs_removed: Annotated[list[str], msgspec.Meta(description="Inputs only the older version reads.")]
    when_unknown_changed: Annotated[
        list[str], msgspec.Meta(description="Inputs that are read differently when unknown.")
    ]
    promises_dropped: Annotated[
        list[str],
        msgspec.Meta(description="Promises of the older version that the newer one no longer makes as they were."),
    ]
    bump: Annotated[Bump, msgspec.Meta(description="The semantic version step that these differences call for.")]


class _Refined(msgspec.Struct, frozen=True):
    """One input of the common refinement: API value (None: left out) and the band of either side, per refined band."""

    name: str
    values: list[Any]
    bands: tuple[list[int] | None, list[int] | None]


def diff(old: Policy, new: Policy) -> Difference:
    """Compare two policies.

    Raises:
        ValueError: an input has no value that both sides can read, so that no refinement exists; or the comparison
            needs more memory or time than the limits of diagrams allow.
    """
    try:
        return _compare(old, new)
    except TooLargeError as error:
        raise ValueError(f"the versions cannot be compared: {error}") from None


def _compare(old: Policy, new: Policy) -> Difference:
    fields = _refinement(old, new)
    space = Diagrams([len(field.values) for field in fields])
    width = len(new.strategies)
    firing = [_composed(policy, side, fields, space) for side, policy in enumerate((old, new))]
    before, after = (
        space.combine(policy.strategy_of_row, rows[-1]) for policy, rows in zip((old, new), firing, strict=True)
    )
    pairs = space.combine(lambda one, other: one * width + other, before, after)
    changes = []
    for pair, cells in space.count(pairs).items():
        was, now = old.strategies[pair // width], new.strategies[pair % width]
        if was != now:
            samples = [_sample(fields, path) for path in islice(space.paths(pairs, pair), SAMPLES)]
            changes.append(StrategyChange(was, now, cells, samples))
    changes.sort(key=lambda change: (-change.cells, change.from_, change.to))
    one, other = old.document, new.document
    unknown = [
        name
        for name, spec in one.inputs.items()
        if name in other.inputs and _when_unknown(spec) != _when_unknown(other.inputs[name])
    ]
    codes_removed = _without(one.codes, other.codes)
    dropped = [promise.id for promise in one.promises if promise not in other.promises]
    return Difference(
        from_=old.version,
        to=new.version,
        cells=sum(space.count(pairs).values()),
        changed_cells=sum(change.cells for change in changes),
        changes=changes,
        code_changes=_code_changes(list(zip((old, new), firing, strict=True)), space),
        codes_added=_without(other.codes, one.codes),
        codes_removed=codes_removed,
        rules_added=_without(_rule_ids(other), _rule_ids(one)),
        rules_removed=_without(_rule_ids(one), _rule_ids(other)),
        inputs_added=_without(other.inputs, one.inputs),
        inputs_removed=_without(one.inputs, other.inputs),
        when_unknown_changed=unknown,
        promises_dropped=dropped,
        bump=_bump(old, new, breaking=bool(changes or unknown or codes_removed), weaker=bool(dropped)),
    )


def _bump(old: Policy, new: Policy, *, breaking: bool, weaker: bool) -> Bump:
    if breaking:
        return "major"
    reordered = old.strategies != new.strategies
    if weaker or reordered or _substance(old.document) != _substance(new.document):
        return "minor"
    return "none" if old.digest == new.digest else "patch"


_NOT_SUBSTANCE = {
    *(
        "version",
        "tests",
        "promises",
        "strategies",
    ),  # of the document; a strategy's label is text, its use is in tables
    *("title", "year", "url", "question", "unit", "check", "phrases", "label"),
    *("message", "short", "opens", "text", "action", "done_when", "event"),
}
"""Parts of a document that decide nothing and that nothing cites: its texts, its version, and its own tests."""


def _substance(part: Any) -> Any:
    """Return a document, or a part of one, without its texts, in a form that compares in document order."""
    if isinstance(part, msgspec.Struct):
        names = [field.name for field in msgspec.structs.fields(part) if field.name not in _NOT_SUBSTANCE]
        return [(name, _substance(getattr(part, name))) for name in names]
    if isinstance(part, dict):
        return [(name, _substance(value)) for name, value in part.items()]
    return [_substance(value) for value in part] if isinstance(part, list) else part


def _when_unknown(spec: Any) -> Any:
    """Return the value that stands in for an unknown: the API value, or for numbers the lowest value of the band."""
    band = spec.when_unknown
    return (spec.cuts or spec.api_values).get(band, UNMEASURED)


def _refinement(old: Policy, new: Policy) -> list[_Refined]:
    sides = ({field.name: field for field in old.inputs}, {field.name: field for field in new.inputs})
    return [_refine(name, sides[0].get(name), sides[1].get(name)) for name in dict.fromkeys((*sides[0], *sides[1]))]


def _refine(name: str, one: CompiledInput | None, other: CompiledInput | None) -> _Refined:
    given = [field for field in (one, other) if field is not None]
    values: list[Any]
    if all(field.cuts is not None for field in given):
        cuts = [field.cuts or () for field in given]
        lowest = max(one[0] for one in cuts)  # below it, one side has no band
        values = sorted({cut for one in cuts for cut in one if cut >= lowest})
    elif any(field.cuts is not None for field in given):
        raise ValueError(f"the versions cannot be compared: `{name}` is a number in only one of them")
    else:
        written = [value for field in reversed(given) for value in field.spec.api_values.values()]
        values = [value for value in dict.fromkeys(written) if all(value in field.numbering for field in given)]
    if any(field.bands[0] == UNMEASURED for field in given):
        values.insert(0, None)
    if not values:
        raise ValueError(f"the versions cannot be compared: no value of `{name}` is known to both of them")
    bands = [None if field is None else [field.read(value) for value in values] for field in (one, other)]
    return _Refined(name, values, (bands[0], bands[1]))


def _composed(policy: Policy, side: int, fields: Sequence[_Refined], space: Diagrams) -> list[Root]:
    """Return per table the rows that fire, over the common refinement."""
    levels = {field.name: level for level, field in enumerate(fields)}

    def literal(position: int, labels: frozenset[int]) -> Root:
        level = levels[policy.inputs[position].name]
        bands = fields[level].bands[side] or ()
        return space.among(level, [refined for refined, band in enumerate(bands) if band in labels])

    return compose(policy.tables, space, len(policy.inputs), literal)


def _code_changes(sides: Sequence[tuple[Policy, list[Root]]], space: Diagrams) -> list[CodeChange]:
    """Count, per code, the cells that get it on one side only."""
    where = [{code: _given(policy, rows, code, space) for code in policy.document.codes} for policy, rows in sides]
    changes = []
    for code in dict.fromkeys((*where[0], *where[1])):
        before, after = (one.get(code, FALSE) for one in where)
        if before != after:
            both = space.count(space.combine(lambda was, now: was * 2 + now, before, after))
            changes.append(CodeChange(code, both.get(1, 0), both.get(2, 0)))
    return changes


def _given(policy: Policy, firing: Sequence[Root], code: str, space: Diagrams) -> Root:
    """Return where some fired rule gives a code."""
    found = FALSE
    for table, rows in zip(policy.tables, firing, strict=True):
        giving = frozenset(rule.position for rule in table.rules if code in rule.because)
        if giving:
            here = space.combine(giving.__contains__, rows)
            found = space.choose(here, TRUE, found)
    return found


def _sample(fields: Sequence[_Refined], path: dict[int, int]) -> Profile:
    values = {fields[level].name: fields[level].values[band] for level, band in path.items()}
    return {name: value for name, value in values.items() if value is not None}


def _rule_ids(document: Document) -> list[str]:
    return [f"{name}/{rule.id}" for name, table in document.tables.items() for rule in table.rules]


def _without(names: Any, others: Any) -> list[str]:
    return [name for name in names if name not in others]
