"""The command line: what may be said, and how a failure is told.

    dozvon WORDS ─▶ arguments ─▶ engine/commands/<file>.<function>(arguments) ─▶ 0 done, 1 failed, 2 wrong use

A command's file is imported when it is used: nothing that is slow or missing keeps the others from working.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from types import TracebackType

from engine.errors import DozvonError, InputError

Command = Callable[[argparse.Namespace], int]
SHARED = argparse.SUPPRESS  # what is not given after the command does not hide what was given before it


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; its exit code. Errors are one sentence on stderr."""
    parsed = parser().parse_args(arguments)
    debug = bool(getattr(parsed, "debug", False))
    if not debug:
        sys.excepthook = _unforeseen
    try:
        return _command(parsed.does)(parsed)
    except BrokenPipeError:
        # Whoever read our output has gone; Python's own flush at exit would complain about it once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (DozvonError, OSError, KeyboardInterrupt) as error:
        if debug:
            traceback.print_exc()
        sys.stderr.write(f"dozvon: {_told(error)}\n")
    return 1


def _told(error: BaseException) -> str:
    """One sentence; below it, line by line, what was wrong with something given."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, OSError):
        what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        return f"{what}: mend that and try again"
    return "\n".join([str(error), *_problems(error)])


def _problems(error: BaseException) -> list[str]:
    if not isinstance(error, InputError):
        return []
    return [f"  {problem.path}: {problem.message}" for problem in error.problems]


def _command(name: str) -> Command:
    file, _, function = name.partition(":")
    command: Command = getattr(import_module(f"engine.commands.{file}"), function)
    return command


def _unforeseen(kind: type[BaseException], error: BaseException, _at: TracebackType | None) -> None:
    told = " ".join(str(error).split())[:500]
    sys.stderr.write(f"dozvon: this should not have happened ({kind.__name__}: {told}): run it again with --debug\n")


def parser() -> argparse.ArgumentParser:
    """Everything that may be said."""
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--config", type=Path, metavar="FILE", default=SHARED, help="settings (./dozvon.yaml if there)")
    shared.add_argument("--debug", action="store_true", default=SHARED, help="show the traceback of a failure")
    top = argparse.ArgumentParser(prog="dozvon", description="A voice robot that calls and answers.", parents=[shared])
    top.add_argument("--version", action="version", version=f"dozvon {_version()}")
    words = _Words(top, shared)
    _running(words)
    _accounts(words)
    _content(words)
    _parts(words)
    return top


class _Words:
    """Commands of one or two words, each with the shared options."""

    def __init__(self, top: argparse.ArgumentParser, shared: argparse.ArgumentParser) -> None:
        self._shared = shared
        self._top = top.add_subparsers(metavar="COMMAND", required=True)

    def add(self, name: str, does: str, help: str) -> argparse.ArgumentParser:
        made = self._top.add_parser(name, help=help, description=help, parents=[self._shared], allow_abbrev=False)
        made.set_defaults(does=does)
        return made

    def group(self, name: str, help: str) -> _Words:
        return _Words(self._top.add_parser(name, help=help, description=help, parents=[self._shared]), self._shared)


def _running(words: _Words) -> None:
    words.add("up", "up:up", "run the robot and the panel in the foreground; SIGTERM or Ctrl-C drains")
    demo = words.add("demo", "up:demo", "a campaign of real calls to simulated subscribers")
    demo.add_argument(
        "--once", action="store_true", help="end by itself; exit 0 only if every call ended as it was played"
    )
    demo.add_argument("--calls", type=_count(1, 10_000), default=16, metavar="N", help="how many subscribers (16)")
    demo.add_argument("--port", type=_count(0, 65535), default=None, help="of the panel (8080, or a free one)")
    check = words.add("check", "check:check", "tell what works and what does not, with the mend")
    check.add_argument("--json", action="store_true", help="for machines")
    init = words.add("init", "init:init", "ask what must be known and write dozvon.yaml")
    init.add_argument("--yes", action="store_true", help="ask nothing, take what is given here and defaults")
    init.add_argument("--trunk-host", metavar="HOST", help="address of the provider's SIP server")
    init.add_argument("--trunk-port", type=_count(1, 65535), metavar="PORT", help="its port (5060)")
    init.add_argument("--username", help="SIP login, if the provider gave one")
    init.add_argument("--password-file", type=Path, metavar="F", help="file with the SIP password")
    init.add_argument("--register", action="store_true", default=None, help="the provider wants registration")
    init.add_argument("--number", action="append", metavar="+7…", help="a number of yours; may be given again")
    init.add_argument(
        "--channels", type=_count(1, 10_000), metavar="N", help="calls at once that the trunk carries (100)"
    )


def _accounts(words: _Words) -> None:
    user = words.group("user", "people who may log in")
    create = user.add("create", "accounts:create_user", "a new user; the password is asked for, or read from a file")
    create.add_argument("email")
    create.add_argument("--admin", action="store_true", help="may do everything")
    create.add_argument("--password-file", type=Path, metavar="F", help="first line is the password (- reads stdin)")
    token = words.group("token", "keys for programs")
    create = token.add("create", "accounts:create_token", "a new token of a user's, alone on stdout")
    create.add_argument("email")
    create.add_argument("--scopes", type=_list, default=("read", "write"), metavar="read,write[,call_password]")


def _content(words: _Words) -> None:
    scenario = words.group("scenario", "scenario documents")
    check = scenario.add("check", "scenario:check", "every problem with its card and field")
    check.add_argument("files", nargs="+", type=Path, metavar="FILE")
    test = scenario.add("test", "scenario:test", "a scenario's own tests, with no telephone")
    test.add_argument("files", nargs="+", type=Path, metavar="FILE")
    test.add_argument("--audio", action="store_true", help="through real synthesis and recognition")
    replay = words.add("replay", "replay:heard_again", "hear recorded calls again: what would have gone another way")
    replay.add_argument("calls", nargs="+", type=_count(1, 2**53 - 1), metavar="CALL", help="by its number in the list")
    replay.add_argument("--recognizer", metavar="R", help="one of speech.recognizers, an engine, or an installed model")
    replay.add_argument("--scenario", metavar="S", help="a file, or the number of a scenario, or number:version")
    replay.add_argument("--json", action="store_true", help="for machines")
    numbers = words.group("numbers", "the platform's telephone numbers")
    load = numbers.add(
        "import", "numbers:import_numbers", "add numbers of yours from a CSV file (number,trunk,operator,…)"
    )
    load.add_argument("files", nargs="+", type=Path, metavar="FILE")
    numbering = words.group("numbering", "the open registry of the Russian numbering plan")
    load = numbering.add(
        "import", "numbers:import_ranges", "operator, region and zone by range, from the registry's CSV files"
    )
    load.add_argument("files", nargs="+", type=Path, metavar="FILE")


def _parts(words: _Words) -> None:
    asterisk = words.group("asterisk", "the Asterisk under the robot")
    install = asterisk.add("install", "asterisk:install", "find one that is new enough, or unpack one")
    install.add_argument("--brief", action="store_true", help="say nothing if there is nothing to do")
    render = asterisk.add("render", "asterisk:render", "write its configuration from dozvon.yaml")
    render.add_argument("--to", type=Path, metavar="DIR", help="where (the data folder)")
    asterisk.add("run", "asterisk:run", "start it alone, in the foreground")
    cli = asterisk.add("cli", "asterisk:cli", "its own command line, or one command of it")
    cli.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND")
    models = words.group("models", "recognition models")
    models.add("list", "models:list_models", "what there is, what is here, and what it is good for")
    install = models.add("install", "models:install", "fetch one")
    install.add_argument("name")
    install.add_argument("--archive", type=Path, metavar="FILE", help="take it from this file instead of the network")
    models.add("remove", "models:remove", "make room").add_argument("name")
    words.add("migrate", "store:migrate", "bring the database to this version's tables")
    bench = words.add(
        "bench", "bench:bench", "measure calls, hearing, reaction, pacing and the dialler; writes bench/results.json"
    )
    bench.add_argument("parts", nargs="*", metavar="PART", help="only these (all)")
    hearing = bench.add_argument_group("of the part `hearing`")
    hearing.add_argument("--corpus", type=Path, metavar="DIR", help="your own: WAVs and manifest.csv or .jsonl")
    hearing.add_argument(
        "--recognizer",
        action="append",
        metavar="NAME",
        help="as the settings name it; may be given again",
    )
    hearing.add_argument("--quick", action="store_true", help="a small sample: shows that it works, measures nothing")
    hearing.add_argument("--seed", type=_count(0, 1_000_000), metavar="N", help="of the built-in corpora (1)")
    hearing.add_argument("--out", type=Path, metavar="DIR", help="for the page and the figures (data folder/bench)")
    hearing.add_argument("--lang", choices=("ru", "en"), help="of the page (by the shell's locale)")


def _count(least: int, most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is no number from {least} to {most}")
        return int(text)

    return number


def _list(text: str) -> tuple[str, ...]:
    return tuple(word for word in (part.strip() for part in text.split(",")) if word)


def _version() -> str:
    """Of the installed package, else of the checkout."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("dozvon")
    except PackageNotFoundError:
        import tomllib

        project = Path(__file__).parents[1] / "pyproject.toml"
        return str(tomllib.loads(project.read_text("utf-8"))["project"]["version"])
