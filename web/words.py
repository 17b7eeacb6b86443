"""What the API says to people, in Russian and English. The panel's own texts live in its catalogues."""

from __future__ import annotations

import re
from collections.abc import Mapping

from web.words_engine import TOLD_BY_ENGINE

LANGUAGES = ("en", "ru")

Words = Mapping[str, Mapping[str, str]]


def _pairs(**words: tuple[str, str]) -> Words:
    return {key: {"en": en, "ru": ru} for key, (en, ru) in words.items()}


TITLES = _pairs(
    bad_request=("The request cannot be read", "Запрос не читается"),
    unauthorized=("Log in or give a token", "Войдите или передайте токен"),
    forbidden=("You may not do this", "На это нет права"),
    not_found=("There is no such thing", "Такого нет"),
    method_not_allowed=("This address has no such method", "У этого адреса нет такого метода"),
    conflict=("Its state forbids this", "Состояние этого не позволяет"),
    too_large=("The request is too large", "Запрос слишком велик"),
    unsupported_media_type=("This content type is not understood", "Такой тип содержимого не поддерживается"),
    range_not_satisfiable=("There is no such range", "Такого диапазона нет"),
    invalid=("The request is not valid", "В запросе ошибки"),
    too_many_requests=("Too many requests", "Слишком много запросов"),
    internal=("The server failed; it is in its log", "Ошибка сервера; она записана в журнал"),
    unavailable=("This is not working right now", "Сейчас это не работает"),
)

# Texts of answers. `{…}` are given by the caller.
TEXTS = _pairs(
    invalid=("The request is not valid: see `errors`.", "В запросе ошибки: смотрите `errors`."),
    no_token=(
        "Give a token as `Authorization: Bearer …`, or log in.",
        "Передайте токен `Authorization: Bearer …` или войдите.",
    ),
    bad_token=("The token is not known, or was revoked.", "Токен неизвестен или отозван."),
    bad_login=("The address or the password is wrong.", "Неверный адрес или пароль."),
    many_logins=("Too many attempts to log in: wait a little.", "Слишком много попыток входа: подождите немного."),
    csrf=("The CSRF token is absent or stale: reload the page.", "Нет CSRF-токена или он устарел: обновите страницу."),
    session_only=("Log in to do this: a token cannot.", "Это можно сделать, только войдя: токеном нельзя."),
    scope=("The token lacks the scope `{scope}`.", "У токена нет области `{scope}`."),
    role=("Your role in this project does not allow this.", "Ваша роль в проекте этого не позволяет."),
    absent=("There is no such {what}.", "Нет такого объекта: {what}."),
    not_json=("The body is not JSON: {why}.", "Тело запроса — не JSON: {why}."),
    want_json=("Send the body as application/json.", "Передайте тело как application/json."),
    want_multipart=("Send the body as multipart/form-data.", "Передайте тело как multipart/form-data."),
    too_large=("The body may have at most {limit} bytes.", "Тело запроса не больше {limit} байт."),
    slow_body=("The body did not come in time.", "Тело запроса не пришло вовремя."),
    nul=("The request may not contain NUL characters.", "В запросе не может быть символов NUL."),
    key_other=(
        "This Idempotency-Key was used with another request.",
        "Этот Idempotency-Key уже использован с другим запросом.",
    ),
    key_busy=(
        "The first request with this Idempotency-Key has not been answered yet.",
        "Первый запрос с этим Idempotency-Key ещё не выполнен.",
    ),
    key_form=(
        "An Idempotency-Key has 1 to 200 visible ASCII characters.",
        "Idempotency-Key: от 1 до 200 видимых символов ASCII.",
    ),
    unknown_ref=("There is no such {what} in this project.", "В этом проекте нет такого: {what}."),
    not_a_number=("This is no telephone number.", "Это не телефонный номер."),
    too_short=("There are digits missing.", "Не хватает цифр."),
    too_long=("There are too many digits.", "Слишком много цифр."),
    emergency=("Emergency services are never called.", "На номера экстренных служб звонить нельзя."),
    short=("This is a short number of one country's services.", "Это короткий служебный номер."),
    premium=("Calls to this number cost extra.", "Звонки на этот номер платные."),
    unknown=("No country has given out numbers like this.", "Таких номеров не выдавали ни в одной стране."),
    most=(
        "At most {limit}: the installation's settings allow no more.",
        "Не больше {limit}: больше не разрешают настройки.",
    ),
    incomplete=("The campaign has no `{what}` yet.", "У кампании ещё не заполнено `{what}`."),
    need_file=(
        "Send the sound as the part `file` of multipart/form-data.",
        "Передайте звук частью `file` в multipart/form-data.",
    ),
    no_file=("Only materials of the kind audio have a file.", "Файл бывает только у материала вида audio."),
    no_sound=("There is no sound to hear.", "Звука нет."),
    stop_list=("This number is on the project's stop list.", "Этот номер в стоп-листе проекта."),
    order=("The end must be after the beginning.", "Конец должен быть позже начала."),
    past=("This moment is over.", "Этот момент уже прошёл."),
    bad_file=("The file cannot be used: {why}.", "Файл не подходит: {why}."),
    state=("Not possible while it is {state}.", "Невозможно в состоянии «{state}»."),
    no_robot=("The engine is not running.", "Движок не запущен."),
    many_streams=("Too many live streams are open.", "Открыто слишком много потоков событий."),
    no_recording=("There is no recording of this call.", "Записи этого разговора нет."),
    unknown_recogniser=("There is no such recogniser: {known}.", "Такого распознавателя нет; есть: {known}."),
    many_replays=("Too many replays: wait a little.", "Слишком много прослушиваний: подождите немного."),
)

