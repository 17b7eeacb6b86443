"""Models: which is taken, how it is fetched, and archives that mean harm."""

from __future__ import annotations

import asyncio
import hashlib
import io
import re
import tarfile
import zipfile
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from asr import _catalogue as models
from asr import sherpa_onnx, vosk
from asr._catalogue import Entry
from asr._download import install
from asr._sherpa import KINDS
from asr._unpack import unpack
from engine.errors import ConfigError, InstallError

FILES = {"am/final.mdl": b"m" * 300_000, "graph/HCLr.fst": b"h" * 1000, "graph/Gr.fst": b"g", "conf/mfcc.conf": b"c"}


def zipped(files: dict[str, bytes] | None = None, top: str = "some-model/") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in (FILES if files is None else files).items():
            archive.writestr(top + name, content)
    return out.getvalue()


def tarred(*extra: tarfile.TarInfo) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in FILES.items():
            info = tarfile.TarInfo(f"top/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for info in extra:
            archive.addfile(info, io.BytesIO(b"x" * info.size))
    return out.getvalue()


def lay(folder: Path, files: dict[str, bytes] | None = None) -> Path:
    for name, content in (FILES if files is None else files).items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return folder


# --- which is taken -------------------------------------------------------------------------------------------------


def test_the_catalogue_is_sound() -> None:
    entries = models.catalogue()
    assert len({entry.name for entry in entries}) == len(entries) >= 4
    assert {"ru", "en"} <= {entry.language for entry in entries}
    for entry in entries:
        assert entry.url.startswith("https://")
        assert entry.sha256 is None or re.fullmatch(r"[0-9a-f]{64}", entry.sha256)
        assert entry.licence and entry.size > 1_000_000
        assert (entry.wer is None) == (not entry.source)
        assert entry.kind in KINDS if entry.engine == "sherpa_onnx" else entry.kind == ""


def test_with_nothing_there_it_is_the_demonstration_and_says_so(tmp_path: Path) -> None:
    choice = models.choose("auto", {}, language="ru-RU", data_dir=tmp_path, workers=3)
    assert choice.demonstration
    assert "no recogniser of people" in choice.why
    assert choice.better == "dozvon models install sherpa-onnx-streaming-t-one-russian-2025-09-08"
    settings = vosk.Settings(**choice.options)
    assert settings.workers == 3
    assert settings.model is not None
    assert vosk.check(settings.model) > 500_000


def test_the_best_of_a_language_that_is_there(tmp_path: Path) -> None:
    lay(tmp_path / "models" / "vosk-model-small-ru-0.22")
    lay(tmp_path / "models" / "vosk-model-small-en-us-0.15")
    assert (
        models.choose("auto", {}, language="ru", data_dir=tmp_path).options["model"].name == "vosk-model-small-ru-0.22"
    )
    lay(tmp_path / "models" / "vosk-model-ru-0.42")
    choice = models.choose("auto", {}, language="ru", data_dir=tmp_path)
    assert choice.options["model"].name == "vosk-model-ru-0.42"
    assert (choice.demonstration, choice.better) == (False, "")
    assert [entry.name for entry in models.installed(tmp_path, "en")] == ["vosk-model-small-en-us-0.15"]


SHERPA = {"model.onnx": b"o" * 1000, "tokens.txt": b"a 0"}


def test_models_of_sherpa_stand_in_the_same_list(tmp_path: Path) -> None:
    lay(tmp_path / "models" / "vosk-model-small-ru-0.22")
    lay(tmp_path / "models" / "sherpa-onnx-streaming-t-one-russian-2025-09-08", SHERPA)
    choice = models.choose("auto", {"sherpa_onnx": {"workers": 1}}, language="ru", data_dir=tmp_path, workers=3)
    assert choice.name == "sherpa_onnx"
    settings = sherpa_onnx.Settings(**choice.options)
    assert (settings.kind, settings.workers, settings.model.name[:22]) == ("t_one", 1, "sherpa-onnx-streaming-")
    assert models.choose("vosk", {}, language="ru", data_dir=tmp_path).name == "vosk"
    assert models.choose("sherpa_onnx", {}, language="ru", data_dir=tmp_path).options["kind"] == "t_one"
    mine = {"sherpa_onnx": {"model": "mine", "kind": "nemo_ctc"}}
    assert models.choose("auto", mine, language="ru", data_dir=tmp_path).options["model"] == "mine"
    with pytest.raises(ConfigError, match="models install"):
        models.choose("sherpa_onnx", {}, language="en", data_dir=tmp_path)


def test_a_model_whose_library_is_not_installed_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(models.LIBRARIES, "sherpa_onnx", "a_library_that_nobody_has")
    lay(tmp_path / "models" / "sherpa-onnx-streaming-t-one-russian-2025-09-08", SHERPA)
    choice = models.choose("auto", {}, language="ru", data_dir=tmp_path)
    assert choice.demonstration
    assert choice.better == "dozvon models install vosk-model-small-ru-0.22"


def test_english_is_heard_by_pocketsphinx_rather_than_by_the_demonstration(tmp_path: Path) -> None:
    choice = models.choose("auto", {}, language="en-US", data_dir=tmp_path)
    assert (choice.name, choice.demonstration) == ("pocketsphinx", False)
    assert choice.better == "dozvon models install vosk-model-en-us-0.22-lgraph"
    lay(tmp_path / "models" / "vosk-model-small-en-us-0.15")
    assert models.choose("auto", {}, language="en-US", data_dir=tmp_path).name == "vosk"


def test_what_would_not_be_described_for_nothing_is_taken(tmp_path: Path) -> None:
    far = {"vosk_server": {"url": "ws://asr:2700"}}
    assert models.choose("auto", far, language="ru", data_dir=tmp_path).name == "vosk_server"
    both = far | {"fallback": {"recognizers": ["vosk_server", "vosk"]}}
    assert models.choose("auto", both, language="ru", data_dir=tmp_path).name == "fallback"


def test_a_model_is_removed_with_what_was_fetched_of_it(tmp_path: Path) -> None:
    folder = lay(tmp_path / "models" / "vosk-model-small-ru-0.22")
    part = folder.with_name("vosk-model-small-ru-0.22.part")
    part.write_bytes(b"half")
    assert models.remove("vosk-model-small-ru-0.22", tmp_path) == folder
    assert not folder.exists() and not part.exists()
    with pytest.raises(InstallError, match="is not in"):
        models.remove("vosk-model-small-ru-0.22", tmp_path)
    with pytest.raises(InstallError, match="there is no model"):
        models.remove("../../etc", tmp_path)


def test_what_the_settings_name_comes_first(tmp_path: Path) -> None:
    mine = lay(tmp_path / "mine")
    lay(tmp_path / "models" / "vosk-model-ru-0.42")
    options = {"vosk": {"model": str(mine), "workers": 2}}
    choice = models.choose("auto", options, language="ru", data_dir=tmp_path, workers=5)
    assert vosk.Settings(**choice.options) == vosk.Settings(model=mine, workers=2)
    with pytest.raises(ConfigError, match="no Vosk model"):
        models.choose("vosk", {"vosk": {"model": str(tmp_path / "gone")}}, language="ru", data_dir=tmp_path)


def test_another_recogniser_is_left_to_its_own_settings(tmp_path: Path) -> None:
    choice = models.choose("other", {"other": {"key": 1}}, language="ru", data_dir=tmp_path)
    assert (choice.name, choice.options) == ("other", {"key": 1})


@pytest.mark.parametrize("files", [{}, {"am/final.mdl": b""}, {"graph/HCLr.fst": b"", "graph/Gr.fst": b""}])
def test_a_folder_that_is_no_model_is_named(tmp_path: Path, files: dict[str, bytes]) -> None:
    with pytest.raises(ConfigError):
        vosk.check(lay(tmp_path / "model", files))


# --- fetching -------------------------------------------------------------------------------------------------------


@dataclass
class Publisher:
    """A web server with one archive, in a mood."""

    content: bytes = field(default_factory=zipped)
    breaks_after: list[int] = field(
        default_factory=list
    )  # bytes that each of the first answers gives, then it hangs up
    fails: list[int] = field(default_factory=list)  # statuses of the first answers
    ranges: bool = True
    sized: bool = True  # it says how much there is to come
    asked: list[str] = field(default_factory=list)
    server: TestServer | None = None

    async def answer(self, request: web.Request) -> web.StreamResponse:
        asked = request.headers.get("Range", "")
        self.asked.append(asked)
        if self.fails:
            return web.Response(status=self.fails.pop(0))
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.ranges else 0
        size = len(self.content)
        if start >= size:
            return web.Response(status=416, headers={"Content-Range": f"bytes */{size}"})
        response = web.StreamResponse(status=206 if start else 200)
        if start:
            response.headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
        if self.sized:
            response.content_length = size - start
        await response.prepare(request)
        if self.breaks_after:
            await response.write(self.content[start : start + self.breaks_after.pop(0)])
            await asyncio.sleep(0.02)  # so that the client has it: what is under way is lost with the connection
            assert request.transport is not None
            request.transport.close()
            return response
        await response.write(self.content[start:])
        return response

    def entry(self, *, sha256: str | None = "", size: int = 0) -> Entry:
        assert self.server is not None
        known = hashlib.sha256(self.content).hexdigest() if sha256 == "" else sha256
        url = str(self.server.make_url("/model.zip"))
        return Entry("some-model", "vosk", "ru", url, size or len(self.content), known, "Apache-2.0", 8000, True, 100)


@pytest.fixture
async def publisher() -> AsyncGenerator[Publisher]:
    publisher = Publisher()
    app = web.Application()
    app.router.add_get("/model.zip", publisher.answer)
    server = publisher.server = TestServer(app, host="127.0.0.1")
    async with server:
        yield publisher


async def test_a_model_is_fetched_with_progress_and_only_once(publisher: Publisher, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    for _ in range(2):
        folder = await install(publisher.entry(), tmp_path, progress=lambda done, total: told.append((done, total)))
    assert folder == tmp_path / "models" / "some-model"
    assert {str(f.relative_to(folder)): f.read_bytes() for f in lay_out(folder)} == FILES
    assert told[-1] == (len(publisher.content), len(publisher.content))
    assert publisher.asked == [""]
    assert [p.name for p in lay_out(tmp_path / "models", deep=False)] == ["some-model"]


def lay_out(folder: Path, *, deep: bool = True) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file()) if deep else sorted(folder.iterdir())


async def test_a_download_that_breaks_off_goes_on_where_it_was(publisher: Publisher, tmp_path: Path) -> None:
    publisher.breaks_after = [100_000, 100_000]
    publisher.fails = [503]
    folder = await install(publisher.entry(), tmp_path, pause_s=0.01)
    assert models.is_model(folder)
    assert publisher.asked[:2] == ["", ""]
    assert all(re.fullmatch(r"bytes=[1-9]\d*-", asked) for asked in publisher.asked[2:])
    assert len(publisher.asked) == 4


async def test_the_next_install_goes_on_too(publisher: Publisher, tmp_path: Path) -> None:
    publisher.breaks_after = [50_000, *[0] * 4]
    with pytest.raises(InstallError, match="run it again"):
        await install(publisher.entry(), tmp_path, pause_s=0.01)
    assert models.is_model(await install(publisher.entry(), tmp_path, pause_s=0.01))
    assert publisher.asked[-1].startswith("bytes=")


async def test_a_server_without_ranges_begins_again(publisher: Publisher, tmp_path: Path) -> None:
    publisher.breaks_after, publisher.ranges = [200_000], False
    assert models.is_model(await install(publisher.entry(), tmp_path, pause_s=0.01))


async def test_what_was_whole_already_is_not_fetched_again(publisher: Publisher, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "some-model.part").write_bytes(publisher.content)
    assert models.is_model(await install(publisher.entry(), tmp_path))


async def test_a_part_of_something_longer_is_thrown_away(publisher: Publisher, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "some-model.part").write_bytes(publisher.content + b"more")
    assert models.is_model(await install(publisher.entry(), tmp_path, pause_s=0.01))


async def test_a_wrong_checksum_is_refused_and_forgotten(publisher: Publisher, tmp_path: Path) -> None:
    with pytest.raises(InstallError, match="SHA-256"):
        await install(publisher.entry(sha256="0" * 64), tmp_path)
    assert lay_out(tmp_path / "models") == []
    assert models.is_model(await install(publisher.entry(), tmp_path))


async def test_no_checksum_is_taken_as_it_is(publisher: Publisher, tmp_path: Path) -> None:
    assert models.is_model(await install(publisher.entry(sha256=None), tmp_path))


@pytest.mark.parametrize("sized", [True, False])
async def test_much_more_than_was_announced_is_refused(publisher: Publisher, tmp_path: Path, sized: bool) -> None:
    publisher.content += bytes(1 << 20)
    publisher.sized = sized
    with pytest.raises(InstallError, match="larger than the catalogue"):
        await install(publisher.entry(size=1000), tmp_path)
    if sized:
        assert lay_out(tmp_path / "models") == []  # nothing of it was fetched


async def test_an_address_that_is_gone_is_told_at_once(publisher: Publisher, tmp_path: Path) -> None:
    publisher.fails = [404]
    with pytest.raises(InstallError, match="answers 404"):
        await install(publisher.entry(), tmp_path)
    assert len(publisher.asked) == 1


async def test_only_https_is_trusted(publisher: Publisher, tmp_path: Path) -> None:
    with pytest.raises(InstallError, match="https"):
        await install(replace(publisher.entry(), url="http://models.example/x.zip"), tmp_path)


async def test_an_archive_can_be_given_instead(publisher: Publisher, tmp_path: Path) -> None:
    file = tmp_path / "given.zip"
    file.write_bytes(publisher.content)
    assert models.is_model(await install(publisher.entry(), tmp_path, archive=file))
    assert publisher.asked == []
    assert file.exists()
    with pytest.raises(InstallError, match="no archive"):
        await install(publisher.entry(), tmp_path, archive=tmp_path / "gone.zip")


async def test_a_name_that_nobody_knows(tmp_path: Path) -> None:
    with pytest.raises(InstallError, match="vosk-model-small-ru"):
        await install("vosk-model-xx", tmp_path)


# --- archives -------------------------------------------------------------------------------------------------------


def link(name: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, "/etc"
    return info


def plain(name: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size = 3
    return info


@pytest.mark.parametrize("content", [zipped(), zipped(top=""), zipped(top="a/b/"), tarred(), tarred(link("top/etc"))])
def test_the_model_is_found_wherever_it_stands(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    unpack(tmp_path / "a", tmp_path / "models" / "m", is_model=models.is_model)
    assert {str(f.relative_to(tmp_path / "models" / "m")) for f in lay_out(tmp_path / "models" / "m")} == {*FILES}
    assert not any(file.is_symlink() for file in (tmp_path / "models").rglob("*"))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (zipped({**FILES, "../../../evil": b"x"}), "leave its folder"),
        (zipped({**FILES, "/../evil": b"x"}, top=""), "leave its folder"),
        (zipped({**FILES, "..\\..\\evil": b"x"}), "leave its folder"),
        (tarred(plain("/evil")), "leave its folder"),
        (tarred(plain("top/../../evil")), "leave its folder"),
        (zipped({"readme.txt": b"hello"}), "no model in"),
        (zipped()[:-100], "no whole archive"),
        (tarred()[:200], "no whole archive"),
        (b"not an archive", "no whole archive"),
        (b"", "no whole archive"),
        (zipped({**FILES, "bomb": bytes(30 << 20)}), "more than is allowed"),
    ],
)
def test_an_archive_that_means_harm_leaves_nothing(tmp_path: Path, content: bytes, says: str) -> None:
    home = tmp_path / "deep" / "down"
    home.mkdir(parents=True)
    (home / "a").write_bytes(content)
    with pytest.raises(InstallError, match=says):
        unpack(home / "a", home / "models" / "m", is_model=models.is_model, most_bytes=10 << 20)
    assert [file.name for file in lay_out(tmp_path)] == ["a"]


def test_an_archive_of_too_many_files_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asr._unpack.MOST_FILES", len(FILES))
    (tmp_path / "a").write_bytes(zipped())
    unpack(tmp_path / "a", tmp_path / "models" / "m", is_model=models.is_model)
    (tmp_path / "b").write_bytes(zipped({**FILES, "one more": b""}))
    with pytest.raises(InstallError, match="more than is allowed"):
        unpack(tmp_path / "b", tmp_path / "models" / "n", is_model=models.is_model)


def test_what_was_there_is_replaced_as_a_whole(tmp_path: Path) -> None:
    folder = lay(tmp_path / "models" / "m", {"old": b"x"})
    (tmp_path / "a").write_bytes(zipped())
    unpack(tmp_path / "a", folder, is_model=models.is_model)
    assert not (folder / "old").exists()
    assert models.is_model(folder)
