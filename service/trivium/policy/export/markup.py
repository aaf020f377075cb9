"""XML as text: enough of it to write a drawing or a model, escaped."""

from __future__ import annotations

import re
from html import escape


HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'

_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Markup(str):
    """Text that is XML already."""

    __slots__ = ()


def text(value: str) -> Markup:
    """Escape text; what XML cannot hold becomes a replacement character."""
    return Markup(escape(_FORBIDDEN.sub("\ufffd", value), quote=False))


def element(tag: str, *children: str, **attributes: str | float | None) -> Markup:
    """Write an element.

    Args:
        tag: its name.
        children: markup as it is, other text escaped.
        attributes: `class_` stands for class and `stroke_width` for stroke-width; None leaves one out.
    """
    pairs = {name.strip("_").replace("_", "-"): value for name, value in attributes.items() if value is not None}
    return node(tag, pairs, *children)


def node(tag: str, attributes: dict[str, str | float], *children: str) -> Markup:
    """Write an element whose attributes are named as they are."""
    head = tag + "".join(f' {name}="{_escaped(text_of(value))}"' for name, value in attributes.items())
    parts = [child if isinstance(child, Markup) else text(child) for child in children if child]
    if not parts:
        return Markup(f"<{head}/>")
    apart = "\n" if all(part.startswith("<") for part in parts) else ""  # never inside text, where a space counts
    return Markup(f"<{head}>{apart}{apart.join(parts)}{apart}</{tag}>")


def _escaped(value: str) -> str:
    """Escape an attribute's value; line ends and tabs would be read as spaces."""
    return escape(value).translate({ord(space): f"&#{ord(space)};" for space in "\t\n\r"})


def text_of(value: str | float) -> str:
    """Write an attribute's value; numbers short."""
    return _FORBIDDEN.sub("\ufffd", value) if isinstance(value, str) else f"{value:.6g}"
