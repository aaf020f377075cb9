"""Redocly's diff, with which releases are compared, demands a new major version for what breaks clients."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import toolbox
from trivium.api.app import CONTRACT


Contract = dict[str, Any]

pytestmark = [pytest.mark.tool("redocly"), pytest.mark.e2e]


def judge(folder: Path, change: Callable[[Contract], object], version: str) -> int:
    """Return the exit code of comparing the contract with a changed one of another version."""
    contract = CONTRACT.document
    changed = copy.deepcopy(contract)
    change(changed)
    changed["info"]["version"] = version
    for name, content in (("base.json", contract), ("revision.json", changed)):
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    files = (folder / "base.json", folder / "revision.json")
    return toolbox.run("redocly", "diff", *files, "--fail-on=none", "--check-version", check=False).returncode


def schema(contract: Contract, name: str) -> Any:
    return contract["components"]["schemas"][name]


def recommend(contract: Contract) -> Any:
    return contract["paths"]["/recommend"]["post"]


BREAKING: dict[str, Callable[[Contract], object]] = {
    "a path is gone": lambda it: it["paths"].pop("/codes"),
    "a method is gone": lambda it: it["paths"]["/policies/{version}/map"].pop("post"),
    "a response is gone": lambda it: recommend(it)["responses"].pop("200"),
    "a media type is gone": lambda it: recommend(it)["responses"]["200"]["content"].pop("application/json"),
    "a parameter is gone": lambda it: recommend(it)["parameters"].pop(0),
    "a parameter is required": lambda it: it["components"]["parameters"]["Policy"].update(required=True),
    "a member sent is gone": lambda it: schema(it, "Recommendation")["properties"].pop("summary"),
    "a member sent may be missing": lambda it: schema(it, "Recommendation")["required"].remove("summary"),
    "a member sent has another type": lambda it: schema(it, "Recommendation")["properties"].update(
        summary={"type": "integer", "format": "int64"}
    ),
    "a member received is required": lambda it: schema(it, "Profile").update(required=["requests_per_day"]),
    "a member received is gone": lambda it: schema(it, "Profile")["properties"].pop("prompt_tokens"),
    "fewer values are received": lambda it: schema(it, "KnowledgeNeed")["enum"].remove("stable_facts"),
    "smaller numbers are received": lambda it: schema(it, "Profile")["properties"]["requests_per_day"].update(
        maximum=9
    ),
}
ADDING: dict[str, Callable[[Contract], object]] = {
    "a member sent is new": lambda it: schema(it, "Recommendation")["properties"].update(heard={"type": "string"}),
    "a member received is new": lambda it: schema(it, "Profile")["properties"].update(more={"type": "boolean"}),
    "a path is new": lambda it: it["paths"].update({"/more": it["paths"]["/livez"]}),
}


@pytest.mark.parametrize("change", BREAKING.values(), ids=BREAKING)
def test_what_breaks_clients_needs_a_new_major_version(tmp_path: Path, change: Callable[[Contract], object]) -> None:
    assert judge(tmp_path, change, "1.1.0") != 0
    assert judge(tmp_path, change, "2.0.0") == 0


@pytest.mark.parametrize("change", ADDING.values(), ids=ADDING)
def test_what_is_added_needs_a_new_minor_version(tmp_path: Path, change: Callable[[Contract], object]) -> None:
    assert judge(tmp_path, change, "1.0.1") != 0
    assert judge(tmp_path, change, "1.1.0") == 0


def test_without_a_change_no_new_version_is_needed(tmp_path: Path) -> None:
    assert judge(tmp_path, lambda _: None, "1.0.0") == 0
