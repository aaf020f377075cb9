"""The reference of the language as docs/authoring.md has it, written from the schema.

python tests/authoring/reference_page.py prints it.
"""

from typing import Any

from trivium.policy.language.json_schema import schema


def reference() -> str:
    definitions = schema()["$defs"]
    whole = definitions.pop("Document")
    return "\n".join([part("Document", whole), *(part(name, one) for name, one in definitions.items())])


def part(name: str, definition: dict[str, Any]) -> str:
    heading = "A policy" if name == "Document" else name
    lines = [f"## {heading}", "", definition["description"], ""]
    if "properties" in definition:
        lines += ["| key | is | required | meaning |", "| --- | --- | --- | --- |"]
        required = definition["required"]
        lines += [
            f"| `{key}` | {kind(value)} | {'yes' if key in required else 'no'} | {value['description']} |"
            for key, value in definition["properties"].items()
        ]
        lines.append("")
    return "\n".join(lines)


def kind(value: dict[str, Any]) -> str:
    """Say in words what a value is."""
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "enum" in value:
        return " or ".join(f"`{one}`" for one in value["enum"])
    if "anyOf" in value:
        kinds = [kind(one) for one in value["anyOf"]]
        if "number" in kinds:
            kinds.remove("integer")
        return ", or ".join(kinds)
    if value["type"] == "array":
        return f"list of {kind(value['items'])}"
    if value["type"] == "object":
        return f"mapping to {kind(value['additionalProperties'])}"
    return "text" if value["type"] == "string" else str(value["type"])


if __name__ == "__main__":
    print(reference(), end="")  # noqa: T201 - a script
