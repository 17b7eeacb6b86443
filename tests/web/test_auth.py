"""Who may come in, how, and how often."""

from __future__ import annotations

from engine.config import Http, Settings
from engine.store import Store
from tests.web.conftest import Client, World, serving
from web.auth import COOKIE, digest

PASSWORD = "correct horse battery"


async def _logged_in(world: World, email: str = "vera@example.com") -> Client:
    await world.user(email, password=PASSWORD)
    browser = world.stranger()
    answer = await browser.post("/session", {"email": email, "password": PASSWORD})
    assert answer.status == 201, answer.raw
    browser.headers["X-CSRF-Token"] = answer.json["csrf"]
    return browser


async def test_a_token_opens_what_its_scopes_say(world: World) -> None:
    reader = await world.person("reader@example.com", scopes="read")
    assert (await reader.get("/me")).json["email"] == "reader@example.com"
    refused = await reader.post("/projects", {"name": "P"})
    assert (refused.status, refused.json["code"]) == (403, "forbidden")
    caller = await world.person("caller@example.com", scopes="call_password")
    assert (await caller.get("/projects")).status == 403


async def test_without_proof_there_is_no_way_in(world: World) -> None:
    stranger = world.stranger()
    for header in ("", "Bearer nonsense", "Bearer", "Basic YTpi", "Bearer " + "x" * 5000):
        answer = await stranger.get("/projects", headers={"Authorization": header} if header else {})
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert answer.headers["Content-Type"] == "application/problem+json"


async def test_an_expired_or_revoked_token_is_none(world: World, anna: Client) -> None:
    made = await anna.made("/tokens", {"name": "CI", "expires_at": "2026-11-20T10:00:00Z"})
    client = world.stranger()
    client.headers["Authorization"] = f"Bearer {made['token']}"
    assert (await client.get("/me")).status == 200
    world.clock.pass_by(hours=1)
    assert (await client.get("/me")).status == 401
    other = await anna.made("/tokens", {"name": "other", "scopes": ["read"]})
    client.headers["Authorization"] = f"Bearer {other['token']}"
    assert (await client.get("/me")).status == 200
    assert (await anna.delete(f"/tokens/{other['id']}")).status == 204
    assert (await client.get("/me")).status == 401


async def test_a_token_is_kept_as_a_digest_only(world: World, anna: Client) -> None:
    made = await anna.made("/tokens", {"name": "CI"})
    found = await world.store.users.token(digest(made["token"]))
    assert found is not None
    assert made["token"] not in repr(vars(found[0]))
    assert "token" not in (await anna.get("/tokens")).json["items"][0]


async def test_a_token_cannot_make_a_stronger_one(world: World) -> None:
    weak = await world.person("weak@example.com", scopes="write")
    assert (await weak.post("/tokens", {"name": "x", "scopes": ["call_password"]})).status == 403


async def test_a_disabled_user_is_out_at_once(world: World, anna: Client) -> None:
    assert anna.user is not None
    await world.store.users.change(anna.user.id, {"disabled": True})
    assert (await anna.get("/me")).status == 401


async def test_logging_in_by_a_browser(world: World) -> None:
    browser = await _logged_in(world)
    assert (await browser.get("/me")).json["email"] == "vera@example.com"
    made = await browser.made("/projects", {"name": "Mine"})
    assert made["name"] == "Mine"
    assert (await browser.delete("/session")).status == 204
    assert (await browser.get("/me")).status == 401


async def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(world: World) -> None:
    await world.user("vera@example.com", password=PASSWORD)
    browser = world.stranger()
    answer = await browser.post("/session", {"email": "Vera@Example.com", "password": PASSWORD})
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and "Path=/" in cookie
    value = cookie.split(";")[0].split("=", 1)[1]
    found = await world.store.users.login(digest(value))
    assert found is not None and value not in repr(vars(found[0]))


async def test_a_cookie_changes_nothing_without_its_csrf_token(world: World) -> None:
    browser = await _logged_in(world)
    right = browser.headers.pop("X-CSRF-Token")
    assert (await browser.post("/projects", {"name": "P"})).status == 403
    assert (await browser.post("/projects", {"name": "P"}, headers={"X-CSRF-Token": right[:-1]})).status == 403
    assert (await browser.get("/projects")).json["items"] == []
    assert (await browser.post("/projects", {"name": "P"}, headers={"X-CSRF-Token": right})).status == 201


