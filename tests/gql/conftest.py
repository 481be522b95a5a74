import pytest

from tests.gql.api import Api, Person

CREATE = 'mutation { createProduct(input: {name: "Tea", price: "1.00"}) { id } }'


@pytest.fixture
async def ada(api: Api) -> Person:
    """Somebody who has a business."""
    return await api.sign_up()


@pytest.fixture
async def product(api: Api, ada: Person) -> str:
    """The id of Ada's one product, Tea."""
    id: str = (await api.data(CREATE, caller=ada))["createProduct"]["id"]
    return id
