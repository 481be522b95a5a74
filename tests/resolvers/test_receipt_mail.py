from email.message import EmailMessage
from io import BytesIO

from pypdf import PdfReader

from resolvers.receipt_mail import receipt_mail
from resolvers.services import Services
from resolvers.wording import Wording
from tests.gql.api import Api, Person
from tests.resolvers.gallery import SET_LOGO, hang_up
from tests.resolvers.paperwork import receipt_of
from tests.resolvers.post import post_office
from tests.resolvers.shop import make_product
from tests.resolvers.till import line, sell
from tests.resolvers.uploading import DELETE

SEND = "mutation ($id: ID!) { sendReceipt(saleId: $id) { id } }"


def test_a_receipt_goes_in_the_name_of_its_business_with_its_pdf() -> None:
    receipt = receipt_of("de")
    mail = receipt_mail(receipt, Wording.of(receipt.settings), "jo@example.org", b"%PDF")
    assert (mail.to, mail.sender_name) == ("jo@example.org", "Café Ωmega")
    assert mail.written.subject == "Ihr Beleg von Café Ωmega (Nr. 1017)"
    [attachment] = mail.attachments
    assert (attachment.name, attachment.content_type, attachment.content) == ("Beleg-1017.pdf", "application/pdf", b"%PDF")


def test_the_customer_is_greeted_by_name_where_that_is_known() -> None:
    known, unknown = receipt_of(), receipt_of(customer_name=None)
    words = Wording.of(known.settings)
    assert receipt_mail(known, words, "jo@example.org", b"").written.text.startswith("Hello Jörg Müller,")
    assert receipt_mail(unknown, words, "jo@example.org", b"").written.text.startswith("Hello,\n")


async def test_the_logo_of_the_business_is_on_the_pdf_as_long_as_it_is_shown(api: Api, owner: Person, services: Services) -> None:
    sale = await sell(api, owner, line(await make_product(api, owner, stock=9)), customerEmail="jo@example.org")
    logo = await hang_up(api, owner)
    await api.data(SET_LOGO, {"id": logo}, caller=owner)
    async with post_office(services) as post:
        for deleted in (False, True):
            if deleted:
                await api.data(DELETE, {"id": logo}, caller=owner)
            await post.work()
            await api.data(SEND, {"id": sale["id"]}, caller=owner)
            await post.work()
        pictures = [pictures_of(message) for message in post.messages]
    assert pictures == [1, 0]


def pictures_of(message: EmailMessage) -> int:
    """How many pictures are on a mail's one PDF."""
    [attachment] = message.iter_attachments()
    return sum(len(page.images) for page in PdfReader(BytesIO(attachment.get_content())).pages)
