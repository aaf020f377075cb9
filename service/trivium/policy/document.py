"""YAML to a typed policy document; each problem names file, line and column.

The language is a subset of YAML 1.2: mappings, sequences and scalars, no anchors, no tags, no duplicate keys. Words
such as `yes`, `no` and `on` are plain text, as YAML 1.2 has it, so that bands may be called so.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
import yaml

from trivium.policy.errors import PolicyError, Problem


UNMEASURED = "unmeasured"
"""The starting band of an input whose `when_unknown` says so: nothing was measured. No profile can state it."""

STRATEGY = "strategy"
"""The table whose outcome is the policy's answer."""

Path: TypeAlias = tuple[str | int, ...]
Scalar: TypeAlias = str | int | float | bool | None
Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
RuleId = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=64)]
CodeName = Annotated[str, msgspec.Meta(pattern=r"^[A-Z][A-Z0-9_]*$", max_length=64)]
Version = Annotated[str, msgspec.Meta(pattern=r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)$")]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=600)]
When: TypeAlias = dict[str, str | list[str]]
"""A condition: every named input or table has one of the listed bands or outcomes."""


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of the document: closed, so that a misspelt key is an error and never ignored."""


class Source(_Part, frozen=True):
    """A publication that rules, codes and steps cite.

    Attributes:
        title: what callers see of it.
        year: year of publication.
        url: where to read it.
    """

    title: Text
    year: Annotated[int, msgspec.Meta(ge=1950, le=2100)]
    url: str | None = None


class Check(_Part, frozen=True):
    """How a team finds out the value of an input that the answer rests on.

    Attributes:
        action: what to do.
        done_when: the sign that it is done.
    """

    action: Text
    done_when: Text


class Input(_Part, frozen=True):
    """One input: its ordered bands, what to assume when it is unknown, and who can change it.

    Exactly one of `cuts` (band to its lowest value, ascending) and `values` (bands that are the API values themselves,
    or band to API value) is given. A derived input is computed from the field that `derived_from` names, and counts as
    an independent input in every question.

    Attributes:
        question: what to ask the team when the input is unknown.
        when_unknown: the band read when a profile leaves the input out; `unmeasured` adds a starting band.
        changed_by: who can change it: a team by `action`, the world (`circumstance`), or nobody (`fixed`).
        check: how to find out the value.
        cuts: for numbers: band to its lowest value, ascending.
        values: for all else: the bands as a list of values, or band to value.
        unit: what the number counts.
        derived_from: the profile field that the input is computed from.
    """

    question: Text
    when_unknown: str
    changed_by: Literal["action", "circumstance", "fixed"]
    check: Check
    cuts: dict[Name, int | float] | None = None
    values: list[Name] | dict[Name, str | bool] | None = None
    unit: str = ""
    derived_from: str | None = None

    @property
    def bands(self) -> tuple[str, ...]:
        """All bands in order; the starting band, where there is one, first."""
        stated = tuple(self.cuts if self.cuts is not None else self.values or ())
        return (UNMEASURED, *stated) if self.when_unknown == UNMEASURED else stated

    @property
    def api_values(self) -> dict[str, str | bool]:
        """Band to the value a profile states, for inputs that are not numbers."""
        if isinstance(self.values, dict):
            return self.values
        return {band: band for band in self.values or ()}


class Rule(_Part, frozen=True):
    """One row of a decision table.

    Attributes:
        id: its name, unique in the table.
        then: the outcome; in the table `strategy`, a strategy.
        when: the conditions, which must all hold; without any, the rule always holds.
        because: the codes it gives as reasons.
    """

    id: RuleId
    then: str
    when: When = {}
    because: list[CodeName] = []


class Table(_Part, frozen=True):
    """A decision table with hit policy FIRST over inputs and earlier tables.

    Attributes:
        inputs: what it reads: inputs and tables that stand before it.
        rules: its rows; the first whose conditions hold fires.
    """

    inputs: Annotated[list[str], msgspec.Meta(min_length=1)]
    rules: Annotated[list[Rule], msgspec.Meta(min_length=1)]


class Lever(_Part, frozen=True):
    """What can be pulled: always adopted, or as the outcome of a table says.

    `verdicts` maps outcomes to verdicts where the table's outcomes are not verdicts themselves.

    Attributes:
        label: its name for people.
        always: whether it is adopted in any case.
        table: the table whose outcome is its verdict.
        verdicts: outcome of the table to verdict.
    """

    label: Text
    always: bool = False
    table: str | None = None
    verdicts: dict[str, Literal["adopt", "not_needed", "later", "blocked"]] | None = None


class Code(_Part, frozen=True):
    """A rationale code: what a fired rule says about a lever.

    Attributes:
        lever: the lever it speaks of.
        effect: what it says of the lever.
        message: the reason, for people.
        source: the sources it rests on.
    """

    lever: str
    effect: Literal["supports", "opposes", "blocks", "informs"]
    message: Text
    source: Annotated[list[str], msgspec.Meta(min_length=1)]


class Statement(_Part, frozen=True):
    """A sentence of the summary; the first whose condition holds is said.

    Attributes:
        id: its name.
        text: the sentence.
        when: where it is said.
    """

    id: RuleId
    text: Text
    when: When = {}


class Step(_Part, frozen=True):
    """Something a team does, with the sign by which it knows that it is done.

    Attributes:
        id: its name.
        phase: when to take it.
        lever: the lever it belongs to.
        action: what to do.
        done_when: the sign that it is done.
        when: where it is advised.
        source: the sources it rests on.
    """

    id: RuleId
    phase: Literal["now", "next", "later"]
    lever: str
    action: Text
    done_when: Text
    when: When = {}
    source: list[str] = []


class Recheck(_Part, frozen=True):
    """An event that should re-open the answer.

    Attributes:
        id: its name.
        event: what happens.
        when: where it matters.
    """

    id: RuleId
    event: Text
    when: When = {}


class Contradiction(_Part, frozen=True):
    """A combination of stated inputs that is contradictory or easily misread.

    Attributes:
        code: its name.
        message: what is odd, and what to do about it.
        when: the combination of inputs that a profile states.
    """

    code: CodeName
    message: Text
    when: When


class Promise(_Part, frozen=True, rename={"if_": "if"}):
    """A law the policy keeps in every cell; exactly one of four forms.

    `if` + `then_strategy`; `raising` + `never_leaves` (may carry an `if`); `setting` + `never_enters`;
    `reachable_given`.

    Attributes:
        id: its name.
        if_: where the promise holds.
        then_strategy: the only strategies there.
        raising: the input that goes up by a band, all else equal.
        never_leaves: the strategies that this never leaves.
        setting: one input and the bands it is set to, all else equal.
        never_enters: the strategies that this never enters.
        reachable_given: the inputs that alone can lead to every strategy.
    """

    id: RuleId
    if_: When | None = None
    then_strategy: list[str] | None = None
    raising: str | None = None
    never_leaves: list[str] | None = None
    setting: When | None = None
    never_enters: list[str] | None = None
    reachable_given: list[str] | None = None


class Example(_Part, frozen=True):
    """A profile and what the policy says of it; it may give more codes than `codes`, and none of `without`.

    Attributes:
        id: its name.
        strategy: the strategy it leads to.
        profile: input to value; what is left out is unknown.
        codes: codes that must be among its reasons.
        without: codes that must not be among its reasons.
        outcomes: table to the outcome it must have.
    """

    id: RuleId
    strategy: str
    profile: dict[str, str | bool | int | float] = {}
    codes: list[CodeName] = []
    without: list[CodeName] = []
    outcomes: dict[str, str] = {}


class Document(_Part, frozen=True):
    """A whole policy as written.

    Attributes:
        policy: the name that all versions share.
        version: the semantic version; `policy diff` proves the step it must take.
        title: what it is, in words.
        sources: name to source.
        inputs: profile field to input, in the order in which the diagram asks.
        strategies: the answers it can give, with a label for people.
        levers: name to lever.
        tables: name to table, in order; the last is `strategy`.
        codes: name to rationale code.
        summary: the sentences; the first that holds is said.
        steps: what to do.
        recheck: the events that should re-open the answer.
        warnings: combinations of stated inputs that are odd.
        promises: laws, proved over all cells.
        tests: examples, run before the policy is served.
    """

    policy: Name
    version: Version
    title: Text
    sources: dict[str, Source]
    inputs: dict[Name, Input]
    strategies: dict[Name, Text]
    levers: dict[Name, Lever]
    tables: dict[Name, Table]
    codes: dict[CodeName, Code]
    summary: list[Statement]
    steps: list[Step] = []
    recheck: list[Recheck] = []
    warnings: list[Contradiction] = []
    promises: list[Promise] = []
    tests: list[Example] = []


class Parsed(msgspec.Struct, frozen=True):
    """A typed document with its identity and the place of each of its parts."""

    document: Document
    digest: str
    file: str
    marks: dict[Path, tuple[int, int]]

    def problem(self, path: Path, code: str, message: str, **more: Any) -> Problem:
        """Make a problem at the nearest known place at or above `path`."""
        line, column = _nearest(self.marks, path)
        return Problem(code, message, file=self.file, line=line, column=column, **more)


def parse(text: str, file: str = "<policy>") -> Parsed:
    """Read a policy document.

    Args:
        text: the YAML.
        file: the name that problems give.

    Raises:
        PolicyError: the text is not YAML of the subset, or a part has the wrong form.
    """
    marks: dict[Path, tuple[int, int]] = {}
    try:
        if "&" in text or "!" in text:  # a composed node no longer tells its anchor, nor every tag
            _refuse_decorations(text)
        root = yaml.compose(text, Loader=_Loader)
        if not isinstance(root, yaml.MappingNode):
            raise _NotOurYaml(root, "a policy is a mapping that starts with `policy:`")
        data = _plain(root, (), marks)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise PolicyError([Problem("not-yaml", str(error.problem), file=file, line=line, column=column)]) from None
    except yaml.YAMLError as error:
        raise PolicyError([Problem("not-yaml", str(error).split("\n", 1)[0], file=file, line=1, column=1)]) from None
    except RecursionError:
        raise PolicyError([Problem("not-yaml", "nested far too deeply", file=file, line=1, column=1)]) from None
    document = _typed(data, file, marks)
    return Parsed(document, digest(data), file, marks)


def digest(data: Any) -> str:
    """SHA-256 of the canonical document: compact JSON in document order, so comments and layout do not count."""
    return hashlib.sha256(msgspec.json.encode(data)).hexdigest()


def nearest_name(name: str, names: Sequence[str] | Mapping[str, Any]) -> str:
    """Say ", did you mean `x`?" when some name is close, else list a few names."""
    close = difflib.get_close_matches(name, list(names), n=1, cutoff=0.6)
    if close:
        return f"; did you mean `{close[0]}`?"
    return "; known: " + ", ".join(f"`{known}`" for known in list(names)[:12])


_Parser: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's parser where the wheel has it: 10x faster


class _Loader(_Parser):  # type: ignore[misc]  # which of the two is known at run time only
    """Leaves it to `_scalar` what a scalar means, so that YAML's own guesses are not even made."""

    def resolve(self, *_: Any) -> str:
        return ""


class _NotOurYaml(yaml.MarkedYAMLError):
    def __init__(self, node: yaml.Node | yaml.Token | None, problem: str) -> None:
        super().__init__(problem=problem, problem_mark=node.start_mark if node else None)


_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?([eE][-+]?\d+)?")


def _refuse_decorations(text: str) -> None:
    for token in yaml.scan(text, Loader=_Loader):
        if isinstance(token, yaml.AnchorToken):
            raise _NotOurYaml(token, "anchors and aliases are not part of the policy language: write the part out")
        if isinstance(token, yaml.TagToken):
            raise _NotOurYaml(token, "tags are not part of the policy language: leave it out")


def _plain(node: yaml.Node, path: Path, marks: dict[Path, tuple[int, int]]) -> Any:
    """Turn a YAML node into plain data and note where each part stands."""
    marks[path] = (node.start_mark.line + 1, node.start_mark.column + 1)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, (*path, index), marks) for index, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value
            if not isinstance(key, str):
                raise _NotOurYaml(key_node, "a key is a plain word")
            if key in mapping:
                raise _NotOurYaml(key_node, f"the key `{key}` stands twice")
            mapping[key] = _plain(value_node, (*path, key), marks)
            marks[(*path, key)] = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
        return mapping
    return _scalar(node)


