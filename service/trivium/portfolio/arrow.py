"""Portfolios in Arrow: record batches of profiles in, the same batches with the answers as further columns out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from trivium.advisor import Advisor
from trivium.economics import Economics
from trivium.errors import FieldError, InvalidInputError
from trivium.pages import joined
from trivium.policy import Changes
from trivium.policy.errors import nearest_name
from trivium.portfolio.columns import SHOWN
from trivium.portfolio.kernel import CHUNK, Decided, Kernel
from trivium.portfolio.lookup import Column
from trivium.portfolio.nearest import Nearest, NearestChanges
from trivium.portfolio.profiles import ProfileReader, Profiles, profile_columns
from trivium.portfolio.questions import FirstQuestion
from trivium.portfolio.reasons import Explained, Rationale, listed, sufficient_reasons, unknown_inputs
from trivium.portfolio.rows import DEFAULT_COLUMNS, warnings_of
from trivium.portfolio.sorting import Ragged
from trivium.profile import Profile
from trivium.recommendation import Recommendation
from trivium.rendering import Renderer
from trivium.wording import Wording


FIGURES = (
    "monthly_prompted",
    "monthly_tuned",
    "monthly_saving",
    "upfront",
    "payback_months",
    "break_even_requests_per_day",
)
"""The columns of figures of the economics."""

FLIP = pa.struct([("strategy", pa.string()), ("inputs", pa.list_(pa.string())), ("says", pa.string())])
"""The changes that lead to another strategy: which, of what, and the changed values in words."""


class Scorer:
    """Scores record batches by one policy. Immutable; safe to share between threads.

    Args:
        advisor: the policy, as the advisor by it or as a renderer.
        columns: names of the columns to add, in their order.

    Attributes:
        advisor: recommends by the policy.
        columns: as given.
        reader: reads profiles.
        kernel: the policy as arrays.

    Raises:
        InvalidInputError: a name is not that of a column, or is given twice, or there is no list of names.
    """

    def __init__(self, advisor: Advisor | Renderer, columns: Sequence[str] = DEFAULT_COLUMNS) -> None:
        if isinstance(columns, str):
            detail = f"give a list of names, such as ['{columns[:SHOWN]}']"
            raise InvalidInputError([FieldError("wrong_type", detail, parameter="columns")])
        self.advisor = advisor.advisor if isinstance(advisor, Renderer) else advisor
        self.columns = tuple(columns)
        self.reader = ProfileReader(self.advisor)
        self._engine = _Engine(self.advisor)
        self.kernel = self._engine.kernel
        offered = _offered(self._engine)
        if errors := list(_wrong(self.columns, offered)):
            raise InvalidInputError(errors)
        self._outputs = [offered[name] for name in self.columns]

    def schema(self, schema: Any) -> Any:
        """Return the schema of scored batches: the columns that are there, then those that are added.

        Args:
            schema: the `pyarrow.Schema` of the batches to score.

        Raises:
            InvalidInputError: as of `profile_columns`, or a column to add is there.
        """
        profile_columns(schema)
        if there := [name for name in self.columns if name in schema.names]:
            detail = "the answers have a column of this name too; rename it, or name other columns to add"
            raise InvalidInputError([FieldError("malformed", detail, pointer=f"/{name}") for name in there])
        for field in self.fields():
            schema = schema.append(field)
        return schema

    def score(self, batch: Any) -> Any:
        """Return a `pyarrow.RecordBatch` with the answers of its rows added.

        A row that holds no valid profile has its errors in `error`, and null in all other columns that are added.

        Raises:
            InvalidInputError: as of `schema`.
        """
        schema = self.schema(batch.schema)
        chunks = [self._answer(batch.slice(start, CHUNK)) for start in range(0, batch.num_rows, CHUNK)]
        added = [pa.concat_arrays(parts) if len(parts) > 1 else parts[0] for parts in zip(*chunks, strict=True)] or [
            pa.array([], output.type) for output in self._outputs
        ]
        return pa.RecordBatch.from_arrays([*batch.columns, *added], schema=schema)

    def answer(self, batch: Any, profiles: Profiles) -> Answers:
        """Return what there is to say of rows that have been read.

        Args:
            batch: the rows, at most `CHUNK`.
            profiles: their codes and faults, as the reader gives them.
        """
        return Answers(self._engine, self.reader, batch, profiles)

    def added(self, answers: Answers) -> list[Any]:
        """Return the columns to add to rows, in their order."""
        return [output.make(answers) for output in self._outputs]

    def fields(self, prefix: str = "") -> list[Any]:
        """Return the `pyarrow.Field`s of the columns to add.

        Args:
            prefix: what their names begin with.
        """
        return [pa.field(prefix + name, one.type) for name, one in zip(self.columns, self._outputs, strict=True)]

    def _answer(self, batch: Any) -> list[Any]:
        return self.added(self.answer(batch, self.reader.read(batch)))


class _Engine:
    """All that works on columns, for one policy."""

    def __init__(self, advisor: Advisor) -> None:
        self.advisor = advisor
        self.policy = advisor.policy
        self.kernel = Kernel(advisor.policy)

    @cached_property
    def first_question(self) -> FirstQuestion:
        return FirstQuestion(self.kernel)

    @cached_property
    def rationale(self) -> Rationale:
        return Rationale(self.kernel)

    @cached_property
    def wording(self) -> Wording:
        return Wording(self.policy)

    @cached_property
    def nearest(self) -> NearestChanges:
        return NearestChanges(self.kernel)

    def flip(self, changes: Changes | None) -> dict[str, Any] | None:
        """Return changes as a value of `FLIP`."""
        if changes is None:
            return None
        inputs = [self.policy.inputs[at].spec.derived_from or self.policy.inputs[at].name for at, _ in changes.targets]
        says = joined([self.wording.phrases[at][band] for at, band in changes.targets])
        return {"strategy": self.policy.strategies[changes.strategy], "inputs": inputs, "says": says}


class Answers:
    """What is asked of some rows, worked out once."""

    def __init__(self, engine: _Engine, reader: ProfileReader, batch: Any, profiles: Profiles) -> None:
        self.engine, self._reader, self._batch = engine, reader, batch
        self.codes, self.faults = profiles.codes, profiles.faults
        self.count = batch.num_rows
        self.faulty: Column | None = None
        if self.faults:
            self.faulty = np.zeros(self.count, bool)
            self.faulty[list(self.faults)] = True

    @cached_property
    def decided(self) -> Decided:
        """What the kernel says of every row."""
        return self.engine.kernel.decide(self.codes)

    @cached_property
    def first(self) -> Column:
        """The position of the first open question; the number of inputs where nothing is open."""
        return self.engine.first_question(self.codes, self.decided)

    @cached_property
    def unknown(self) -> Column:
        """The set of inputs that are unknown."""
        return unknown_inputs(self.engine.kernel, self.codes)

    @cached_property
    def reason(self) -> Column:
        """The set of inputs that alone settle the answer."""
        return sufficient_reasons(self.engine.kernel, self.codes, self.decided)

    @cached_property
    def explained(self) -> Explained:
        """The rationale codes, and the inputs that support a lever."""
        return self.engine.rationale.explain(self.decided, self.reason, self.unknown)

    @cached_property
    def because(self) -> Ragged:
        """The inputs of `reason`, listed."""
        return listed(self.reason, self.unknown, self.explained.supporting, len(self.codes))

    @cached_property
    def nearest(self) -> Nearest:
        """What would change the answer of every row."""
        return self.engine.nearest(self.codes, self.decided.strategy)

    @cached_property
    def flips(self) -> Any:
        """The changes that there are; many rows have the same."""
        return pa.array(map(self.engine.flip, self.nearest.changes), FLIP)

    @cached_property
    def profiles(self) -> list[Profile | None]:
        """The profile of every row; None for one that holds none."""
        rows = np.arange(self.count) if self.faulty is None else np.flatnonzero(~self.faulty)
        found: list[Profile | None] = [None] * self.count
        for row, profile in zip(rows.tolist(), self._reader.profiles(self._batch, rows), strict=True):
            found[row] = profile
        return found

    @cached_property
    def told(self) -> list[_Told]:
        """What is said of every row as a whole."""
        recommend = self.engine.advisor.recommend
        return [_Told() if profile is None else _told(recommend(profile)) for profile in self.profiles]

    @cached_property
    def economics(self) -> Priced:
        """The money of every row; None where it gives no costs, or the policy reads none."""
        rows = np.flatnonzero(self._reader.priced(self._batch))
        if self.faulty is not None:
            rows = rows[~self.faulty[rows]]
        places = np.full(self.count, len(rows))
        places[rows] = np.arange(len(rows))
        profiles = self._reader.profiles(self._batch, rows)
        return Priced([*map(self.engine.advisor.assess, profiles), None], places)


class Priced(NamedTuple):
    """The money of rows.

    Attributes:
        economics: that of every row that gives costs; after them, None.
        places: per row, the place in `economics`.
    """

    economics: list[Economics | None]
    places: Column


class _Output(NamedTuple):
    """A column to add: its type, and what makes it."""

    type: Any
    make: Callable[[Answers], Any]


def _words(words: Sequence[str], of: Callable[[Answers], tuple[Column, Column | None]]) -> _Output:
    """Return a column of a few words: their numbers per row, and where there is none."""
    dictionary, kind = pa.array(words, pa.string()), _index(words)

    def make(answers: Answers) -> Any:
        numbers, missing = of(answers)
        if answers.faulty is not None:
            missing = answers.faulty if missing is None else missing | answers.faulty
        if missing is not None:
            numbers = np.where(missing, 0, numbers)  # some readers want the number of a word below a null, too
        return pa.DictionaryArray.from_arrays(_nulled(numbers.astype(kind), missing), dictionary, safe=False)

    return _Output(pa.dictionary(pa.from_numpy_dtype(kind), pa.string()), make)


def _lists(words: Sequence[str], of: Callable[[Answers], Ragged]) -> _Output:
    """Return a column of lists of a few words."""
    dictionary, kind = pa.array(words, pa.string()), _index(words)

    def make(answers: Answers) -> Any:
        counts, values = of(answers)
        offsets = np.zeros(len(counts) + 1, np.int32)
        np.cumsum(counts, out=offsets[1:])
        entries = pa.DictionaryArray.from_arrays(pa.array(values.astype(kind)), dictionary, safe=False)
        mask = None if answers.faulty is None else pa.array(answers.faulty)
        return pa.ListArray.from_arrays(pa.array(offsets), entries, mask=mask)

    return _Output(pa.list_(pa.dictionary(pa.from_numpy_dtype(kind), pa.string())), make)


def _nulled(numbers: Column, missing: Column | None) -> Any:
    """Return an array that is null in some rows."""
    if missing is None:
        return pa.array(numbers)
    packed = np.packbits(~missing, bitorder="little")
    return pa.Array.from_buffers(
        pa.from_numpy_dtype(numbers.dtype), len(numbers), [pa.py_buffer(packed), pa.py_buffer(numbers)]
    )


def _index(words: Sequence[str]) -> Any:
    """Return the type of the indexes into a dictionary."""
    return np.dtype(np.int8 if len(words) < 1 << 7 else np.int16)


def _offered(engine: _Engine) -> dict[str, _Output]:
    """Return every column that can be added, by name."""
    policy = engine.policy
    questions = [field.spec.derived_from or field.name for field in policy.inputs]
    several = engine.kernel.several

    def first_question(answers: Answers) -> tuple[Column, Column]:
        return answers.first, answers.first == len(questions)

    return {
        "strategy": _words(policy.strategies, lambda answers: (answers.decided.strategy, None)),
        "status": _words(("settled", "provisional"), lambda answers: (several(answers.decided.reachable), None)),
        "codes": _lists(engine.rationale.codes, lambda answers: answers.explained.codes),
        "first_question": _words(questions, first_question),
        "policy_version": _words((policy.version,), lambda answers: (np.zeros(answers.count, np.int8), None)),
        "error": _Output(pa.string(), _errors),
        "because": _lists([field.name for field in policy.inputs], lambda answers: answers.because),
        "reachable": _lists(policy.strategies, _reachable),
        "margin": _Output(pa.int8(), _margin),
        "nearest_path": _flips(lambda nearest: nearest.path),
        "nearest_risk": _flips(lambda nearest: nearest.risk),
        "decision_id": _each(pa.string(), _decision_ids),
        "summary": _each(pa.string(), lambda answers: (told.summary for told in answers.told)),
        "next_step": _each(pa.string(), lambda answers: (told.step for told in answers.told)),
        "warnings": _each(pa.string(), lambda answers: (told.warnings for told in answers.told)),
        "payback": _money(pa.string(), lambda one: one.payback),
        **{name: _money(pa.float64(), _figure(name)) for name in FIGURES},
    }


def _each(kind: Any, of: Callable[[Answers], Iterable[Any]]) -> _Output:
    """Return a column whose values are made one by one."""

    def make(answers: Answers) -> Any:
        values = list(of(answers))
        for row in answers.faults:
            values[row] = None
        return pa.array(values, kind)

    return _Output(kind, make)


def _margin(answers: Answers) -> Any:
    margin, missing = answers.nearest.margin()
    return _nulled(margin, missing if answers.faulty is None else missing | answers.faulty)


def _flips(of: Callable[[Nearest], Column]) -> _Output:
    """Return a column of changes."""
    return _Output(FLIP, lambda answers: answers.flips.take(pa.array(of(answers.nearest), mask=answers.faulty)))


def _money(kind: Any, of: Callable[[Economics], Any]) -> _Output:
    """Return a column about the money."""

    def make(answers: Answers) -> Any:
        economics, places = answers.economics
        return pa.array([None if one is None else of(one) for one in economics], kind).take(pa.array(places))

    return _Output(kind, make)


def _figure(name: str) -> Callable[[Economics], float | None]:
    def value(economics: Economics) -> float | None:
        figure = getattr(economics, name)
        return None if figure is None else float(figure)

    return value


def _decision_ids(answers: Answers) -> Iterable[str | None]:
    identify = answers.engine.advisor.identify
    return (None if profile is None else identify(profile) for profile in answers.profiles)


class _Told(NamedTuple):
    """The summary, the first step and the warnings of a row; None where it holds no profile."""

    summary: str | None = None
    step: str | None = None
    warnings: str | None = None


def _told(made: Recommendation) -> _Told:
    return _Told(made.summary, made.steps[0].action if made.steps else None, warnings_of(made))


def _errors(answers: Answers) -> Any:
    if not answers.faults:
        return pa.nulls(answers.count, pa.string())
    texts: list[str | None] = [None] * answers.count
    for row, text in answers.faults.items():
        texts[row] = text
    return pa.array(texts, pa.string())


def _reachable(answers: Answers) -> Ragged:
    kernel = answers.engine.kernel
    counts = np.array([mask.bit_count() for mask in kernel.masks], np.int32)
    begins = np.cumsum(counts) - counts
    members = np.concatenate([np.array(one, np.uint8) for one in kernel.reachable])
    found = np.take(counts, answers.decided.reachable)
    ends = np.cumsum(found)
    places = np.arange(int(found.sum())) - np.repeat(ends - found, found)
    return Ragged(found, np.take(members, places + np.repeat(np.take(begins, answers.decided.reachable), found)))


def _wrong(columns: Sequence[str], offered: dict[str, _Output]) -> Iterable[FieldError]:
    """Yield what is wrong with the names of columns to add."""
    for at, name in enumerate(columns):
        if name not in offered:
            yield FieldError("unknown_value", f"no column `{name}`{nearest_name(name, offered)}", parameter="columns")
        elif name in columns[:at]:
            yield FieldError("malformed", f"`{name}` is named twice", parameter="columns")
