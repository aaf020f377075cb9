"""What the columns and cells of a portfolio mean: read kindly, never guessed.

Names match whatever their case, spaces and punctuation. A cell is read in the usual ways to write its kind of value.
One that could mean two things is wrong, and its error says how to make it clear.
"""

from __future__ import annotations

import difflib
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec

from trivium.decoding import allowed, base_type
from trivium.economics import Costs
from trivium.errors import FieldError, InvalidInputError, TriviumError
from trivium.policy.errors import nearest_choice, nearest_name
from trivium.profile import Profile, make_profile


DecimalMark: TypeAlias = Literal[".", ","]

MOST_COLUMNS = 1000
"""Most columns of a portfolio; more are a mistake, or an attack."""

MOST_MISSPELT = 10
"""Most misspelt columns that an error names; looking for the nearest field takes a twentieth of a millisecond each."""

SHOWN = 60
"""Most characters of a cell that an error repeats."""

_CLOSE = 0.85
"""From here on a name is taken for a misspelt one: `labeled_exampels`, and not `label`."""


class ColumnsError(TriviumError):
    """The columns of a portfolio cannot be understood; the text says what to do.

    Attributes:
        reason: the text without the options of the command line.
    """

    code = "invalid_columns"

    def __init__(self, reason: str, options: str = "") -> None:
        super().__init__(reason + options)
        self.reason = reason


class Target(NamedTuple):
    """A field of the profile that a column can fill.

    Attributes:
        name: its path, such as `labeled_examples` or `costs.input_price`.
        kind: what it holds.
        choices: the words of a choice.
    """

    name: str
    kind: Literal["text", "number", "flag", "choice"]
    choices: tuple[str, ...] = ()


def _targets(struct: type[msgspec.Struct], prefix: str = "") -> Iterator[Target]:
    for field in msgspec.structs.fields(struct):
        base = base_type(field.type)
        name = prefix + field.name
        if base is Costs:
            yield from _targets(Costs, f"{name}.")
        elif choices := allowed(field.type):
            yield Target(name, "choice", choices)
        else:
            yield Target(name, {str: "text", bool: "flag"}.get(base, "number"))  # type: ignore[arg-type]  # one of four


TARGETS: dict[str, Target] = {one.name: one for one in _targets(Profile)}
"""All that a column can fill, by path."""


def _key(name: str) -> str:
    """Return what is left of a name without case, spaces and punctuation."""
    return re.sub(r"[\W_]+", "", name.casefold())


_BY_KEY = {_key(name): target for name, target in TARGETS.items()}


class BadCell(NamedTuple):
    """A cell that cannot be used, and why.

    Attributes:
        column: the column of the file; empty where the whole row is wrong.
        value: what it holds, shortened.
        reason: a clause that says what to do.
        code: the kind of error.
        pointer: JSON Pointer of the field; empty where the whole row is wrong.
    """

    column: str
    value: str
    reason: str
    code: str = "malformed"
    pointer: str = ""

    def __str__(self) -> str:
        return f"{self.column}: {self.reason}" if self.column else self.reason


