"""Lists: the filters and the place in a list, as the page's address has them."""

from __future__ import annotations

from typing import TypeVar

from pydantic import ValidationError

from web.pages.shell import Page
from web.paging import ListQuery

Query = TypeVar("Query", bound=ListQuery)


def listed(page: Page, model: type[Query], *filters: str, **fixed: object) -> Query:
    """The list's query. A filter that is none of the model's is as good as not set: an address may be old."""
    given = {name: page.request.query[name] for name in (*filters, "cursor") if page.request.query.get(name)}
    while True:
        try:
            return model.model_validate({**given, **fixed})
        except ValidationError as error:
            wrong = {str(fault["loc"][0]) for fault in error.errors()} & set(given)
            if not wrong:
                raise
            for name in wrong:
                del given[name]
