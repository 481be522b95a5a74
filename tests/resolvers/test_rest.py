"""How the routes of the REST API are declared; what they do is tested in tests/gql/rest."""

import inspect
from typing import get_args

from datastore.schema_keys import KeyRight
from gql.rest import declared_routes
from resolvers.api_keys import ApiKeyScope
from resolvers.routes import Download


def test_every_right_of_a_key_is_good_for_something_and_can_be_given() -> None:
    rights = set(get_args(KeyRight))
    assert {route.right for route in declared_routes()} == rights
    assert {scope.value for scope in ApiKeyScope} == rights


def test_every_route_says_what_it_does_and_reads_or_writes_as_its_right_says() -> None:
    for route in declared_routes():
        assert inspect.getdoc(route.function)
        assert route.right.endswith("READ") == (route.method == "GET"), route.path


def test_no_two_routes_have_the_same_address() -> None:
    addresses = [(route.method, route.path) for route in declared_routes()]
    assert len(set(addresses)) == len(addresses)


def test_files_say_what_they_are() -> None:
    for route in declared_routes():
        assert bool(route.media_types) == (route.answer is Download or route.uploads), route.path
