import asyncio
import hashlib
from typing import Any

import pytest

from datastore.database import Database
from datastore.errors import NotFoundError, RateLimitedError
from datastore.rate_limits import Limit
from datastore.settings import Settings
from resolvers import limits
from resolvers.functions import marking_of
from resolvers.runs import Run
from resolvers.services import Services
from resolvers.uploads import complete_upload
from tests.gql.api import Api, Person
from tests.resolvers.shop import problems
from tests.resolvers.uploading import COMPLETE, CREATE, NAMES, PNG, READ, complete, create, fetch, send, store, wanted


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_a_file_goes_to_the_store_directly_and_is_there_once_it_is_verified(api: Api, owner: Person, method: str) -> None:
    digest = hashlib.sha256(PNG).hexdigest()
    upload = await create(api, owner, PNG, "logo.png", "image/png", sha256=digest.upper(), method=method)
    assert upload["method"] == method
    assert upload["file"] | {"id": ""} == {
        "id": "",
        "name": "logo.png",
        "contentType": "image/png",
        "size": len(PNG),
        "sha256": digest,
        "status": "PENDING",
        "problem": None,
        "deletedAt": None,
    }
    assert (await send(upload, PNG)).status_code in {200, 204}
    assert (await api.data(NAMES, caller=owner))["files"]["nodes"] == []
    pending = (await api.data(READ, {"id": upload["file"]["id"]}, caller=owner))["file"]
    assert (pending["status"], pending["downloadUrl"]) == ("PENDING", None)
    file = await complete(api, owner, upload)
    assert file == upload["file"] | {"status": "READY"}
    assert (await api.data(NAMES, caller=owner))["files"]["nodes"] == [{"name": "logo.png"}]
    found = (await api.data(READ, {"id": file["id"]}, caller=owner))["file"]
    assert (await fetch(found["downloadUrl"])).content == PNG
    assert await complete(api, owner, upload) == file


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_the_store_takes_no_other_size_or_type_than_was_signed(api: Api, owner: Person, method: str) -> None:
    upload = await create(api, owner, b"12345", method=method)
    for content in (b"1234", b"123456"):
        assert (await send(upload, content)).status_code in {400, 403}
    place = "fields" if method == "POST" else "headers"
    tampered = [field | {"value": "text/html"} if field["name"] == "Content-Type" else field for field in upload[place]]
    assert (await send(upload | {place: tampered}, b"12345")).status_code in {400, 403}
    if method == "POST":
        moved = [field | {"value": "files/x"} if field["name"] == "key" else field for field in upload[place]]
        assert (await send(upload | {place: moved}, b"12345")).status_code in {400, 403}
    assert await api.code(COMPLETE, {"id": upload["file"]["id"]}, caller=owner) == "CONFLICT"


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_a_late_upload_to_the_same_url_changes_nothing_that_is_visible(api: Api, owner: Person, method: str) -> None:
    upload = await create(api, owner, b"Good", method=method)
    await send(upload, b"Good")
    file = await complete(api, owner, upload)
    assert (await send(upload, b"Evil")).status_code in {200, 204}
    assert await complete(api, owner, upload) == file
    found = (await api.data(READ, {"id": file["id"]}, caller=owner))["file"]
    assert (await fetch(found["downloadUrl"])).content == b"Good"


async def test_uploads_that_race_with_completing_leave_a_file_that_is_what_it_says(api: Api, owner: Person) -> None:
    upload = await create(api, owner, b"Good")
    await send(upload, b"Good")
    contents = [b"Evil", b"Good", b"Bad.", b"Good"]
    answers = await asyncio.gather(
        *(send(upload, content) for content in contents),
        *(api.execute(COMPLETE, {"id": upload["file"]["id"]}, caller=owner) for _ in range(4)),
    )
    ready = [answer["data"]["completeUpload"] for answer in answers[4:] if isinstance(answer, dict) and "errors" not in answer]
    assert len({file["sha256"] for file in ready}) <= 1
    for file in ready[:1]:
        found = (await api.data(READ, {"id": file["id"]}, caller=owner))["file"]
        assert hashlib.sha256((await fetch(found["downloadUrl"])).content).hexdigest() == file["sha256"] == found["sha256"]


async def test_what_is_not_what_it_should_be_is_refused_and_can_be_sent_again(api: Api, owner: Person) -> None:
    upload = await create(api, owner, b"Good", sha256=hashlib.sha256(b"Good").hexdigest())
    await send(upload, b"Evil")
    refused = await api.execute(COMPLETE, {"id": upload["file"]["id"]}, caller=owner)
    assert problems(refused) == ["fileId"]
    assert hashlib.sha256(b"Evil").hexdigest() in refused["errors"][0]["message"]
    await send(upload, b"Good")
    assert (await complete(api, owner, upload))["status"] == "READY"


