"""What the page says, in Russian and English, and the names of figures in Russian."""

from __future__ import annotations

WORDS = {
    "ru": {
        "title": "Как робот слышит",
        "lead": "Каждая запись — целый звонок через настоящее ухо робота: детектор речи, конец фразы, "
        "распознаватель, сценарий.",
        "synthetic": "Речь здесь синтетическая: цифры сравнивают распознаватели и версии между собой и ничего не "
        "обещают о живых людях.",
        "own": "Измерено на своих записях.",
        "demo": "Это демонстрационная модель: людей она не распознаёт.",
        "asked": "Что спрошено",
        "figure": "Показатель", "measured": "измерено", "target": "нужно", "pass": "да", "miss": "НЕТ",
        "commands": "Команды по условиям", "right": "верно", "wrong": "принята за другую",
        "accepted": "чужая фраза принята",
        "missed": "не понята",
        "turns": "Очередь реплик", "interrupted": "прервана никем", "noticed": "перебивание замечено вовремя",
        "cut": "фраза с паузой разорвана", "unheard": "фраза не услышана",
        "delay": "От последнего слова до первого звука ответа", "partial": "решил промежуточный",
        "final": "решил конец фразы",
        "amd": "Кто ответил: человек или машина", "amd_how": "по строкам — кто был, по столбцам — за кого принят",
        "with_partials": "со словами", "without_partials": "без слов", "own_greetings": "свои записи приветствий",
        "confusions": "Чаще всего путает", "all": "Все строки", "row": "строка", "calls": "звонков",
        "cpu": "процессор на секунду речи, с", "machine": "Машина", "memory": "память процессов распознавателя, МБ",
        "person": "человек", "machine_kind": "автоответчик", "screening": "помощник", "announcement": "объявление",
        "fax": "факс", "unknown": "не решено", "prompt": "речь робота", "interruption": "перебивание",
        "digits": "числа", "paused": "фразы с паузой", "command_row": "команды",
    },
    "en": {
        "title": "How well the robot hears",
        "lead": "Each clip is a whole call through the robot's real ear: voice detection, endpointing, recogniser, "
        "scenario.",
        "synthetic": "The speech is synthetic: the figures compare recognisers and versions with each other and "
        "promise nothing about people.",
        "own": "Measured on recordings of one's own.",
        "demo": "This is the demonstration model: it does not recognise people.",
        "asked": "What is asked",
        "figure": "Figure", "measured": "measured", "target": "asked", "pass": "pass", "miss": "MISS",
        "commands": "Commands by condition", "right": "right", "wrong": "taken for another",
        "accepted": "foreign accepted",
        "missed": "not understood",
        "turns": "Turn-taking", "interrupted": "interrupted by nobody", "noticed": "interruption noticed in time",
        "cut": "phrase with a pause cut off", "unheard": "phrase not heard",
        "delay": "From the last word to the first sound of the answer", "partial": "a partial decides",
        "final": "the end of speech decides",
        "amd": "Who answered: person or machine", "amd_how": "rows: who it was; columns: who it was taken for",
        "with_partials": "with words", "without_partials": "without words", "own_greetings": "greetings of one's own",
        "confusions": "Most often confused", "all": "All rows", "row": "row", "calls": "calls",
        "cpu": "CPU for a second of speech, s", "machine": "Machine",
        "memory": "memory of the recogniser's workers, MB",
        "person": "person", "machine_kind": "machine", "screening": "assistant", "announcement": "announcement",
        "fax": "fax", "unknown": "undecided", "prompt": "robot speaks", "interruption": "interruption",
        "digits": "numbers", "paused": "phrases with a pause", "command_row": "commands",
    },
}  # fmt: skip
# Of figures, in the order in which they are looked for: a longer one before what it holds.
_RUSSIAN = {
    "last word → first sound of the answer": "последнее слово → первый звук ответа",
    "partial decides": "решил промежуточный результат",
    "any decision": "любое решение",
    "recogniser CPU for a second of speech": "процессор распознавателя на секунду речи",
    "memory of the recogniser's workers": "память процессов распознавателя",
    "measuring clock late, p99 of the worst row": "опоздание часов измерения, p99 худшей строки",
    "commands right": "команды поняты верно",
    "taken for another command": "приняты за другую команду",
    "foreign phrases accepted": "чужие фразы приняты за команду",
    "numbers of four digits right": "числа из четырёх цифр верно",
    "utterances with a pause cut off": "фразы с паузой разорваны",
    "utterances with a pause not heard at all": "фразы с паузой не услышаны",
    "prompts interrupted by nobody": "речь робота прервана никем",
    "interruptions noticed": "перебивания замечены",
    "of the onset": "от начала речи",
    "within": "в пределах",
    "noticed after": "замечено через",
    "beep found in speech and music that has none": "сигнал почудился в речи и музыке",
    "beep found": "сигнал найден",
    "without words": "без слов",
    "with words": "со словами",
    "person → machine": "человек → машина",
    "machine → person": "машина → человек",
    "decision": "решение",
    "street": "улица",
    "babble": "толпа",
    "pink": "розовый шум",
    "music": "музыка",
    "instruments": "инструменты",
    "echo": "эхо",
    "lost": "потеряно",
    " dB": " дБ",
    " ms": " мс",
}
_UNITS = {"ms": "мс", "s": "с", "MB": "МБ"}


def said(name: str, language: str) -> str:
    """A figure's name, a condition or a unit in the page's language; what is not known stays as it is."""
    if language != "ru":
        return name
    for english, russian in _RUSSIAN.items():
        name = name.replace(english, russian)
    return _UNITS.get(name, name)
