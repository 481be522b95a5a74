"""Mail that carries a code, and mail to the owners of a business."""

import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from datastore.scope import Role
from resolvers import mailing
from resolvers.account_mails import Arguments, Code, invitation_mail, password_reset_mail, verification_mail
from resolvers.functions import Kind, Marking, MutationContext
from resolvers.mailing import mail_owners, send_mail, send_webhook_disabled
from resolvers.runs import Run
from resolvers.services import Services
from tests.gql.api import Api, Person
from tests.gql.colleagues import colleague
from tests.resolvers.post import Post, post_office, text_of


@pytest.fixture
async def post(api: Api, services: Services) -> AsyncIterator[Post]:
    """A post office."""
    async with post_office(services) as post:
        yield post


async def within(api: Api, owner: Person, body: Any) -> None:
    """Carries out a mutation of somebody's account."""
    await Run(api.services, await api.scope_of(owner)).mutate(body, Marking(Kind.MUTATION), {}, "test")


async def schedule(api: Api, owner: Person, arguments: Arguments) -> None:
    async def body(ctx: MutationContext) -> None:
        await ctx.schedule(send_mail, arguments)

    await within(api, owner, body)


async def jobs_of(api: Api) -> list[dict[str, Any]]:
    """All jobs as they are stored."""
    reply = await api.services.database.command({"find": "jobs", "sort": {"_id": 1}})
    return list(reply["cursor"]["firstBatch"])


def code(api: Api, minutes: int = 30) -> Code:
    return Code("482913", api.services.clock() + timedelta(minutes=minutes), "https://shop.example/?code=482913")


async def test_a_code_reaches_its_mailbox(api: Api, owner: Person, post: Post) -> None:
    sealer = post.services.outside.sealer
    await schedule(api, owner, verification_mail(sealer, to="jo@example.org", locale="en", name="Jo", code=code(api)))
    await schedule(api, owner, password_reset_mail(sealer, to="jo@example.org", locale="de", name="Jo", code=code(api)))
    invitation = invitation_mail(
        sealer, to="new@example.org", locale="en", inviter="Ada", business="Engines", role="MANAGER", code=code(api)
    )
    await schedule(api, owner, invitation)
    await post.work()
    subjects = {message["Subject"] for message in post.messages}
    assert subjects == {"Confirm your e-mail address", "Neues Passwort festlegen", "Ada invites you to Engines"}
    assert all("\n    482913\n" in text_of(message) for message in post.messages)
    assert all(message["From"].addresses[0].display_name == "Till" for message in post.messages)
    assert post.recipients == ["jo@example.org", "jo@example.org", "new@example.org"]


async def test_a_code_is_in_no_stored_job_and_in_no_log(api: Api, owner: Person, post: Post, caplog: pytest.LogCaptureFixture) -> None:
    post.server.answers["RCPT"] = ["451 later"]
    with caplog.at_level(logging.DEBUG):
        sealer = post.services.outside.sealer
        await schedule(api, owner, verification_mail(sealer, to="jo@example.org", locale="en", name="Jo", code=code(api)))
        await post.work()
    stored_jobs = await jobs_of(api)
    assert len(stored_jobs) == 1
    assert "482913" not in str(stored_jobs)
    assert "482913" not in caplog.text


async def test_such_a_job_is_in_nobodys_list(api: Api, owner: Person, post: Post) -> None:
    sealer = post.services.outside.sealer
    await schedule(api, owner, verification_mail(sealer, to="jo@example.org", locale="en", name="Jo", code=code(api)))
    data = await api.data("{ jobs { nodes { id } } }", caller=owner)
    assert data["jobs"]["nodes"] == []


async def test_a_code_that_expired_is_not_sent(api: Api, owner: Person, post: Post) -> None:
    sealer = post.services.outside.sealer
    await schedule(api, owner, verification_mail(sealer, to="jo@example.org", locale="en", name="Jo", code=code(api, -1)))
    await post.work()
    [job] = await jobs_of(api)
    assert (job["status"], job["error"]) == ("FAILED", "The code expired before the mail could be sent.")
    assert post.messages == []


async def test_a_mail_that_was_sealed_with_another_secret_fails_at_once(api: Api, owner: Person, post: Post) -> None:
    await schedule(api, owner, {"to": "jo@example.org", "sealed": "nonsense"})
    await post.work()
    [job] = await jobs_of(api)
    assert (job["status"], job["attempts"]) == ("FAILED", 1)


async def tell(api: Api, owner: Person) -> None:
    """Tells the owners that a webhook was switched off."""

    async def body(ctx: MutationContext) -> None:
        await mail_owners(ctx, send_webhook_disabled, {"url": "https://x.example/", "reason": "It answered 410."})

    await within(api, owner, body)


async def test_every_owner_is_told_by_a_mail_of_their_own_and_nobody_else(api: Api, owner: Person, post: Post) -> None:
    other = await colleague(api, owner, "OWNER", "Charles")
    roles: list[Role] = ["MANAGER", "STAFF"]
    for role in roles:
        await colleague(api, owner, role, role.title())
    await api.data('mutation { updateProfile(input: {locale: "de"}) { id } }', caller=other)
    await tell(api, owner)
    await post.work()
    assert post.recipients == sorted([owner.email, other.email])
    texts = sorted(text_of(message) for message in post.messages)
    assert texts[0].startswith("Guten Tag Charles,")
    assert "an https://x.example/ wurde abgeschaltet: It answered 410." in texts[0]
    assert texts[1].startswith("Hello Ada Lovelace,")
    assert all(len(taken.recipients) == 1 for taken in post.server.taken)


async def test_who_has_left_the_business_is_not_told(api: Api, owner: Person, post: Post) -> None:
    other = await colleague(api, owner, "OWNER", "Charles")
    await tell(api, owner)
    await api.services.database.command(
        {"delete": "members", "deletes": [{"q": {"user_id": other.user_id, "account_id": owner.account_id}, "limit": 0}]}
    )
    await post.work()
    assert post.recipients == [owner.email]


async def test_a_mutation_that_fails_sends_nothing(api: Api, owner: Person, post: Post) -> None:
    async def body(ctx: MutationContext) -> None:
        await mail_owners(ctx, send_webhook_disabled, {"url": "https://x.example/", "reason": ""})
        raise LookupError

    with pytest.raises(LookupError):
        await within(api, owner, body)
    await post.work()
    assert post.messages == []


def test_a_mail_that_fails_is_tried_for_hours() -> None:
    waits = [min(mailing.FIRST_BACKOFF * 2**attempt, 3600.0) for attempt in range(mailing.ATTEMPTS - 1)]
    assert 4 * 3600 < sum(waits) < 24 * 3600
