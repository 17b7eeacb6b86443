"""The measurements' own arithmetic: percentiles, the grid of a campaign, what results.json keeps."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from bench.figures import Figure, merge, of_buckets, percentile, spread
from bench.pacing import deviations
from bench.sipp import noise, packets
from bench.telephone import SAMPLES, Packet, Sound, Talk


@pytest.mark.parametrize(
    ("share", "found"), [(0.0, 1), (0.01, 1), (0.5, 50), (0.501, 51), (0.95, 95), (0.999, 100), (1.0, 100)]
)
def test_a_percentile_is_one_of_the_values(share: float, found: float) -> None:
    assert percentile(list(range(100, 0, -1)), share) == found


def test_of_one_value_every_percentile_is_that() -> None:
    assert {percentile([7.0], share) for share in (0, 0.5, 0.999, 1)} == {7.0}
    with pytest.raises(ValueError, match="nothing"):
        percentile([], 0.5)


def test_a_histogram_tells_the_bound_that_holds_the_share() -> None:
    counts = {0.001: 90.0, 0.01: 99.0, 0.1: 100.0, math.inf: 100.0}
    assert [of_buckets(counts, share) for share in (0.5, 0.9, 0.95, 0.99, 0.991, 1.0)] == [
        0.001, 0.001, 0.01, 0.01, 0.1, 0.1,
    ]  # fmt: skip
    assert of_buckets({0.1: 1.0, math.inf: 2.0}, 0.99) == math.inf
    with pytest.raises(ValueError, match="nothing"):
        of_buckets({0.1: 0.0, math.inf: 0.0}, 0.5)


def test_an_even_grid_deviates_by_nothing_whenever_it_began() -> None:
    assert max(deviations([1000.03 + n * 0.1 for n in range(600)], 0.1)) < 1e-6


def test_one_late_start_is_told_and_the_others_are_not_blamed() -> None:
    starts = [n * 0.1 for n in range(600)]
    starts[300] += 0.03
    off = deviations(starts, 0.1)
    assert off[300] == pytest.approx(30)
    assert sum(ms > 1e-6 for ms in off) == 1


def test_a_missing_start_shifts_the_rest_and_shows() -> None:
    starts = [n * 0.1 for n in range(600) if n != 500]
    assert percentile(deviations(starts, 0.1), 0.95) == pytest.approx(100)


@pytest.mark.parametrize(
    ("figure", "passes"),
    [
        (Figure("x", 5), None),
        (Figure("x", 5, at_most=5), True),
        (Figure("x", 6, at_most=5), False),
        (Figure("x", 600, at_least=600, at_most=600), True),
        (Figure("x", 599, at_least=600, at_most=600), False),
    ],
)
def test_a_figure_knows_whether_it_is_good_enough(figure: Figure, passes: bool | None) -> None:
    assert figure.passes is passes


def test_results_are_merged_part_by_part(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    merge("calls", [Figure("ratio", 0.3, at_most=0.35), Figure("old", 1)], {"cores": 2}, "how", file)
    merge("lease", spread("lease", [1.0, 2.0, 3.0], "ms"), {"cores": 2}, "how", file)
    merge("calls", [Figure("ratio", 0.4, at_most=0.35)], {"cores": 4}, "how", file)
    known = json.loads(file.read_text("utf-8"))
    assert list(known) == ["calls", "lease"]
    assert known["calls"]["machine"] == {"cores": 4}
    assert known["calls"]["figures"] == [{"name": "ratio", "value": 0.4, "at_most": 0.35, "passes": False}]
    assert known["lease"]["figures"][1] == {"name": "lease p95", "value": 3.0, "unit": "ms"}


def test_results_that_cannot_be_read_are_begun_anew(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    file.write_text("{", "utf-8")
    merge("calls", [Figure("x", 1)], {}, "", file)
    assert list(json.loads(file.read_text("utf-8"))) == ["calls"]


def test_comfort_noise_is_quiet_and_never_the_same_frame_twice() -> None:
    frames = packets(noise(seconds=2))
    assert {len(frame) for frame in frames} == {SAMPLES}
    assert len(frames) == len(set(frames)) == 100


async def test_sound_and_its_end_are_found_in_the_packets() -> None:
    peaks = [0] * 5 + [9000] * 10 + [0] * 20 + [9000] * 5
    sound = Sound()
    sound.packets = [Packet(100 + n * 0.02, n, peak) for n, peak in enumerate(peaks)]
    talk = Talk(sound)
    sound.close()
    assert talk.first_sound(99) == pytest.approx(100.10)
    assert talk.last_sound(100.15, quiet_s=0.3) == pytest.approx(100.28)
    assert talk.first_sound(100.30) == pytest.approx(100.70)
    assert talk.first_sound(101) is None
    assert talk.last_sound(100.15, quiet_s=0.5) == pytest.approx(100.78)
    assert max(talk.gaps_ms()) == pytest.approx(20)
