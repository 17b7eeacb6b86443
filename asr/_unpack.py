"""An archive of a model into a folder, safely: nothing outside it, no links, no more than the disk was asked for."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from engine.errors import InstallError

MOST_BYTES = 20 << 30
MOST_FILES = 10_000
CHUNK = 1 << 20


def unpack(archive: Path, folder: Path, *, is_model: Callable[[Path], bool], most_bytes: int = MOST_BYTES) -> None:
    """zip or tar(.gz, .bz2, .xz) -> `folder`, which is replaced at once when all is there. Blocks: call it in a thread.

    The model may stand at the top of the archive or in a folder of it. Raises InstallError: no archive, a hostile one,
    no model in it, no room.
    """
    scratch = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        left = most_bytes
        for count, (name, size, source) in enumerate(_files(archive)):
            left -= size
            if left < 0 or count >= MOST_FILES:
                raise InstallError(f"{archive.name} unpacks to more than is allowed: it is no archive of a model")
            target = scratch / _safe(archive, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            _copy(source, target, size)
        _put(_root(scratch, archive, is_model), folder)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, NotImplementedError, RuntimeError) as error:
        raise InstallError(f"{archive.name} is no whole archive ({error}): fetch it again") from None
    except OSError as error:
        raise InstallError(
            f"{archive.name} cannot be unpacked into {folder.parent}: {error.strerror or error}"
        ) from None
    finally:
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)


def _files(archive: Path) -> Iterator[tuple[str, int, IO[bytes]]]:
    """Plain files only: links and devices are left out."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            for info in packed.infolist():
                if not info.is_dir() and (info.external_attr >> 28) in (0, 0o10):  # regular, or no Unix mode at all
                    with packed.open(info) as source:
                        yield info.filename, info.file_size, source
        return
    with tarfile.open(archive) as packed_tar:
        for member in packed_tar:
            if member.isfile() and (taken := packed_tar.extractfile(member)) is not None:
                with taken as source:
                    yield member.name, member.size, source


def _safe(archive: Path, name: str) -> PurePosixPath:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in name or "\0" in name or not path.parts:
        raise InstallError(f"{archive.name} has a file that would leave its folder: it is not unpacked")
    return path


def _copy(source: IO[bytes], target: Path, size: int) -> None:
    """No more than was announced, so that a header cannot lie about the room that is needed."""
    with target.open("wb") as out:
        while size >= 0 and (chunk := source.read(min(CHUNK, size + 1))):
            size -= len(chunk)
            out.write(chunk)
    if size < 0:
        raise InstallError(f"{target.name} is longer than the archive says: it is not unpacked")


def _root(scratch: Path, archive: Path, is_model: Callable[[Path], bool]) -> Path:
    for folder in (scratch, *sorted(p for p in scratch.rglob("*") if p.is_dir())):
        if is_model(folder):
            return folder
    raise InstallError(f"there is no model in {archive.name}")


def _put(ready: Path, folder: Path) -> None:
    ready.chmod(0o755)
    if folder.exists():
        shutil.rmtree(folder)
    ready.rename(folder)