# Why a call ended, where the engine keeps a code for it.
REASONS: Words = {
    "answering_machine": {
        "en": "by the campaign's rule for answering machines",
        "ru": "по правилу кампании для автоответчиков",
    },
    "shutdown": {"en": "the robot was being stopped", "ru": "робот останавливался"},
    "cancelled": {"en": "it was cut off", "ru": "прерван"},
    "max_call_s": {"en": "the longest talk that is allowed", "ru": "достигнута предельная длительность разговора"},
    "hung up": {"en": "ended from the panel", "ru": "завершён из панели"},
    "stop list": {"en": "the number is on a stop list", "ru": "номер в стоп-листе"},
}

# What is wrong with the installation, and what to do: the page of its state. A part that says for itself what is wrong
# has only a mend.
PROBLEMS = _pairs(
    workers_missing=("{ready} of {workers} processes are ready.", "Готово процессов: {ready} из {workers}."),
    workers_died=("Processes died and were started again: {count}.", "Процессов упало и запущено снова: {count}."),
    overloaded=("Answers that found no free recogniser: {count}.", "Ответов не распознано из-за перегрузки: {count}."),
    takeovers=("Answers that the stand-in had to take over: {count}.", "Ответов принял запасной: {count}."),
    no_voices=("There is no voice.", "Нет ни одного голоса."),
    trunk_full=("All channels are in use: {channels}.", "Заняты все каналы: {channels}."),
    unregistered=("It is not registered with the provider.", "Не зарегистрирован у провайдера."),
    slow_loop=("The engine wakes up {ms} ms late.", "Движок просыпается с опозданием {ms} мс."),
    recordings_lost=("Recordings lost since the start: {count}.", "Потеряно записей с запуска: {count}."),
)
MENDS = _pairs(
    part=("See the log of the engine.", "Посмотрите журнал движка."),
    database=(
        "Look whether the database runs and the disk is not full. Calls that go on are written when it is back.",
        "Проверьте, работает ли база и не заполнен ли диск. Идущие звонки запишутся, когда она вернётся.",
    ),
    asterisk=(
        "It is started again by itself; if that repeats, run `dozvon check` and read its log in the data folder.",
        "Он перезапускается сам; если это повторяется, запустите `dozvon check` и прочтите его журнал в папке данных.",
    ),
    telephony=(
        "Calls wait. Look whether Asterisk runs, and whether the manager's address and secret are right.",
        "Звонки ждут. Проверьте, работает ли Asterisk и верны ли адрес и секрет менеджера.",
    ),
    recogniser=(
        "Calls go on by `other`. If no process comes up, `dozvon check` loads the model and says what is wrong.",
        "Звонки идут по `other`. Если процессы не поднимаются, `dozvon check` загрузит модель и скажет, что не так.",
    ),
    synthesizer=(
        "Run `dozvon check`; docs/VOICES.md says what to install.",
        "Запустите `dozvon check`; что установить, сказано в docs/VOICES.md.",
    ),
    engine=("See its log.", "Посмотрите его журнал."),
    media=("Look whether its port is free and reachable.", "Проверьте, свободен ли и доступен ли её порт."),
    disk=(
        "Make room: old recordings are in the folder recordings of the data folder.",
        "Освободите место: старые записи лежат в папке recordings папки данных.",
    ),
    agi=("Look whether its port is free.", "Проверьте, свободен ли его порт."),
    journal=("See the log of the engine.", "Посмотрите журнал движка."),
    recordings=(
        "Look at the free space, and whether Asterisk may write into its recordings folder.",
        "Проверьте свободное место и право Asterisk писать в папку записей.",
    ),
    workers_missing=(
        "They start within a minute. If not, see the log.",
        "Запустятся за минуту. Если нет — см. журнал.",
    ),
    workers_died=(
        "One that dies again and again lacks memory, or its model is broken: see the log, `dozvon models list`.",
        "Если процесс падает снова и снова, ему не хватает памяти или повреждена модель: журнал, `dozvon models list`.",
    ),
    overloaded=(
        "Raise `speech.workers`, or lower how many calls campaigns make at once.",
        "Увеличьте `speech.workers` или уменьшите число одновременных звонков кампаний.",
    ),
    takeovers=("See why the first one fails.", "Посмотрите, почему отказывает основной."),
    no_voices=(
        "Install one: `apt-get install espeak-ng`, or `pip install 'dozvon[espeak]'`; better ones: docs/VOICES.md.",
        "Установите: `apt-get install espeak-ng` или `pip install 'dozvon[espeak]'`; лучшие — в docs/VOICES.md.",
    ),
    trunk_full=(
        "Calls wait for a free one. If the provider gives more, raise `channels`.",
        "Звонки ждут свободного. Если провайдер даёт больше, увеличьте `channels`.",
    ),
    unregistered=(
        "Look at the login, the password and the provider's address; `dozvon check` asks it.",
        "Проверьте логин, пароль и адрес провайдера; `dozvon check` его спросит.",
    ),
    slow_loop=(
        "The machine is too busy: fewer calls at once, fewer recogniser processes, or more cores.",
        "Машина перегружена: меньше звонков сразу, меньше процессов распознавания или больше ядер.",
    ),
    recordings_lost=("Look at the free space of the disk.", "Проверьте свободное место на диске."),
)


