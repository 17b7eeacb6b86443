"""The REST interface: one file a noun, all of them listed here."""

from __future__ import annotations

from dataclasses import replace

from web.api import (
    analytics,
    call_passwords,
    calls,
    campaigns,
    integrations,
    jobs,
    lines,
    materials,
    numbers,
    projects,
    pronunciations,
    replay,
    scenarios,
    segments,
    session,
    status,
    system,
)
from web.routes import Route

NOUNS = (
    session,
    projects,
    pronunciations,
    segments,
    integrations,
    materials,
    scenarios,
    numbers,
    campaigns,
    calls,
    lines,
    analytics,
    call_passwords,
    replay,
    jobs,
    status,
    system,
)

# Probes and scrapers look at the root, where every program has these two.
_AT_ROOT = [replace(route, root=True) for route in system.routes.all if route.path in ("/health", "/metrics")]

ROUTES: list[Route] = [route for noun in NOUNS for route in noun.routes.all] + _AT_ROOT
