"""What is written for Asterisk: right, complete, only where it differs, and never more than one line for a value."""

from __future__ import annotations

import re
import stat
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.voice.install import Asterisk
from channels.voice.modules import IF_THERE, NEEDED, OF_TRANSPORT
from channels.voice.render import TEMPLATES, lay_out, one_line, plain, reload_commands, render, secret
from engine.config import Settings
from engine.errors import ConfigError


@pytest.fixture
def asterisk(tmp_path: Path) -> Asterisk:
    modules = tmp_path / "modules"
    modules.mkdir()
    for name in (*NEEDED, *IF_THERE, *OF_TRANSPORT["websocket"], *OF_TRANSPORT["audiosocket"]):
        (modules / f"{name}.so").touch()
    both = frozenset({"websocket", "audiosocket"})
    return Asterisk(("/usr/sbin/asterisk",), (22, 10, 1), modules, tmp_path / "data", both, "a test's")


def _settings(folder: Path, **overrides: Any) -> Settings:
    raw = {"data_dir": str(folder / "var"), "asterisk": {"ami": {"secret_file": str(folder / "ami.secret")}}}
    return Settings.model_validate(raw | overrides)


def _sections(text: str) -> list[tuple[str, dict[str, str]]]:
    """As Asterisk reads it: sections in order, `key = value`, comments gone, `\\;` unescaped."""
    found: list[tuple[str, dict[str, str]]] = []
    for line in text.splitlines():
        bare = re.split(r"(?<!\\);", line, maxsplit=1)[0].strip().replace("\\;", ";")
        if bare.startswith("["):
            found.append((bare[1 : bare.index("]")], {}))
        elif bare:
            key, _, value = bare.partition("=")
            found[-1][1][key.strip()] = value.removeprefix(">").strip()
    return found


def _of(text: str, name: str, kind: str) -> dict[str, str]:
    (found,) = (fields for section, fields in _sections(text) if section == name and fields.get("type") == kind)
    return found


TRUNKS = {
    "peer": {"host": "203.0.113.10", "codecs": ["alaw", "opus"]},
    "account": {"host": "sip.example.org", "port": 5080, "username": "u1", "password": 'p"=>#\\x', "register": True},
    "six": {"host": "2001:db8::1", "username": "u2", "password": "p2"},
}


def test_trunks_with_and_without_registration(tmp_path: Path, asterisk: Asterisk) -> None:
    pjsip = (render(_settings(tmp_path, trunks=TRUNKS), asterisk).folder / "pjsip.conf").read_text("utf-8")
    peer = _of(pjsip, "peer", "endpoint")
    assert (peer["allow"], peer["disallow"], peer["context"]) == ("alaw,opus", "all", "from-trunk")
    assert (peer["direct_media"], peer["dtmf_mode"], peer["allow_transfer"]) == ("no", "rfc4733", "no")
    assert (peer["media_address"], peer["from_domain"]) == ("127.0.0.1", "127.0.0.1")
    assert "outbound_auth" not in peer
    assert _of(pjsip, "peer", "aor")["contact"] == "sip:203.0.113.10:5060"
    assert _of(pjsip, "peer", "identify")["match"] == "203.0.113.10"
    registration = _of(pjsip, "account", "registration")
    assert registration["server_uri"] == "sip:sip.example.org:5080"
    assert registration["client_uri"] == "sip:u1@sip.example.org:5080"
    assert _of(pjsip, "account", "auth")["password"] == 'p"=>#\\x'
    assert _of(pjsip, "account", "endpoint")["from_domain"] == "sip.example.org"
    assert _of(pjsip, "six", "aor")["contact"] == "sip:[2001:db8::1]:5060"
    assert _of(pjsip, "six", "auth")["username"] == "u2"
    kinds = [(name, fields["type"]) for name, fields in _sections(pjsip)]
    assert ("six", "registration") not in kinds
    assert ("peer", "auth") not in kinds
    assert _of(pjsip, "global", "global")["endpoint_identifier_order"] == "ip"  # no anonymous calls, no user names


def test_registration_needs_an_account(tmp_path: Path, asterisk: Asterisk) -> None:
    with pytest.raises(ConfigError, match=r"trunks\.x: register needs username and password"):
        render(_settings(tmp_path, trunks={"x": {"host": "10.0.0.1", "register": True}}), asterisk)


