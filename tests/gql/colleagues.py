"""People who work in the business of somebody else, made past the mails that invitations take."""

from dataclasses import replace

from datastore.schema import Member
from datastore.scope import Role
from resolvers.services import utc_now
from tests.datastore.samples import stored
from tests.gql.api import Api, Person


async def colleague(api: Api, of: Person, role: Role = "OWNER", name: str = "Grace Hopper") -> Person:
    """Somebody else who is a member of the same account, with a session in it."""
    person = await api.sign_up(name=name)
    now = utc_now()
    await stored(
        api.services.database,
        Member(
            id=Member.new_id(),
            created_at=now,
            updated_at=now,
            account_id=of.account_id,
            user_id=person.user_id,
            email=person.email,
            role=role,
            name=name,
        ),
    )
    session_id = api.services.tokens.verify(person.access_token, api.services.clock()).session_id
    moved = {"q": {"_id": session_id}, "u": {"$set": {"account_id": of.account_id, "role": role}}}
    await api.services.database.command({"update": "sessions", "updates": [moved], "writeConcern": {"w": "majority"}})
    return replace(person, account_id=of.account_id)