async def test_a_session_is_new_at_each_log_in_and_the_old_one_ends(world: World) -> None:
    browser = await _logged_in(world)
    first = {c.key: c.value for c in browser.http.cookie_jar}[COOKIE]
    again = await browser.post("/session", {"email": "vera@example.com", "password": PASSWORD})
    assert again.status == 201
    second = {c.key: c.value for c in browser.http.cookie_jar}[COOKIE]
    assert first != second
    thief = world.stranger()
    assert (await thief.get("/me", headers={"Cookie": f"{COOKIE}={first}"})).status == 401


async def test_a_session_ends_by_itself(world: World) -> None:
    browser = await _logged_in(world)
    world.clock.pass_by(days=13)
    assert (await browser.get("/me")).status == 200
    world.clock.pass_by(days=2)
    assert (await browser.get("/me")).status == 401


async def test_guessing_passwords_is_slowed_down(world: World) -> None:
    await world.user("vera@example.com", password=PASSWORD)
    browser = world.stranger()
    wrong = {"email": "vera@example.com", "password": "guess"}
    assert [(await browser.post("/session", wrong)).status for _ in range(5)] == [401] * 5
    refused = await browser.post("/session", {**wrong, "password": PASSWORD})
    assert refused.status == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 900
    unknown = await browser.post("/session", {"email": "nobody@example.com", "password": "guess"})
    assert unknown.status == 401
    world.clock.pass_by(minutes=15)
    assert (await browser.post("/session", {**wrong, "password": PASSWORD})).status == 201


async def test_guesses_at_once_are_counted_too(world: World) -> None:
    import asyncio

    await world.user("vera@example.com", password=PASSWORD)
    browser = world.stranger()
    wrong = {"email": "vera@example.com", "password": "guess"}
    answers = await asyncio.gather(*(browser.post("/session", wrong) for _ in range(8)))
    assert sorted(a.status for a in answers) == [401] * 5 + [429] * 3


async def test_an_unknown_account_answers_like_a_wrong_password(world: World) -> None:
    await world.user("vera@example.com", password=PASSWORD)
    browser = world.stranger()
    known = await browser.post("/session", {"email": "vera@example.com", "password": "no"})
    unknown = await browser.post("/session", {"email": "x@example.com", "password": "no"})
    assert known.json == unknown.json


async def test_changing_ones_password_ends_the_other_sessions(world: World) -> None:
    browser = await _logged_in(world)
    elsewhere = world.stranger()
    assert (await elsewhere.post("/session", {"email": "vera@example.com", "password": PASSWORD})).status == 201
    new = "another long password"
    assert (await browser.put("/me/password", {"old": "wrong", "new": new})).codes == {"/old": "bad_login"}
    assert (await browser.put("/me/password", {"old": PASSWORD, "new": "short"})).status == 422
    assert (await browser.put("/me/password", {"old": PASSWORD, "new": new})).status == 204
    assert ((await browser.get("/me")).status, (await elsewhere.get("/me")).status) == (200, 401)
    assert (await elsewhere.post("/session", {"email": "vera@example.com", "password": PASSWORD})).status == 401
    assert (await elsewhere.post("/session", {"email": "vera@example.com", "password": new})).status == 201


async def test_a_token_cannot_change_the_password(anna: Client) -> None:
    assert (await anna.put("/me/password", {"old": PASSWORD, "new": "another long password"})).status == 403
    assert (await anna.patch("/me", {"name": "Анна", "locale": "en"})).json["locale"] == "en"


async def test_a_proxy_on_this_machine_tells_who_guesses(world: World) -> None:
    await world.user("vera@example.com", password=PASSWORD)
    browser = world.stranger()
    wrong = {"email": "vera@example.com", "password": "guess"}
    for _ in range(5):
        await browser.post("/session", wrong, headers={"X-Forwarded-For": "10.0.0.1, 203.0.113.5"})
    spoofed = await browser.post("/session", wrong, headers={"X-Forwarded-For": "198.51.100.7, 203.0.113.5"})
    assert spoofed.status == 429
    other = {"X-Forwarded-For": "203.0.113.6"}
    assert (await browser.post("/session", {**wrong, "password": PASSWORD}, headers=other)).status == 201


async def test_over_https_the_cookie_goes_nowhere_else(settings: Settings, store: Store) -> None:
    https = settings.model_copy(update={"http": Http(public_url="https://dozvon.example.com")})
    async with serving(https, store) as world:
        await world.user("vera@example.com", password=PASSWORD)
        answer = await world.stranger().post("/session", {"email": "vera@example.com", "password": PASSWORD})
        assert "Secure" in answer.headers["Set-Cookie"]
