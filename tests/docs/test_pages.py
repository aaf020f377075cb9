"""The documents name only what exists: links, anchors, paths, settings, metrics, codes, targets, versions."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

import trivium
from toolbox import ROOT
from trivium.api.settings import PREFIX, Settings
from trivium.policy import Document, Registry, load_directory
from trivium.policy.document import Promise
from trivium.profile import VOCABULARY


PAGES = sorted(
    path.relative_to(ROOT)
    for pattern in ("*.md", "docs/*.md", "deploy/*.md", "helm/*/*.md", "openapi/*.md")
    for path in ROOT.glob(pattern)
)
OWN = [page for page in PAGES if page.parts[0] not in {"deploy", "helm", "openapi"}]
FOLDERS = sorted(path.name for path in ROOT.iterdir() if path.is_dir() and path.name not in {".git", ".venv", ".tools"})
VERSIONS = Registry(load_directory(trivium.POLICIES, VOCABULARY)).by_version
CHANGELOG = ROOT / "CHANGELOG.md"


def text(page: Path) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def prose(page: Path) -> str:
    """Return a page without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", text(page), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as the usual hosts make them."""
    titles = re.findall(r"^#+ (.+)$", prose(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if target.startswith("https://"):
            continue
        file, _, anchor = target.partition("#")
        found = (ROOT / page).parent / file if file else ROOT / page
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), target


@pytest.mark.parametrize("page", OWN, ids=str)
def test_paths_exist(page: Path) -> None:
    named = re.findall(rf"(?<![\w/.-])((?:{'|'.join(map(re.escape, FOLDERS))})/[\w./-]+)", prose(page))
    assert [path for path in named if "X.Y.Z" not in path and not (ROOT / path.rstrip(".")).exists()] == []


def test_settings_metrics_and_codes_exist() -> None:
    settings = {PREFIX + name.upper() for name in Settings.__struct_fields__} | {PREFIX, "TRIVIUM_NO_SKIPS"}
    documents = [served.policy.document for served in VERSIONS.values()]
    codes = {code for document in documents for code in document.codes}
    codes |= {warning.code for document in documents for warning in document.warnings} | {"POLICY_DEPRECATED"}
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    others = {"API_VERSION", *re.findall(r"^([A-Z_]+) \?=", makefile, flags=re.MULTILINE)}
    for page in OWN:
        words = re.findall(r"`([A-Z][A-Z0-9]*(?:_[A-Z0-9]*)+)", text(page))
        assert [word for word in words if word not in settings | codes | others] == [], page


def test_make_targets() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (declared,) = re.findall(r"^\.PHONY: (.+)$", makefile, flags=re.MULTILINE)
    explained = re.findall(r"^\| `make ([a-z-]+)` \|", text(Path("CONTRIBUTING.md")), flags=re.MULTILINE)
    assert sorted(explained) == sorted(declared.split())
    for page in PAGES:
        assert set(re.findall(r"`make ([a-z-]+)", text(page))) <= set(declared.split()), page


def test_every_package_has_its_paragraph() -> None:
    packages = {path.parent.relative_to(ROOT / "service") for path in (ROOT / "service").rglob("*.py")}
    told = re.findall(r"^- \*\*`([a-z.]+)`\*\*", text(Path("CONTRIBUTING.md")), flags=re.MULTILINE)
    assert {".".join(package.parts) for package in packages} | {"trivium.policies"} == set(told)


def test_the_changelog_begins_with_the_version_and_tells_of_every_policy() -> None:
    versions = re.findall(r"^## \[([^]]+)\]", CHANGELOG.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert versions[:2] == ["Unreleased", trivium.__version__]
    policies = re.findall(r"^### Policies\n(.*?)(?=^##|\Z)", text(Path("CHANGELOG.md")), re.MULTILINE | re.DOTALL)
    assert [version for version in VERSIONS if version not in "".join(policies)] == []


def test_the_language_names_every_part_of_a_policy() -> None:
    page = text(Path("docs/policies.md"))
    parts = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| .+ \|$", page, flags=re.MULTILINE)
    named = [name for row in parts for name in re.findall(r"`(\w+)`", row)]
    assert named[: len(Document.__struct_fields__)] == list(Document.__struct_fields__)
    forms = {field.encode_name for field in msgspec.structs.fields(Promise)} - {"id"}
    assert forms <= set(re.findall(r"`(\w+)`", page.partition("## Promises")[2]))


def test_the_language_names_every_problem_of_the_load_gate() -> None:
    told = set(re.findall(r"`([a-z]+(?:-[a-z]+)*)`", text(Path("docs/policies.md")).partition("## The load gate")[2]))
    assert [kind for kind in kinds() if kind not in told] == []
    assert {kind for kind in told if kind.partition("-")[0] in {"unread", "dead", "duplicate"}} <= set(kinds())


def kinds() -> Iterator[str]:
    """Yield the kinds of problems that the engine makes, read off its source."""
    for file in (ROOT / "service" / "trivium" / "policy").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).lower().endswith("problem"):
                words = [str(one.value) for one in node.args[:2] if isinstance(one, ast.Constant)]
                yield from (word for word in words if re.fullmatch(r"[a-z]+(-[a-z]+)*", word))


def test_the_licence_is_whole() -> None:
    licence = text(Path("LICENSE"))
    assert "Apache License\n                           Version 2.0, January 2004" in licence
    assert "END OF TERMS AND CONDITIONS" in licence
