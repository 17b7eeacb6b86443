"""Settings: what loads, what is refused, and in which words."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config import Settings, load
from engine.errors import ConfigError

# The fixed part of the contract, word for word; installations have files like it.
EXAMPLE = """\
data_dir: ./var                         # recordings, rendered prompts, models, Asterisk's own files
database: sqlite+aiosqlite:///./var/dozvon.db    # or postgresql+asyncpg://…
http: {host: 127.0.0.1, port: 8080, public_url: http://127.0.0.1:8080}
secret_key_file: ./var/secret.key       # made on first start, mode 0600
asterisk:
  mode: embedded                        # embedded: `up` installs (if needed), configures, starts and watches it
  sip: {host: 127.0.0.1, port: 5060}
  rtp: {start: 20000, end: 29999}
  ami: {host: 127.0.0.1, port: 5038, username: dozvon, secret_file: ./var/ami.secret}
  agi: {host: 127.0.0.1, port: 4573}
  media: {transport: websocket, host: 127.0.0.1, port: 8765}     # websocket | audiosocket
trunks:
  main: {host: 203.0.113.10, port: 5060, codecs: [alaw, ulaw], channels: 100, calls_per_second: 10, username: null, \
password: null, register: false}
numbers:                                # the platform's inventory to start with
  - {number: "+74950000001", trunk: main, operator: "МТТ", region: "Москва", kind: landline, monthly_price: 30000}
speech:
  language: ru
  recognizer: auto                      # auto takes the best one whose model is there
  recognizers: {vosk: {model: ./models/vosk-model-small-ru}, …}
  synthesizer: auto
billing: {enabled: false, currency: RUB}
log: {level: info, format: auto}        # auto: console on a terminal, JSON else
"""


def settings(folder: Path, text: str = "", **env: str) -> Settings:
    file = folder / "dozvon.yaml"
    file.write_text(text, "utf-8")
    return load(file, env)


def refused(folder: Path, text: str = "", **env: str) -> str:
    with pytest.raises(ConfigError) as caught:
        settings(folder, text, **env)
    return str(caught.value)


def test_the_example_of_the_contract_loads(tmp_path: Path) -> None:
    got = settings(tmp_path, EXAMPLE)
    assert got.data_dir == tmp_path / "var"
    assert got.secret_key_file == tmp_path / "var/secret.key"
    assert got.asterisk.ami.secret_file == tmp_path / "var/ami.secret"
    assert got.database_url == f"sqlite+aiosqlite:///{tmp_path}/var/dozvon.db"
    assert got.trunks["main"].codecs == ("alaw", "ulaw")
    assert got.trunks["main"].registers is False
    assert got.numbers[0].monthly_price == 30000
    assert got.speech.recognizers == {"vosk": {"model": str(tmp_path / "models/vosk-model-small-ru")}}


def test_the_example_says_what_the_defaults_are(tmp_path: Path) -> None:
    written, empty = settings(tmp_path, EXAMPLE), settings(tmp_path)
    assert written.model_dump(exclude={"trunks", "numbers", "speech", "database"}) == empty.model_dump(
        exclude={"trunks", "numbers", "speech", "database"}
    )
    assert Path(written.database_url.removeprefix("sqlite+aiosqlite:///")) == tmp_path / "var/dozvon.db"
    assert empty.database_url == written.database_url


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("htpp: {port: 1}", "htpp: there is no such setting, did you mean 'http'?"),
        ("http: {prot: 1}", "http.prot: there is no such setting, did you mean 'port'?"),
        (
            "trunks: {main: {host: 10.0.0.1, chanels: 3}}",
            "trunks.main.chanels: there is no such setting, did you mean 'channels'?",
        ),
        ("trunks: {main: {host: 10.0.0.1, regster: true}}", "did you mean 'register'?"),
        ("asterisk: {media: {transprot: websocket}}", "asterisk.media.transprot: there is no such setting"),
        ("numbers: [{number: '+74950000001', trunk: mian}]\ntrunks: {main: {host: a}}", "did you mean 'main'?"),
        ("numbers: [{number: '+74950000001', trunk: main}]", "there is no trunk 'main': describe it under `trunks`"),
        (
            "trunks: {main: {host: a, password: 12345}}",
            "trunks.main.password: Input should be a valid string, put it in",
        ),
        ("asterisk: {rtp: {start: 20000, end: 10000}}", "end (10000) must be above start (20000)"),
        ("timezone: Mars/Olympus", "timezone: 'Mars/Olympus' is no IANA time zone"),
        ("timezone: ../etc/passwd", "is no IANA time zone"),
        ("database: mysql://x", "must begin with sqlite+aiosqlite:/// or postgresql+asyncpg://"),
        ("- 1", "must be a mapping"),
        ("a: [", "is not YAML"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_the_nearest_right_word(tmp_path: Path, text: str, told: str) -> None:
    assert told in refused(tmp_path, text)


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    text = "htpp: 1\nhttp: {port: 99999}\nnumbers: [{number: '123', trunk: main}]\nlog: {level: loud}"
    told = refused(tmp_path, text)
    for part in ("htpp:", "http.port:", "numbers.0.number:", "log.level:"):
        assert part in told
    assert "\n" not in told


def test_contradictions_are_told_together(tmp_path: Path) -> None:
    told = refused(tmp_path, "numbers: [{number: '+74950000001', trunk: x}]\nasterisk: {rtp: {start: 2, end: 1}}")
    assert "numbers.0.trunk" in told
    assert "asterisk.rtp" in told


def test_a_file_that_is_not_there_or_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="dozvon init"):
        load(tmp_path / "absent.yaml", {})
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path, {})
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "bytes.yaml", {})


def test_the_environment_lies_over_the_file(tmp_path: Path) -> None:
    got = settings(
        tmp_path,
        "http: {port: 1000, host: 127.0.0.2}\nbilling: {enabled: false}",
        DOZVON_HTTP__PORT="2000",
        DOZVON_BILLING__ENABLED="true",
        DOZVON_TRUNKS__MAIN__HOST="10.0.0.1",
        DOZVON_TRUNKS__MAIN__CODECS="[ulaw]",
        DOZVON_ASTERISK__AMI__SECRET_FILE="ami",
        DOZVON_DEBUG="1",
        OTHER_HTTP__PORT="3",
    )
    assert (got.http.port, got.http.host) == (2000, "127.0.0.2")
    assert got.billing.enabled is True
    assert got.trunks["main"].host == "10.0.0.1"
    assert got.trunks["main"].codecs == ("ulaw",)
    assert got.asterisk.ami.secret_file == tmp_path / "ami"


def test_a_password_of_digits_stays_what_it_is(tmp_path: Path) -> None:
    got = settings(tmp_path, "trunks: {main: {host: a}}", DOZVON_TRUNKS__MAIN__PASSWORD="0123")
    assert got.trunks["main"].password == "0123"


def test_an_empty_variable_unsets(tmp_path: Path) -> None:
    assert settings(tmp_path, "http: {port: 1000}", DOZVON_HTTP__PORT="").http.port == 8080


def test_the_environment_fills_a_section_that_the_file_leaves_empty(tmp_path: Path) -> None:
    assert settings(tmp_path, "http:\ntrunks:\n", DOZVON_HTTP__PORT="9").http.port == 9


@pytest.mark.parametrize(
    ("env", "told"),
    [
        ({"DOZVON_HTTP__PROT": "1"}, "did you mean 'port'?"),
        ({"DOZVON_HTTP__PORT": "many"}, "http.port"),
        ({"DOZVON_NUMBERS": "[{"}, "DOZVON_NUMBERS is not YAML"),
        ({"DOZVON_DATA_DIR__X": "1"}, "DOZVON_DATA_DIR__X cannot be laid over 'data_dir'"),
    ],
)
def test_mistakes_in_the_environment(tmp_path: Path, env: dict[str, str], told: str) -> None:
    assert told in refused(tmp_path, "data_dir: x", **env)


@pytest.mark.parametrize(
    ("given", "there"),
    [("./var/x.db", "var/x.db"), ("var/x.db", "var/x.db"), ("../x.db", "../x.db"), ("/srv/x.db", "/srv/x.db")],
)
def test_a_database_file_is_relative_to_the_settings(tmp_path: Path, given: str, there: str) -> None:
    got = settings(tmp_path, f"database: sqlite+aiosqlite:///{given}")
    assert got.database_url == f"sqlite+aiosqlite:///{tmp_path / there}"


def test_a_postgresql_address_is_left_alone(tmp_path: Path) -> None:
    url = "postgresql+asyncpg://u:p@db/dozvon"
    assert settings(tmp_path, f"database: {url}").database_url == url


def test_absolute_and_home_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    got = settings(tmp_path, "data_dir: ~/robot\nsecret_key_file: /etc/dozvon.key")
    assert got.data_dir == tmp_path / "home/robot"
    assert got.secret_key_file == Path("/etc/dozvon.key")


def test_without_a_file_paths_are_of_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load(None, {}).data_dir == tmp_path / "var"


@pytest.mark.parametrize("secret", ["a\nb", "a;b", "a[b", "a\r", "a\0b"])
def test_a_secret_cannot_carry_another_line_into_asterisks_files(tmp_path: Path, secret: str) -> None:
    file = tmp_path / "dozvon.yaml"
    file.write_text("trunks: {main: {host: a}}")
    with pytest.raises(ConfigError, match=r"trunks\.main\.password"):
        load(file, {"DOZVON_TRUNKS__MAIN__PASSWORD": secret})


@given(st.dictionaries(st.text(max_size=12), st.recursive(st.none() | st.integers() | st.text(max_size=8), st.lists)))
def test_whatever_is_in_the_environment_it_loads_or_says_why(env: dict[str, object]) -> None:
    named = {f"DOZVON_{key}".replace("\0", ""): str(value).replace("\0", "") for key, value in env.items()}
    try:
        load(None, named)
    except ConfigError as error:
        assert str(error)
