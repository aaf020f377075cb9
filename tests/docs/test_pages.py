"""The documents name only what exists: links, anchors, paths, settings, metrics, codes, targets, versions."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

import trivium
from toolbox import ROOT
from trivium.api.settings import PREFIX, Settings
from trivium.economics import Costs
from trivium.policy import Registry, load_directory
from trivium.policy.language.document import Promise
from trivium.prices import AS_OF, DEFAULTS
from trivium.profile import COST_TEXTS, VOCABULARY


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
    settings = {PREFIX + name.upper() for name in Settings.__struct_fields__} | {PREFIX}
    documents = [served.policy.document for served in VERSIONS.values()]
    codes = {code for document in documents for code in document.codes}
    codes |= {warning.code for document in documents for warning in document.warnings} | {"POLICY_DEPRECATED"}
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    others = {
        "API_VERSION",
        "RAY_ADDRESS",
        "SPARK_REMOTE",
        *re.findall(r"^([A-Z_]+) \?=", makefile, flags=re.MULTILINE),
    }
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


def test_the_architecture_page_names_every_package_and_every_module_beside_them() -> None:
    package = ROOT / "service" / "trivium"
    folders = {f"{path.parent.relative_to(package)}/" for path in package.rglob("__init__.py")} - {"./"}
    modules = {path.name for path in package.glob("*.py")} - {"__init__.py", "__main__.py"}
    page = text(Path("ARCHITECTURE.md"))
    assert {name for name in folders | modules if f"`{name}" not in page} == set()


def test_the_changelog_begins_with_the_version_and_tells_of_every_policy() -> None:
    versions = re.findall(r"^## \[([^]]+)\]", CHANGELOG.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert versions[:2] == ["Unreleased", trivium.__version__]
    policies = re.findall(r"^### Policies\n(.*?)(?=^##|\Z)", text(Path("CHANGELOG.md")), re.MULTILINE | re.DOTALL)
    assert [version for version in VERSIONS if version not in "".join(policies)] == []


@pytest.mark.parametrize("version", VERSIONS)
def test_the_changelog_counts_inputs_promises_and_cells(version: str) -> None:
    policy = VERSIONS[version].policy
    (entry,) = re.findall(rf"^- `adaptation` {version}: (.+\n(?:  .+\n)*)", text(Path("CHANGELOG.md")), re.MULTILINE)
    said = " ".join(entry.split())
    told = f"over {len(policy.inputs)} inputs, with {len(policy.document.promises)} promises proved over its"
    assert f"{told} {policy.cells:,} cells." in said


def test_the_changelog_names_every_source_beyond_the_framework() -> None:
    known = {name for served in VERSIONS.values() for name in served.policy.document.sources}
    told = re.findall(r"`([\w-]+)`", text(Path("CHANGELOG.md")).partition("### Policies\n")[2])
    assert sorted(name for name in known - set(told) if not re.fullmatch("[A-F][1-6]", name)) == []


def test_every_form_of_promise_is_described() -> None:
    forms = {field.encode_name for field in msgspec.structs.fields(Promise)} - {"id"}
    assert forms <= set(re.findall(r"`(\w+)`", text(Path("docs/policies.md")).partition("## Promises")[2]))


def test_every_problem_of_the_load_gate_is_described() -> None:
    told = set(re.findall(r"`([a-z]+(?:-[a-z]+)*)`", text(Path("docs/policies.md")).partition("## The load gate")[2]))
    assert [kind for kind in kinds() if kind not in told] == []
    assert {kind for kind in told if kind.partition("-")[0] in {"unread", "dead", "duplicate"}} <= set(kinds())


def kinds() -> Iterator[str]:
    """Yield the kinds of problems that the engine makes, read off its source."""
    for file in (ROOT / "service" / "trivium" / "policy").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).lower().endswith("problem"):
                words = [str(one.value) for one in node.args[:2] if isinstance(one, ast.Constant)]
                yield from (word for word in words if re.fullmatch(r"[a-z]+(-[a-z]+)*", word))
            elif isinstance(node, ast.Constant) and re.fullmatch(r"(dead|duplicate|unread)-[a-z]+", str(node.value)):
                yield str(node.value)  # kinds that are made from a list


RENEW = re.findall(
    r"\]\(([\w./]+).*\| `((?:python|trivium) [^`>]+?)(?: > [^`]+)?` \|$",
    text(Path("CONTRIBUTING.md")).partition("## Renew what is generated")[2],
    flags=re.MULTILINE,
)


@pytest.mark.parametrize(("page", "command"), RENEW)
def test_what_is_generated_is_what_its_command_prints(page: str, command: str) -> None:
    assert len(RENEW) == 4
    program, *arguments = command.split()
    done = subprocess.run(
        [Path(sys.executable).with_name(program), *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip()
    assert done.stdout.strip() in text(Path(page)), command


def test_every_cost_is_listed_with_what_is_assumed() -> None:
    page = text(Path("docs/economics.md"))
    assumed = {name: f"{figure.value:,}" for name, figure in DEFAULTS.items()}
    expected = [(name, assumed.get(name, "-"), meaning) for name, meaning in COST_TEXTS.items()]
    assert re.findall(r"^\| `(\w+)` \| (.+) \| (.+) \|$", page, flags=re.MULTILINE) == expected
    assert [name for name, *_ in expected] == list(Costs.__struct_fields__)
    assert f"date ({AS_OF})" in " ".join(page.split())


def test_the_licence_is_whole() -> None:
    licence = text(Path("LICENSE"))
    assert "Apache License\n                           Version 2.0, January 2004" in licence
    assert "END OF TERMS AND CONDITIONS" in licence
