"""Pins and signatures: what is not exactly what the operator trusts is refused, at start and at every reload."""

import base64
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from own_policies.publishing import Files, digest_of, policy, publish, refused, watching
from trivium.api.settings import Settings
from trivium.cli import main
from trivium.errors import SettingsError
from trivium.policy import PolicyError
from trivium.policy.signatures import KeysError, generate, read_keys, sign, verify
from waiting import until


ONE, TWO = policy("1.0.0"), policy("2.0.0")
LIFECYCLE = "1.0.0: {status: active}\n"
SECRET, PUBLIC = generate()
OTHER_SECRET, OTHER_PUBLIC = generate()
A, B = "a" * 64, "b" * 64


def signed(files: Files, secret: bytes = SECRET) -> dict[str, str]:
    """Return files with their signatures."""
    return {**files, **{f"{name}.sig": sign(text.encode(), secret).decode() for name, text in files.items()}}


def raw(public: bytes) -> str:
    """Return a public key as its 32 bytes in base64, which a PEM block ends with."""
    der = base64.b64decode(b"".join(public.splitlines()[1:-1]))
    return base64.b64encode(der[-32:]).decode()


GOOD = signed({"one.yaml": ONE, "lifecycle.yaml": LIFECYCLE})

# Each is what an attacker or an accident makes of the good files, and what is said of it.
UNTRUSTED: dict[str, tuple[Callable[[dict[str, str]], object], str]] = {
    "no signature": (lambda files: files.pop("one.yaml.sig"), "one.yaml: unsigned"),
    "an empty signature": (lambda files: files.update({"one.yaml.sig": ""}), "one.yaml.sig: malformed-signature"),
    "no base64": (lambda files: files.update({"one.yaml.sig": "nothing"}), "one.yaml.sig: malformed-signature"),
    "a signature cut short": (
        lambda files: files.update({"one.yaml.sig": files["one.yaml.sig"][:40]}),
        "one.yaml.sig: malformed-signature",
    ),
    "a wrong key": (lambda files: files.update(signed({"one.yaml": ONE}, OTHER_SECRET)), "one.yaml: wrong-signature"),
    "a policy changed": (lambda files: files.update({"one.yaml": ONE + "\n"}), "one.yaml: wrong-signature"),
    "the signature of another file": (
        lambda files: files.update({"one.yaml.sig": files["lifecycle.yaml.sig"]}),
        "one.yaml: wrong-signature",
    ),
    "an unsigned policy beside": (lambda files: files.update({"two.yaml": TWO}), "two.yaml: unsigned"),
    "a lifecycle changed": (
        lambda files: files.update({"lifecycle.yaml": "1.0.0: {status: deprecated}\n"}),
        "lifecycle.yaml: wrong-signature",
    ),
    "an unsigned lifecycle": (lambda files: files.pop("lifecycle.yaml.sig"), "lifecycle.yaml: unsigned"),
    "no lifecycle": (lambda files: files.pop("lifecycle.yaml"), "lifecycle.yaml: unsigned"),
}


def tampered(kind: str) -> dict[str, str]:
    files = dict(GOOD)
    UNTRUSTED[kind][0](files)
    return files


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    file = tmp_path / "keys"
    file.write_bytes(PUBLIC)
    return file


def test_signed_policies_serve_and_what_is_not_trusted_never_does(directory: Path, keys: Path) -> None:
    publish(directory, GOOD)
    with watching(directory, policy_keys=str(keys)) as watched:
        for kind, (_, problem) in UNTRUSTED.items():
            line = watched.await_reload(lambda kind=kind: publish(directory, tampered(kind)))  # type: ignore[misc]  # mypy infers no such lambda
            assert (kind, line["result"]) == (kind, "failed")
            assert line["problems"][0].startswith(problem)
            assert watched.served() == {"1.0.0": "active"}
        retired = signed({"one.yaml": ONE, "two.yaml": TWO, "lifecycle.yaml": "1.0.0: {status: retired}\n"})
        assert watched.await_reload(lambda: publish(directory, retired))["result"] == "ok"
        assert watched.served() == {"1.0.0": "retired", "2.0.0": "active"}

        line = watched.await_reload(lambda: keys.write_bytes(OTHER_PUBLIC))
        assert line["result"] == "failed", "a key no longer trusted"
        line = watched.await_reload(lambda: keys.write_text(f"# both\n{raw(OTHER_PUBLIC)}\n{raw(PUBLIC)} # old\n"))
        assert line["result"] == "ok"


