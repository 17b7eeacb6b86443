"""Segments and their contacts, materials, and the state of the system."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
import soundfile  # type: ignore[import-untyped]
from aiohttp import FormData

from tests.web.conftest import Client, Json, Shop, World
from web.export import cell

# --- segments ---------------------------------------------------------------------------------------------------------


async def _segment(client: Client, shop: Shop, people: list[Json], **more: Json) -> Json:
    return await client.made(f"/projects/{shop.project}/segments", {"name": "S", "contacts": people, **more})


async def test_a_segment_counts_what_it_left_out(anna: Client, shop: Shop) -> None:
    made = await _segment(
        anna,
        shop,
        [
            {"phone": "8 (900) 123-45-67", "email": "a@example.com", "fields": {"name": "Анна", "n": 1, "ok": True}},
            {"phone": "+7 900 123 45 67"},
            {"phone": "112"},
            {"phone": "nonsense"},
        ],
    )
    assert (made["kind"], made["size"], made["invalid"], made["duplicates"]) == ("contacts", 1, 2, 1)
    assert made["state"] == "ready"
    (contact,) = (await anna.get(f"/segments/{made['id']}/contacts")).json["items"]
    assert (contact["phone"], contact["email"]) == ("+79001234567", "a@example.com")
    assert contact["fields"] == {"name": "Анна", "n": 1, "ok": True}


async def test_adding_and_taking_out_contacts(anna: Client, shop: Shop) -> None:
    made = await _segment(anna, shop, [])
    path = f"/segments/{made['id']}/contacts"
    people = [{"phone": "+79001234567"}, {"phone": "x"}, {"phone": "+79001234567"}, {"phone": "103"}]
    added = (await anna.post(path, {"contacts": people})).json
    assert (added["added"], added["invalid"], added["duplicates"], added["segment"]["size"]) == (1, 2, 1, 1)
    assert {e["path"]: e["code"] for e in added["errors"]} == {
        "/contacts/1/phone": "not_a_number",
        "/contacts/3/phone": "emergency",
    }
    (contact,) = (await anna.get(path)).json["items"]
    assert (await anna.delete(f"{path}/{contact['id']}")).status == 204
    assert (await anna.delete(f"{path}/{contact['id']}")).status == 404
    assert (await anna.get(f"/segments/{made['id']}")).json["size"] == 0
    assert (await anna.post(path, {"contacts": []})).status == 422


async def test_the_reasons_are_told_in_russian_too(anna: Client, shop: Shop) -> None:
    path = f"/segments/{shop.segment}/contacts"
    added = await anna.post(path, {"contacts": [{"phone": "112"}]}, headers={"Accept-Language": "ru"})
    assert added.json["errors"][0]["message"] == "На номера экстренных служб звонить нельзя."


async def test_copying_filtering_and_archiving(anna: Client, shop: Shop) -> None:
    people = [{"phone": f"+7900123456{n}", "fields": {"city": "Omsk" if n % 2 else "Tver", "n": n}} for n in range(6)]
    made = await _segment(anna, shop, people)
    path = f"/segments/{made['id']}"
    copied = await anna.made(path + "/copy", {"name": "Copy"})
    assert (copied["name"], copied["size"], copied["state"]) == ("Copy", 6, "ready")
    conditions = [{"field": "city", "value": "Omsk"}, {"field": "n", "op": "ne", "value": 3}]
    filtered = await anna.made(path + "/filter", {"name": "Omsk", "conditions": conditions})
    phones = [c["phone"] for c in (await anna.get(f"/segments/{filtered['id']}/contacts?sort=phone")).json["items"]]
    assert phones == ["+79001234561", "+79001234565"]
    assert (await anna.post(path + "/archive")).json["archived"] is True
    listed = (await anna.get(f"/projects/{shop.project}/segments")).json["items"]
    assert made["id"] not in {s["id"] for s in listed}
    assert (await anna.post(path + "/restore")).json["archived"] is False
    assert (await anna.patch(path, {"name": "New", "timezone": "Asia/Omsk"})).json["timezone"] == "Asia/Omsk"


async def test_an_export_cannot_run_formulas(anna: Client, shop: Shop) -> None:
    people = [
        {"phone": "+79001234567", "fields": {"name": '=HYPERLINK("http://evil")', "note": 'a"b,\r\nc', "n": -5}},
        {"phone": "+79001234568", "fields": {"name": "@SUM(1)", "other": True}},
    ]
    made = await _segment(anna, shop, people)
    answer = await anna.get(f"/segments/{made['id']}/export")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    rows = list(csv.DictReader(io.StringIO(answer.raw.decode("utf-8-sig"), newline="")))
    assert rows[0]["phone"] == "+79001234567" and rows[0]["n"] == "-5"
    assert rows[0]["name"] == '\'=HYPERLINK("http://evil")' and rows[0]["note"] == 'a"b,\r\nc'
    assert (rows[1]["name"], rows[1]["other"], rows[1]["n"]) == ("'@SUM(1)", "true", "")


@pytest.mark.parametrize("text", ["=1", "+1+1", "-cmd", "@x", "\t=1", "\r=1", "+", "-"])
def test_what_a_spreadsheet_would_run_is_only_text(text: str) -> None:
    assert cell(text) == "'" + text


async def test_another_owners_segment_is_absent(anna: Client, boris: Client, shop: Shop) -> None:
    path = f"/segments/{shop.segment}"
    people = {"contacts": [{"phone": "+79001234567"}]}
    for tail in ("", "/contacts", "/export"):
        assert (await boris.get(path + tail)).status == 404
    for tail, body in (("/contacts", people), ("/copy", {}), ("/archive", None), ("/restore", None)):
        assert (await boris.post(path + tail, body)).status == 404
    conditions = {"name": "x", "conditions": [{"field": "n"}]}
    assert (await boris.post(path + "/filter", conditions)).status == 404
    (contact, *_) = (await anna.get(path + "/contacts")).json["items"]
    assert (await boris.delete(f"{path}/contacts/{contact['id']}")).status == 404


async def test_ten_thousand_contacts_at_once(anna: Client, shop: Shop) -> None:
    people = [{"phone": f"+7900{n:07}"} for n in range(10_000)]
    made = await _segment(anna, shop, people)
    assert (made["size"], made["invalid"]) == (10_000, 0)


# --- materials --------------------------------------------------------------------------------------------------------


def _sound(kind: str) -> bytes:
    out = io.BytesIO()
    at = np.arange(22_050 * 2)
    soundfile.write(out, np.sin(at / 10) * 0.5, 22_050, format=kind)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["WAV", "OGG", "FLAC", "MP3"])
async def test_a_sound_is_kept_as_the_telephone_plays_it(anna: Client, shop: Shop, world: World, kind: str) -> None:
    form = FormData({"name": "Jingle", "kind": "audio"})
    form.add_field("file", _sound(kind), filename=f"../../jingle.{kind.lower()}")
    answer = await anna.post(f"/projects/{shop.project}/materials", data=form)
    assert answer.status == 201, answer.raw
    assert (answer.json["kind"], answer.json["status"]) == ("audio", "active")
    assert abs(answer.json["duration_ms"] - 2000) < 100
    heard = await anna.get(f"/materials/{answer.json['id']}/audio")
    info = soundfile.info(io.BytesIO(heard.raw))
    assert (info.samplerate, info.channels, info.subtype) == (8000, 1, "PCM_16")
    (kept,) = (world.settings.data_dir / "materials").iterdir()
    assert kept.name.endswith(".wav") and len(kept.stem) == 32


async def test_materials_of_each_kind(anna: Client, shop: Shop) -> None:
    path = f"/projects/{shop.project}/materials"
    tts = await anna.made(path, {"name": "Hi", "kind": "tts", "text": "Привет", "voice": "anna"})
    assert (tts["text"], tts["voice"], tts["duration_ms"], tts["url"]) == ("Привет", "anna", None, None)
    link = await anna.made(path, {"name": "Site", "kind": "link", "url": "https://example.com/"})
    assert [m["id"] for m in (await anna.get(path + "?kind=link")).json["items"]] == [link["id"]]
    assert (await anna.patch(f"/materials/{tts['id']}", {"text": "Пока"})).json["text"] == "Пока"
    assert (await anna.post(f"/materials/{tts['id']}/archive")).json["status"] == "archived"
    assert (await anna.post(f"/materials/{tts['id']}/restore")).json["status"] == "active"
    assert (await anna.get(f"/materials/{tts['id']}/audio")).status == 404
    for wrong in (
        {"kind": "tts"},
        {"kind": "link"},
        {"kind": "link", "url": "javascript:alert(1)"},
        {"kind": "audio"},
        {"kind": "video", "text": "x"},
    ):
        assert (await anna.post(path, {"name": "x", **wrong})).status == 422


async def test_another_owners_material_is_absent(anna: Client, boris: Client, shop: Shop) -> None:
    made = await anna.made(f"/projects/{shop.project}/materials", {"name": "x", "kind": "tts", "text": "x"})
    path = f"/materials/{made['id']}"
    assert {(await boris.get(path + tail)).status for tail in ("", "/audio")} == {404}
    assert (await boris.patch(path, {"name": "y"})).status == 404
    assert (await boris.post(path + "/archive")).status == 404


# --- the system -------------------------------------------------------------------------------------------------------


async def test_health_names_the_part_that_is_away(world: World) -> None:
    stranger = world.stranger()
    well = await stranger.get("/health")
    assert (well.status, well.json["status"], well.json["ready"]) == (200, "ok", True)
    assert set(well.json["parts"]) == {"telephony", "database"}
    world.robot.parts["telephony"] = (False, "AMI is away")
    ill = await stranger.get("/api/v1/health")
    assert (ill.status, ill.json["live"], ill.json["ready"]) == (503, True, False)
    assert ill.json["parts"]["telephony"] == {"ok": False, "detail": "AMI is away"}
    proxied = await stranger.get("/health", headers={"X-Forwarded-For": "203.0.113.5"})
    assert proxied.json["parts"]["telephony"] == {"ok": False, "detail": ""}


async def test_metrics_are_not_for_strangers_behind_a_proxy(world: World, anna: Client) -> None:
    stranger = world.stranger()
    here = await stranger.get("/metrics")
    assert here.status == 200 and b'dozvon_part_up{part="telephony"} 1.0' in here.raw
    assert (await stranger.get("/metrics", headers={"X-Forwarded-For": "203.0.113.5"})).status == 401
    assert (await anna.get("/metrics", headers={"X-Forwarded-For": "203.0.113.5"})).status == 200


async def test_a_job_is_seen_by_its_owner(world: World, anna: Client, boris: Client) -> None:
    assert anna.user is not None
    job = await world.store.jobs.add("import", {}, now=world.clock.now(), user=anna.user.id, total=5)
    found = (await anna.get(f"/jobs/{job.id}")).json
    assert (found["state"], found["done"], found["total"], found["result"]) == ("queued", 0, 5, None)
    assert (await boris.get(f"/jobs/{job.id}")).status == 404


async def test_voices_without_a_synthesizer(anna: Client) -> None:
    assert (await anna.get("/voices")).json["items"] == []
    assert (await anna.post("/voices/preview", {"text": "Привет"})).status == 503
