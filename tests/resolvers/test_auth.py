from datastore.database import Database
from resolvers.auth import authenticate
from resolvers.services import Services
from tests.gql.api import Api, Person


async def test_an_access_token_gives_the_scope_of_its_session(api: Api, owner: Person, services: Services) -> None:
    scope = await authenticate(services, owner.access_token)
    assert (scope.account_id, scope.user_id, scope.role) == (owner.account_id, owner.user_id, "OWNER")


async def test_the_role_is_the_stored_one_not_the_tokens(api: Api, owner: Person, services: Services, database: Database) -> None:
    await database.command({"update": "sessions", "updates": [{"q": {}, "u": {"$set": {"role": "STAFF"}}}]})
    assert (await authenticate(services, owner.access_token)).role == "STAFF"
