"""The files that no Python tool reads have linters of their own."""

import pytest

import toolbox


@pytest.mark.tool("hadolint")
def test_the_dockerfile_has_no_lint() -> None:
    toolbox.run("hadolint", "Dockerfile")


@pytest.mark.tool("shellcheck")
def test_the_shell_script_has_no_lint() -> None:
    toolbox.run("shellcheck", ".ci/run")
