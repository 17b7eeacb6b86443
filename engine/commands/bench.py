"""`dozvon bench`: the measurements live in bench/, which a checkout has and an installation may lack."""

from __future__ import annotations

import argparse
from importlib import import_module
from importlib.util import find_spec

from engine.commands import settings
from engine.commands.scenario import language
from engine.errors import InputError, InstallError


def bench(args: argparse.Namespace) -> int:
    """1 if something could not be measured. Raises InstallError outside a checkout, InputError for wrong use."""
    if find_spec("tests") is None or find_spec("bench.__main__") is None:
        raise InstallError("measuring needs the project's sources: clone the repository and run `make bench` there")
    of_hearing = args.corpus or args.recognizer or args.quick or args.out or args.lang or args.seed is not None
    if of_hearing and list(args.parts) != ["hearing"]:
        raise InputError("these options are of one part: dozvon bench hearing --corpus … --recognizer … --quick")
    loaded = settings(args, quiet=True)
    asked = import_module("bench.hearing.command").Asked(
        corpus=args.corpus,
        recognizers=tuple(args.recognizer or ()),
        quick=args.quick,
        seed=1 if args.seed is None else args.seed,
        out=args.out or loaded.data_dir / "bench",
        language=args.lang or language(),
        speech=loaded.speech,
        data_dir=loaded.data_dir,
    )
    return int(import_module("bench.__main__").main(args.parts, asked))
