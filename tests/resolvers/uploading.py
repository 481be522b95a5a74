"""Files, uploaded as clients do: signed through the public API, and sent to the file store itself."""

import hashlib
from typing import Any

import httpx

from tests.gql.api import Api, Person

FILE = "id name contentType size sha256 status problem deletedAt"
CREATE = f"""
mutation ($input: CreateUploadInput!) {{ createUpload(input: $input) {{
  method url fields {{ name value }} headers {{ name value }} parts {{ number url size }} expiresAt file {{ {FILE} }}
}} }}
"""
COMPLETE = f"mutation ($id: ID!) {{ completeUpload(fileId: $id) {{ {FILE} }} }}"
READ = f"query ($id: ID!) {{ file(id: $id) {{ {FILE} downloadUrl(expiresIn: 60) }} }}"
DELETE = f"mutation ($id: ID!) {{ deleteFile(id: $id) {{ {FILE} }} }}"
USAGE = "{ storageUsage { used quota files } }"
NAMES = "query ($folderId: ID, $search: String) { files(folderId: $folderId, search: $search) { nodes { name } } }"

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89" + bytes(40)


def pairs(fields: list[dict[str, str]]) -> dict[str, str]:
    """Fields of a form, or headers."""
    return {field["name"]: field["value"] for field in fields}


def wanted(content: bytes, name: str = "note.txt", content_type: str = "text/plain", **values: Any) -> dict[str, Any]:
    """The input of an upload of these bytes."""
    return {"name": name, "contentType": content_type, "size": len(content), **values}


async def create(api: Api, person: Person, content: bytes, *args: Any, **values: Any) -> dict[str, Any]:
    """A signed upload, nothing sent yet."""
    data = await api.data(CREATE, {"input": wanted(content, *args, **values)}, caller=person)
    upload: dict[str, Any] = data["createUpload"]
    return upload


async def send(upload: dict[str, Any], content: bytes) -> httpx.Response:
    """What the file store answers to the bytes."""
    async with httpx.AsyncClient(timeout=30) as client:
        if upload["method"] == "POST":
            name, kind = upload["file"]["name"], upload["file"]["contentType"]
            return await client.post(upload["url"], data=pairs(upload["fields"]), files={"file": (name, content, kind)})
        return await client.put(upload["url"], content=content, headers=pairs(upload["headers"]) | {"Content-Length": str(len(content))})


async def complete(api: Api, person: Person, upload: dict[str, Any]) -> dict[str, Any]:
    """The file, completed."""
    data = await api.data(COMPLETE, {"id": upload["file"]["id"]}, caller=person)
    file: dict[str, Any] = data["completeUpload"]
    return file


async def store(api: Api, person: Person, content: bytes = b"Hello", *args: Any, **values: Any) -> dict[str, Any]:
    """A file, uploaded and READY."""
    upload = await create(api, person, content, *args, **values)
    assert (await send(upload, content)).status_code in {200, 204}
    file = await complete(api, person, upload)
    assert file["status"] == "READY"
    assert file["sha256"] == hashlib.sha256(content).hexdigest()
    return file


async def fetch(url: str) -> httpx.Response:
    """What the file store answers to a link."""
    async with httpx.AsyncClient(timeout=30) as client:
        return await client.get(url)


async def link(api: Api, person: Person, file_id: str, arguments: str = "") -> str:
    """The link to a file's bytes."""
    document = f"query ($id: ID!) {{ file(id: $id) {{ downloadUrl{arguments} }} }}"
    return str((await api.data(document, {"id": file_id}, caller=person))["file"]["downloadUrl"])
