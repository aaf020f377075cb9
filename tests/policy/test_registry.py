"""The registry serves proven policies of one name, finds them by selector, and knows which still decide."""

import datetime as dt
from pathlib import Path

import pytest

from trivium.policy import (
    Lifecycle,
    PolicyError,
    Registry,
    RetiredPolicyError,
    ServedPolicy,
    UnknownPolicyError,
    load_directory,
    load_policy,
    parse,
)


COMMUTE = Path(__file__).with_name("commute.yaml").read_text(encoding="utf-8")


def version(number: str, text: str = COMMUTE) -> str:
    return text.replace("version: 1.0.0", f"version: {number}")


def served(number: str, status: str = "active", successor: str | None = None) -> ServedPolicy:
    lifecycle = Lifecycle(status=status, successor=successor)  # type: ignore[arg-type]  # one of the three, below
    return ServedPolicy(load_policy(version(number), f"{number}.yaml"), lifecycle)


def registry(*numbers: str, default: str | None = None, **status: str) -> Registry:
    """Return a registry; `v1_0_0="retired"` gives one version another status."""
    return Registry((served(one, status.get(f"v{one.replace('.', '_')}", "active")) for one in numbers), default)


VERSIONS = ("1.10.0", "2.0.0", "1.9.0", "1.9.3", "10.0.0")


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("1.9.0", "1.9.0"),
        ("1.9", "1.9.3"),
        ("1", "1.10.0"),
        ("1.1", None),
        ("10", "10.0.0"),
        ("2.0", "2.0.0"),
        ("latest", "10.0.0"),
        ("3", None),
        ("1.9.0.0", None),
        ("", None),
        ("late", None),
    ],
)
def test_a_selector_names_a_version_or_the_newest_of_a_line(selector: str, found: str | None) -> None:
    policies = registry(*VERSIONS)
    if found is not None:
        assert policies.resolve(selector).version == policies.deciding(selector).version == found
    else:
        with pytest.raises(UnknownPolicyError, match=f"no policy `{selector}`"):
            policies.resolve(selector)


def test_versions_are_ordered_as_numbers_however_they_come() -> None:
    assert list(registry(*VERSIONS).by_version) == ["1.9.0", "1.9.3", "1.10.0", "2.0.0", "10.0.0"]


def test_without_a_selector_the_default_decides_or_else_the_newest_active_version() -> None:
    assert registry(*VERSIONS).deciding().version == "10.0.0"
    assert registry(*VERSIONS, default="1").deciding().version == "1.10.0"
    assert registry(*VERSIONS, v10_0_0="deprecated").deciding().version == "2.0.0"
    with pytest.raises(UnknownPolicyError):
        registry(*VERSIONS, default="3")
    with pytest.raises(UnknownPolicyError):
        Registry([])
    with pytest.raises(RetiredPolicyError):
        registry(*VERSIONS, default="1.9.0", v1_9_0="retired")


def test_a_deprecated_version_still_decides_and_a_line_may_end_in_one() -> None:
    policies = registry(*VERSIONS, v1_10_0="deprecated")
    assert policies.deciding("1.10.0").lifecycle.status == "deprecated"
    assert policies.deciding("1").version == "1.10.0"


def test_a_retired_version_can_be_read_by_its_full_name_and_decides_no_more() -> None:
    policies = Registry([served("1.0.0", "retired", successor="2.0.0"), served("1.1.0"), served("2.0.0")])
    assert policies.resolve("1.0.0").lifecycle.status == "retired"
    assert policies.resolve("1").version == "1.1.0"
    with pytest.raises(UnknownPolicyError):
        policies.resolve("1.0")
    with pytest.raises(RetiredPolicyError, match=r"1\.0\.0 is retired; use 2\.0\.0") as refused:
        policies.deciding("1.0.0")
    assert refused.value.served.version == "1.0.0"


def test_a_near_miss_is_told_the_nearest_version() -> None:
    with pytest.raises(UnknownPolicyError, match=r"did you mean `1\.9\.3`"):
        registry(*VERSIONS).resolve("v1.9.3")


def write(directory: Path, **files: str) -> Path:
    for name, text in files.items():
        (directory / f"{name}.yaml").write_text(text, encoding="utf-8")
    return directory


def test_a_directory_is_served_with_the_lifecycle_beside_it(tmp_path: Path) -> None:
    lifecycle = "1.0.0: {status: deprecated, released: 2026-01-31, sunset: 2027-01-31, successor: 2.0.0}\n"
    (tmp_path / "README.md").write_text("Not a policy.", encoding="utf-8")
    one, two = load_directory(write(tmp_path, a=COMMUTE, b=version("2.0.0"), lifecycle=lifecycle))
    assert one.lifecycle == Lifecycle("deprecated", dt.date(2026, 1, 31), None, dt.date(2027, 1, 31), "2.0.0")
    assert (two.version, two.lifecycle) == ("2.0.0", Lifecycle())


