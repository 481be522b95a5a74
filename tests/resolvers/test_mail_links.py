"""The links in mails that carry a code: to the page that the operator names, with what to do behind its #."""

from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from resolvers.account_mails import link_to
from resolvers.services import Services
from tests.gql.api import PASSWORD, Api, Person
from tests.resolvers.clocks import clocked
from tests.resolvers.post import post_office, text_of
from tests.resolvers.signing import mails
from tests.resolvers.teams import invite

PAGE = "https://shop.example/account?lang=de"
REQUEST = "mutation ($email: String!) { requestPasswordReset(email: $email) }"
CHANGE = "mutation ($input: ChangeEmailInput!) { changeEmail(input: $input) { id } }"


@pytest.fixture
async def linking(api: Api, services: Services) -> Api:
    """The API of a server whose operator has named a page."""
    linking, _ = clocked(replace(services, settings=services.settings.model_copy(update={"client_url": PAGE})), "2027-02-01T12:00:00")
    linking.mails_who_signs_up = True
    return linking


@pytest.fixture
async def grace(linking: Api) -> Person:
    """Somebody whose address has a character that means something in URLs."""
    return await linking.sign_up("grace+till@example.org")


async def test_each_mail_with_a_code_links_to_the_mutation_that_takes_it(linking: Api, grace: Person) -> None:
    await linking.data(REQUEST, {"email": grace.email})
    await linking.data(CHANGE, {"input": {"email": "new@example.org", "password": PASSWORD}}, caller=grace)
    await invite(linking, grace, "ada@example.org")
    told = {mail["kind"]: (mail["link"], mail["code"]) for mail in await mails(linking.services) if "link" in mail}
    expected = {
        "verification": "verifyEmail",
        "password_reset": "resetPassword",
        "email_change": "verifyEmail",
        "invitation": "acceptInvite",
    }
    assert told.keys() == expected.keys()
    for kind, (link, code) in told.items():
        assert link.startswith(f"{PAGE}#")
        behind = {name: values[0] for name, values in parse_qs(urlsplit(link).fragment).items()}
        address = {"email": grace.email} if kind == "password_reset" else {}
        assert behind == {"mutation": expected[kind], "code": code, **address}


async def test_a_link_is_whole_in_the_text_and_in_the_page_of_a_mail(linking: Api, grace: Person) -> None:
    await linking.data(REQUEST, {"email": grace.email})
    [sealed] = await mails(linking.services, about=["password_reset"])
    async with post_office(linking.services) as post:
        await post.work()
        message = post.messages[-1]
    page = message.get_body(("html",))
    assert page is not None
    assert f"{sealed['link']}\n" in text_of(message)
    assert f'href="{sealed["link"].replace("&", "&amp;")}"' in page.get_content()


async def test_without_a_page_there_is_no_link(api: Api, owner: Person) -> None:
    await api.data(REQUEST, {"email": owner.email})
    [mail] = await mails(api.services, about=["password_reset"])
    assert mail["link"] is None


def test_what_stands_in_a_link_cannot_break_out_of_it() -> None:
    assert link_to("https://shop.example/", "acceptInvite", code="a&b=c d#\n") == (
        "https://shop.example/#mutation=acceptInvite&code=a%26b%3Dc%20d%23%0A"
    )
