"""Texts of a policy: phrases of bands, and the placeholders by which all other texts state them.

A phrase is a clause that is true when an input is in a band: "at least 500 labeled examples exist". Each is written
once, its numbers filled in from the cuts. Every other text says what is so through placeholders only, so that whoever
renders it knows which of its statements rest on an assumption, and can say so:

    {labeled_examples}         the phrase of the band that the input is in
    {labeled_examples:ample}   the phrase of a band that is named, whatever the input is
    {labeled_examples.ample}   the lowest number of a band; {labeled_examples.ample-1} is one less
    {why.fine_tuning}          what decides the verdict on a lever, from the `short` texts of codes; in summaries only

In a phrase, {ample} and {ample-1} are the numbers of the input's own bands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterator, Mapping
from typing import Literal, NamedTuple, TypeAlias

from trivium.policy.errors import Problem, nearest_name
from trivium.policy.language.document import Document, Input
from trivium.policy.language.parser import Parsed, Path


class Slot(NamedTuple):
    """A part of a text that depends on the cell: the phrase of an `input`'s band, or `why` a lever's verdict."""

    kind: Literal["input", "why"]
    name: str


Text: TypeAlias = tuple[str | Slot, ...]
"""A text with everything filled in that the policy alone decides."""

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_FORM = re.compile(r"([a-z][a-z0-9_]*)(?:([.:])([a-z][a-z0-9_]*?)(-1)?)?")
_NUMBER = re.compile(r"(?<![\w.,])\d[\d,]*(?:\.\d+)?(?!\w)")
_SENTENCE_ENDS = (". ", "! ", "? ")
_BETWEEN_WORDS = re.compile(r"[^\w\0]+")
_WHY = "why"


class UnknownPlaceholderError(ValueError):
    """A placeholder names nothing; the text says what it may name."""


def phrase(spec: Input, band: str) -> str:
    """Return the phrase of a band.

    Raises:
        UnknownPlaceholderError: the phrase names no band of its input.
    """

    def number(match: re.Match[str]) -> str:
        name = match[1]
        return _cut(spec, name.removesuffix("-1"), less=name.endswith("-1"))

    return _PLACEHOLDER.sub(number, spec.phrases[band])


def compile_text(written: str, inputs: Mapping[str, Input], levers: Mapping[str, object] | None = None) -> Text:
    """Fill in what the policy alone decides, and leave slots for the rest.

    Args:
        written: the text.
        inputs: the policy's inputs.
        levers: the policy's levers, where the text may say why.

    Raises:
        UnknownPlaceholderError: a placeholder names nothing.
    """
    parts: list[str | Slot] = [""]
    position = 0
    for match in _PLACEHOLDER.finditer(written):
        _append(parts, written[position : match.start()])
        _append(parts, _part(match[1], inputs, levers), is_phrase=True)
        position = match.end()
    _append(parts, written[position:])
    return tuple(part for part in parts if part)


def fill(text: Text, say: Callable[[Slot], str], *, clause: bool = False) -> str:
    """Return a text with its slots filled.

    Args:
        text: the text.
        say: what to say for a slot.
        clause: whether the text becomes a part of a sentence; else a slot that begins it begins with a capital.
    """
    if len(text) == 1 and isinstance(text[0], str):  # as most are
        return text[0]
    filled = ""
    for part in text:
        if isinstance(part, str):
            filled += part
        else:
            said = say(part)
            begins = filled.endswith(_SENTENCE_ENDS) if filled else not clause
            filled += capitalized(said) if begins else said
    return filled


def slots(text: Text) -> tuple[Slot, ...]:
    """Return the slots of a text."""
    return tuple(part for part in text if isinstance(part, Slot))


def capitalized(text: str) -> str:
    """Return a text that begins with a capital."""
    return text[:1].upper() + text[1:]


def check(parsed: Parsed) -> Iterator[Problem]:
    """Yield what is wrong with phrases and texts: none missing, no placeholder amiss, nothing stated outright."""
    found = False
    for problem in _phrases(parsed):
        found = True
        yield problem
    if found:  # what the other texts say cannot be compared with phrases that are not there
        return
    document = parsed.document
    phrases = {
        f"{{{name}:{band}}}": _words(phrase(spec, band))
        for name, spec in document.inputs.items()
        for band in spec.bands
    }
    for path, written, about, may_depend in _written(document):
        try:
            text = compile_text(written, document.inputs, document.levers if path[0] == "summary" else None)
        except UnknownPlaceholderError as error:
            yield parsed.problem(path, "unknown-placeholder", str(error))
            continue
        if not may_depend and slots(text):
            message = "this text is the same for every profile: name a band, as in `{input:band}` or `{input.band}`"
            yield parsed.problem(path, "unknown-placeholder", message)
        said = _words(_PLACEHOLDER.sub("\0", written))
        for placeholder, words in phrases.items():
            if words in said and may_depend:  # a question states nothing
                whole = placeholder.partition(":")[0] + "}"
                message = f"states{words}outright: write `{whole}` where it is so, `{placeholder}` where it may be"
                yield parsed.problem(path, "stated-outright", message)
        yield from _typed_numbers(parsed, path, written, about)


def _phrases(parsed: Parsed) -> Iterator[Problem]:
    for name, spec in parsed.document.inputs.items():
        path: Path = ("inputs", name, "phrases")
        for band in spec.bands:
            if band not in spec.phrases:
                message = f"band `{band}` of `{name}` has no phrase: say in a clause what is so in it"
                yield parsed.problem(path, "missing-phrase", message)
                continue
            try:
                phrase(spec, band)
            except UnknownPlaceholderError as error:
                yield parsed.problem((*path, band), "unknown-placeholder", str(error))
            yield from _typed_numbers(parsed, (*path, band), spec.phrases[band], (name,))
        for band in spec.phrases:
            if band not in spec.bands:
                message = f"no band `{band}`{nearest_name(band, spec.bands)}"
                yield parsed.problem((*path, band), "unknown-band", message)


def _typed_numbers(parsed: Parsed, path: Path, written: str, about: tuple[str, ...]) -> Iterator[Problem]:
    """A number that is a cut is written as a placeholder, so that moving the cut moves the text."""
    numbers = {float(number.replace(",", "")) for number in _NUMBER.findall(_PLACEHOLDER.sub("", written))}
    for name in about:
        for band, cut in (parsed.document.inputs[name].cuts or {}).items():
            if cut in numbers and cut:
                place = f"{{{band}}}" if path[:2] == ("inputs", name) and "phrases" in path else f"{{{name}.{band}}}"
                yield parsed.problem(path, "typed-number", f"{cut:,} is a cut of `{name}`: write `{place}`")


class _Written(NamedTuple):
    """A text with its place, the inputs it speaks about, and whether it may depend on the cell."""

    path: Path
    text: str
    about: tuple[str, ...]
    may_depend: bool


def _written(document: Document) -> Iterator[_Written]:
    for name, spec in document.inputs.items():
        yield _Written(("inputs", name, "question"), spec.question, (name,), may_depend=False)
        yield _Written(("inputs", name, "check", "action"), spec.check.action, (name,), may_depend=False)
        yield _Written(("inputs", name, "check", "done_when"), spec.check.done_when, (name,), may_depend=False)
    about = _about_codes(document)
    for name, code in document.codes.items():
        for key in ("message", "short", "opens"):
            if (text := getattr(code, key)) is not None:
                yield _Written(("codes", name, key), text, _inputs(document, about.get(name, ())), may_depend=True)
    for section, keys in _SECTIONS.items():
        for index, part in enumerate(getattr(document, section)):
            for key in keys:
                about_part = _inputs(document, part.when)
                yield _Written((section, index, key), getattr(part, key), about_part, may_depend=True)


def _about_codes(document: Document) -> dict[str, set[str]]:
    """Return, per code, what the conditions of its rules name; of a rule without one, what its table reads."""
    about: dict[str, set[str]] = {}
    for table in document.tables.values():
        for rule in table.rules:
            for code in rule.because:
                about.setdefault(code, set()).update(rule.when or table.inputs)
    return about


def _inputs(document: Document, names: Container[str]) -> tuple[str, ...]:
    return tuple(name for name in document.inputs if name in names)


_SECTIONS = {"summary": ("text",), "steps": ("action", "done_when"), "recheck": ("event",), "warnings": ("message",)}


def _part(placeholder: str, inputs: Mapping[str, Input], levers: Mapping[str, object] | None) -> str | Slot:
    match = _FORM.fullmatch(placeholder)
    if match is None:
        raise UnknownPlaceholderError(
            f"`{{{placeholder}}}` is no placeholder: write {{input}}, {{input:band}} or {{input.band}}"
        )
    name, sign, label, less = match.groups()
    if name == _WHY and sign == ".":
        if levers is None:
            raise UnknownPlaceholderError(f"`{{{placeholder}}}` is for summaries")
        if label not in levers:
            raise UnknownPlaceholderError(f"no lever `{label}`{nearest_name(label, levers)}")
        return Slot("why", label)
    if name not in inputs:
        raise UnknownPlaceholderError(f"no input `{name}`{nearest_name(name, inputs)}")
    if sign is None:
        return Slot("input", name)
    if sign == ".":
        return _cut(inputs[name], label, less=less is not None)
    if label not in inputs[name].bands or less:
        raise UnknownPlaceholderError(
            f"`{name}` has no band `{label}{less or ''}`{nearest_name(label, inputs[name].bands)}"
        )
    return phrase(inputs[name], label)


def _cut(spec: Input, band: str, *, less: bool) -> str:
    cuts = spec.cuts or {}
    if band not in cuts:
        raise UnknownPlaceholderError(f"no number of a band `{band}`{nearest_name(band, cuts)}")
    return f"{cuts[band] - less:,}"


def _append(parts: list[str | Slot], part: str | Slot, *, is_phrase: bool = False) -> None:
    """Add a part to a text whose last part is a string; a phrase that begins a sentence gets a capital."""
    if isinstance(part, Slot):
        parts += [part, ""]
        return
    before = str(parts[-1])
    begins = before.endswith(_SENTENCE_ENDS) if before else len(parts) == 1
    parts[-1] = before + (capitalized(part) if is_phrase and begins else part)


def _words(text: str) -> str:
    """Return a text as words between single spaces, to look for others in."""
    return f" {_BETWEEN_WORDS.sub(' ', text.lower()).strip()} "
