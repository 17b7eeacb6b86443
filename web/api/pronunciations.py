"""How a project's words are said: its pronunciation dictionary."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from web.ask import Ask
from web.routes import Given, Routes, Told

routes = Routes("projects")

Word = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]*\w[^\x00-\x1f\x7f]*$"
    ),
]
Said = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]


class Pronunciation(Given):
    """`word`, a whole word or a phrase of up to five, is said as `say`; `+` before a vowel stresses it."""

    word: Word
    say: Said = Field(description="Empty: it is passed over")
    forms: bool = Field(default=False, description="In every grammatical form; `say` stays as it is")
    language: Annotated[str, StringConstraints(pattern=r"^([a-z]{2,3}(-[A-Za-z]{2,4})?)?$")] = Field(
        default="", description="In this language only"
    )


class Pronunciations(Given):
    items: Annotated[list[Pronunciation], Field(max_length=1000)]


class PronunciationsOut(Told):
    items: list[Pronunciation]


@routes.get("/projects/{project_id}/pronunciations", "How the project's words are said")
async def pronunciations(ask: Ask, project_id: int) -> PronunciationsOut:
    return PronunciationsOut.model_validate(
        {"items": await ask.store.projects.pronunciations(project_id, user=ask.user)}
    )


@routes.put("/projects/{project_id}/pronunciations", "Say how words are said, instead of what was said before")
async def put_pronunciations(ask: Ask, project_id: int, body: Pronunciations) -> PronunciationsOut:
    """Calls speak so within some seconds. Prompts are made anew where they change."""
    await ask.may(project_id, "manager")
    items = [item.model_dump() for item in body.items]
    await ask.store.projects.put_pronunciations(project_id, items, user=ask.user)
    return PronunciationsOut(items=body.items)
