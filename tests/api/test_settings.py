"""Settings come from the environment; a wrong or unknown one keeps the service from starting and says why."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import trivium
from api import serving
from trivium.api.app import create_app
from trivium.api.settings import Settings
from trivium.errors import SettingsError
from trivium.policy import PolicyError


DIGEST = "0123456789abcdef" * 4

RIGHT: dict[str, list[tuple[str, Any]]] = {
    "TRIVIUM_DEFAULT_POLICY": [("", ""), ("1.0.0", "1.0.0"), ("latest", "latest")],
    "TRIVIUM_LOG_LEVEL": [(level, level) for level in ("debug", "info", "warning", "error")],
    "TRIVIUM_LOG_PROFILES": [("true", True), ("1", True), ("false", False), ("0", False)],
    "TRIVIUM_MAX_BODY_BYTES": [("1024", 1024), ("1073741824", 1 << 30)],
    "TRIVIUM_BODY_SECONDS": [("0.5", 0.5), ("3600", 3600)],
    "TRIVIUM_MAX_BATCH": [("1", 1), ("1000000", 1_000_000)],
    "TRIVIUM_MAX_BATCHES": [("1", 1), ("1000", 1000)],
    "TRIVIUM_MAX_STREAMS": [("1", 1), ("1000", 1000)],
    "TRIVIUM_MAX_STREAM_BYTES": [("1024", 1024), ("1099511627776", 1 << 40)],
    "TRIVIUM_STREAM_IDLE_SECONDS": [("0.01", 0.01), ("3600", 3600)],
    "TRIVIUM_POLICY_DIR": [("", ""), ("/etc/trivium/policies", "/etc/trivium/policies")],
    "TRIVIUM_POLICY_PINS": [("", ""), (f"1.0.0={DIGEST}", f"1.0.0={DIGEST}")],
    "TRIVIUM_POLICY_KEYS": [("", ""), ("team.pub", "team.pub")],
    "TRIVIUM_POLICY_RELOAD_SECONDS": [("0", 0), ("0.5", 0.5), ("3600", 3600)],
    "TRIVIUM_MANAGEMENT_PORT": [("0", 0), ("8001", 8001), ("65535", 65535)],
    "TRIVIUM_MAX_CONNECTIONS": [("1", 1), ("1000000", 1_000_000)],
    "TRIVIUM_IDLE_SECONDS": [("1", 1), ("0.5e1", 5), ("3600", 3600)],
    "TRIVIUM_DRAIN_SECONDS": [("0", 0), ("2.5", 2.5), ("3600", 3600)],
    "TRIVIUM_SHUTDOWN_SECONDS": [("0", 0), ("2.5", 2.5), ("3600", 3600)],
}
WRONG: dict[str, list[tuple[str, Any]]] = {
    "TRIVIUM_DEFAULT_POLICY": [("x" * 65, "length <= 64")],
    "TRIVIUM_LOG_LEVEL": [("", "known: `debug`, `info`"), ("INFO", "info"), ("warn", "did you mean `warning`?")],
    "TRIVIUM_LOG_PROFILES": [("", "true or false"), ("yes", "true or false"), ("2", "true or false")],
    "TRIVIUM_MAX_BODY_BYTES": [
        ("1023", ">= 1024"),
        ("1073741825", "<= 1073741824"),
        ("1MB", "an integer"),
        ("", "integer"),
    ],
    "TRIVIUM_MAX_BATCH": [("0", ">= 1"), ("1000001", "<= 1000000"), ("-1", ">= 1"), ("1.5", "an integer")],
    "TRIVIUM_BODY_SECONDS": [("0", ">= 0.01"), ("3601", "<= 3600"), ("soon", "a number")],
    "TRIVIUM_MAX_BATCHES": [("0", ">= 1"), ("1001", "<= 1000"), ("many", "an integer")],
    "TRIVIUM_MAX_STREAMS": [("0", ">= 1"), ("1001", "<= 1000")],
    "TRIVIUM_MAX_STREAM_BYTES": [("1023", ">= 1024"), ("1GB", "an integer")],
    "TRIVIUM_STREAM_IDLE_SECONDS": [("0", ">= 0.01"), ("3601", "<= 3600")],
    "TRIVIUM_POLICY_DIR": [("x" * 4097, "length <= 4096")],
    "TRIVIUM_POLICY_PINS": [("1.0.0", "`1.0.0` is not VERSION=DIGEST")],
    "TRIVIUM_POLICY_KEYS": [("x" * 4097, "length <= 4096")],
    "TRIVIUM_POLICY_RELOAD_SECONDS": [("-1", ">= 0"), ("3601", "<= 3600"), ("nan", ""), ("soon", "a number")],
    "TRIVIUM_MANAGEMENT_PORT": [("-1", ">= 0"), ("65536", "<= 65535"), ("http", "an integer")],
    "TRIVIUM_MAX_CONNECTIONS": [("0", ">= 1"), ("1000001", "<= 1000000"), ("many", "an integer")],
    "TRIVIUM_IDLE_SECONDS": [("0", ">= 1"), ("3601", "<= 3600")],
    "TRIVIUM_DRAIN_SECONDS": [("-1", ">= 0"), ("3601", "<= 3600")],
    "TRIVIUM_SHUTDOWN_SECONDS": [("-1", ">= 0"), ("3601", "<= 3600")],
    "TRIVIUM_MAX_BTACH": [("5", "did you mean `TRIVIUM_MAX_BATCH`?")],
    "TRIVIUM_": [("", "unknown setting")],
    "TRIVIUM_SERVICE": [("x", "unknown setting")],
    "TRIVIUM_max_batch": [("5", "unknown setting")],
}
INJECTED = {
    "TRIVIUM_SERVICE_HOST": "10.0.0.1",
    "TRIVIUM_SERVICE_PORT": "80",
    "TRIVIUM_SERVICE_PORT_HTTP": "80",
    "TRIVIUM_PORT": "tcp://10.0.0.1:80",
    "TRIVIUM_MANAGEMENT_PORT": "tcp://10.0.0.3:8001",  # beside a service that is called trivium-management
    "TRIVIUM_MANAGEMENT_SERVICE_PORT": "8001",
    "TRIVIUM_PORT_80_TCP": "tcp://10.0.0.1:80",
    "TRIVIUM_PORT_80_TCP_PROTO": "tcp",
    "TRIVIUM_PORT_80_TCP_PORT": "80",
    "TRIVIUM_PORT_80_TCP_ADDR": "10.0.0.1",
    "TRIVIUM_CANARY_SERVICE_HOST": "10.0.0.2",
    "TRIVIUM_CANARY_PORT_80_TCP": "tcp://10.0.0.2:80",
}


def cases(table: dict[str, list[tuple[str, Any]]]) -> list[tuple[str, str, Any]]:
    return [(name, text, found) for name, texts in table.items() for text, found in texts]


def test_every_setting_is_tried() -> None:
    variables = {f"TRIVIUM_{field.upper()}" for field in Settings.__struct_fields__}
    assert set(RIGHT) == variables
    assert variables <= set(WRONG)


@pytest.mark.parametrize(("name", "text", "value"), cases(RIGHT))
def test_a_right_setting_is_read(name: str, text: str, value: Any) -> None:
    settings = Settings.from_environment({name: text, "PATH": "/bin"})
    assert settings == Settings(**{name.removeprefix("TRIVIUM_").lower(): value})


@pytest.mark.parametrize(("name", "text", "says"), cases(WRONG))
def test_a_wrong_setting_is_named_with_what_it_may_be(name: str, text: str, says: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.from_environment({name: text})
    assert str(refused.value).startswith(f"{name}: ")
    assert says in str(refused.value)


def test_all_wrong_settings_are_named_at_once() -> None:
    wrong = {name: texts[0][0] for name, texts in WRONG.items()}
    with pytest.raises(SettingsError) as refused:
        Settings.from_environment(wrong | {name: INJECTED[name] for name in INJECTED.keys() - wrong.keys()})
    assert [said.partition(": ")[0] for said in str(refused.value).split("; ") if said.startswith("TRIVIUM_")] == list(
        wrong
    )


def test_what_kubernetes_puts_beside_a_service_is_not_ours() -> None:
    assert Settings.from_environment(INJECTED) == Settings()


@given(st.dictionaries(st.text("TRIVUM_ABC", max_size=20).map("X{}".format), st.text(max_size=5), max_size=3))
def test_other_variables_do_not_matter(environment: dict[str, str]) -> None:
    assert Settings.from_environment(environment) == Settings()


def test_the_environment_is_read_when_no_settings_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("TRIVIUM_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TRIVIUM_MAX_BATCH", "7")
    assert create_app().state.services.settings == Settings(max_batch=7)


@pytest.mark.parametrize(("selector", "says"), [("9", "no policy `9`"), ("1.0.0", "policy 1.0.0 is retired")])
def test_a_default_policy_that_does_not_decide_is_refused(versions: Path, selector: str, says: str) -> None:
    with pytest.raises(SettingsError, match=f"TRIVIUM_DEFAULT_POLICY: {says}"):
        create_app(Settings(default_policy=selector), directory=versions)


def test_policies_that_do_not_load_keep_the_service_from_starting(tmp_path: Path) -> None:
    text = (trivium.POLICIES / "adaptation-1.0.0.yaml").read_text(encoding="utf-8")
    (tmp_path / "broken.yaml").write_text(text.replace("then: ", "than: ", 1), encoding="utf-8")
    with pytest.raises(PolicyError, match=r"broken\.yaml"):
        create_app(Settings(), directory=tmp_path)


def test_no_policy_at_all_keeps_the_service_from_starting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="TRIVIUM_DEFAULT_POLICY: no policy `latest`"):
        create_app(Settings(), directory=tmp_path)


def test_a_service_that_cannot_start_says_all_of_it_in_one_line() -> None:
    wrong = {"TRIVIUM_MAX_BATCH": "many", "TRIVIUM_LOG_LEVLE": "info", **INJECTED}
    done = subprocess.run([serving.TRIVIUM, "serve"], env=wrong, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (4, "")
    (line,) = done.stderr.splitlines()
    assert "TRIVIUM_MAX_BATCH: expected an integer" in line
    assert "TRIVIUM_LOG_LEVLE: unknown setting; did you mean `TRIVIUM_LOG_LEVEL`?" in line
    assert "PORT_80" not in line