def _scalar(node: Any) -> Scalar:
    text: str = node.value
    if node.style:  # quoted or block text is text
        return text
    if text in {"", "null", "~"}:
        return None
    if text in {"true", "false"}:
        return text == "true"
    if _NUMBER.fullmatch(text):
        number = float(text)
        return int(number) if number.is_integer() and abs(number) < 2**53 else number
    return text


_PATH = re.compile(r"\.([A-Za-z_]\w*)|\[(\d+)\]")
_FIELD = re.compile(r"field `([^`]+)`")


def _typed(data: dict[str, Any], file: str, marks: dict[Path, tuple[int, int]]) -> Document:
    """Convert entry by entry, so that every malformed entry is reported and keeps its name."""
    problems: list[Problem] = []
    for path, part, kind in _entries(data):
        try:
            msgspec.convert(part, kind, strict=True)
        except msgspec.ValidationError as error:
            problems.append(_malformed(str(error), path, kind, file, marks))
    if not problems:
        try:
            return msgspec.convert(data, Document, strict=True)
        except msgspec.ValidationError as error:
            problems.append(_malformed(str(error), (), Document, file, marks))
    raise PolicyError(problems)


def _entries(data: dict[str, Any]) -> Iterator[tuple[Path, Any, Any]]:
    for section, kind in _SECTIONS.items():
        for key, part in _items(data.get(section)):
            yield (section, key), part, kind
    for name, table in _items(data.get("tables")):
        rules = table.get("rules") if isinstance(table, dict) else None
        for index, rule in _items(rules):
            yield ("tables", name, "rules", index), rule, Rule


