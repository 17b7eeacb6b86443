"""Which Asterisk is taken, what it can do, and what a machine is told where there is none."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import stat
import tarfile
from pathlib import Path

import pytest

from channels.voice import install
from channels.voice.install import ADVICE, has_chan_websocket, parse_version, transports
from engine.errors import InstallError
from engine.setup import debian

_ALL = ("res_pjsip.so", "res_pjsip_session.so", "chan_pjsip.so", "res_agi.so", "pbx_config.so")
_AUDIOSOCKET = ("res_audiosocket.so", "app_audiosocket.so")
_WEBSOCKET = ("chan_websocket.so", "res_websocket_client.so", "res_http_websocket.so")


def _modules(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).touch()
    return folder


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("Asterisk 22.10.1+dfsg+~cs6.17.60671434-1\n", (22, 10, 1)),
        ("Asterisk 20.6.0~dfsg+~cs6.13.40431414-2build5\n", (20, 6, 0)),
        ("Asterisk certified/20.7-cert2\n", (20, 7, 0)),
        ("Asterisk certified-22.8-cert1", (22, 8, 0)),
        ("Asterisk GIT-22-8a9f7c1M", (22, 0, 0)),
        ("Asterisk 24", (24, 0, 0)),
        ("asterisk: command not found", None),
        ("", None),
    ],
)
def test_version(text: str, version: tuple[int, int, int] | None) -> None:
    assert parse_version(text) == version


@pytest.mark.parametrize(
    ("version", "enough"),
    [
        ((22, 8, 0), True), ((22, 7, 9), False), ((20, 18, 0), True), ((20, 17, 5), False), ((23, 2, 0), True),
        ((23, 1, 0), False), ((21, 99, 0), False), ((24, 0, 0), True), ((18, 30, 0), False),
    ],
)  # fmt: skip
def test_chan_websocket_came_to_each_branch_at_its_own_time(version: tuple[int, int, int], enough: bool) -> None:
    assert has_chan_websocket(version) is enough


def test_transports_are_what_version_and_files_allow(tmp_path: Path) -> None:
    everything = _modules(tmp_path / "all", *_ALL, *_AUDIOSOCKET, *_WEBSOCKET)
    assert transports((22, 10, 1), everything) == {"websocket", "audiosocket"}
    assert transports((20, 6, 0), everything) == {"audiosocket"}
    assert transports((17, 0, 0), everything) == frozenset()
    assert transports((22, 10, 1), _modules(tmp_path / "no-sip", *_WEBSOCKET)) == frozenset()
    assert transports((22, 10, 1), _modules(tmp_path / "no-ws", *_ALL, *_AUDIOSOCKET)) == {"audiosocket"}


def _unpacked(cache: Path, version: str) -> Path:
    """What an installation looks like."""
    prefix = cache / f"asterisk-{version}-{debian.architecture()}"
    libraries = prefix / "usr/lib/x86_64-linux-gnu"
    _modules(libraries / "asterisk/modules", *_ALL, *_AUDIOSOCKET, *_WEBSOCKET)
    (libraries / "ld-linux-x86-64.so.2").touch()
    (prefix / "usr/sbin").mkdir()
    (prefix / "usr/sbin/asterisk").touch()
    (prefix / debian.STAMP).write_text("asterisk\n", "utf-8")
    return prefix


@pytest.fixture
def no_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "_system", lambda: None)


@pytest.mark.usefixtures("no_system")
def test_the_newest_complete_one_of_the_cache_is_found(tmp_path: Path) -> None:
    assert install.find(tmp_path) is None
    _unpacked(tmp_path, "22.9.0")
    newest = _unpacked(tmp_path, "22.10.1")
    half = _unpacked(tmp_path, "23.5.0")
    (half / debian.STAMP).unlink()
    (tmp_path / "asterisk-99.0.0-alpha").mkdir()
    found = install.find(tmp_path)
    assert found is not None
    assert found.version == (22, 10, 1)
    assert found.command[-1] == str(newest / "usr/sbin/asterisk")
    assert found.command[1] == "--library-path"
    assert found.has("chan_pjsip.so")
    assert install.install(lambda _what, _share: pytest.fail("nothing is to be done"), tmp_path) == found


@pytest.mark.usefixtures("no_system")
def test_a_machine_without_apt_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InstallError) as told:
        install.install(lambda _what, _share: None, tmp_path / "cache")
    assert ADVICE in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.usefixtures("no_system")
def test_a_machine_whose_mirror_is_away_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian, "mirrors", lambda: ["http://127.0.0.1:9/debian"])
    monkeypatch.setattr(debian, "_CONF", debian._CONF.replace('Retries "3"', 'Retries "0"'))
    with pytest.raises(InstallError, match=r"127\.0\.0\.1") as told:
        install.install(lambda _what, _share: None, tmp_path)
    assert ADVICE in str(told.value)
    assert install.find(tmp_path) is None


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InstallError, match="DOZVON_CACHE"):
        debian.unpack(["x"], tmp_path / "file" / "x", suite="sid", progress=lambda _what, _share: None)


def _system(folder: Path, version: str, *modules: str) -> None:
    """An Asterisk of the system's as far as looking for one goes."""
    _modules(folder / "modules", *_ALL, *modules)
    (folder / "data/documentation").mkdir(parents=True)
    program = folder / "asterisk"
    program.write_text(f"#!/bin/sh\necho 'Asterisk {version}'\n", "utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    (folder / "asterisk.conf").write_text(
        f"[directories](!)\nastmoddir => {folder}/modules\nastdatadir => {folder}/data\n", "utf-8"
    )


