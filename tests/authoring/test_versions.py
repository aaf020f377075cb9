"""The version step that a difference calls for, and the step that was taken."""

import pytest
from click.testing import CliRunner

import toolbox
from trivium import cli
from trivium.policy import compile_policy, diff
from trivium.policy.proofs.versions import next_version, too_small_a_step, version_step


COMMUTE = (toolbox.ROOT / "tests" / "policy" / "commute.yaml").read_text()

STEPS = [
    ("1.2.3", "1.2.3", "none"),
    ("1.2.3", "1.2.2", "none"),
    ("2.0.0", "1.9.9", "none"),
    ("1.2.3", "1.2.4", "patch"),
    ("1.2.3", "1.2.10", "patch"),
    ("1.2.3", "1.3.0", "minor"),
    ("1.2.3", "1.10.3", "minor"),
    ("1.2.3", "2.0.0", "major"),
    ("0.2.3", "0.2.4", "minor"),
    ("0.2.3", "0.3.0", "major"),
    ("0.2.3", "1.0.0", "major"),
    ("0.0.2", "0.0.3", "major"),
    ("0.0.0", "0.0.1", "major"),
]


@pytest.mark.parametrize(("old", "new", "step"), STEPS)
def test_the_size_of_a_step(old: str, new: str, step: str) -> None:
    assert version_step(old, new) == step


@pytest.mark.parametrize("version", ["1.2.3", "0.2.3", "0.0.3", "3.0.0"])
@pytest.mark.parametrize("step", ["patch", "minor", "major"])
def test_the_next_version_is_the_lowest_that_is_large_enough(version: str, step: str) -> None:
    sizes = ("none", "patch", "minor", "major")
    proposed = next_version(version, step)  # type: ignore[arg-type]  # the words are a step's
    assert sizes.index(version_step(version, proposed)) >= sizes.index(step)
    candidates = [f"{a}.{b}.{c}" for a in range(5) for b in range(4) for c in range(5)]
    large_enough = [
        candidate for candidate in candidates if sizes.index(version_step(version, candidate)) >= sizes.index(step)
    ]
    assert proposed == large_enough[0]


MAJOR = ("when_unknown: near", "when_unknown: far")
MINOR = ("{id: rides, then: fine}", "{id: rides, then: fine, because: [RAIN]}")
PATCH = ("title: How to get to work", "title: How to go to work")


@pytest.mark.parametrize(
    ("change", "version", "wrong"),
    [
        (MAJOR, "1.1.0", "calls for a major step, and 1.1.0 is a minor step: make it 2.0.0 or more"),
        (MAJOR, "2.0.0", None),
        (MINOR, "1.0.1", "calls for a minor step, and 1.0.1 is a patch step: make it 1.1.0 or more"),
        (MINOR, "1.1.0", None),
        (MINOR, "2.0.0", None),
        (PATCH, "1.0.1", None),
        (PATCH, "1.0.0", "calls for a patch step, and 1.0.0 is no step up: make it 1.0.1 or more"),
        (PATCH, "0.9.0", "calls for a patch step, and 0.9.0 is no step up: make it 1.0.1 or more"),
        (("", ""), "1.0.0", None),
    ],
)
def test_the_step_taken_must_be_as_large_as_what_changed(change: tuple[str, str], version: str, wrong: str) -> None:
    text = COMMUTE.replace(*change).replace("version: 1.0.0", f"version: {version}")
    said = too_small_a_step(diff(compile_policy(COMMUTE), compile_policy(text)))
    assert said == (wrong and f"what changed from 1.0.0 {wrong}")


def test_a_version_that_steps_back_is_refused_even_where_nothing_changed() -> None:
    text = COMMUTE.replace("version: 1.0.0", "version: 0.9.0")
    assert too_small_a_step(diff(compile_policy(COMMUTE), compile_policy(text)))


def test_enforce_fails_with_one_sentence() -> None:
    run = CliRunner()
    forward = run.invoke(cli.main, ["policy", "diff", "1.0.0", "3.0.0", "--enforce"])
    assert forward.exit_code == 0, forward.output
    back = run.invoke(cli.main, ["policy", "diff", "3.0.0", "1.0.0", "--enforce"])
    assert back.exit_code == 1
    assert back.stderr == (
        "Error: what changed from 3.0.0 calls for a major step, and 1.0.0 is no step up: make it 4.0.0 or more\n"
    )
    assert run.invoke(cli.main, ["policy", "diff", "3.0.0", "1.0.0"]).exit_code == 0
