"""What Prometheus is told, and that it can read it."""

from __future__ import annotations

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tests.fakes import FakeRobot
from tests.web.conftest import Client, World
from web.metrics import Labels, Metrics


def _samples(text: str) -> dict[tuple[str, Labels], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_the_engines_counters_and_histograms() -> None:
    counts: dict[tuple[str, Labels], int] = {
        ("calls_total", (("direction", "outbound"), ("status", "busy"))): 7,
        ("troubles_total", (("kind", 'a"b\n'),)): 1,
        ("talk_seconds", (("le", "1"),)): 2,
        ("talk_seconds", (("le", "30"),)): 3,
        ("talk_seconds_sum_ms", ()): 61_500,
    }
    found = _samples(generate_latest(Metrics(FakeRobot(), lambda: counts).registry).decode())
    assert found["dozvon_calls_total", (("direction", "outbound"), ("status", "busy"))] == 7
    assert found["dozvon_troubles_total", (("kind", 'a"b\n'),)] == 1
    assert found["dozvon_talk_seconds_bucket", (("le", "1"),)] == 2
    assert found["dozvon_talk_seconds_bucket", (("le", "30"),)] == 5
    assert found["dozvon_talk_seconds_bucket", (("le", "+Inf"),)] == 5
    assert (found["dozvon_talk_seconds_sum", ()], found["dozvon_talk_seconds_count", ()]) == (61.5, 5)
    assert found["dozvon_part_up", (("part", "telephony"),)] == 1
    assert found["dozvon_live_calls", ()] == 0


async def test_requests_are_counted_by_pattern_not_by_path(anna: Client, world: World) -> None:
    for ident in range(1, 6):
        await anna.get(f"/projects/{ident}")
    await anna.get("/nothing/at/all")
    found = _samples((await anna.get("/metrics")).raw.decode())
    routes = {dict(labels)["route"]: n for (name, labels), n in found.items() if name == "dozvon_http_requests_total"}
    assert routes["/api/v1/projects/{project_id}"] == 5
    assert routes[""] == 1 and not any("nothing" in route for route in routes)
