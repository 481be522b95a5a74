"""Pictures in the file store, and rows that show them, made through the public API."""

from typing import Any

from datastore.scope import Role, grant
from resolvers.calls import Calls
from tests.gql.api import Api, Person
from tests.jobs import work_off
from tests.resolvers.painting import painted
from tests.resolvers.uploading import store

SHOWN = "{ name thumbnailProblem thumbnails { size width height url } }"
FILE = f"query ($id: ID!) {{ file(id: $id) {SHOWN} }}"
SET_LOGO = "mutation ($id: ID) { updateSettings(input: { logoId: $id }) { logo { id name } } }"
SET_AVATAR = "mutation ($id: ID) { updateProfile(input: { avatarId: $id }) { name avatar { id name } } }"
SET_IMAGE = "mutation ($product: ID!, $id: ID) { updateProduct(input: { id: $product, imageId: $id }) { name image { id name } } }"


async def hang_up(api: Api, owner: Person, content: bytes | None = None, name: str = "photo.jpg", kind: str = "image/jpeg") -> str:
    """The id of a picture that has just become READY; its thumbnails are not made yet."""
    file = await store(api, owner, painted() if content is None else content, name, kind)
    return str(file["id"])


async def hang_up_and_shrink(api: Api, owner: Person, *args: Any) -> str:
    """The same, with thumbnails."""
    id = await hang_up(api, owner, *args)
    await work_off(api.services)
    return id


async def file_of(api: Api, owner: Person, id: str) -> dict[str, Any]:
    """A file with its thumbnails."""
    found: dict[str, Any] = (await api.data(FILE, {"id": id}, caller=owner))["file"]
    return found


def calls(api: Api, owner: Person, role: Role = "OWNER") -> Calls:
    """What carries out functions for somebody in a role."""
    return Calls(api.services, grant(owner.account_id, owner.user_id, role))
