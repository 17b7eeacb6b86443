"""`dozvon init`: the few things that must be known, and a dozvon.yaml with every one of them explained."""

from __future__ import annotations

import argparse
import getpass
import json
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from engine.commands import DEFAULT, say
from engine.config import load
from engine.errors import ConfigError, InputError

T = TypeVar("T", str, int)


@dataclass(slots=True)
class Answers:
    host: str = ""
    port: int = 5060
    username: str = ""
    password: str = ""
    register: bool = False
    channels: int = 100
    numbers: tuple[str, ...] = ()


def init(args: argparse.Namespace) -> int:
    """Write the settings' file; never over one that is there."""
    file: Path = getattr(args, "config", None) or DEFAULT
    if file.exists():
        raise InputError(f"{file} is there already: change it by hand, or name another with --config")
    answers = _given(args)
    if not args.yes:
        if not sys.stdin.isatty():
            raise InputError("there is no terminal to ask at: add --yes and, for real calls, --trunk-host and --number")
        _ask(answers)
    _write(file, written(answers))
    load(file, {})
    say(f"{file} is written. Next:")
    if not answers.host:
        say("  write your provider's address into `trunks` and your number into `numbers`, then")
    say("  dozvon check                          what works and what does not")
    say("  dozvon user create YOU@… --admin      who may log in")
    say("  dozvon up                             start")
    return 0


def _given(args: argparse.Namespace) -> Answers:
    password = ""
    if args.password_file is not None:
        password = (args.password_file.read_text("utf-8").splitlines() or [""])[0]
    return Answers(
        host=args.trunk_host or "",
        port=args.trunk_port or 5060,
        username=args.username or "",
        password=password,
        register=bool(args.register),
        channels=args.channels or 100,
        numbers=tuple(_number(number) for number in args.number or ()),
    )


def _ask(answers: Answers) -> None:
    say("Enter takes what stands in brackets; everything can be changed in the file later.")
    answers.host = _asked("SIP server of your provider, empty if there is none yet", answers.host, str)
    if not answers.host:
        return
    answers.port = _asked("its port", answers.port, int)
    answers.username = _asked("login, empty if the provider knows you by your address", answers.username, str)
    if answers.username:
        answers.password = answers.password or getpass.getpass("password (not shown): ")
        wished = _asked("does the provider want registration? yes/no", "yes" if answers.register else "no", str)
        answers.register = wished.lower() in {"y", "yes", "д", "да"}
    answers.channels = _asked("calls at once that the trunk carries", answers.channels, int)
    told = _asked("your numbers there, E.164 (+7…), with blanks between", " ".join(answers.numbers), _numbers)
    answers.numbers = tuple(told.split())


def _asked(question: str, otherwise: T, read: Callable[[str], T]) -> T:
    while True:
        try:
            told = input(f"{question} [{otherwise}]: ").strip()
        except EOFError:
            raise InputError("the answers ended too early: add --yes to be asked nothing") from None
        try:
            return read(told) if told else otherwise
        except (ValueError, InputError) as error:
            say(f"  {error}: once more, please")


def _numbers(text: str) -> str:
    return " ".join(_number(number) for number in text.replace(",", " ").split())


def _number(text: str) -> str:
    bare = re.sub(r"[\s().-]", "", text)
    if re.fullmatch(r"8\d{10}", bare):
        bare = f"+7{bare[1:]}"
    if not re.fullmatch(r"\+[1-9]\d{6,14}", bare):
        raise InputError(f"{text!r} is no number like +74950000001")
    return bare


def _write(file: Path, text: str) -> None:
    """Readable by its owner only, for it holds the trunk's password; refused text leaves no file behind."""
    aside = file.with_name(f".{file.name}.{os.getpid()}")
    with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as new:
        new.write(text)
    try:
        load(aside, {})
        os.link(aside, file)  # fails if somebody else has just written it
    except ConfigError as error:
        raise ConfigError(str(error).replace(str(aside), str(file))) from None
    finally:
        aside.unlink()


def written(answers: Answers) -> str:
    """The file's text: YAML with comments, everything given quoted."""
    quoted = json.dumps
    trunk = ["trunks:"]
    if answers.host:
        trunk += [
            "  main:",
            f"    host: {quoted(answers.host)}",
            f"    port: {answers.port}",
            "    codecs: [alaw, ulaw]            # in the order you like them; ask the provider",
            f"    channels: {answers.channels}                   # calls at once, by your contract",
            "    calls_per_second: 10            # new calls a second that the provider takes",
        ]
        trunk += [f"    username: {quoted(answers.username)}"] if answers.username else []
        trunk += [f"    password: {quoted(answers.password)}"] if answers.password else []
        trunk += [f"    register: {str(answers.register).lower()}"]
    else:
        trunk += [
            "  # main: {host: 203.0.113.10, port: 5060, codecs: [alaw, ulaw], channels: 100, calls_per_second: 10}"
        ]
    numbers = [f"  - {{number: {quoted(number)}, trunk: main, kind: landline}}" for number in answers.numbers]
    numbers = numbers if answers.host else [f"  # {line.strip()}" for line in numbers]
    numbers = numbers or ['  # - {number: "+74950000001", trunk: main, operator: "", region: "", kind: landline}']
    return TEMPLATE.format(sip=_sip_host(answers.host), trunks="\n".join(trunk), numbers="\n".join(numbers))


def _sip_host(trunk: str) -> str:
    """From the loopback no provider can be reached."""
    return "127.0.0.1" if not trunk or trunk.startswith("127.") or trunk == "localhost" else "0.0.0.0"


TEMPLATE = """\
# Settings of Dozvon. Paths are relative to this file. Every key can also be given by the environment:
# DOZVON_HTTP__PORT=9000 stands for http: {{port: 9000}}. After a change run `dozvon check`.

data_dir: ./var                         # recordings, prompts, models, Asterisk's own files
database: sqlite+aiosqlite:///./var/dozvon.db    # or postgresql+asyncpg://user:password@host/name

http:                                   # the panel and the API; put a TLS proxy before it to open it to others
  host: 127.0.0.1
  port: 8080
  public_url: http://127.0.0.1:8080     # what people type; behind a proxy its https address

asterisk:
  mode: embedded                        # embedded: `dozvon up` runs its own Asterisk; external: connects to yours
  sip:
    host: {sip:<29} # the address that your provider's calls come to; 0.0.0.0 for all of them
    port: 5060
  rtp: {{start: 20000, end: 29999}}       # UDP ports of the sound; open them to the provider

# Ways to the telephone network.
{trunks}

# Your numbers: what people see when they are called, and what they call.
numbers:
{numbers}

speech:
  language: ru
  recognizer: auto                      # the best one whose model is here; `dozvon models list` shows better ones
  synthesizer: auto

log: {{level: info, format: auto}}
"""