@pytest.mark.parametrize("kind", ["no signature", "a wrong key", "a policy changed", "a lifecycle changed"])
def test_what_is_not_trusted_keeps_the_service_from_starting(kind: str, directory: Path, keys: Path) -> None:
    publish(directory, tampered(kind))
    said = refused(TRIVIUM_POLICY_DIR=str(directory), TRIVIUM_POLICY_KEYS=str(keys))
    assert said.startswith(UNTRUSTED[kind][1])


@pytest.mark.parametrize("kind", UNTRUSTED)
def test_every_untrusted_file_is_named(kind: str) -> None:
    with pytest.raises(PolicyError) as error:
        verify({name: text.encode() for name, text in tampered(kind).items()}, read_keys(PUBLIC))
    assert [str(problem).startswith(UNTRUSTED[kind][1]) for problem in error.value.problems] == [True]


def test_any_of_the_trusted_keys_will_do() -> None:
    files = {name: text.encode() for name, text in GOOD.items()}
    for text in (PUBLIC + OTHER_PUBLIC, OTHER_PUBLIC + PUBLIC, f"{raw(OTHER_PUBLIC)}\n\n{raw(PUBLIC)}".encode()):
        keys = read_keys(b"# trusted\n" + text)
        assert len(keys) == 2
        verify(files, keys)


# By name, because the keys differ from process to process, and all processes have to collect the same tests.
NO_KEYS: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "no key"),
    "a comment": (b"# only a comment\n", "no key"),
    "a word": (b"\n\nnothing\n", "line 3"),
    "a key and a word": (PUBLIC + b"\nnothing\n", "line 5"),
    "too few bytes": (base64.b64encode(b"short"), "line 1"),
    "not UTF-8": (b"\xff\xfe", "line 1"),
    "a private key": (SECRET, "a public Ed25519 key was expected, not -----BEGIN PRIVATE KEY-----"),
    "a key cut short": (PUBLIC[:-30], "line 1"),
    "a key of another kind": (PUBLIC.replace(b"MC", b"MD"), "a public Ed25519 key was expected"),
}


@pytest.mark.parametrize("kind", NO_KEYS)
def test_keys_that_are_none_are_refused(kind: str) -> None:
    text, says = NO_KEYS[kind]
    with pytest.raises(KeysError, match=says):
        read_keys(text)


