"""The installer of the system tools knows every tool that a test asks for."""

import re

import pytest

import install
import toolbox


def test_every_tool_that_a_test_needs_can_be_installed() -> None:
    texts = [path.read_text() for path in (toolbox.ROOT / "tests").rglob("test_*.py")]
    marks = {name for text in texts for mark in re.findall(r"mark\.tool\(([^)]*)\)", text) for name in mark.split(", ")}

    assert {name.strip("\"'") for name in marks} - {"no-such-tool"} <= set(install.CATALOG)


def test_an_unknown_tool_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert install.main(["helmet"]) == 2
    assert "unknown: helmet; known: helm," in capsys.readouterr().err


@pytest.mark.tool("helm")
def test_what_is_there_is_not_installed_again(capsys: pytest.CaptureFixture[str]) -> None:
    # Where helm came from elsewhere, this installs it once.
    assert install.main(["helm"]) == 0
    capsys.readouterr()
    assert install.main(["helm"]) == 0
    assert "helm: there already" in capsys.readouterr().out


def test_a_failure_says_what_failed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(name: str, package: str) -> None:
        raise install.InstallError(f"no {package} for {name}")

    monkeypatch.setitem(install.CATALOG, "helm", install.Tool(fail, "other==1"))
    assert install.main(["helm"]) == 1
    assert "helm: no other==1 for helm" in capsys.readouterr().err


def test_apt_asks_for_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: "/usr/bin/apt-get")
    monkeypatch.setattr("os.geteuid", lambda: 1000)

    with pytest.raises(install.InstallError, match="needs root: sudo apt-get install"):
        install.from_debian("promtool", "prometheus")