def test_the_same_version_twice_is_refused_at_the_version_of_the_file_that_repeats_it(tmp_path: Path) -> None:
    with pytest.raises(PolicyError) as refused:
        Registry(load_directory(write(tmp_path, a=COMMUTE, b=COMMUTE + "\n# a copy\n")))
    (problem,) = refused.value.problems
    assert (problem.code, problem.line, problem.column) == ("duplicate-version", 3, 1)
    assert problem.file in {"a.yaml", "b.yaml"}


def test_two_names_are_refused_at_the_name(tmp_path: Path) -> None:
    other = version("2.0.0").replace("policy: commute", "policy: travel")
    with pytest.raises(PolicyError) as refused:
        Registry(load_directory(write(tmp_path, a=COMMUTE, b=other)))
    (problem,) = refused.value.problems
    assert (problem.code, problem.file, problem.line, problem.column) == ("two-names", "b.yaml", 2, 1)


@pytest.mark.parametrize(
    ("lifecycle", "code", "says"),
    [
        ("1.0.0: {status: gone}", "malformed", "gone"),
        ("1.0.0: {state: active}", "malformed", "state"),
        ("1.0.0: {released: soon}", "malformed", "soon|date"),
        ("[1.0.0]", "malformed", "object"),
        ("1.0.0: {released: 2026-02-31}", "not-yaml", "day"),
        ("1.0.0: {status", "not-yaml", "expected"),
        ("9.0.0: {status: active}", "unknown-version", r"9\.0\.0; served: 1\.0\.0"),
    ],
)
def test_a_wrong_lifecycle_file_is_refused_by_name(tmp_path: Path, lifecycle: str, code: str, says: str) -> None:
    with pytest.raises(PolicyError, match=says) as refused:
        load_directory(write(tmp_path, a=COMMUTE, lifecycle=lifecycle))
    assert [(problem.code, problem.file) for problem in refused.value.problems] == [(code, "lifecycle.yaml")]


@pytest.mark.parametrize("name", ["a.yaml", "lifecycle.yaml"])
def test_a_file_that_is_not_utf_8_is_refused_by_name(tmp_path: Path, name: str) -> None:
    write(tmp_path, b=version("2.0.0"))
    (tmp_path / name).write_bytes(b"policy: caf\xe9")
    with pytest.raises(PolicyError) as refused:
        load_directory(tmp_path)
    assert [(problem.code, problem.file) for problem in refused.value.problems] == [("not-yaml", name)]


def test_the_problems_of_all_files_are_reported_together(tmp_path: Path) -> None:
    bad = COMMUTE.replace("then: bus", "then: buss")
    incomplete = version("2.0.0").replace("      - {id: otherwise, then: bus, because: [TOO_FAR]}\n", "")
    with pytest.raises(PolicyError) as refused:
        load_directory(write(tmp_path, a=bad, b=incomplete, c=version("3.0.0"), lifecycle="1.0.0: {status: gone}"))
    assert {problem.file for problem in refused.value.problems} == {"a.yaml", "b.yaml", "lifecycle.yaml"}


def test_a_version_whose_file_does_not_load_is_not_called_unknown_as_well(tmp_path: Path) -> None:
    bad = COMMUTE.replace("then: bus", "then: buss")
    with pytest.raises(PolicyError) as refused:
        load_directory(write(tmp_path, a=bad, lifecycle="1.0.0: {status: active}"))
    assert {problem.file for problem in refused.value.problems} == {"a.yaml"}


# Identity

SAME = {
    "a comment": ("codes:\n", "# Reasons.\ncodes:  # all of them\n"),
    "blank lines": ("inputs:\n  distance:\n", "\ninputs:\n\n  distance:\n\n"),
    "block style": ("[dry, wet]", "\n      - dry\n      - wet"),
    "quotes": ("title: How to get to work", 'title: "How to get to work"'),
    "another way to write a number": ("far: 10", "far: 1.0e+1"),
}
DRY = "  - {id: dry-feet, when: {strategy: bus}, text: Take the bus.}\n"
OWN = "  - {id: own-steam, text: Go by yourself.}\n"
OTHER = {
    "a text": ("Take the bus.", "Take a bus."),
    "a cut": ("far: 10", "far: 11"),
    "an assumption": ("when_unknown: near", "when_unknown: far"),
    "the version": ("version: 1.0.0", "version: 1.0.1"),
    "the order of statements": (DRY + OWN, OWN + DRY),
    "a number made a word": ("distance: 10}", 'distance: "10"}'),
}


def digest(text: str) -> str:
    return parse(text).digest


@pytest.mark.parametrize("name", SAME)
def test_the_digest_ignores_comments_and_layout(name: str) -> None:
    old, new = SAME[name]
    assert COMMUTE.count(old) == 1
    changed = COMMUTE.replace(old, new)
    assert changed != COMMUTE
    assert digest(changed) == digest(COMMUTE)


@pytest.mark.parametrize("name", OTHER)
def test_the_digest_sees_every_change_of_content(name: str) -> None:
    old, new = OTHER[name]
    assert old in COMMUTE
    assert digest(COMMUTE.replace(old, new)) != digest(COMMUTE)
