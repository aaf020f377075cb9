"""Strict decoding that reports every bad field at once, each with a pointer and the nearest valid name or value.

The fast path is msgspec's, which stops at the first error; only when it has failed is the input looked at again, field
by field.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import chain
from types import UnionType
from typing import Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin

import msgspec

from trivium.errors import FieldError, InvalidInputError
from trivium.policy.errors import nearest_choice, nearest_name


T = TypeVar("T", bound=msgspec.Struct)

MAX_SUGGESTED = 10
"""How many unknown fields of an object get the nearest name; looking for one takes a third of a millisecond."""


MOST_NAMES = 10_000
"""How many names of an object are looked at one by one; a MiB has 150,000, which take twenty milliseconds."""

_RAW = msgspec.json.Decoder(msgspec.Raw)
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])


UNDECODED = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)
"""What a decoder raises."""


def decode(body: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """Decode a JSON object into a struct.

    Raises:
        InvalidInputError: with every bad field.
    """
    try:
        body.decode()  # msgspec does not look into strings that it skips
        return decoder.decode(body)
    except UNDECODED:
        return explain(body, decoder.type)


def explain(body: bytes, kind: type[T]) -> T:
    """Say what is wrong with JSON that cannot be decoded.

    Where a name is given twice and only its last value is right, nothing is, and the struct is returned.

    Raises:
        InvalidInputError: with every bad field.
    """
    errors = check(decode_outline(body, kind), kind)
    for first in errors:
        raise InvalidInputError(chain([first], errors)) from None  # which looks for no more than it lists
    return msgspec.convert(decode_outline(body, kind, items=True), kind, strict=True)


def decode_outline(body: bytes, kind: type[msgspec.Struct], *, items: bool = False) -> Any:
    """Decode JSON as far as `check` looks into it.

    The values of unknown fields are None, and an array or object in the place of a plain value is an empty one. Making
    all objects of a MiB of empty lists takes fifty milliseconds; skipping them takes two. Numbers beyond all bounds
    become infinite.

    Args:
        body: the JSON.
        kind: the struct that it should be.
        items: whether to decode the items of arrays, each as `msgspec.Raw`; otherwise one stands for all.

    Raises:
        InvalidInputError: the body is not JSON, or an object has an unknown field and too many names to list all such.
    """
    try:
        body.decode()
        if _begins(body) != b"{":
            _RAW.decode(body)
        return _outline(body, kind, "", items=items)
    except RecursionError:
        detail = "the JSON is nested far too deeply"
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        detail = f"not JSON: {error}" if body.strip() else "the body is empty: send a JSON object"
    raise InvalidInputError([FieldError("malformed", detail, pointer="")])


def _outline(body: bytes, kind: type[msgspec.Struct] | None, pointer: str, *, items: bool) -> Any:
    """Return the outline of JSON; `kind` is None for what should be no struct."""
    match _begins(body):
        case b"{" if kind is not None:
            fields = _fields(kind)
            return {
                name: _outline(bytes(raw), fields[name].nested, f"{pointer}/{name}", items=items)
                if name in fields
                else None
                for name, raw in _members(body, kind, pointer).items()
            }
        case b"{":
            return {}
        case b"[" if items:
            return _ITEMS.decode(body)
        case b"[":
            return [msgspec.Raw(b"null")] if body.strip()[1:-1].strip() else []
    return _plain(body)


def _members(body: bytes, kind: type[msgspec.Struct], pointer: str) -> dict[str, msgspec.Raw]:
    """Return the members of an object: in their order, or in that of the struct where there may be too many."""
    if body.count(b":") <= MOST_NAMES:
        return _MEMBERS.decode(body)
    try:
        known = msgspec.structs.astuple(_known_names(kind).decode(body))
    except msgspec.ValidationError as error:
        _RAW.decode(body)  # to its end
        name = str(error).partition("`")[2].removesuffix("`")
        near = _suggest(name, _fields(kind))
        detail = f"unknown field{near}; the object has more than {MOST_NAMES:,} names, so no other errors are listed"
        raise InvalidInputError([FieldError("unknown_field", detail, pointer=f"{pointer}/{_escaped(name)}")]) from None
    return {name: raw for name, raw in zip(_fields(kind), known, strict=True) if raw is not None}


@lru_cache(maxsize=64)
def _known_names(kind: type[msgspec.Struct]) -> msgspec.json.Decoder[Any]:
    """Return what stops at the first unknown name of an object, and looks at nothing else."""
    fields: list[Any] = [(f"f{at}", msgspec.Raw, None) for at in range(len(_fields(kind)))]
    names = dict(zip((field for field, *_ in fields), _fields(kind), strict=True))
    return msgspec.json.Decoder(msgspec.defstruct("Names", fields, rename=names, forbid_unknown_fields=True))


def _plain(body: bytes) -> Any:
    """Decode JSON that is no array and no object."""
    try:
        return msgspec.json.decode(body)
    except msgspec.ValidationError:  # JSON that msgspec does not take: 1e400, or 400 digits
        return json.loads(body, parse_int=float)


def _begins(body: bytes) -> bytes:
    return body.lstrip()[:1]


def check(data: Any, kind: type[msgspec.Struct], pointer: str = "", *, suggest: bool = True) -> Iterator[FieldError]:
    """Yield every bad field of decoded JSON that should be a struct.

    Args:
        data: the JSON.
        kind: the struct.
        pointer: where it stands in a larger body.
        suggest: whether to look for the nearest valid name or value, which takes a while.
    """
    if not isinstance(data, Mapping):
        yield FieldError("wrong_type", f"expected an object, got {_named(data)}", pointer=pointer)
        return
    fields = _fields(kind)
    unknown = 0
    for name, value in data.items():
        at = f"{pointer}/{_escaped(str(name))}"
        if name not in fields:
            unknown += 1
            near = suggest and unknown <= MAX_SUGGESTED
            yield FieldError("unknown_field", f"unknown field{_suggest(str(name), fields, near=near)}", pointer=at)
        elif (nested := fields[name].nested) is not None and value is not None:
            yield from check(value, nested, at, suggest=suggest)
        else:
            try:
                msgspec.convert(value, fields[name].type, strict=True)
                str(value).encode()
            except msgspec.ValidationError as error:
                yield field_error(value, fields[name].type, str(error), pointer=at, suggest=suggest)
            except UnicodeEncodeError:
                yield FieldError("malformed", "not a valid text: it has a lone surrogate", pointer=at)
    for name, field in fields.items():
        if field.required and name not in data:
            yield FieldError("missing_field", f"`{name}` is required", pointer=pointer)


def field_error(
    value: Any,
    kind: Any,
    message: str,
    *,
    pointer: str | None = None,
    parameter: str | None = None,
    suggest: bool = True,
) -> FieldError:
    """Turn msgspec's message about one value into an error that says what is allowed."""
    message = re.sub(r" - at `[^`]*`$", "", message)
    choices = allowed(kind)
    if choices and isinstance(value, str):
        code, detail = "unknown_value", f"unknown value{nearest_choice(value, choices) if suggest else ''}"
    elif message.startswith("Expected `str` of length"):
        code, detail = "too_long", message.replace("Expected `str`", "expected a string")
    elif message.startswith("Expected `str` matching regex"):
        form = description(kind).rstrip(".") or "the form " + message.partition("regex ")[2].strip("'")
        code, detail = "unknown_value", f"expected {form}"
    elif message.startswith("Expected `array` of length"):
        code, detail = "out_of_range", message.replace("Expected `array`", "expected an array")
    elif "multiple of 1" in message:
        code, detail = "wrong_type", f"expected a whole number, got {value!r}"
    elif re.match(r"Expected `\w+` [<>]=|Number out of range", message):
        code, detail = "out_of_range", message.replace("Expected `float`", "expected a number")
    else:
        code, detail = "wrong_type", f"expected {_expected(kind)}, got {_named(value)}"
    return FieldError(code, detail, pointer=pointer, parameter=parameter)