class Columns:
    """How the columns of a portfolio are understood.

    Args:
        names: the names of the columns.
        mapping: column to field, where their names differ; an empty field leaves the column out.
        decimal: the decimal mark of numbers in texts; None refuses what the mark would decide.

    Attributes:
        targets: column to the field that it fills, in the order of the columns.
        others: the columns that fill none.
        decimal: as given.

    Raises:
        ColumnsError: there are too many columns or none that is known, a name is misspelt, or the mapping is wrong.
    """

    def __init__(
        self, names: Sequence[str], mapping: Mapping[str, str] | None = None, decimal: DecimalMark | None = None
    ) -> None:
        if len(names) > MOST_COLUMNS:
            raise ColumnsError(f"there are more than {MOST_COLUMNS} columns; leave out those that are not needed")
        mapped = _mapped(names, mapping or {})
        problems = []
        self.targets: dict[str, Target] = {}
        self.others: list[str] = []
        self.decimal = decimal
        for name in names:
            target = mapped[name] if name in mapped else _BY_KEY.get(_key(name))
            if target is not None:
                self.targets[name] = target
            elif name not in mapped and (near := misspelt(name)):
                problems.append((name[:SHOWN], near))
                if len(problems) == MOST_MISSPELT:
                    break
            else:
                self.others.append(name)
        if problems:
            looks = "; ".join(f"column `{name}` looks like `{near}`: rename it" for name, near in problems)
            name, near = problems[0]
            raise ColumnsError(looks, f", or say --map '{name}={near}', or --map '{name}=' if it is something else")
        if not self.targets:
            seen = ", ".join(f"`{name[:SHOWN]}`" for name in names[:10])
            known = ", ".join(TARGETS)
            raise ColumnsError(f"no column is a field of the profile: found {seen or 'none'}; known: {known}")

    def twice(self, names: Iterable[str]) -> str:
        """Say which of some columns fill the same field; empty where each has one of its own."""
        names = list(names)
        for name, count in Counter(names).items():
            if count > 1:
                return f"column `{name[:SHOWN]}` is there {count} times: rename or remove all but one"
        filled: dict[Target, str] = {}
        for name in names:
            if (target := self.targets.get(name)) is not None and filled.setdefault(target, name) != name:
                return (
                    f"columns `{filled[target][:SHOWN]}` and `{name[:SHOWN]}` both give `{target.name}`: "
                    "rename or remove one"
                )
        return ""

    def profile(self, cells: Mapping[str, Any]) -> Profile | list[BadCell]:
        """Return the profile that the cells of a row describe, or every bad cell."""
        fields: dict[str, Any] = {}
        costs: dict[str, Any] = {}
        given: dict[str, str] = {}
        bad = []
        for column, target in self.targets.items():
            if (cell := cells.get(column)) is None:
                continue
            try:
                value = read_cell(cell, target, self.decimal)
            except ValueError as error:
                code = "unknown_value" if target.kind == "choice" else "wrong_type"
                bad.append(BadCell(column, shown(cell), str(error), code, _pointer(target)))
                continue
            if value is None:
                continue
            if target.name in given:
                reason = f"`{given[target.name]}` gives `{target.name}` too: leave one of them empty"
                bad.append(BadCell(column, shown(cell), reason, "malformed", _pointer(target)))
                continue
            given[target.name] = column
            parent, _, leaf = target.name.rpartition(".")
            (costs if parent else fields)[leaf] = value
        if costs:
            fields["costs"] = costs
        try:
            profile = make_profile(fields)
        except InvalidInputError as error:
            bad += [self._located(one, given, cells) for one in error.errors]
        return bad or profile

    def _located(self, error: FieldError, given: Mapping[str, str], cells: Mapping[str, Any]) -> BadCell:
        column = given.get((error.pointer or "")[1:].replace("/", "."), "")
        return BadCell(column, shown(cells.get(column)), error.detail, error.code, error.pointer or "")

    def id_of(self, cells: Mapping[str, Any]) -> str | None:
        """Return the id of a row that is wrong, where it can be told."""
        for column, target in self.targets.items():
            if target.name == "id" and isinstance(own := cells.get(column), str):
                return own[:SHOWN]
        return None


def _pointer(target: Target) -> str:
    return "/" + target.name.replace(".", "/")


def _mapped(names: Sequence[str], mapping: Mapping[str, str]) -> dict[str, Target | None]:
    """Return what the mapping says of the columns."""
    found: dict[str, Target | None] = {}
    by_key = {_key(name): name for name in names}
    for column, field in mapping.items():
        name = column if column in names else by_key.get(_key(column))
        if name is None:
            raise ColumnsError(f"--map: no column `{column[:SHOWN]}`{nearest_name(column, names)}")
        target = _BY_KEY.get(_key(field)) if field else None
        if field and target is None:
            raise ColumnsError(f"--map: the profile has no field `{field}`{nearest_name(field, TARGETS)}")
        found[name] = target
    return found


_LETTERS = {key: frozenset(key) for key in _BY_KEY}


def misspelt(name: str) -> str | None:
    """Return the field whose name is nearly that of a column.

    A table may have a thousand other columns, and comparing takes long. So a field is only compared if the letters that
    just one of both names has leave enough of them to be the same.
    """
    key = _key(name)[:80]
    letters = frozenset(key)
    near = [
        other
        for other, others in _LETTERS.items()
        if 2 * min(len(key) - len(letters - others), len(other) - len(others - letters))
        >= _CLOSE * (len(key) + len(other))
    ]
    close = difflib.get_close_matches(key, near, n=1, cutoff=_CLOSE)
    return _BY_KEY[close[0]].name if close else None


def shown(cell: Any) -> str:
    """Return a cell as text, shortened."""
    text = cell if isinstance(cell, str) else "" if cell is None else str(cell)
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."


def read_cell(cell: Any, target: Target, decimal: DecimalMark | None = None) -> Any:
    """Return the value of a cell; None for unknown.

    Args:
        cell: a text, or a number, flag or null of JSON or of a spreadsheet.
        target: the field it is for.
        decimal: the decimal mark of numbers in texts; None refuses what the mark would decide.

    Raises:
        ValueError: it is no value of the field; the text is a clause that says what is.
    """
    if isinstance(cell, str):
        return (_read_short if len(cell) <= SHOWN else _read_text)(cell, target, decimal)
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return None
    return _READERS[target.kind](cell, target, decimal)


def _read_text(text: str, target: Target, decimal: DecimalMark | None) -> Any:
    text = text.strip()
    if not text or (target.kind != "text" and _word(text) in _UNKNOWN):
        return None
    return _READERS[target.kind](text, target, decimal)


_read_short = lru_cache(maxsize=8192)(_read_text)  # a column has the same few texts again and again


_UNKNOWN = frozenset({"", "?", "-", "na", "n/a", "#n/a", "nan", "null", "nil", "unknown", "not known", "tbd"})
"""How people write that they do not know. `none` is not among them: it may mean zero."""


def _word(text: str) -> str:
    return " ".join(re.split(r"[\s_-]+", text.casefold())).strip() or text