def test_addresses_stay_on_the_loopback_unless_told(tmp_path: Path, asterisk: Asterisk) -> None:
    folder = render(_settings(tmp_path), asterisk).folder
    pjsip, manager = (_sections((folder / name).read_text("utf-8")) for name in ("pjsip.conf", "manager.conf"))
    assert {f["bind"] for _, f in pjsip if f.get("type") == "transport"} == {"127.0.0.1:5060"}
    assert dict(manager)["general"]["bindaddr"] == "127.0.0.1"
    assert dict(manager)["dozvon"]["permit"] == "127.0.0.1/255.255.255.255,::1/128"
    assert dict(_sections((folder / "http.conf").read_text("utf-8")))["general"]["enabled"] == "no"


def test_a_wildcard_address_is_no_address_to_tell_others(tmp_path: Path, asterisk: Asterisk) -> None:
    ami = {"secret_file": str(tmp_path / "s"), "host": "0.0.0.0"}
    parts = {"sip": {"host": "0.0.0.0"}, "media": {"host": "0.0.0.0"}, "agi": {"host": "::"}, "ami": ami}
    folder = render(_settings(tmp_path, asterisk=parts, trunks=TRUNKS), asterisk).folder
    peer = _of((folder / "pjsip.conf").read_text("utf-8"), "peer", "endpoint")
    assert "media_address" not in peer
    assert "from_domain" not in peer
    assert "uri = ws://127.0.0.1:8765/media\n" in (folder / "websocket_client.conf").read_text("utf-8")
    assert "agi://[::1]:4573/" in (folder / "extensions.conf").read_text("utf-8")


def test_the_manager_user_may_do_only_what_the_engine_does(tmp_path: Path, asterisk: Asterisk) -> None:
    text = (render(_settings(tmp_path), asterisk).folder / "manager.conf").read_text("utf-8")
    user = dict(_sections(text))["dozvon"]
    assert set(user["write"].split(",")) == {"call", "originate", "reporting"}
    assert not {"all", "command", "config", "dialplan", "agi", "verbose"} & set(user["read"].split(","))
    assert user["secret"] == (tmp_path / "ami.secret").read_text("utf-8").strip()
    assert "eventfilter(action(include),name(Hangup)) =\n" in text
    assert "eventfilter(action(exclude),header(Channel),method(starts_with)) = WebSocket/\n" in text


def test_older_versions_get_filters_that_they_know(tmp_path: Path, asterisk: Asterisk) -> None:
    fields = {**asterisk.__dict__, "version": (18, 24, 0), "transports": frozenset({"audiosocket"})}
    old = Asterisk(**fields)
    ami = {"secret_file": str(tmp_path / "s")}
    settings = _settings(tmp_path, asterisk={"media": {"transport": "audiosocket"}, "ami": ami})
    text = (render(settings, old).folder / "manager.conf").read_text("utf-8")
    assert "name(" not in text
    (include,) = re.findall(r"^eventfilter = (\^Event.*)$", text, re.M)
    assert re.search(include, "Event: Hangup\r\nPrivilege: call,all")
    assert not re.search(include, "Event: HangupRequest\r\nPrivilege: call,all")
    assert "eventfilter = !Channel: WebSocket/" in text
    with pytest.raises(ConfigError, match=r"asterisk\.media\.transport: websocket.*audiosocket"):
        render(_settings(tmp_path), old)


def test_modules_are_listed_one_by_one_and_must_be_there(tmp_path: Path, asterisk: Asterisk) -> None:
    text = (render(_settings(tmp_path), asterisk).folder / "modules.conf").read_text("utf-8")
    assert "autoload = no\n" in text
    assert "load = chan_websocket.so\n" in text
    assert "audiosocket" not in text
    assert not re.search(r"app_system|func_shell|app_originate|func_curl|res_ari|anonymous", text)
    (asterisk.modules_dir / "codec_opus.so").unlink()
    assert "codec_opus.so" not in (render(_settings(tmp_path), asterisk).folder / "modules.conf").read_text("utf-8")
    (asterisk.modules_dir / "chan_pjsip.so").unlink()
    (asterisk.modules_dir / "app_dial.so").unlink()
    with pytest.raises(ConfigError, match=r"chan_pjsip\.so, app_dial\.so"):
        render(_settings(tmp_path), asterisk)


