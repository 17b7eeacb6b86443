"""The map of a scenario: where cards stand, how arrows run, what is painted."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios import source
from tests.web.conftest import GRAPH
from web.api.scenarios import FaultOut
from web.pages.chart import chart, words
from web.pages.layout import HEIGHT, WIDTH, curve, layers, places
from web.pages.scenarios import library

NAMES = [f"c{n}" for n in range(12)]
maps = st.dictionaries(st.sampled_from(NAMES), st.lists(st.sampled_from(NAMES), max_size=4), min_size=1)


def test_a_card_stands_below_all_that_lead_to_it() -> None:
    found = layers({"a": ["b", "d"], "b": ["c"], "c": ["d", "a"], "d": [], "lost": ["d"]}, "a")
    assert found == {"a": 0, "b": 1, "c": 2, "d": 3, "lost": 4}


@given(maps)
def test_any_map_is_laid_out_without_overlaps(arrows: dict[str, list[str]]) -> None:
    found = places(arrows, "c0")
    assert found.keys() == arrows.keys()
    corners = list(found.values())
    for n, (x, y) in enumerate(corners):
        for other_x, other_y in corners[n + 1 :]:
            assert abs(x - other_x) >= WIDTH or abs(y - other_y) >= HEIGHT


def test_what_people_drew_is_kept_unless_it_is_not_whole() -> None:
    arrows = {"a": ["b"], "b": []}
    assert places(arrows, "a", {"a": (0, 0), "b": (0, 100)}) == {"a": (0, 0), "b": (0, 140)}
    assert places(arrows, "a", {"a": (0, 0)})["b"] == (0, 138)
    assert places(arrows, "a", {"a": (0, 0), "b": (1, 1)})["b"] == (0, 138)


def test_two_thousand_cards_in_a_row_take_no_time() -> None:
    long = {f"n{n}": [f"n{n + 1}"] for n in range(1999)} | {"n1999": ["n0"]}
    began = time.perf_counter()
    assert len(places(long, "n0")) == 2000
    assert time.perf_counter() - began < 2.0


@pytest.mark.parametrize("end", [(0, 300), (400, 300), (400, 0), (-400, 0), (0, -300), (0, 0)])
def test_arrows_begin_and_end_at_edges(end: tuple[float, float]) -> None:
    line = curve((0, 0), end)
    first, last = line.d.removeprefix("M").split(" ")[0], line.d.split(" ")[-1]
    for point, (x, y) in ((first, (0, 0)), (last, end)):
        at_x, at_y = map(float, point.split(","))
        assert x <= at_x <= x + WIDTH and y <= at_y <= y + HEIGHT
        assert at_x in (x, x + WIDTH) or at_y in (y, y + HEIGHT)


def test_a_scenario_as_a_map() -> None:
    fault = FaultOut(path="/graph/nodes/ask", code="x", message="m", severity="warning", card="ask", field="say")
    found = chart(GRAPH, [fault], "en", ["hello", "ask", "agreed"])
    boxes = {box.name: box for box in found.boxes}
    assert boxes["hello"].start and boxes["hello"].label == "Say" and boxes["hello"].passed == 1
    assert boxes["hello"].text == "Здравствуйте, ‹name›! Придёте?" and boxes["ask"].text == "да, нет"
    assert boxes["ask"].severity == "warning" and boxes["bye"].passed == 0
    arrows = {(a.source, a.target): a for a in found.arrows}
    assert arrows["ask", "agreed"].passed and not arrows["ask", "bye"].passed
    assert arrows["hello", "ask"].label == ""
    for box in found.boxes:
        assert found.left <= box.x and box.x + WIDTH <= found.left + found.width
        assert found.top <= box.y and box.y + HEIGHT <= found.top + found.height


@pytest.mark.parametrize("sample", library(), ids=lambda sample: sample.key)
def test_the_library_is_drawn_whole(sample: Any) -> None:
    graph = source.read(sample.text)
    found = chart(graph)
    assert {box.name for box in found.boxes} == graph["nodes"].keys() and len(found.arrows) >= len(found.boxes) - 2
    corners = sorted((box.x, box.y) for box in found.boxes)
    assert all(a != b for a, b in pairwise(corners))


@pytest.mark.parametrize(
    "graph",
    [{}, {"nodes": []}, {"nodes": {"a": None}}, {"nodes": {"a": {"kind": 5}}, "layout": {"a": ["x", {}]}},
     {"start": "a", "nodes": {"a": {"kind": "play", "say": "x", "next": "a"}}, "layout": [1]}],
)  # fmt: skip
def test_any_document_can_be_drawn(graph: dict[str, Any]) -> None:
    assert chart(graph).width >= 0


def test_the_gist_of_a_card() -> None:
    assert words({"kind": "condition", "cases": [{"when": "age > 18"}, 5]}) == "age > 18"
    assert words({"windows": [{"from": "10:00", "to": "20:00"}]}) == "10:00–20:00"
    assert words("nonsense") == "" and words({"material": 7}) == "#7" and len(words({"say": "а" * 500})) == 90


def test_the_library_has_a_name_and_a_purpose() -> None:
    assert Path(library.__module__.replace(".", "/")).name == "scenarios"
    assert len(library()) >= 5 and all(sample.name and sample.description and sample.cards for sample in library())