NO_NEWLINE = r"(?!\n)"
"""Ends a pattern behind `$`, which in Python, unlike in JSON Schema, also matches before a final line feed."""


def one_of(words: Iterable[str]) -> msgspec.Meta:
    """Return what makes a string a choice of words that are known only at run time."""
    words = list(words)
    return msgspec.Meta(pattern=f"^({'|'.join(words)})${NO_NEWLINE}", extra_json_schema={"enum": words})


def allowed(kind: Any) -> tuple[str, ...]:
    """Return the words a type allows, when it is a choice of words."""
    if get_origin(kind) is Literal:
        return get_args(kind)
    for meta in _metas(kind):
        if words := (meta.extra_json_schema or {}).get("enum"):
            return tuple(words)
    return tuple(word for part in _parts(kind) for word in allowed(part))


def description(kind: Any) -> str:
    """Return how a type is described; nothing where it is not."""
    described = [meta.description for meta in _metas(kind) if meta.description]
    return described[0] if described else "".join(map(description, _parts(kind)))


def _metas(kind: Any) -> Iterator[msgspec.Meta]:
    return (meta for meta in getattr(kind, "__metadata__", ()) if isinstance(meta, msgspec.Meta))


def _parts(kind: Any) -> tuple[Any, ...]:
    origin = get_origin(kind)
    if origin in {Union, UnionType}:
        return tuple(part for part in get_args(kind) if part is not type(None))
    if hasattr(kind, "__metadata__"):
        return (kind.__origin__,)
    return ()


def base_type(kind: Any) -> Any:
    """Return the type below `Annotated` and `| None`."""
    while parts := _parts(kind):
        kind = parts[0]
    return kind


class _Field(NamedTuple):
    """A field of a struct: its type, the struct that it holds, if any, and whether it must be given."""

    type: Any
    nested: type[msgspec.Struct] | None
    required: bool


@lru_cache(maxsize=64)
def _fields(kind: type[msgspec.Struct]) -> Mapping[str, _Field]:
    """Return the fields of a struct by name; kept, for msgspec reads the annotations of the struct each time."""
    return {one.encode_name: _Field(one.type, _struct(one.type), one.required) for one in msgspec.structs.fields(kind)}


def _struct(kind: Any) -> type[msgspec.Struct] | None:
    base = base_type(kind)
    return base if isinstance(base, type) and issubclass(base, msgspec.Struct) else None


_EXPECTED = {bool: "true or false", float: "a number", int: "an integer", str: "a string", list: "an array"}


def _expected(kind: Any) -> str:
    if choices := allowed(kind):
        return "one of " + ", ".join(choices)
    base = base_type(kind)
    return _EXPECTED.get(get_origin(base) or base, "an object")


def _named(value: Any) -> str:
    kinds = {
        bool: "a boolean",
        int: "a number",
        float: "a number",
        str: "a string",
        list: "an array",
        dict: "an object",
    }
    return "null" if value is None else kinds.get(type(value), "something else")


def _suggest(name: str, names: Iterable[str], *, near: bool = True) -> str:
    return nearest_name(name, names) if near else ""


def _escaped(name: str) -> str:
    return name[:200].encode(errors="replace").decode().replace("~", "~0").replace("/", "~1")
