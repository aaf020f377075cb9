"""From YAML to a typed policy document; each problem names file, line and column.

The language is a subset of YAML 1.2: mappings, sequences and scalars, no anchors, no tags, no duplicate keys. Words
such as `yes`, `no` and `on` are plain text, as YAML 1.2 has it, so that bands may be called so.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import chain
from typing import Any, TypeAlias

import msgspec
import yaml

from trivium.policy.errors import PolicyError, Problem, nearest_name
from trivium.policy.language.document import (
    Code,
    Contradiction,
    Document,
    Example,
    Input,
    Lever,
    Promise,
    Recheck,
    Rule,
    Source,
    Statement,
    Step,
)


Path: TypeAlias = tuple[str | int, ...]
Scalar: TypeAlias = str | int | float | bool | None


class Parsed(msgspec.Struct, frozen=True):
    """A typed document with its identity and its text."""

    document: Document
    digest: str
    file: str
    text: str

    def place(self, path: Path) -> tuple[int, int]:
        """Return the line and the column of the nearest part at or above `path`, both from 1."""
        return _nearest(_marks(self.text), path)

    def problem(self, path: Path, code: str, message: str, **more: Any) -> Problem:
        """Make a problem at the nearest known place at or above `path`."""
        line, column = self.place(path)
        return Problem(code, message, file=self.file, line=line, column=column, **more)


def parse(text: str, file: str = "<policy>") -> Parsed:
    """Read a policy document.

    Args:
        text: the YAML.
        file: the name that problems give.

    Raises:
        PolicyError: the text is not YAML of the subset, or a part has the wrong form.
    """
    try:
        if "&" in text or "!" in text:  # a composed node no longer tells its anchor, nor every tag
            _refuse_decorations(text)
        root = yaml.compose(text, Loader=_Loader)
        if not isinstance(root, yaml.MappingNode):
            raise _NotOurYaml(root, "a policy is a mapping that starts with `policy:`")
        if "\\" in text or _HIDDEN.search(text):  # what is quoted may have such characters as escapes
            _refuse_hidden(root)
        data = _plain(root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise PolicyError([Problem("not-yaml", str(error.problem), file=file, line=line, column=column)]) from None
    except yaml.YAMLError as error:
        raise PolicyError([Problem("not-yaml", str(error).split("\n", 1)[0], file=file, line=1, column=1)]) from None
    except RecursionError:
        raise PolicyError([Problem("not-yaml", "nested far too deeply", file=file, line=1, column=1)]) from None
    return Parsed(_typed(data, file, text), digest(data), file, text)


def digest(data: Any) -> str:
    """SHA-256 of the canonical document: compact JSON in document order, so comments and layout do not count."""
    return hashlib.sha256(msgspec.json.encode(data)).hexdigest()


_Parser: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's parser where the wheel has it: 10x faster


class _Loader(_Parser):  # type: ignore[misc]  # which of the two is known at run time only
    """Leaves it to `_scalar` what a scalar means, so that YAML's own guesses are not even made."""

    def resolve(self, *_: Any) -> str:
        return ""


class _NotOurYaml(yaml.MarkedYAMLError):
    def __init__(self, node: yaml.Node | yaml.Token | None, problem: str) -> None:
        super().__init__(problem=problem, problem_mark=node.start_mark if node else None)


_HIDDEN = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
"""Control characters, and those that turn the direction of what stands beside them."""

_BEGIN_NUMBERS = frozenset("-+0123456789")
_NUMBER = re.compile(r"[-+]?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?")


def _refuse_decorations(text: str) -> None:
    for token in yaml.scan(text, Loader=_Loader):
        if isinstance(token, yaml.AnchorToken):
            raise _NotOurYaml(token, "anchors and aliases are not part of the policy language: write the part out")
        if isinstance(token, yaml.TagToken):
            raise _NotOurYaml(token, "tags are not part of the policy language: leave it out")


def _plain(node: yaml.Node) -> Any:
    """Turn a YAML node into plain data."""
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item) for item in node.value]
    mapping: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = key_node.value
        if not isinstance(key, str):
            raise _NotOurYaml(key_node, "a key is a plain word")
        if key in mapping:
            raise _NotOurYaml(key_node, f"the key `{key}` is given twice")
        mapping[key] = _plain(value_node)
    return mapping


def _refuse_hidden(node: Any) -> None:
    if isinstance(node, yaml.MappingNode):
        for part in chain.from_iterable(node.value):
            _refuse_hidden(part)
    elif isinstance(node, yaml.SequenceNode):
        for part in node.value:
            _refuse_hidden(part)
    elif found := _HIDDEN.search(node.value):
        raise _NotOurYaml(node, f"the character U+{ord(found[0]):04X} cannot be seen and may mislead: leave it out")


def _scalar(node: Any) -> Scalar:
    text: str = node.value
    if node.style:  # quoted or block text is text
        return text
    if text in {"", "null", "~"}:
        return None
    if text in {"true", "false"}:
        return text == "true"
    if text[0] in _BEGIN_NUMBERS and _NUMBER.fullmatch(text):
        number = float(text)
        if not math.isfinite(number):
            raise _NotOurYaml(node, f"the number {text[:40]} is too large")
        return int(number) if number.is_integer() and abs(number) < 2**53 else number
    return text


_PATH = re.compile(r"\.([A-Za-z_]\w*)|\[(\d+)\]")
_FIELD = re.compile(r"field `([^`]+)`")


def _typed(data: dict[str, Any], file: str, text: str) -> Document:
    """Convert a document; where it is malformed, entry by entry, so that each such is reported and keeps its name."""
    try:
        return msgspec.convert(data, Document, strict=True)
    except msgspec.ValidationError as error:
        whole = str(error)
    problems: list[Problem] = []
    for path, part, kind in _entries(data):
        try:
            msgspec.convert(part, kind, strict=True)
        except msgspec.ValidationError as error:
            problems.append(_malformed(str(error), path, kind, file, text))
    raise PolicyError(problems or [_malformed(whole, (), Document, file, text)])


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


def _malformed(message: str, path: Path, kind: Any, file: str, text: str) -> Problem:
    what, _, where = message.replace(" - at `key` in `$", " - at `$").partition(" - at `$")
    marks = _marks(text)
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


@lru_cache(maxsize=1)
def _marks(text: str) -> Mapping[Path, tuple[int, int]]:
    """Return where each part of a document stands; only problems ask for it, so it is read once more for them."""
    marks: dict[Path, tuple[int, int]] = {}

    def note(node: yaml.Node, path: Path, named_by: yaml.Node | None = None) -> None:
        mark = (named_by or node).start_mark
        marks[path] = (mark.line + 1, mark.column + 1)
        if isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                note(item, (*path, index))
        elif isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                note(value, (*path, key.value), key)

    if (root := yaml.compose(text, Loader=_Loader)) is not None:
        note(root, ())
    return marks


def _nearest(marks: Mapping[Path, tuple[int, int]], path: Path) -> tuple[int, int]:
    while path and path not in marks:
        path = path[:-1]
    return marks.get(path, (1, 1))
