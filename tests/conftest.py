"""What all tests share: programs that `make test` has brought are found, the caller's settings are not."""

from __future__ import annotations

import os

from engine.setup import tools

# Behind PATH, not before it: what the system has is preferred, as by the product.
os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", os.defpath), *tools.folders()])

# Where its own lacks a library, `make test` has wrapped it.
if (_node := tools.find(tools.NODE)) is not None:
    os.environ["PLAYWRIGHT_NODEJS_PATH"] = _node

for _name in [name for name in os.environ if name.startswith("DOZVON_") and name != "DOZVON_CACHE"]:
    del os.environ[_name]