def test_a_file_of_keys_that_is_not_there_or_not_wanted_is_refused(directory: Path, tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    said = refused(TRIVIUM_POLICY_DIR=str(directory), TRIVIUM_POLICY_KEYS=missing)
    assert said == f"TRIVIUM_POLICY_KEYS: {missing}: No such file or directory"
    said = refused(TRIVIUM_POLICY_KEYS=missing)
    assert said == "TRIVIUM_POLICY_KEYS: only own policies are signed; TRIVIUM_POLICY_DIR is empty"


def test_without_the_extra_keys_are_refused_and_the_line_to_install_it_is_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    for use in (generate, lambda: sign(b"", SECRET), lambda: read_keys(PUBLIC)):
        with pytest.raises(KeysError, match=r"pip install '\.\[signatures\]'"):
            use()


# Pins


def test_exactly_the_pinned_digests_are_served(directory: Path) -> None:
    pins = f"1.0.0={digest_of(ONE)}, 2.0.0={digest_of(TWO)}"
    both = {"one.yaml": ONE, "two.yaml": TWO}
    publish(directory, both)
    cases = {
        "one.yaml:6:1: not-pinned: the digest is": {**both, "one.yaml": policy("1.0.0", "Changed")},
        "three.yaml:6:1: not-pinned: TRIVIUM_POLICY_PINS has no version 3.0.0": {**both, "three.yaml": policy("3.0.0")},
        "TRIVIUM_POLICY_PINS: not-there: no policy has version 2.0.0": {"one.yaml": ONE},
    }
    with watching(directory, policy_pins=pins) as watched:
        for problem, files in cases.items():
            line = watched.await_reload(lambda files=files: publish(directory, files))  # type: ignore[misc]  # mypy infers no such lambda
            assert line["problems"][0].startswith(problem)
        assert (
            watched.await_reload(lambda: publish(directory, {**both, "two.yaml": "# A comment.\n" + TWO}))["result"]
            == "ok"
        ), "a pin is of what is said, not of the layout"
        until(lambda: watched.state() == "ok")
    for problem, files in cases.items():
        publish(directory, files)
        assert refused(TRIVIUM_POLICY_DIR=str(directory), TRIVIUM_POLICY_PINS=pins).startswith(problem)


def test_the_shipped_policies_can_be_pinned_as_well() -> None:
    assert "not-pinned" in refused(TRIVIUM_POLICY_PINS=f"1.0.0={A}")


@pytest.mark.parametrize(
    ("text", "pins"),
    [
        ("", {}),
        (f"1.0.0={A}", {"1.0.0": A}),
        (f" 1.0.0 = {A} ,\n2.10.3={B},", {"1.0.0": A, "2.10.3": B}),
    ],
)
def test_pins_are_read(text: str, pins: dict[str, str]) -> None:
    assert Settings.from_environment({"TRIVIUM_POLICY_PINS": text}).pins == pins


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1.0.0", "`1.0.0` is not VERSION=DIGEST"),
        (f"1={A}", "is not VERSION=DIGEST"),
        (f"1.0.0={A[1:]}", "is not VERSION=DIGEST"),
        (f"1.0.0={A.upper()}", "is not VERSION=DIGEST"),
        (f"1.0.0={A} 2.0.0={B}", "is not VERSION=DIGEST"),
        (f"1.0.0={A},1.0.0={B}", "version 1.0.0 is given twice"),
    ],
)
def test_wrong_pins_are_refused(text: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        Settings.from_environment({"TRIVIUM_POLICY_PINS": text})


# The commands


def invoke(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["policy", *arguments])
    return done.exit_code, done.output


def test_what_the_commands_sign_is_trusted(tmp_path: Path) -> None:
    name, files = str(tmp_path / "team"), {"one.yaml": ONE, "lifecycle.yaml": LIFECYCLE}
    paths = [str(tmp_path / file) for file in files]
    for path, text in zip(paths, files.values(), strict=True):
        Path(path).write_text(text, encoding="utf-8")
    assert invoke("keygen", name) == (0, f"{name}.key\n{name}.pub\n")
    assert stat.S_IMODE(Path(f"{name}.key").stat().st_mode) == 0o600
    assert invoke("sign", *paths, "--key", f"{name}.key") == (0, "".join(f"{path}.sig\n" for path in paths))
    read = {path.name: path.read_bytes() for path in tmp_path.glob("*.yaml*")}
    assert set(read) == {*files, *(f"{file}.sig" for file in files)}
    verify(read, read_keys(Path(f"{name}.pub").read_bytes()))


def test_keys_are_never_overwritten(tmp_path: Path) -> None:
    name = str(tmp_path / "team")
    assert invoke("keygen", name)[0] == 0
    assert invoke("keygen", name) == (2, f"Error: {name}.key: File exists\n")


@pytest.mark.parametrize("key", [b"", PUBLIC, b"nothing"], ids=["empty", "public", "no key"])
def test_only_a_private_key_signs(key: bytes, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(key)
    (tmp_path / "one.yaml").write_text(ONE, encoding="utf-8")
    code, said = invoke("sign", str(tmp_path / "one.yaml"), "--key", str(tmp_path / "key"))
    assert (code, said) == (2, f"Error: {tmp_path / 'key'}: not a private Ed25519 key in PEM without a password\n")
    assert not (tmp_path / "one.yaml.sig").exists()