# What the layers below say, in English there; what is not here stays as it is.
TOLD_BELOW: tuple[tuple[str, str], ...] = (
    (r"there is no such .*", "Такого объекта нет."),
    (r"there is no user (.*): they must be created first", "Пользователя {0} нет: сначала его нужно создать."),
    (r"there is no number (.*)", "Номера {0} нет."),
    (r"(\S*) is not rented by you", "Номер {0} арендован не вами."),
    (r"(\S*) is rented by somebody else", "Номер {0} арендован другим пользователем."),
    (r"this project does not rent this number", "Этот номер не арендован проектом."),
    (r"the owner's role cannot be changed", "Роль владельца изменить нельзя."),
    (r"the owner cannot be removed", "Владельца нельзя исключить."),
    (r"there is a field (.*) already", "Поле {0} уже есть."),
    (r"there is a tag (.*) already", "Метка {0} уже есть."),
    (r"this is there already, or what it names is not", "Это уже есть, либо нет того, на что оно ссылается."),
    (
        r"a running campaign cannot be changed: pause it first",
        "Идущую кампанию изменить нельзя: сначала приостановите её.",
    ),
    (r"this campaign is (\w+): it cannot (\w+)", "Кампания в состоянии «{0}»: действие «{1}» невозможно."),
    (r"this campaign is archived.*", "Кампания в архиве: восстановите или скопируйте её."),
    (r"this campaign is (\w+): stop it first", "Кампания в состоянии «{0}»: сначала остановите её."),
    (r"this line has no number.*", "У линии нет номера: сначала добавьте его."),
    (r"this line is archived.*", "Линия в архиве: скопируйте её, чтобы использовать снова."),
    (r"(\S*) rings at another active line.*", "Номер {0} уже принимает другая линия: сначала выключите её."),
    (r"no number can ring: rent one first", "Не с чего звонить: сначала арендуйте номер."),
    (r"this password was verified already", "Этот код уже подтверждён."),
    (r"too many call passwords were asked for.*", "Слишком много запросов кода звонком: подождите немного."),
    (r"the robot cannot ring now.*", "Робот сейчас не может позвонить: повторите через несколько секунд."),
    (r"the database is (away|too busy).*", "База данных сейчас не отвечает: повторите через несколько секунд."),
    (r"(the|a) .* names what is not there", "В запросе ошибки: смотрите `errors`."),
    (r"sort must be one of (.*), with .*", "Сортировка по одному из: {0}; со знаком - по убыванию."),
    (r"this cursor does not belong.*", "Этот курсор не от этого списка или порядка."),
)

