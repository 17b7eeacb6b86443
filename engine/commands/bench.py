"""`dozvon bench`: the measurements live in bench/, which a checkout has and an installation may lack."""

from __future__ import annotations

import argparse
from importlib import import_module
from importlib.util import find_spec

from engine.errors import InstallError


def bench(args: argparse.Namespace) -> int:
    """1 if something could not be measured. Raises InstallError outside a checkout."""
    if find_spec("tests") is None or find_spec("bench.__main__") is None:
        raise InstallError("measuring needs the project's sources: clone the repository and run `make bench` there")
    return int(import_module("bench.__main__").main(args.parts))
