"""What is said in the built-in corpora: commands, phrases that are none, numbers, and phrases with a pause inside."""

from __future__ import annotations


def _parts(text: str, by: str = "|") -> tuple[str, ...]:
    return tuple(text.split(by))


COMMANDS = {
    "ru": _parts(
        "да|нет|позже|оператор|повторить|стоп|перезвоните|не интересно|ноль|один|два|три|четыре|пять|шесть|семь|восемь|"
        "девять"
    ),
    "en": _parts("yes|no|later|operator|repeat|stop|zero|one|two|three|four|five|six|seven|eight|nine"),
}
# None of these holds a command, not even as a form of one of its words.
FOREIGN = {
    "ru": _parts(
        "алло|кто это|может быть|большое спасибо|сегодня хорошая погода|банан|я вас слушаю|до свидания|"
        "сколько это стоит|говорите громче пожалуйста|доброе утро|я сейчас за рулём|подождите минутку|мама|компьютер|"
        "завтра вечером|меня зовут иван|зачем вы мне звоните|зелёный|окно|извините|хорошо|что вы хотите|"
        "удалите мой номер|пожалуйста|стол|откуда у вас мой телефон|какая компания|я в магазине|понедельник"
    ),
    "en": _parts(
        "hello|who is this|maybe|thank you very much|the weather is nice today|banana|goodbye|how much does it cost|"
        "can you speak louder please|good morning|i am driving|wait a minute|mother|computer|tomorrow evening|"
        "my name is john|why are you calling me|green|window|sorry|fine|what do you want|take me off your list|please|"
        "table|where did you get my number|which company|monday"
    ),
}
DIGITS = {
    "ru": ("ноль", "один", "два", "три", "четыре", "пять", "шесть", "семь", "восемь", "девять"),
    "en": ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
}
# Said with a pause at the bar: one utterance, which must not be taken for two.
PAUSED = {
    "ru": _parts(
        "я хотел бы|узнать про доставку;я думаю|что мне это подходит;перезвоните мне|завтра после обеда;"
        "скажите пожалуйста|сколько это стоит;мне сейчас|совсем неудобно говорить;меня зовут иван|и я звонил вчера;"
        "номер моей квартиры|сорок восемь;мне бы хотелось|поговорить с человеком",
        ";",
    ),
    "en": _parts(
        "i would like|to know about delivery;i think|that it suits me;call me back|tomorrow after lunch;"
        "tell me please|how much does it cost",
        ";",
    ),
}
PROMPTS = {  # of ten seconds and a little more
    "ru": "Здравствуйте! Вас беспокоит городская поликлиника. Напоминаем, что завтра в десять часов утра у вас запись "
    "к врачу. Пожалуйста, возьмите с собой паспорт и полис. Если вы не сможете прийти, скажите об этом сейчас.",
    "en": "Hello! This is the city clinic. We remind you that tomorrow at ten in the morning you have an appointment "
    "with the doctor. Please bring your passport and your insurance card. If you cannot come, please tell us now.",
}
BABBLE = {
    "ru": _parts(
        "сегодня в городе ожидается переменная облачность и небольшой дождь во второй половине дня|"
        "поезд номер двадцать отправляется с третьего пути через десять минут|"
        "мы вчера долго разговаривали о ремонте и так ничего и не решили|"
        "приходите к нам в субботу мы будем очень рады вас видеть"
    ),
}
