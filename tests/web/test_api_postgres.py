"""What could differ between the databases, once more on PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from engine.config import Settings
from engine.store import Store, migrate, open_store
from tests.postgres import Postgres, server
from tests.web.conftest import START
from tests.web.test_api_calling import (  # noqa: F401 - collected here a second time, on the other database
    test_a_campaign_is_what_it_was_made,
    test_a_campaign_names_only_what_is_its_projects,
    test_changing_a_campaign,
    test_renting_and_giving_back,
)
from tests.web.test_api_calls import (  # noqa: F401
    test_a_call_password,
    test_a_call_with_its_steps_and_filters_of_the_list,
    test_a_telephone_is_not_rung_without_end,
    test_the_same_key_at_once_calls_once,
    test_the_same_key_calls_once,
)
from tests.web.test_api_content import (  # noqa: F401
    test_a_segment_counts_what_it_left_out,
    test_an_export_cannot_run_formulas,
    test_copying_filtering_and_archiving,
)
from tests.web.test_api_hostile import test_bodies, test_ids_that_are_none_are_absent, test_queries  # noqa: F401
from tests.web.test_api_projects import (  # noqa: F401
    test_lists_go_on_by_cursor_and_are_stable_under_inserts,
    test_members_come_and_go,
)


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with server() as running:
        yield running


@pytest.fixture
async def store(settings: Settings, postgres: Postgres) -> AsyncIterator[Store]:
    url = postgres.url()
    await migrate(url)
    async with open_store(url) as store:
        await store.numbers.sync([n.model_dump() for n in settings.numbers], now=START)
        yield store
