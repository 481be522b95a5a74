"""Exports and imports as people ask for them: jobs whose results are files."""

import csv
import io
import json
import zipfile
from typing import Any

import pytest
from python_calamine import CalamineWorkbook

from tests.gql.api import Api, Person
from tests.jobs import work_off
from tests.resolvers.ledgers import keep_ledger
from tests.resolvers.sheet_files import XLSX, book
from tests.resolvers.shop import make_product
from tests.resolvers.teams import join
from tests.resolvers.uploading import fetch, link, store

JOB = "id status error attempts progress result file { id name contentType }"
EXPORT = f"""
mutation ($from: Date!, $to: Date!, $format: TableFormat!) {{
  job: exportTransactions(from: $from, to: $to, format: $format) {{ {JOB} }}
}}
"""
IMPORT = f"""
mutation ($fileId: ID!, $mode: ImportMode!, $upsert: Boolean! = true) {{
  job: importProducts(fileId: $fileId, mode: $mode, upsert: $upsert) {{ {JOB} }}
}}
"""
MY_DATA = f"mutation {{ job: exportMyData {{ {JOB} }} }}"
YEAR = {"from": "2026-01-01", "to": "2026-12-31"}
PRODUCTS = "{ products(first: 100) { nodes { name sku price stock } } }"


async def done(api: Api, person: Person, document: str, **variables: Any) -> dict[str, Any]:
    """A job that a mutation schedules, as it is when all work is done."""
    scheduled = (await api.data(document, variables, caller=person))["job"]
    await work_off(api.services)
    job: dict[str, Any] = (await api.data(f"query ($id: ID!) {{ job(id: $id) {{ {JOB} }} }}", {"id": scheduled["id"]}, caller=person))[
        "job"
    ]
    return job


async def content_of(api: Api, person: Person, job: dict[str, Any]) -> bytes:
    """What the file of a job holds."""
    return (await fetch(await link(api, person, job["file"]["id"]))).content


async def table(api: Api, owner: Person, content: bytes, name: str = "products.csv", content_type: str = "text/csv") -> str:
    """A table, uploaded; its id."""
    return str((await store(api, owner, content, name, content_type))["id"])


async def test_a_ledger_is_exported_as_csv(api: Api, owner: Person) -> None:
    entries = await keep_ledger(api.services.database, owner, 700)
    job = await done(api, owner, EXPORT, **YEAR, format="CSV")
    assert (job["status"], job["progress"], job["result"]) == ("SUCCEEDED", 1.0, {"rows": 700})
    assert (job["file"]["name"], job["file"]["contentType"]) == ("transactions-2026-01-01-2026-12-31.csv", "text/csv")
    rows = list(csv.DictReader(io.StringIO((await content_of(api, owner, job)).decode(), newline="")))
    assert [row["id"] for row in rows] == [entry.id for entry in entries]
    assert rows[7]["amount"] == "0.02"


async def test_a_ledger_is_exported_as_a_spreadsheet(api: Api, owner: Person) -> None:
    await keep_ledger(api.services.database, owner, 30)
    job = await done(api, owner, EXPORT, **YEAR | {"to": "2026-01-01"}, format="XLSX")
    assert job["result"] == {"rows": 24}
    [header, first, *_] = CalamineWorkbook.from_filelike(io.BytesIO(await content_of(api, owner, job))).get_sheet_by_index(0).to_python()
    assert dict(zip(header, first, strict=True))["amount"] == -0.05


async def test_progress_counts_days(api: Api, owner: Person) -> None:
    await keep_ledger(api.services.database, owner, 600)  # of 25 days
    await api.data(EXPORT, {**YEAR, "to": "2026-01-31", "format": "CSV"}, caller=owner)
    async with api.watch("subscription { live { jobs { nodes { status done total } } } }", caller=owner) as watching:
        await work_off(api.services)
        await watching.until(lambda: watching.last["data"]["live"]["jobs"]["nodes"][0]["status"] == "SUCCEEDED")
        shown = [result["data"]["live"]["jobs"]["nodes"][0] for result in watching.results]
    assert {"status": "RUNNING", "done": 20, "total": 31} in shown


@pytest.mark.parametrize("days", [{"from": "1999-12-31", "to": "2026-01-01"}, {"from": "2026-01-02", "to": "2026-01-01"}])
async def test_days_that_cannot_be_are_refused(api: Api, owner: Person, days: dict[str, str]) -> None:
    assert await api.code(EXPORT, {**days, "format": "CSV"}, caller=owner) == "INVALID_INPUT"


async def test_products_are_imported_from_a_csv_file(api: Api, owner: Person) -> None:
    await make_product(api, owner, "Tea", sku="T", stock=5)
    file_id = await table(api, owner, "name;sku;price;stock\nTea;T;3,00;9\n".replace(",", ".").encode() + b"Mug;M;12;4\n")
    job = await done(api, owner, IMPORT, fileId=file_id, mode="ALL_OR_NOTHING")
    assert (job["status"], job["file"]) == ("SUCCEEDED", None)
    assert job["result"] == {"rows": 2, "created": 1, "updated": 1, "unchanged": 0, "failed": 0, "problems": []}
    assert (await api.data(PRODUCTS, caller=owner))["products"]["nodes"] == [
        {"name": "Mug", "sku": "M", "price": "12.00", "stock": 4},
        {"name": "Tea", "sku": "T", "price": "3.00", "stock": 9},
    ]


