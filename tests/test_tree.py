"""The rules of the tree that no linter knows."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("engine", "channels", "asr", "tts", "scenarios", "web", "bench", "tests")
LONGEST_FILE = 400
MOST_ATTRIBUTES = 12


def _python() -> list[Path]:
    return sorted(file for room in ROOMS for file in (ROOT / room).rglob("*.py"))


def _kept() -> list[Path]:
    """Everything that git knows or would take."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    return [file for name in listed.stdout.decode().split("\0") if name and (file := ROOT / name).is_file()]


def _name(file: Path) -> str:
    return str(file.relative_to(ROOT))


def _locked(text: str) -> set[str]:
    return {re.sub(r"[-_.]+", "-", name).lower() for name in re.findall(r"^([A-Za-z0-9._-]+)==", text, re.M)}


def _asked(requirements: list[str]) -> set[str]:
    return {re.sub(r"[-_.]+", "-", re.split(r"[\s\[<>=!~;]", line)[0]).lower() for line in requirements}


def test_there_is_a_tree_to_look_at() -> None:
    assert len(_python()) > 50


def test_no_file_is_longer_than_can_be_kept_in_mind() -> None:
    lengths = {_name(file): len(file.read_text("utf-8").splitlines()) for file in _python()}
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FILE} == {}


def _attributes(node: ast.ClassDef) -> set[str]:
    """What its methods assign on `self`; the fields of a plain value are its contract and are not counted."""
    return {
        target.attr
        for below in ast.walk(node)
        for target in (below.targets if isinstance(below, ast.Assign) else [getattr(below, "target", None)])
        if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "self"
    }


def _classes() -> Iterator[tuple[str, ast.ClassDef]]:
    for file in _python():
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                yield f"{_name(file)}:{node.name}", node


def test_no_class_remembers_more_than_a_dozen_things() -> None:
    counts = {name: len(_attributes(node)) for name, node in _classes()}
    assert {name: count for name, count in counts.items() if count > MOST_ATTRIBUTES} == {}


@pytest.mark.parametrize(("body", "count"), [("self.a = self.b = 1; self.a += 1", 2), ("x.a = 1; b = self.c", 0)])
def test_attributes_are_counted_right(body: str, count: int) -> None:
    node = ast.parse(f"class A:\n    def m(self): {body}").body[0]
    assert isinstance(node, ast.ClassDef)
    assert len(_attributes(node)) == count


def _imports(file: Path, known: set[str]) -> set[str]:
    """Modules of ours that this one imports, anywhere in it: within a function, or for its types only, too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                below = f"{node.module}.{alias.name}"
                found.add(below if below in known else node.module)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found & known


def test_no_module_imports_itself_by_way_of_others() -> None:
    modules = {
        ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file for file in _python()
    }
    known = set(modules)
    graph = {name: _imports(file, known) - {name} for name, file in modules.items()}
    assert "web.problems" in graph["web.pages.errors"]
    list(TopologicalSorter(graph).static_order())  # raises CycleError, which names the circle


def test_every_file_begins_with_its_purpose() -> None:
    """A test's name is its purpose; everything else says what it is for."""
    files = [file for file in _python() if not file.name.startswith("test_") and file.name != "conftest.py"]
    silent = [
        _name(file) for file in files if not (ast.get_docstring(ast.parse(file.read_text("utf-8"))) or "").strip()
    ]
    assert silent == []


def test_no_path_of_one_machine() -> None:
    # Homes and scratch folders of whoever wrote it; in two parts, or this file would be its own offender.
    machine = re.compile(
        r"(^|[^A-Za-z0-9.\w/-])/(?:" + "|".join(("wo" + "rk", "fa" + "rm", "ro" + "ot", "ho" + "me")) + r")/\w"
    )
    found = []
    for file in _kept():
        if file.suffix in (".py", ".md", ".yaml", ".toml", ".j2", ".conf", ".js", ".json", ".html", ".css", "") and (
            file.name not in ("LICENSE", "package-lock.json")
        ):
            lines = file.read_text("utf-8", "replace").splitlines()
            found += [f"{_name(file)}:{number}" for number, line in enumerate(lines, 1) if machine.search(line)]
    assert found == []


def test_the_lock_holds_every_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    asked = _asked(
        [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    )
    assert asked - _locked(lock) == set()
    entries = re.findall(r"^[A-Za-z0-9._-]+==(?:.*\\\n)+.*", lock, re.M)
    assert len(entries) == len(re.findall(r"^[A-Za-z0-9._-]+==", lock, re.M))
    assert all("--hash=sha256:" in entry for entry in entries)


def test_the_readme_gives_a_reason_for_every_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    readme = (ROOT / "README.md").read_text("utf-8").lower()
    assert {name for name in _asked(project["dependencies"]) if f"`{name}`" not in readme} == set()


def test_no_test_skips_itself() -> None:
    skipping = re.compile(r"pytest\.(mark\.(skip|xfail)|skip|xfail|importorskip)\b")
    tests = [file for file in _python() if file.is_relative_to(ROOT / "tests") and file != Path(__file__)]
    assert [_name(file) for file in tests if skipping.search(file.read_text("utf-8"))] == []
