"""People who share a business, as they come together through the public API."""

import json
from dataclasses import replace
from typing import Any

from resolvers.account_mails import values_of
from tests.gql.api import PASSWORD, Api, Person

INVITATION = "id email role status expiresAt invitedBy { name }"
INVITE = f"mutation ($input: InviteMemberInput!) {{ inviteMember(input: $input) {{ {INVITATION} }} }}"
RESEND = f"mutation ($id: ID!) {{ resendInvite(id: $id) {{ {INVITATION} }} }}"
REVOKE = f"mutation ($id: ID!) {{ revokeInvite(id: $id) {{ {INVITATION} }} }}"
ACCEPT = "mutation ($code: String!) { acceptInvite(code: $code) { id name email role userId accountId } }"
CHANGE_ROLE = "mutation ($id: ID!, $role: Role!) { changeMemberRole(id: $id, role: $role) { id role } }"
REMOVE = "mutation ($id: ID!) { removeMember(id: $id) { id name } }"
SWITCH = "mutation ($id: ID!) { switchAccount(accountId: $id) { accessToken refreshToken user { id role account { id } } } }"
SIGN_IN = "mutation ($input: SignInInput!) { signIn(input: $input) { accessToken refreshToken user { id role account { id } } } }"
MEMBERS = "{ members { nodes { id name email role userId } } }"

Values = dict[str, Any]


async def invite(api: Api, owner: Person, email: str, role: str = "STAFF") -> Values:
    """A new invitation."""
    made: Values = (await api.data(INVITE, {"input": {"email": email, "role": role}}, caller=owner))["inviteMember"]
    return made


async def code_for(api: Api, email: str) -> str:
    """The code of the newest mail that is to be sent to an address."""
    reply = await api.services.database.command({"find": "jobs", "sort": {"_id": 1}, "batchSize": 1000})
    sent = [json.loads(job["arguments"]) for job in reply["cursor"]["firstBatch"] if "sealed" in job["arguments"]]
    [*_, sealed] = [arguments["sealed"] for arguments in sent if arguments["to"] == email]
    _, _, values = values_of(api.services.outside.sealer.open(sealed))
    code: str = values["code"]
    return code


async def accept(api: Api, person: Person, code: str) -> Values:
    """The member that somebody becomes."""
    joined: Values = (await api.data(ACCEPT, {"code": code}, caller=person))["acceptInvite"]
    return joined


def moved(person: Person, session: Values) -> Person:
    """The same person with the tokens of another session."""
    account_id = session["user"]["account"]["id"]
    return replace(person, access_token=session["accessToken"], refresh_token=session["refreshToken"], account_id=account_id)


async def switch(api: Api, person: Person, account_id: str) -> Person:
    """The same person, working in another of their businesses."""
    return moved(person, (await api.data(SWITCH, {"id": account_id}, caller=person))["switchAccount"])


async def sign_in(api: Api, person: Person, account_id: str | None = None) -> Person:
    """The same person on another device."""
    values = {"email": person.email, "password": PASSWORD, "accountId": account_id}
    return moved(person, (await api.data(SIGN_IN, {"input": values}))["signIn"])


async def join(api: Api, owner: Person, role: str, person: Person | None = None) -> Person:
    """Somebody with a session in the owner's business, who was invited there; their own session stays."""
    person = person or await api.sign_up(name="Grace Hopper")
    await invite(api, owner, person.email, role)
    await accept(api, person, await code_for(api, person.email))
    return await sign_in(api, person, owner.account_id)


async def member_id(api: Api, owner: Person, person: Person) -> str:
    """The id that somebody has as a member of the owner's business."""
    nodes = (await api.data(MEMBERS, caller=owner))["members"]["nodes"]
    [id] = [node["id"] for node in nodes if node["userId"] == person.user_id]
    return str(id)
