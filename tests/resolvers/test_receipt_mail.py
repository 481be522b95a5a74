from resolvers.receipt_mail import receipt_mail
from resolvers.wording import Wording
from tests.resolvers.paperwork import receipt_of


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
