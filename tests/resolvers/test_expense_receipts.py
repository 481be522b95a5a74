import asyncio
from typing import Any

from datastore.database import Database
from resolvers.expense_receipts import MOST_RECEIPTS
from tests.gql.api import Api, Person
from tests.live.verify import verify_live
from tests.resolvers.conftest import Unchanged, contents
from tests.resolvers.filing import DELETE as DELETE_FOLDER
from tests.resolvers.filing import make_folder
from tests.resolvers.gallery import hang_up
from tests.resolvers.spending import DELETE_EXPENSE, spend
from tests.resolvers.uploading import DELETE, create, store

PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"
UPDATE = "mutation ($input: UpdateExpenseInput!) { updateExpense(input: $input) { receipts { name } } }"
SHOW = "{ expenses { nodes { receipts { name } } } }"
MISSING = "fil_01J0000000000000000000000A"


async def pdf(api: Api, owner: Person, name: str = "bill.pdf", **values: Any) -> str:
    """The id of a receipt."""
    return str((await store(api, owner, PDF, name, "application/pdf", **values))["id"])


async def receipts(api: Api, owner: Person) -> list[list[str]]:
    """The names of the receipts of each expense."""
    return [[file["name"] for file in node["receipts"]] for node in (await api.data(SHOW, caller=owner))["expenses"]["nodes"]]


async def change(api: Api, owner: Person, expense: dict[str, Any], ids: Any) -> dict[str, Any]:
    """The response to giving an expense these receipts."""
    return await api.execute(UPDATE, {"input": {"id": expense["id"], "receiptIds": ids}}, caller=owner)


async def test_an_expense_has_the_receipts_that_it_was_given_last_in_their_order(api: Api, owner: Person) -> None:
    first, second, third = [await pdf(api, owner, name) for name in "abc"]
    expense = await spend(api, owner, "9.00", receiptIds=[second, first])
    assert await receipts(api, owner) == [["b", "a"]]
    assert "errors" not in await change(api, owner, expense, [first, third, second])
    assert await receipts(api, owner) == [["a", "c", "b"]]
    await api.data(UPDATE, {"input": {"id": expense["id"], "vendor": "Landlord"}}, caller=owner)
    assert await receipts(api, owner) == [["a", "c", "b"]]
    await change(api, owner, expense, [])
    assert await receipts(api, owner) == [[]]


async def test_one_file_may_be_the_receipt_of_several_expenses(api: Api, owner: Person) -> None:
    both = await pdf(api, owner)
    for day in ("2026-11-01", "2026-11-02"):
        await spend(api, owner, "9.00", incurredOn=day, receiptIds=[both, await hang_up(api, owner)])
    assert await receipts(api, owner) == [["bill.pdf", "photo.jpg"]] * 2


async def test_a_receipt_is_not_deleted_and_the_refusal_names_its_expense(api: Api, owner: Person, nothing_written: Unchanged) -> None:
    folder = await make_folder(api, owner)
    id = await pdf(api, owner, folderId=folder)
    expense = await spend(api, owner, "9.00", vendor="Landlord", incurredOn="2026-11-01", receiptIds=[id])
    says = f"“bill.pdf” is a receipt of the expense {expense['id']} of 2026-11-01, Landlord; take it off there first."
    async with nothing_written():
        for document, values in ((DELETE, {"id": id}), (DELETE_FOLDER, {"id": folder, "recursive": True})):
            [error] = (await api.execute(document, values, caller=owner))["errors"]
            assert (error["extensions"]["code"], error["message"]) == ("CONFLICT", says)
    await change(api, owner, expense, [])
    await api.data(DELETE, {"id": id}, caller=owner)


async def test_receipts_of_a_deleted_expense_are_files_like_others(api: Api, owner: Person, database: Database) -> None:
    id = await pdf(api, owner)
    expense = await spend(api, owner, "9.00", receiptIds=[id])
    await api.data(DELETE_EXPENSE, {"id": expense["id"]}, caller=owner)
    assert (await contents(database))["expense_receipts"] == []
    await api.data(DELETE, {"id": id}, caller=owner)


async def test_a_file_that_is_deleted_as_it_becomes_a_receipt_does_only_one_of_both(api: Api, owner: Person) -> None:
    expense = await spend(api, owner, "9.00")
    for _ in range(5):
        id = await pdf(api, owner)
        answers = await asyncio.gather(change(api, owner, expense, [id]), api.execute(DELETE, {"id": id}, caller=owner))
        assert sorted("errors" in answer for answer in answers) == [False, True], answers
        await change(api, owner, expense, [])


async def test_what_is_no_receipt_of_ones_own_is_refused_by_its_place(
    api: Api, owner: Person, stranger: Person, nothing_written: Unchanged
) -> None:
    good, theirs, binned = await pdf(api, owner), await pdf(api, stranger), await pdf(api, owner)
    await api.data(DELETE, {"id": binned}, caller=owner)
    pending = (await create(api, owner, b"x", "p.png", "image/png"))["file"]["id"]
    sound = (await store(api, owner, b"ID3\x03\x00\x00\x00\x00\x00\x21", "a.mp3", "audio/mpeg"))["id"]
    expense = await spend(api, owner, "9.00", receiptIds=[good])
    async with nothing_written():
        for id, code in (
            (good, "INVALID_INPUT"),
            (sound, "INVALID_INPUT"),
            (pending, "INVALID_INPUT"),
            (expense["id"], "INVALID_INPUT"),
            ("\0", "INVALID_INPUT"),
            (theirs, "NOT_FOUND"),
            (binned, "NOT_FOUND"),
            (MISSING, "NOT_FOUND"),
        ):
            [error] = (await change(api, owner, expense, [good, id]))["errors"]
            assert error["extensions"]["code"] == code, (id, error)
            if code == "INVALID_INPUT":
                assert [problem["path"] for problem in error["extensions"]["fields"]] == ["input.receiptIds.1"]
        [error] = (await change(api, owner, expense, [good] * (MOST_RECEIPTS + 1)))["errors"]
        assert [problem["path"] for problem in error["extensions"]["fields"]] == ["input.receiptIds"]
        for ids in (None, [None], {"$ne": 1}):
            assert "errors" in await change(api, owner, expense, ids)


async def test_receipts_are_live(api: Api, owner: Person) -> None:
    id = await pdf(api, owner)
    expense = await spend(api, owner, "9.00")
    await verify_live(api, SHOW, lambda: change(api, owner, expense, [id]), caller=owner)