@pytest.mark.parametrize(
    ("content", "content_type"),
    [(b"<!DOCTYPE html><script>alert(1)</script>", "image/png"), (PNG, "text/plain"), (b"<svg onload='x()'/>", "text/plain")],
)
async def test_a_file_of_another_type_than_it_was_said_to_be_is_refused(api: Api, owner: Person, content: bytes, content_type: str) -> None:
    upload = await create(api, owner, content, "x", content_type)
    await send(upload, content)
    assert problems(await api.execute(COMPLETE, {"id": upload["file"]["id"]}, caller=owner)) == ["fileId"]


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"name": ""}, "input.name"),
        ({"name": "../../etc/passwd"}, "input.name"),
        ({"name": ".."}, "input.name"),
        ({"name": "a\\b"}, "input.name"),
        ({"name": "a\r\nb"}, "input.name"),
        ({"name": "invoice\u202efdp.exe"}, "input.name"),
        ({"name": "x" * 201}, "input.name"),
        ({"contentType": ""}, "input.contentType"),
        ({"contentType": "image"}, "input.contentType"),
        ({"contentType": "image/png\r\nX: y"}, "input.contentType"),
        ({"contentType": "x/" + "y" * 300}, "input.contentType"),
        ({"size": 0}, "input.size"),
        ({"size": -1}, "input.size"),
        ({"size": 10**12}, "input.size"),
        ({"size": 10**13}, "input.size"),
        ({"size": 1.5}, "input.size"),
        ({"sha256": "abc"}, "input.sha256"),
        ({"sha256": "g" * 64}, "input.sha256"),
        ({"folderId": "fil_01J0000000000000000000000A"}, "input.folderId"),
        ({"method": "GET"}, "input.method"),
    ],
)
async def test_a_malformed_upload_is_refused_by_name(api: Api, owner: Person, wrong: dict[str, Any], path: str) -> None:
    assert problems(await api.execute(CREATE, {"input": wanted(b"x") | wrong}, caller=owner)) == [path]


async def test_an_upload_into_no_folder_of_ones_own_is_refused(api: Api, owner: Person) -> None:
    missing = {"folderId": "fld_01J0000000000000000000000A"}
    assert await api.code(CREATE, {"input": wanted(b"x") | missing}, caller=owner) == "NOT_FOUND"


async def test_uploads_are_their_owners_alone(api: Api, owner: Person, stranger: Person, database: Database) -> None:
    upload = await create(api, owner, b"x")
    await send(upload, b"x")
    id = upload["file"]["id"]
    assert await api.code(COMPLETE, {"id": id}, caller=stranger) == "NOT_FOUND"
    assert await api.code(COMPLETE, {"id": owner.user_id}, caller=owner) == "INVALID_INPUT"
    assert await api.code(COMPLETE, {"id": id}) == "UNAUTHENTICATED"
    assert await api.code(CREATE, {"input": wanted(b"x")}) == "UNAUTHENTICATED"
    update = {"q": {"user_id": owner.user_id}, "u": {"$set": {"role": "STAFF"}}}
    await database.command({"update": "sessions", "updates": [update]})
    assert await api.code(COMPLETE, {"id": id}, caller=owner) == "FORBIDDEN"
    assert await api.code(CREATE, {"input": wanted(b"x")}, caller=owner) == "FORBIDDEN"


async def test_an_upload_sent_again_with_its_key_is_the_same_file(api: Api, owner: Person) -> None:
    variables = {"input": wanted(b"x")}
    first, again = [await api.execute(CREATE, variables, caller=owner, idempotency_key="k") for _ in range(2)]
    assert first["data"]["createUpload"]["file"] == again["data"]["createUpload"]["file"]
    await send(again["data"]["createUpload"], b"x")
    assert (await complete(api, owner, first["data"]["createUpload"]))["status"] == "READY"


async def test_the_url_of_an_upload_expires(api: Api, owner: Person, services: Services, settings: Settings) -> None:
    signer = services.outside.storage.signer
    assert signer is not None
    past = services.clock().replace(year=2025)
    fields = signer.form("arriving/x", at=past, seconds=60, content_type="text/plain", size=1)
    upload = {
        "method": "POST",
        "url": signer.form_url,
        "fields": [{"name": name, "value": value} for name, value in fields.items()],
        "file": {"name": "x", "contentType": "text/plain"},
    }
    assert (await send(upload, b"x")).status_code == 403
    put = {"method": "PUT", "url": signer.url("PUT", "arriving/x", at=past, seconds=60), "headers": []}
    assert (await send(put, b"x")).status_code == 403


async def test_completing_what_is_complete_stores_nothing_again(api: Api, owner: Person, services: Services) -> None:
    file = await store(api, owner)
    await api.data(COMPLETE, {"id": file["id"]}, caller=owner)
    kept = [blob.key async for blob in services.outside.blobs.find(f"files/{owner.account_id}/")]
    assert len(kept) == 1
    assert [blob async for blob in services.outside.blobs.find(f"arriving/{owner.account_id}/")] == []


async def test_uploads_are_limited_as_other_mutations_are(
    api: Api, owner: Person, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LIMITS", {"complete_upload": (limits.Rule(lambda _: owner.user_id, Limit(2, 600)),)})
    marking = marking_of(complete_upload)
    assert marking is not None
    run = Run(services, await api.scope_of(owner), address="203.0.113.9")
    arguments = {"file_id": "fil_01J0000000000000000000000A"}
    for error in (NotFoundError, NotFoundError, RateLimitedError):
        with pytest.raises(error):
            await run.mutate(complete_upload, marking, arguments, "completeUpload")