def _text(cell: Any, _target: Target, _decimal: DecimalMark | None) -> str:
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        raise ValueError("expected a text")  # noqa: TRY004 - a value of the caller's
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def _choice(cell: Any, target: Target, _decimal: DecimalMark | None) -> str:
    if isinstance(cell, str):
        word = _word(cell).replace(" ", "_")
        if word in target.choices:
            return word
        raise ValueError(f"unknown value{nearest_choice(word, target.choices)}")
    raise ValueError(f"expected one of {', '.join(target.choices)}")


_FLAGS = {
    **dict.fromkeys(("yes", "y", "true", "t", "1", "1.0", "on", "x"), True),
    **dict.fromkeys(("no", "n", "false", "f", "0", "0.0", "off"), False),
}


def _flag(cell: Any, _target: Target, _decimal: DecimalMark | None) -> bool:
    if isinstance(cell, bool):
        return cell
    if isinstance(cell, str) and (found := _FLAGS.get(cell.casefold())) is not None:
        return found
    if isinstance(cell, int | float) and cell in {0, 1}:
        return bool(cell)
    raise ValueError("expected yes or no")


_AMOUNT = re.compile(
    r"(?P<sign>[+-]?)(?P<currency>[$\N{EURO SIGN}]|USD|EUR)?\s*+(?P<digits>\d[\d.,'_ ]*+|[.,]\d++)"
    r"(?P<power>[eE][+-]?\d{1,3})?\s*+(?P<unit>k|thousand|m|mio|mn|million|b|bn|billion)?"
    r"\s*+(?P<after>[$\N{EURO SIGN}]|USD|EUR)?",
    re.IGNORECASE | re.ASCII,
)
_SPACES = re.compile(r"[^\S\r\n]")
_POWERS = {"k": 3, "thousand": 3, "m": 6, "mio": 6, "mn": 6, "million": 6, "b": 9, "bn": 9, "billion": 9}
_GROUPED = re.compile(r"[1-9]\d{0,2}(?:(?P<mark>[.,'_ ])\d{3})(?:(?P=mark)\d{3})*", re.ASCII)


def _number(cell: Any, _target: Target, decimal: DecimalMark | None) -> float:
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        return cell
    text = _SPACES.sub(" ", cell).replace("\N{RIGHT SINGLE QUOTATION MARK}", "'") if isinstance(cell, str) else ""
    found = _AMOUNT.fullmatch(text) if len(text) <= SHOWN else None
    if found is None or (found["currency"] and found["after"]):
        raise ValueError("expected a number, such as 1500, 0.15 or 10k; leave the cell empty where it is not known")
    exponent = int(found["power"][1:]) if found["power"] else 0
    exponent += _POWERS[found["unit"].lower()] if found["unit"] else 0
    exact = Decimal(_digits(found["digits"].rstrip(), decimal)).scaleb(exponent)
    return float(-exact if found["sign"] == "-" else exact)


def _digits(text: str, decimal: DecimalMark | None) -> str:
    """Return digits with at most one dot.

    Raises:
        ValueError: separators are out of place, or the text could be either of two numbers.
    """
    marks = [mark for mark in ".," if mark in text]
    if decimal is None and len(marks) == 1 and text.count(marks[0]) == 1:
        before, _, after = text.partition(marks[0])
        if len(after) == _GROUP and after.isdigit() and re.fullmatch(r"[1-9]\d{0,2}", before, re.ASCII):
            whole = before + after
            raise ValueError(
                f"could be {whole} or {before}.{after}: write {whole}, or give the decimal mark (--decimal)"
            )
    if decimal is None:
        decimal = _mark_of(text, marks)
    whole, mark, fraction = text.partition(decimal)
    grouped = _GROUPED.fullmatch(whole)
    if (whole and not re.fullmatch(r"\d+", whole, re.ASCII) and (grouped is None or grouped["mark"] == decimal)) or (
        mark and not re.fullmatch(r"\d*", fraction, re.ASCII)
    ):
        other = "," if decimal == "." else "."
        if marks == [other] and text.count(other) == 1:
            said = f"write {text.replace(other, decimal)} for {text}, because `{decimal}` is the decimal mark"
            raise ValueError(f"expected a number: {said}")
        raise ValueError("expected a number: its separators are out of place")
    return f"{re.sub(r'[^0-9]', '', whole) or '0'}.{fraction or '0'}"


_GROUP = 3
"""Digits between two thousands separators."""


def _mark_of(text: str, marks: Sequence[str]) -> DecimalMark:
    """Return the decimal mark of a number that can only be read in one way."""
    if len(marks) == 2:  # noqa: PLR2004 - both are there, and the last one is it
        return "." if text.rindex(".") > text.rindex(",") else ","
    if marks and text.count(marks[0]) > 1:  # thousands
        return "," if marks[0] == "." else "."
    return "," if marks == [","] else "."


_READERS: Mapping[str, Callable[[Any, Target, DecimalMark | None], Any]] = {
    "text": _text,
    "choice": _choice,
    "flag": _flag,
    "number": _number,
}
