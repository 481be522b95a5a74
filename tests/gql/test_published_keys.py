import httpx
import jwt

from resolvers.services import Services
from tests.gql.api import Api


async def test_others_verify_our_access_tokens_by_the_keys_that_are_published(api: Api, live_server: str, services: Services) -> None:
    person = await api.sign_up()
    async with httpx.AsyncClient(base_url=live_server) as client:
        answer = await client.get("/.well-known/jwks.json")
    assert answer.headers["content-type"].startswith("application/jwk-set+json")
    assert "max-age" in answer.headers["cache-control"]
    assert all("d" not in key for key in answer.json()["keys"])
    key = jwt.PyJWKSet.from_dict(answer.json())[services.tokens.key_id]
    claims = jwt.decode(person.access_token, key.key, algorithms=["EdDSA"], issuer="tillstream", audience="tillstream")
    assert claims["sub"] == person.user_id
