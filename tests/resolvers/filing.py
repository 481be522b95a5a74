"""A filing cabinet, made through the public API: folders in folders."""

from typing import Any

from tests.gql.api import Api, Person

CREATE = "mutation ($input: CreateFolderInput!) { createFolder(input: $input) { id name path } }"
RENAME = "mutation ($id: ID!, $name: String!) { renameFolder(id: $id, name: $name) { id name path } }"
MOVE = "mutation ($id: ID!, $to: ID) { moveFolder(id: $id, parentId: $to) { id path } }"
DELETE = "mutation ($id: ID!, $recursive: Boolean! = false) { deleteFolder(id: $id, recursive: $recursive) { id name } }"
FOLDER = "query ($id: ID!) { folder(id: $id) { name path parent { name } ancestors { name } folders { nodes { name } } } }"
PLACED = (
    "query ($parent: ID, $after: String) { folders(parentId: $parent, first: 100, after: $after) { nodes { id name path parent { id } } } }"
)


async def make_folder(api: Api, owner: Person, name: str = "Invoices", parent: str | None = None) -> str:
    """The id of a new folder."""
    data = await api.data(CREATE, {"input": {"name": name, "parentId": parent}}, caller=owner)
    return str(data["createFolder"]["id"])


async def make_line(api: Api, owner: Person, names: str, top: str | None = None) -> dict[str, str]:
    """Folders in each other, named after letters, the first one outermost; their ids by name."""
    ids: dict[str, str] = {}
    for name in names:
        top = ids[name] = await make_folder(api, owner, name, top)
    return ids


async def paths_of(api: Api, owner: Person, parent: str | None = None) -> list[str]:
    """The paths of all folders that can be walked to from the top, in order of their walk; each is where its path says."""
    found: list[str] = []
    for node in (await api.data(PLACED, {"parent": parent}, caller=owner))["folders"]["nodes"]:
        assert (node["parent"] or {"id": None})["id"] == parent
        found += [node["path"], *await paths_of(api, owner, node["id"])]
    return found


async def folder_of(api: Api, owner: Person, id: str) -> dict[str, Any] | None:
    """A folder as it is now."""
    found: dict[str, Any] | None = (await api.data(FOLDER, {"id": id}, caller=owner))["folder"]
    return found