def test_only_what_differs_is_written_and_told(tmp_path: Path, asterisk: Asterisk) -> None:
    assert render(_settings(tmp_path), asterisk).changed == set(TEMPLATES)
    assert render(_settings(tmp_path), asterisk).changed == frozenset()
    again = render(_settings(tmp_path, trunks=TRUNKS), asterisk)
    assert again.changed == {"pjsip.conf"}
    (again.folder / "rtp.conf").write_text("by hand", "utf-8")
    (again.folder / "users.conf").write_text("[x]\n", "utf-8")
    assert render(_settings(tmp_path, trunks=TRUNKS), asterisk).changed == {"rtp.conf", "users.conf"}
    assert not (again.folder / "users.conf").exists()


def test_what_changed_is_reloaded_and_nothing_else() -> None:
    assert reload_commands([]) == []
    assert reload_commands(["pjsip.conf", "extensions.conf"]) == ["dialplan reload", "module reload res_pjsip.so"]
    assert reload_commands(["pjsip.conf", "modules.conf"]) is None
    assert reload_commands(["asterisk.conf"]) is None
    assert reload_commands(["of-a-later-release.conf"]) is None


def test_files_are_for_our_eyes_only(tmp_path: Path, asterisk: Asterisk) -> None:
    rendered = render(_settings(tmp_path), asterisk)
    for file in [*rendered.folder.iterdir(), tmp_path / "ami.secret"]:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    for folder in (rendered.folder, rendered.folders.run, rendered.folders.root):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700, folder


def test_everything_stays_below_the_data_folder(asterisk: Asterisk) -> None:
    with tempfile.TemporaryDirectory() as short:
        text = (render(_settings(Path(short)), asterisk).folder / "asterisk.conf").read_text("utf-8")
    directories = dict(_sections(text))["directories"]
    own = {key: value for key, value in directories.items() if key not in ("astmoddir", "astdatadir")}
    assert len(own) == 9
    assert all(value.startswith(f"{short}/var/asterisk") for value in own.values())


def test_a_path_too_long_for_a_socket_gets_a_short_one(tmp_path: Path) -> None:
    folders = lay_out(tmp_path / ("x" * 120))
    assert len(str(folders.control)) <= 100
    assert stat.S_IMODE(folders.run.stat().st_mode) == 0o700
    assert lay_out(tmp_path / ("x" * 120)) == folders
    assert lay_out(tmp_path / ("y" * 120)).run != folders.run
    for run in (folders.run, lay_out(tmp_path / ("y" * 120)).run):
        run.rmdir()


def test_the_secret_is_made_once_and_must_be_one(tmp_path: Path) -> None:
    file = tmp_path / "below" / "secret"
    first = secret(file)
    assert len(first) >= 32
    assert secret(file) == first
    for bad in ("short", "two\nlines-of-a-secret", "semi;colon-in-it", "with space in it", ""):
        file.write_text(bad, "utf-8")
        with pytest.raises(ConfigError, match="remove it to get a new one"):
            secret(file)


@given(st.text())
def test_no_value_becomes_more_than_one_value(value: str) -> None:
    try:
        written = one_line(value)
    except ConfigError:
        assert not value.isprintable()
        return
    kept = value.strip()
    read = _sections(f"[s]\nkey = {written}\n")
    assert read in ([("s", {"key": kept})], [("s", {"key": kept.removeprefix(">").strip()})])  # `=>` is `=` too


@given(st.text(alphabet='a1 .:/@+-[]_${}(),;"|&\\<>`\r\n\0яё'))
def test_nothing_in_a_dialplan_has_a_meaning(value: str) -> None:
    try:
        assert plain(value) == value
    except ConfigError:
        assert re.search(r"[^\w ./:@+\[\]-]", value)
    else:
        assert not re.search(r"[$,;(){}\"|&\\<>`\r\n\0]", value)


@pytest.mark.parametrize("host", ["10.0.0.1\nexec = x", "127.0.0.1,h,1)", "${SHELL(id)}"])
def test_a_hostile_address_is_refused(tmp_path: Path, asterisk: Asterisk, host: str) -> None:
    ami = {"secret_file": str(tmp_path / "s")}
    with pytest.raises(ConfigError):
        render(_settings(tmp_path, asterisk={"agi": {"host": host}, "ami": ami}), asterisk)
