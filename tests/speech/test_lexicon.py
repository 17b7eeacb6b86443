"""Any word of a scenario: its sounds, its graph, and the embedded model that was never trained on it hearing it."""

from __future__ import annotations

import struct
from collections.abc import AsyncGenerator, Iterator, Sequence
from pathlib import Path

import pytest

from asr import _espeak, _letters, vosk
from asr._catalogue import demo_model
from asr._graph import ARC, Costs, Graph, Phones, Pronunciation, Vocabulary, entering, loop, staying, unigram
from asr._lexicon import KEPT_MODELS, LETTERS, Graphs, Lexicon, cleaned, language_of
from asr._phones import SOUNDS
from asr._vosk import VoskModel
from tests.speech import telephoned
from tts import espeak

NEW = {
    "ru": ("велосипед", "черепаха", "подсолнечник", "гражданство", "не получится", "бесплатно"),
    "en": ("umbrella", "subscription", "dinosaur", "guarantee"),
}
LEAST = {"ru": 0.85, "en": 0.75}
UNSEEN = ("m7", "f4", "Alex", "Annie")
WORDS: dict[str, list[Pronunciation]] = {"да": [("d", "A")], "не интересно": [("n'", "i", "n")], "а": [("A",), ("a",)]}


@pytest.fixture
async def voice(tmp_path: Path) -> AsyncGenerator[espeak.Espeak]:
    async with espeak.open(espeak.Settings(rate_wpm=140), data_dir=tmp_path) as voice:
        yield voice


@pytest.fixture
def model(tmp_path: Path) -> Iterator[VoskModel]:
    model = VoskModel(demo_model(tmp_path))
    yield model
    model.close()


@pytest.fixture
def lexicon() -> Iterator[Lexicon]:
    lexicon = Lexicon(SOUNDS, {})
    yield lexicon
    lexicon.close()


def heard(model: VoskModel, frames: Sequence[bytes], *phrases: str, language: str = "ru") -> str:
    utterance = model.begin(language, phrases)
    for frame in frames:
        utterance.push(frame)
    return utterance.finish()[0]


# --- sounds -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("phrase", "clean"),
    [
        ("  Не  интересно! ", "не интересно"),
        ("да, конечно", "да конечно"),
        ("e-mail don't a_b", "e-mail don't a b"),
        ("[unk] <eps>", "unk eps"),
        ("№ 5", "5"),
        ("…", ""),
        ("слово " * 50, ("слово " * 12).strip()),
        ("а" * (LETTERS + 1), ""),
    ],
)
def test_a_phrase_as_it_is_heard(phrase: str, clean: str) -> None:
    assert cleaned(phrase, 12) == clean


def test_a_words_language_is_that_of_its_letters() -> None:
    assert [language_of(word, "en") for word in ("да", "yes", "5", "ёж")] == ["ru", "en", "en", "ru"]


def test_a_phrase_sounds_as_a_whole(lexicon: Lexicon) -> None:
    assert lexicon.sounds("не интересно", "ru") == (("n'", "i", "n", "t'", "i", "r'", "E", "s", "n", "a"),)
    assert lexicon.sounds("5", "ru") == lexicon.sounds("пять", "ru")
    american, british = lexicon.sounds("later", "en")
    assert (american[-1], british[-1]) == ("e_@r", "e_@")
    mixed = lexicon.sounds("да yes", "ru")
    assert mixed[0] == ("d", "A", "e_j", "e_E", "e_s")


def test_a_process_of_espeak_that_died_is_replaced(lexicon: Lexicon) -> None:
    assert lexicon.sounds("да", "ru")
    process = lexicon._espeak._process
    assert process is not None
    process.kill()
    process.wait()
    assert lexicon.sounds("нет", "ru") == (("n'", "E", "t"),)


@pytest.mark.parametrize(
    ("word", "sounds"),
    [
        ("да", "d A"),
        ("нет", "n' E t"),
        ("гор+од", "g a r O t"),
        ("ещё", "j i sch O"),
        ("сделка", "z d' E l k a"),
        ("смеяться", "s m' i j A ts a"),
        ("строго", "s t r O g a"),
        ("подъезд", "p a d j E s t"),
        ("жизнь", "zh Y z n'"),
        ("объ+явление", "a b j A v l' i n' i j i"),
        ("его", "j i v O"),
    ],
)
def test_russian_by_letters(word: str, sounds: str) -> None:
    assert sounds in {" ".join(ways) for ways in _letters.russian(word)}


def test_letters_use_the_models_sounds() -> None:
    words = ("щёлкающий", "вьюга", "съёмка", "хоккей", "чтобы", "сшить", "кровь", "ы", "эхо")
    assert {sound for word in words for ways in _letters.russian(word) for sound in ways} <= set(SOUNDS)
    english = ("quick", "knight", "thought", "station", "jump", "box", "yellow", "phone", "church", "make", "idea")
    for word in english:
        assert {sound for ways in _letters.english(word) for sound in ways} <= set(SOUNDS)
    assert _letters.english("ship") == [("e_S", "e_I", "e_p")]
    assert _letters.english("make") == [("e_m", "e_eI", "e_k")]
    assert _letters.russian("") == _letters.english("") == []
    assert len(_letters.russian("а" * 40)) <= _letters.STRESSES