_SECTIONS: dict[str, Any] = {
    "sources": Source,
    "inputs": Input,
    "levers": Lever,
    "codes": Code,
    "summary": Statement,
    "steps": Step,
    "recheck": Recheck,
    "warnings": Contradiction,
    "promises": Promise,
    "tests": Example,
}


def _items(section: Any) -> Iterable[tuple[str | int, Any]]:
    if isinstance(section, dict):
        return section.items()
    return enumerate(section) if isinstance(section, list) else ()


def _malformed(message: str, path: Path, kind: Any, file: str, marks: dict[Path, tuple[int, int]]) -> Problem:
    what, _, where = message.replace(" - at `key` in `$", " - at `$").partition(" - at `$")
    for key, index in _PATH.findall(where.partition("[...]")[0]):
        path = (*path, key or int(index))
    if what.startswith("Object contains unknown field"):
        name = _FIELD.findall(what)[0]
        fields = [field.encode_name for field in msgspec.structs.fields(kind)]
        what = f"unknown key `{name}`{nearest_name(name, fields)}"
        if (*path, name) in marks:
            path = (*path, name)
    line, column = _nearest(marks, path)
    dotted = ".".join(str(part) for part in path)
    return Problem("malformed", f"{dotted}: {what}" if dotted else what, file=file, line=line, column=column)


def _nearest(marks: dict[Path, tuple[int, int]], path: Path) -> tuple[int, int]:
    while path and path not in marks:
        path = path[:-1]
    return marks.get(path, (1, 1))
