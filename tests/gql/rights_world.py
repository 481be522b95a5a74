"""What the matrix of rights is tried on: one business with a row of every kind, five callers, and arguments that are good for its owner."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    get_named_type,
    is_required_argument,
    is_required_input_field,
)

from datastore.database import Database
from datastore.transactions import Committed, Transaction, run_transaction
from tests.gql.api import PASSWORD, Api, Person
from tests.gql.colleagues import colleague
from tests.resolvers.errands import run_errand, schedule
from tests.resolvers.shop import make_category, make_product
from tests.resolvers.spending import enter
from tests.resolvers.spending import make_category as make_expense_category
from tests.resolvers.teams import code_for, invite
from tests.resolvers.test_nodes import every_kind
from tests.resolvers.till import line, sell
from tests.resolvers.uploading import DELETE as DELETE_FILE
from tests.resolvers.uploading import store

CALLERS = ("anonymous", "stranger", "STAFF", "MANAGER", "OWNER")

Arguments = dict[str, Any]


@dataclass(frozen=True)
class World:
    """The business: `ids` are of its rows, by the type in the API or by what they are here for."""

    api: Api
    people: dict[str, Person | None]
    ids: dict[str, str]

    def arguments_of(self, root: str, name: str, field: GraphQLField) -> Arguments:
        """Good arguments of a root field: all that must be given, and what `SPECIAL` says."""
        special = SPECIAL.get(f"{root}.{name}", {})
        needed = {path: place for path, place in field.args.items() if is_required_argument(place) or path in special}
        return {path: self._value(place, path, field, special) for path, place in needed.items()}

    def _value(self, place: GraphQLArgument | GraphQLInputField, path: str, field: GraphQLField, special: Arguments) -> Any:
        name = path.rpartition(".")[2]
        if path in special:
            return self._filled(special[path])
        return self._made(place.type, path, name, field, special)

    def _made(self, kind: Any, path: str, name: str, field: GraphQLField, special: Arguments) -> Any:
        if isinstance(kind, GraphQLNonNull):
            return self._made(kind.of_type, path, name, field, special)
        if isinstance(kind, GraphQLList):
            return [self._made(kind.of_type, path, name, field, special)]
        if isinstance(kind, GraphQLInputObjectType):
            inner = {f"{path}.{key}": place for key, place in kind.fields.items()}
            needed = {at: place for at, place in inner.items() if is_required_input_field(place) or at in special}
            return {at.rpartition(".")[2]: self._value(place, at, field, special) for at, place in needed.items()}
        if isinstance(kind, GraphQLEnumType):
            return next(iter(kind.values))
        if kind.name == "ID":
            return self.ids[BY_NAME.get(name) or get_named_type(field.type).name]
        return VALUES[name] if name in VALUES else VALUES[kind.name]

    def _filled(self, value: Any) -> Any:
        """The value with `<name>` as the id of that row."""
        if isinstance(value, list):
            return [self._filled(each) for each in value]
        if isinstance(value, dict):
            return {name: self._filled(each) for name, each in value.items()}
        return self.ids[value[1:-1]] if isinstance(value, str) and value.startswith("<") else value


BY_NAME = {"productId": "Product", "saleId": "Sale", "accountId": "Account", "endpointId": "WebhookEndpoint", "fileId": "File"}
"""What an argument of this name takes the id of; one that is called `id` takes that of the field's own type."""

VALUES: Arguments = {
    "String": "Something",
    "Int": 1,
    "Boolean": False,
    "Money": "1.00",
    "Quantity": 1,
    "DateTime": "2026-11-23T18:30:00.000Z",
    "Date": "2026-11-23",
    "email": "somebody.new@example.org",
    "password": PASSWORD,
    "url": "https://hooks.example.org/other",
    "contentType": "text/plain",
}
"""By the name of an argument or input field, or by its type."""