def test_a_system_asterisk_that_is_new_enough_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _system(tmp_path, "22.9.0", *_AUDIOSOCKET, *_WEBSOCKET)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(install, "SYSTEM_CONF", tmp_path / "asterisk.conf")
    _unpacked(tmp_path / "cache", "22.10.1")
    found = install.find(tmp_path / "cache")
    assert found is not None
    assert (found.command, found.modules_dir) == ((str(tmp_path / "asterisk"),), tmp_path / "modules")
    assert found.transports == {"websocket", "audiosocket"}


def test_an_old_system_asterisk_is_the_last_resort(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _system(tmp_path, "18.24.0", *_AUDIOSOCKET)
    monkeypatch.setenv("PATH", str(tmp_path))  # no apt-get either
    monkeypatch.setattr(install, "SYSTEM_CONF", tmp_path / "asterisk.conf")
    found = install.install(lambda _what, _share: None, tmp_path / "cache")
    assert found.version == (18, 24, 0)
    assert found.transports == {"audiosocket"}


# --- packages of an archive of our own --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "uris"),
    [
        ("sources.list", "# deb http://no x main\ndeb [arch=amd64] http://a/debian sid main\n", ["http://a/debian"]),
        ("a.list", "deb-src http://no/debian x main\n\tdeb   http://b/debian/ sid main\n", ["http://b/debian/"]),
        ("a.sources", "Types: deb deb-src\n# URIs: http://no\nURIs: http://c\n http://d\nSuites: x\n", ["http://c", "http://d"]),
        ("b.sources", "Enabled: no\nTypes: deb\nURIs: http://no\n\nTypes: deb-src\nURIs: http://no\n", []),
        ("c.sources", "", []),
    ],
)  # fmt: skip
def test_both_formats_of_sources_are_read(tmp_path: Path, name: str, text: str, uris: list[str]) -> None:
    (tmp_path / name).write_text(text, "utf-8")
    assert list(debian._uris(tmp_path / name)) == uris


def test_the_public_mirror_is_always_tried_and_none_twice() -> None:
    assert debian.mirrors().count(debian.DEBIAN) == 1


