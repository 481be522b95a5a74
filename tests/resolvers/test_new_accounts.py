from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from datastore.database import Database
from datastore.errors import ConflictError
from resolvers.functions import marking_of
from resolvers.new_accounts import SignUpInput, found_business
from resolvers.runs import Run
from resolvers.services import Services
from tests.gql.api import Api
from tests.resolvers.conftest import contents

Found = Callable[[str], Awaitable[Any]]


@pytest.fixture
def found(services: Services) -> Found:
    """Founds a business as an operator does."""
    marking = marking_of(found_business)
    assert marking is not None

    async def found(email: str) -> Any:
        person = SignUpInput(email=email, password="demo-password", name="Dana", business_name="Café")
        return await Run(services, None).mutate(found_business, marking, {"input": person}, "found_business")

    return found


async def test_an_operator_founds_a_business_whose_owner_needs_no_confirmation(database: Database, found: Found) -> None:
    session = await found("dana@example.org")
    stored = await contents(database)
    assert session.scope.role == "OWNER"
    assert not session.scope.pending
    assert [user["email_verified"] for user in stored["users"]] == [True]
    assert [row["business_name"] for row in stored["settings"]] == ["Café"]
    assert stored["jobs"] == stored["email_codes"] == []


async def test_an_address_founds_one_business(database: Database, found: Found) -> None:
    await found("dana@example.org")
    with pytest.raises(ConflictError):
        await found("dana@example.org")
    assert len((await contents(database))["accounts"]) == 1


async def test_founding_is_no_part_of_the_api(api: Api) -> None:
    data = await api.data('{ __type(name: "Mutation") { fields { name } } }')
    assert "foundBusiness" not in {field["name"] for field in data["__type"]["fields"]}