SPECIAL: dict[str, Arguments] = {
    "Query.node": {"id": "<Product>"},
    "Query.nodes": {"ids": ["<Product>"]},
    "Query.productBySku": {"sku": "A-1"},
    "Query.dashboard": {"preset": "TODAY"},
    "Mutation.signIn": {"input.email": "<owner's address>"},
    "Mutation.changeMemberRole": {"id": "<colleague>", "role": "MANAGER"},
    "Mutation.removeMember": {"id": "<colleague>"},
    "Mutation.acceptInvite": {"code": "<code>"},
    "Mutation.deleteProductCategory": {"id": "<empty category>"},
    "Mutation.reorderProductCategories": {"ids": ["<ProductCategory>", "<empty category>"]},
    "Mutation.deleteProduct": {"id": "<unsold>"},
    "Mutation.recordSale": {"input.items": [{"productId": "<unsold>", "quantity": 1}]},
    "Mutation.refundSale": {"input.saleId": "<sale>"},
    "Mutation.voidSale": {"id": "<sale>"},
    "Mutation.createPayment": {"saleId": "<unpaid>"},
    "Mutation.sendReceipt": {"saleId": "<sale>", "email": "customer@example.org"},
    "Mutation.deleteExpenseCategory": {"id": "<empty expense category>"},
    "Mutation.reorderExpenseCategories": {"ids": ["<ExpenseCategory>", "<empty expense category>"]},
    "Mutation.reverseTransaction": {"id": "<by hand>", "reason": "Mistyped"},
    "Mutation.restoreFile": {"id": "<deleted file>"},
    "Mutation.completeUpload": {"fileId": "<File>"},
    "Mutation.cancelJob": {"id": "<Job>"},
    "Mutation.retryJob": {"id": "<cancelled job>"},
    "Mutation.changePassword": {"input.currentPassword": PASSWORD, "input.newPassword": "an entirely different one"},
    "Mutation.createApiKey": {"input.scopes": ["SALES_READ"]},
    "Mutation.createWebhookEndpoint": {"input.events": ["sale.*"]},
    "Mutation.rotateWebhookSecret": {"id": "<WebhookEndpoint>"},
    "Mutation.sendTestWebhook": {"id": "<WebhookEndpoint>"},
    "Mutation.refreshSession": {"refreshToken": "<owner's refresh token>"},
    "Mutation.redeliverWebhook": {"id": "<WebhookDelivery>"},
}
"""Arguments by their paths, for fields whose good ones cannot be told from their names and types; `<name>` is the id of a row."""


async def make_world(api: Api) -> World:
    """The business, and who calls."""
    owner = await api.sign_up(name="Ada Lovelace")
    ids = await every_kind(api, owner)
    people = dict(zip(CALLERS[2:], [await colleague(api, owner, "STAFF"), await colleague(api, owner, "MANAGER"), owner], strict=True))
    await colleague(api, owner, "MANAGER", "Charles Babbage")
    found = await api.data("{ members { nodes { id name } } }", caller=owner)
    ids["colleague"] = next(node["id"] for node in found["members"]["nodes"] if node["name"] == "Charles Babbage")
    ids["owner's address"], ids["owner's refresh token"] = owner.email, owner.refresh_token
    ids["empty category"] = (await make_category(api, owner, "Empty"))["id"]
    unsold = await make_product(api, owner, "Unsold", sku="A-1", stock=100, cost="1.00")
    ids["unsold"] = unsold["id"]
    sold = await make_product(api, owner, "Sold", stock=5)
    ids["sale"] = (await sell(api, owner, line(sold)))["id"]
    ids["unpaid"] = (await sell(api, owner, line(sold), paymentMethod="ONLINE", awaitsPayment=True))["id"]
    failed = {"q": {"_id": ids["Refund"]}, "u": {"$set": {"status": "FAILED"}}}
    await api.services.database.command({"update": "refunds", "updates": [failed], "writeConcern": {"w": "majority"}})
    ids["empty expense category"] = (await make_expense_category(api, owner, "Empty"))["id"]
    ids["by hand"] = (await enter(api, owner))["id"]
    ids["deleted file"] = (await store(api, owner))["id"]
    await api.data(DELETE_FILE, {"id": ids["deleted file"]}, caller=owner)
    ids["cancelled job"] = await schedule(api, owner, run_errand, {"what": "nothing"})
    await api.data("mutation ($id: ID!) { cancelJob(id: $id) { id } }", {"id": ids["cancelled job"]}, caller=owner)
    stranger = await api.sign_up(name="Mallory")
    await invite(api, owner, stranger.email)
    ids["code"] = await code_for(api, stranger.email)
    return World(api, {"anonymous": None, "stranger": stranger, **people}, ids)


async def rolled_back(database: Database, body: Callable[[Transaction], Awaitable[Any]], **options: Any) -> Committed[Any]:
    """As `run_transaction`, and then nothing of it has happened: what one caller may do leaves the world as it was for the next."""
    values: list[Any] = []

    async def once(transaction: Transaction) -> None:
        values[:] = [await body(transaction)]
        raise _DoneWithIt

    with suppress(_DoneWithIt):
        await run_transaction(database, once, **options)
    return Committed(values[0], None)


class _DoneWithIt(Exception):  # noqa: N818  it is no error
    """Ends a transaction that did what it should."""
