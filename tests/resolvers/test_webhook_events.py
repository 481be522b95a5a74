"""What webhooks tell of, and how."""

from datetime import UTC, datetime

import pytest

from datastore.changes import Change
from datastore.versions import Version
from resolvers.changes import ChangedTable
from resolvers.webhook_events import checked_events, event_of, gap_message, kinds, message, wants


def change(table: str, kind: str = "insert", **values: object) -> Change:
    known = {"time": Version(1), "table": table, "id": "x", "kind": kind, "row": None, "fields": None, "owner": "acc_1"}
    return Change(**{**known, **values})  # type: ignore[arg-type]


def test_every_table_that_an_account_is_told_of_has_a_kind_of_its_own() -> None:
    assert kinds().keys() == {table.value for table in ChangedTable}
    assert len(set(kinds().values())) == len(kinds())
    assert kinds()["product_categories"] == "product_category"


def test_a_change_is_an_event_by_its_table_and_what_became_of_the_row() -> None:
    assert event_of(change("sales")) == "sale.created"
    assert event_of(change("sales", "update", fields=frozenset({"note"}))) == "sale.updated"
    assert event_of(change("sales", "update", fields=frozenset({"_farewell"}), parting=True)) == "sale.deleted"
    assert event_of(change("sales", "delete")) is None
    assert event_of(change("users")) is None
    assert event_of(change("webhook_deliveries")) is None
    assert event_of(change("sales", owner=None)) is None


@pytest.mark.parametrize(
    ("events", "wanted", "unwanted"),
    [
        ((), ["sale.created", "product.deleted"], []),
        (("sale.created",), ["sale.created"], ["sale.updated", "product.created"]),
        (
            ("product.*", "sale.deleted"),
            ["product.created", "product.updated", "sale.deleted"],
            ["sale.created", "product_category.created"],
        ),
    ],
)
def test_an_endpoint_is_told_of_what_it_names(events: tuple[str, ...], wanted: list[str], unwanted: list[str]) -> None:
    assert [type for type in [*wanted, *unwanted] if wants(events, type)] == wanted


def test_events_are_kept_each_once() -> None:
    assert checked_events(["sale.updated", "product.*", "sale.updated"]) == ["product.*", "sale.updated"]


@pytest.mark.parametrize(
    "event", ["", "*", "sale", "sale.", "sale.sold", "users.created", "user.created", "SALE.CREATED", "sale.created ", "\0"]
)
def test_what_is_no_event_is_refused_with_all_that_are(event: str) -> None:
    with pytest.raises(ValueError, match=r"expense_category.*sale_item"):
        checked_events([event])


def test_a_message_has_the_form_that_the_standard_suggests() -> None:
    moment = datetime(2027, 2, 1, 12, 0, 0, 5000, tzinfo=UTC)
    assert message("a.b", moment, {"id": "ü"}) == '{"type":"a.b","timestamp":"2027-02-01T12:00:00.005Z","data":{"id":"ü"}}'
    assert '"data":{"from":"2027-02-01T12:00:00.005Z","to":"2027-02-01T12:00:00.005Z"}' in gap_message(moment, moment)