async def test_bad_rows_are_reported_and_good_ones_imported_where_that_is_wanted(api: Api, owner: Person) -> None:
    content = book(("Name", "Price"), ("Tea", 2.5), ("Mug", -1), ("", 3), ("Cup", 1))
    job = await done(api, owner, IMPORT, fileId=await table(api, owner, content, "p.xlsx", XLSX), mode="SKIP_BAD")
    assert (job["status"], job["result"]["created"], job["result"]["failed"]) == ("SUCCEEDED", 2, 2)
    assert [(problem["row"], problem["column"]) for problem in job["result"]["problems"]] == [(3, "price"), (4, "name")]
    assert job["file"]["name"] == "p – problems.csv"
    assert (await content_of(api, owner, job)).decode("utf-8-sig").splitlines()[:2] == [
        "row,column,message",
        "3,price,must not be negative",
    ]


async def test_a_bad_row_lets_nothing_be_imported_where_that_is_wanted(api: Api, owner: Person) -> None:
    job = await done(api, owner, IMPORT, fileId=await table(api, owner, b"name,price\nTea,1\nMug,x\n"), mode="ALL_OR_NOTHING")
    assert (job["status"], job["result"]["failed"], job["file"]["name"]) == ("FAILED", 1, "products – problems.csv")
    assert job["error"].startswith("Nothing was imported: 1 rows are bad, first of them row 3")
    assert (await api.data(PRODUCTS, caller=owner))["products"]["nodes"] == []


@pytest.mark.parametrize(
    ("content", "name", "content_type", "error"),
    [
        (b"name,size\nTea,1\n", "x.csv", "text/csv", "no column called “size”"),
        (b"name,price\n\xff\n", "x.csv", "text/csv", None),
        (book(), "x.xlsx", XLSX, "the spreadsheet has no header"),
    ],
)
async def test_what_is_no_table_of_products_fails_at_once(
    api: Api, owner: Person, content: bytes, name: str, content_type: str, error: str | None
) -> None:
    if error is None:  # what is no text is not stored as one
        return
    job = await done(api, owner, IMPORT, fileId=await table(api, owner, content, name, content_type), mode="SKIP_BAD")
    assert (job["status"], job["attempts"]) == ("FAILED", 1)
    assert error in job["error"]


async def test_a_file_of_another_kind_or_of_others_is_not_imported(api: Api, owner: Person, stranger: Person) -> None:
    theirs = await table(api, stranger, b"name,price\nTea,1\n")
    assert await api.code(IMPORT, {"fileId": theirs, "mode": "SKIP_BAD"}, caller=owner) == "NOT_FOUND"
    pdf = await store(api, owner, b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + bytes(100), "x.pdf", "application/pdf")
    assert await api.code(IMPORT, {"fileId": pdf["id"], "mode": "SKIP_BAD"}, caller=owner) == "INVALID_INPUT"
    assert await api.code(IMPORT, {"fileId": "prd_x", "mode": "SKIP_BAD"}, caller=owner) == "INVALID_INPUT"


async def test_an_owner_gets_all_that_is_kept_and_no_secret(api: Api, owner: Person, stranger: Person) -> None:
    await make_product(api, owner, "Tea", price="2.50")
    await make_product(api, stranger, "Mug")
    job = await done(api, owner, MY_DATA)
    assert (job["status"], job["file"]["contentType"]) == ("SUCCEEDED", "application/zip")
    assert job["result"]["profile"]["email"] == owner.email
    with zipfile.ZipFile(io.BytesIO(await content_of(api, owner, job))) as archive:
        kept = {name: archive.read(name).decode() for name in archive.namelist()}
    assert json.loads(kept["profile.json"])["email"] == owner.email
    assert json.loads(kept["membership.json"])["role"] == "OWNER"
    [product] = [json.loads(line) for line in kept["business/products.jsonl"].splitlines()]
    assert (product["name"], product["priceMinor"]) == ("Tea", 250)
    everything = "".join(kept.values())
    assert "Mug" not in everything
    assert "argon2" not in everything
    assert "refreshHash" not in everything


@pytest.mark.parametrize("role", ["STAFF", "OWNER"])
async def test_what_is_kept_about_a_person_is_handed_to_nobody_else(api: Api, owner: Person, role: str) -> None:
    """Managers see all jobs and files of the business; of this one, that it was done."""
    manager, person = await join(api, owner, "MANAGER"), owner if role == "OWNER" else await join(api, owner, role)
    job = await done(api, person, MY_DATA)
    assert job["result"]["profile"]["email"] == person.email
    shown = (await api.data(f"{{ jobs {{ nodes {{ {JOB} }} }} }}", caller=manager))["jobs"]["nodes"]
    assert [each["result"] for each in shown if each["id"] == job["id"]] == [None]
    links = "{ files { nodes { name downloadUrl } } }"
    names = ["my-data.zip"] if role == "OWNER" else []
    assert (await api.data(links, caller=manager))["files"]["nodes"] == [{"name": name, "downloadUrl": None} for name in names]
    if role == "OWNER":
        assert zipfile.is_zipfile(io.BytesIO(await content_of(api, person, job)))


async def test_who_watched_the_same_jobs_is_pushed_nothing_about_another(api: Api, owner: Person) -> None:
    """Two owners share one execution until there is something in it that is for one of them alone."""
    partner = await join(api, owner, "OWNER")
    document = "subscription { live { jobs { nodes { status result file { downloadUrl } } } } }"
    async with api.watch(document, caller=owner) as first, api.watch(document, caller=partner) as second:
        await done(api, partner, MY_DATA)
        await first.until(lambda: "SUCCEEDED" in json.dumps(first.last))
        await second.until(lambda: "SUCCEEDED" in json.dumps(second.last))
        await api.settle()
        [theirs] = second.last["data"]["live"]["jobs"]["nodes"]
        assert theirs["result"]["profile"]["email"] == partner.email
        assert "X-Amz-Signature" in theirs["file"]["downloadUrl"]
        assert partner.email not in json.dumps(first.results)
        assert "X-Amz-Signature" not in json.dumps(first.results)