# Pydantic's findings; English is pydantic's own.
VALIDATION: Mapping[str, str] = {
    "missing": "Обязательное поле",
    "extra_forbidden": "Такого поля нет",
    "string_type": "Нужна строка",
    "string_too_short": "Не короче {min_length} символов",
    "string_too_long": "Не длиннее {max_length} символов",
    "string_pattern_mismatch": "Не подходит по форме",
    "int_type": "Нужно целое число",
    "int_parsing": "Нужно целое число",
    "int_from_float": "Нужно целое число",
    "float_type": "Нужно число",
    "float_parsing": "Нужно число",
    "finite_number": "Нужно конечное число",
    "bool_type": "Нужно true или false",
    "bool_parsing": "Нужно true или false",
    "greater_than": "Должно быть больше {gt}",
    "greater_than_equal": "Должно быть не меньше {ge}",
    "less_than": "Должно быть меньше {lt}",
    "less_than_equal": "Должно быть не больше {le}",
    "literal_error": "Должно быть одно из: {expected}",
    "enum": "Должно быть одно из: {expected}",
    "list_type": "Нужен список",
    "dict_type": "Нужен объект",
    "model_type": "Нужен объект",
    "model_attributes_type": "Нужен объект",
    "too_long": "Не больше {max_length} элементов",
    "too_short": "Не меньше {min_length} элементов",
    "datetime_type": "Нужно время ISO 8601",
    "datetime_parsing": "Нужно время ISO 8601",
    "datetime_from_date_parsing": "Нужно время ISO 8601",
    "timezone_aware": "Нужно время с часовым поясом",
}


def say(language: str, key: str, **params: object) -> str:
    """The text named `key`; an unknown language gets English."""
    words = TEXTS[key]
    return words.get(language, words["en"]).format(**params)


def below(language: str, text: str) -> str:
    """What a lower layer said, in this language; codes are words in both."""
    if text in REASONS:
        return REASONS[text]["ru" if language == "ru" else "en"]
    if language != "ru" or not text:
        return text
    for pattern, words in (*TOLD_BELOW, *TOLD_BY_ENGINE):
        found = re.fullmatch(pattern, text, re.S)
        if found is not None:
            return words.format(*(below(language, part) for part in found.groups()))
    return text


def language_of(accept: str) -> str:
    """The better of our two languages for an Accept-Language header; English where it says nothing."""
    best, weight = "en", 0.0
    for part in accept[:200].split(","):
        tag, _, rest = part.strip().partition(";")
        code = tag.strip().lower().split("-")[0]
        try:
            q = float(rest.strip().removeprefix("q=")) if rest.strip().startswith("q=") else 1.0
        except ValueError:
            continue
        if code in LANGUAGES and q > weight:
            best, weight = code, q
    return best
