"""The kinds of function: what a mark says, and what may carry which."""

import ast
from pathlib import Path

import pytest

from resolvers import MODULES, auth, products, sessions, sign_ups
from resolvers.functions import Kind, QueryContext, field, identity_mutation, marking_of, query, root_field

RESOLVERS = Path(auth.__file__).parent
MAY_REACH_IDENTITY = {
    *("api_keys.py", "auth.py", "engine.py", "functions.py", "invitations.py", "members.py", "memberships.py"),
    *("my_data_work.py", "nodes.py"),
    *("profile.py", "runs.py", "users.py", "webhook_deliveries.py", "webhook_endpoints.py"),
    *(
        "account_deletion.py",
        "codes.py",
        "email_addresses.py",
        "new_accounts.py",
        "password_changes.py",
        "sessions.py",
        "sign_ins.py",
        "sign_ups.py",
    ),
}


def test_a_decorator_leaves_the_function_as_it_was() -> None:
    assert marking_of(products.create_product) is not None
    assert products.create_product.__name__ == "create_product"


def test_an_undecorated_function_is_internal() -> None:
    assert marking_of(auth.authenticate) is None
    with pytest.raises(TypeError, match="carries no mark"):
        root_field(auth.authenticate)


def test_only_async_functions_can_be_marked() -> None:
    with pytest.raises(TypeError, match="must be an async function"):
        query(lambda: None)  # type: ignore[type-var]


def test_a_public_mutation_says_so() -> None:
    sign_up = marking_of(sign_ups.sign_up)
    assert sign_up is not None
    assert sign_up.public
    assert sign_up.kind is Kind.IDENTITY_MUTATION
    assert not marking_of(products.create_product).public  # type: ignore[union-attr]
    assert identity_mutation(public=True)(sessions.sign_out) is sessions.sign_out
    identity_mutation(pending=True)(sessions.sign_out)


def test_a_field_is_described_by_its_docstring() -> None:
    async def stock(_self: object, ctx: QueryContext) -> int:
        """How many are there."""
        del ctx
        return 1

    assert field()(stock).description == "How many are there."


def test_every_marked_function_says_what_it_does() -> None:
    for module in MODULES:
        for function in vars(module).values():
            if marking_of(function) is not None:
                assert function.__doc__, f"{module.__name__}.{function.__name__}"


def test_the_tables_of_identity_are_reached_by_their_own_modules_only() -> None:
    for path in RESOLVERS.glob("*.py"):
        names = {node.id for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Name)}
        if any(name.lower().startswith("identity") and name != "IdentityReader" for name in names):
            assert path.name in MAY_REACH_IDENTITY


def test_scopes_are_granted_by_authentication_alone() -> None:
    for folder in ("gql", "resolvers", "datastore"):
        for path in (RESOLVERS.parent / folder).rglob("*.py"):
            calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
            if any(isinstance(call.func, ast.Name) and call.func.id == "grant" for call in calls):
                assert path == RESOLVERS / "auth.py"
