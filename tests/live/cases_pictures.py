"""Pictures of products, people and the business, receipts of expenses, and what is made of them."""

from tests.jobs import work_off
from tests.live.cases import Stall, case
from tests.resolvers.filing import make_folder
from tests.resolvers.gallery import SET_AVATAR, SET_IMAGE, SET_LOGO, hang_up
from tests.resolvers.spending import UPDATE_EXPENSE, spend
from tests.resolvers.uploading import DELETE, store


async def hang_up_a_picture(stall: Stall) -> None:
    """A picture that nothing shows yet, and a folder with a note in it."""
    stall.ids["picture"] = await hang_up(stall.api, stall.owner)
    stall.ids["F"] = await make_folder(stall.api, stall.owner, "F")
    stall.ids["note"] = (await store(stall.api, stall.owner, folderId=stall.ids["F"]))["id"]


async def hang_it_everywhere(stall: Stall) -> None:
    """The same, shown with Apple, the owner and the business, and the receipt of an expense."""
    await hang_up_a_picture(stall)
    await show_it_with_apple(stall)
    for document in (SET_LOGO, SET_AVATAR):
        await stall.do(document, id=stall.ids["picture"])


async def spend_with_a_receipt(stall: Stall) -> None:
    await hang_up_a_picture(stall)
    stall.ids["expense"] = (await spend(stall.api, stall.owner, receiptIds=[stall.ids["picture"]]))["id"]


async def make_thumbnails(stall: Stall) -> None:
    await work_off(stall.api.services)


async def show_it_with_apple(stall: Stall) -> None:
    await stall.do(SET_IMAGE, product=stall.ids["Apple"], id=stall.ids["picture"])


async def make_it_the_logo(stall: Stall) -> None:
    await stall.do(SET_LOGO, id=stall.ids["picture"])


async def make_it_the_avatar(stall: Stall) -> None:
    await stall.do(SET_AVATAR, id=stall.ids["picture"])


async def delete_it(stall: Stall) -> None:
    await stall.do(DELETE, id=stall.ids["picture"])


async def delete_the_note(stall: Stall) -> None:
    await stall.do(DELETE, id=stall.ids["note"])


async def add_a_receipt(stall: Stall) -> None:
    await stall.do(UPDATE_EXPENSE, input={"id": stall.ids["expense"], "receiptIds": [stall.ids["note"], stall.ids["picture"]]})


async def take_the_receipt_away(stall: Stall) -> None:
    await stall.do(UPDATE_EXPENSE, input={"id": stall.ids["expense"], "receiptIds": []})


CASES = [
    case("Query.folder Folder.files", "folder(id: <F>) { files { nodes { name } } }", delete_the_note, hang_up_a_picture),
    case("Query.file File.thumbnails Thumbnail.url", "file(id: <picture>) { thumbnails { url } }", make_thumbnails, hang_up_a_picture),
    case(
        "Query.product Product.image File.thumbnails",
        "product(id: <Apple>) { image { thumbnails { width } } }",
        make_thumbnails,
        hang_it_everywhere,
    ),
    case("Query.products Product.image", "products { nodes { image { name } } }", show_it_with_apple, hang_up_a_picture),
    case("Query.product Product.image", "product(id: <Apple>) { image { name } }", delete_it, hang_it_everywhere),
    case("Query.settings Settings.logo", "settings { logo { name } }", make_it_the_logo, hang_up_a_picture),
    case("Query.settings Settings.logo", "settings { logo { name } }", delete_it, hang_it_everywhere),
    case("Query.viewer User.avatar", "viewer { avatar { name } }", make_it_the_avatar, hang_up_a_picture),
    case("Query.viewer User.avatar", "viewer { avatar { name } }", delete_it, hang_it_everywhere),
    case(
        "Query.file File.uploadedBy Member.avatar",
        "file(id: <picture>) { uploadedBy { avatar { name } } }",
        make_it_the_avatar,
        hang_up_a_picture,
    ),
    case("Query.expenses Expense.receipts", "expenses { nodes { receipts { name } } }", add_a_receipt, spend_with_a_receipt),
    case("Query.expense Expense.receipts", "expense(id: <expense>) { receipts { name } }", take_the_receipt_away, spend_with_a_receipt),
]