# --- graphs -----------------------------------------------------------------------------------------------------------


def test_phones_have_the_outputs_of_their_sounds() -> None:
    phones = Phones(SOUNDS)
    assert [phones.output(phone) for phone in (1, 2, 3, 6, 7)] == [0, 0, 1, 1, 2]
    assert phones.output(phones.number(SOUNDS[-1], "S")) == len(SOUNDS)
    rows = phones.boundaries().splitlines()
    assert len(rows) == phones.count == 2 + 4 * len(SOUNDS)
    assert rows[:3] == ["1 nonword", "2 internal", "3 begin"]


def said(graph: Graph, phones: Phones, sounds: Sequence[str], *, blanks: bool) -> set[tuple[int, ...]]:
    """The words that the graph says for these sounds, each held for two frames."""
    last = len(sounds) - 1
    outputs = [out for sound in sounds for out in [phones.output(phones.number(sound, "B"))] * 2 + [0] * blanks]
    assert last >= 0
    live: set[tuple[int, tuple[int, ...]]] = {(0, ())}
    for out in outputs:
        live = _silently(graph, live)
        live = {
            (arc.to, (*words, arc.word) if arc.word else words)
            for state, words in live
            for arc in graph.arcs[state]
            if arc.sound and phones.output((arc.sound + 1) // 2) == out
        }
    return {words for state, words in _silently(graph, live) if state == graph.last}


def _silently(graph: Graph, live: set[tuple[int, tuple[int, ...]]]) -> set[tuple[int, tuple[int, ...]]]:
    found = set(live)
    while True:
        more = {(arc.to, words) for state, words in found for arc in graph.arcs[state] if not arc.sound} - found
        if not more:
            return found
        found |= more


@pytest.mark.parametrize("late", [True, False])
@pytest.mark.parametrize("blanks", [True, False])
def test_a_graph_says_its_words_and_unknown_for_the_rest(late: bool, blanks: bool) -> None:
    phones, vocabulary = Phones(SOUNDS), Vocabulary(WORDS)
    graph = loop(phones, vocabulary, Costs(), SOUNDS[:46], late=late)
    unknown = vocabulary.numbers["[unk]"]
    for word, ways in WORDS.items():
        for sounds in ways:
            assert (vocabulary.numbers[word],) in said(graph, phones, sounds, blanks=blanks)
    assert (1, 2) in said(graph, phones, (*WORDS["да"][0], *WORDS["не интересно"][0]), blanks=blanks)
    assert {word for words in said(graph, phones, ("z", "U"), blanks=blanks) for word in words} == {unknown}
    assert entering(3) == 6
    assert staying(3) == 5


def test_a_silence_goes_one_way() -> None:
    """Ways through three frames of silence, to the end: one that begins anew at each frame makes them many."""
    graph = loop(Phones(SOUNDS), Vocabulary(WORDS), Costs(), SOUNDS[:46])
    ways = [0]
    for _ in range(3):
        ways = [to for at in ways for state in _from(graph, at) for to in _silence(graph, state)]
    assert len([at for at in ways for state in _from(graph, at) if state == graph.last]) == 1


def _from(graph: Graph, state: int) -> list[int]:
    """The states that a state comes to without a sound, as often as there are ways; itself first."""
    more = [found for arc in graph.arcs[state] if not arc.sound for found in _from(graph, arc.to)]
    return [state, *more]


def _silence(graph: Graph, state: int) -> list[int]:
    return [arc.to for arc in graph.arcs[state] if arc.sound in (entering(1), staying(1))]


def test_a_graph_is_written_as_openfst_reads_it() -> None:
    vocabulary = Vocabulary(WORDS)
    graph = loop(Phones(SOUNDS), vocabulary, Costs(), SOUNDS[:4])
    data = graph.const()
    magic, length = struct.unpack_from("<ii", data)
    assert (magic, data[8 : 8 + length]) == (2125659606, b"const")
    start, states, arcs = struct.unpack_from("<qqq", data, 8 + length + 12 + 16)
    assert (start, states, arcs) == (0, len(graph.arcs), sum(map(len, graph.arcs)))
    body = 8 + length + 12 + 16 + 24
    assert len(data) == body + 20 * states + ARC.itemsize * arcs
    kept = [struct.unpack_from("<fIIII", data, body + 20 * at) for at in range(states)]
    assert [count for _, _, count, _, _ in kept] == [len(arcs) for arcs in graph.arcs]
    assert [at for at, (final, *_) in enumerate(kept) if final != float("inf")] == [graph.last]
    assert kept[graph.last][0] == 0.0
    flat = [arc for arcs in graph.arcs for arc in arcs]
    for at, arc in enumerate(flat):
        sound, word, weight, to = struct.unpack_from("<iifi", data, body + 20 * states + 16 * at)
        assert (sound, word, to) == (arc.sound, arc.word, arc.to)
        assert weight == pytest.approx(arc.weight)
    assert vocabulary.table().splitlines() == ["<eps> 0", "да 1", "не_интересно 2", "а 3", "[unk] 4"]
    assert len(unigram(4, 1.0).vector()) > 4 * 16


# --- hearing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["ru", "en"])
async def test_words_that_it_was_never_trained_on(model: VoskModel, voice: espeak.Espeak, language: str) -> None:
    base = {"ru": "ru", "en": "en-us"}[language]
    asked = [(word, f"{base}+{who}") for word in NEW[language] for who in UNSEEN]
    found = [
        heard(
            model,
            telephoned(await voice.render(word, voice=name, language=language)),
            *NEW[language],
            language=language,
        )
        for word, name in asked
    ]
    right = sum(text == word for (word, _), text in zip(asked, found, strict=True))
    assert right / len(asked) >= LEAST[language], list(zip(asked, found, strict=True))


async def test_a_phrase_is_not_taken_for_a_part_of_it(model: VoskModel, voice: espeak.Espeak) -> None:
    for who in UNSEEN:
        for phrase in ("не интересно", "интересно"):
            frames = telephoned(await voice.render(phrase, voice=f"ru+{who}"))
            assert heard(model, frames, "не интересно", "интересно", "да", "нет") in (phrase, "")
            assert heard(model, frames, "да", "нет") == ""


async def test_a_partial_tells_of_no_more_than_was_heard(model: VoskModel, voice: espeak.Espeak) -> None:
    frames = telephoned(await voice.render("перезвоните завтра вечером", voice="ru+m7"))
    utterance = model.begin("ru", ("перезвоните завтра вечером",))
    early = [utterance.push(frame) for frame in frames[: len(frames) // 2]]
    assert set(early) == {""}
    for frame in frames[len(frames) // 2 :]:
        utterance.push(frame)
    assert utterance.finish()[0] == "перезвоните завтра вечером"


async def test_without_espeak_the_letters_do(
    tmp_path: Path, voice: espeak.Espeak, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_espeak, "find_library", lambda: None)
    model = VoskModel(demo_model(tmp_path))
    found = [
        heard(model, telephoned(await voice.render(word, voice=f"ru+{who}")), *NEW["ru"]) == word
        for word in NEW["ru"]
        for who in UNSEEN
    ]
    model.close()
    assert sum(found) / len(found) >= 0.75


def test_graphs_are_kept_and_bounded(tmp_path: Path) -> None:
    loaded: list[str] = []

    def load(folder: str) -> object:
        loaded.append(folder)
        return object()

    graphs = Graphs(demo_model(tmp_path), load)
    first = graphs.model(["да", "нет"], "ru", free=False)
    assert graphs.model(["нет", "да"], "ru-RU", free=False) is first
    assert graphs.model(["да", "нет"], "ru", free=True) is not first
    for number in range(KEPT_MODELS):
        graphs.model([str(number)], "ru", free=False)
    assert graphs.unknown == 0
    assert graphs.model(["да", "нет"], "ru", free=False) is not first
    assert len(loaded) == KEPT_MODELS + 3
    assert not any(Path(folder).exists() for folder in loaded)
    graphs.lexicon.close()


def test_a_card_with_too_much_to_hear_is_cut_off(tmp_path: Path) -> None:
    graphs = Graphs(demo_model(tmp_path), lambda folder: (Path(folder) / "graph" / "words.txt").read_text("utf-8"))
    phrases = [f"очень длинное выражение номер {number}" for number in range(1000)]
    heard_of = graphs.model(phrases, "ru", free=False).splitlines()
    assert 100 < len(heard_of) < 400
    assert graphs.unknown == 1000 - (len(heard_of) - 2)
    graphs.lexicon.close()


def test_what_has_no_sound_is_counted_and_does_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing of what is expected has a sound, the common words are listened to."""
    monkeypatch.setattr(_espeak, "find_library", lambda: None)
    graphs = Graphs(demo_model(tmp_path), str)
    assert graphs.lexicon.sounds("ש", "ru") == ()
    assert graphs.lexicon.sounds("25", "ru") == graphs.lexicon.sounds("двадцать пять", "ru") != ()
    assert graphs.lexicon.sounds("5" * 100, "en") == ()
    assert graphs.model(["ש", "да"], "ru", free=False)
    assert graphs.model(["ש"], "ru", free=False)
    assert graphs.unknown == 2


async def test_a_card_in_another_language(tmp_path: Path, voice: espeak.Espeak) -> None:
    """One model for both: the card's language chooses what is listened to where nothing is expected."""
    async with vosk.open(vosk.Settings(workers=1), data_dir=tmp_path) as recognizer:
        found = []
        for language, name, phrases in (("en", "en-us+m7", ("yes", "no")), ("ru", "ru+m7", ("да", "нет"))):
            hearing = recognizer.listen(language=language, phrases=phrases)
            for frame in telephoned(await voice.render(phrases[0], voice=name, language=language)):
                hearing.push(frame)
            found.append((await hearing.finish()).text)
        assert found == ["yes", "да"]