def test_a_prefix_runs_its_programs_with_its_own_loader(tmp_path: Path) -> None:
    prefix = tmp_path / "prefix"
    with pytest.raises(InstallError, match="hello"):
        debian.run_in(prefix, "hello")
    for file in ("usr/lib/aarch64-linux-gnu/ld-linux-aarch64.so.1", "usr/bin/hello"):
        (prefix / file).parent.mkdir(parents=True, exist_ok=True)
        (prefix / file).touch()
    private = prefix / "usr/lib/aarch64-linux-gnu/pulseaudio/libpulsecommon-16.1.so.0"
    private.parent.mkdir()
    private.touch()
    loader, option, libraries, program = debian.run_in(prefix, "hello")
    assert loader == str(prefix / "usr/lib/aarch64-linux-gnu/ld-linux-aarch64.so.1")
    assert (option, program) == ("--library-path", str(prefix / "usr/bin/hello"))
    assert libraries.split(":")[0] == str(prefix / "usr/lib/aarch64-linux-gnu")
    assert str(private.parent) in libraries.split(":")


def test_packages_are_unpacked_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From an archive made here: a file tree with an index, which apt reads like a mirror."""
    archive = _archive(tmp_path / "archive", {"greeting": "greeting-data", "greeting-data": ""})
    sources = tmp_path / "sources.list"
    sources.write_text(f"deb [trusted=yes] copy:{archive} ./\n", "utf-8")
    only = ["-o", f"Dir::Etc::sourcelist={sources}", "-o", "Dir::Etc::sourceparts=/dev/null"]
    monkeypatch.setattr(debian._Apt, "_sources", lambda _self, _suite: iter([only]))
    told: list[tuple[str, float]] = []
    prefix = tmp_path / "cache" / "greeting"

    broken = archive / "greeting-data.deb"
    whole = broken.read_bytes()
    broken.write_bytes(whole[:-1] + bytes([whole[-1] ^ 255]))
    with pytest.raises(InstallError, match="could not be fetched"):
        debian.unpack(["greeting"], prefix, suite=None, progress=lambda *step: told.append(step))
    assert not prefix.exists()

    broken.write_bytes(whole)
    debian.unpack(["greeting"], prefix, suite=None, progress=lambda *step: told.append(step))
    assert debian.complete(prefix)
    assert (prefix / "usr/share/greeting").read_text("utf-8") == "greeting"
    assert (prefix / "usr/share/greeting-data").read_text("utf-8") == "greeting-data"
    assert told[-1] == ("unpacked", 1.0)
    shares = [share for _, share in told[len([t for t in told if t[1] == 0.0]) :]]
    assert all(0.0 <= share <= 1.0 for share in shares)
    assert sorted(path.name for path in prefix.parent.iterdir()) == [".greeting.lock", "greeting"]

    shutil.rmtree(archive)  # a second time nothing is needed
    debian.unpack(["greeting"], prefix, suite=None, progress=lambda *_: pytest.fail("nothing is to be done"))


def _archive(folder: Path, packages: dict[str, str]) -> Path:
    """A Debian archive in one folder: packages that depend on each other, and their index."""
    folder.mkdir()
    index = []
    for name, needs in packages.items():
        control = f"Package: {name}\nVersion: 1.0\nArchitecture: all\nMaintainer: a <a@example.org>\nDescription: b\n"
        control += f"Depends: {needs}\n" if needs else ""
        deb = _deb(control, {f"./usr/share/{name}": name})
        (folder / f"{name}.deb").write_bytes(deb)
        digest = hashlib.sha256(deb).hexdigest()
        index.append(f"{control}Filename: ./{name}.deb\nSize: {len(deb)}\nSHA256: {digest}\n")
    (folder / "Packages").write_text("\n".join(index), "utf-8")
    return folder


def _deb(control: str, files: dict[str, str]) -> bytes:
    out = io.BytesIO()
    out.write(b"!<arch>\n")
    members = {"debian-binary": b"2.0\n", "control.tar.gz": _tar({"./control": control}), "data.tar.gz": _tar(files)}
    for name, data in members.items():
        out.write(f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n".encode("ascii"))
        out.write(data + b"\n" * (len(data) % 2))
    return out.getvalue()


def _tar(files: dict[str, str]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
    return out.getvalue()
