"""Webhook endpoints and what was sent to them."""

from tests.live.cases import Stall, case
from tests.live.cases_sales import rename_oneself
from tests.resolvers.hooks import REDELIVER, TEST, UPDATE, make_endpoint

ENDPOINTS = "{ nodes { url enabled failingSince } pageInfo { hasNextPage } }"
DELIVERIES = "{ nodes { event status attempts nextAttemptAt } pageInfo { hasNextPage } }"


async def make_two_endpoints(stall: Stall) -> None:
    for name in ("First", "Second"):
        stall.ids[name] = (await make_endpoint(stall.api, stall.owner, f"https://{name.lower()}.example.org/"))["id"]
    data = await stall.api.data(TEST, {"id": stall.ids["First"]}, caller=stall.owner)
    stall.ids["test"] = data["sendTestWebhook"]["id"]


async def make_an_endpoint(stall: Stall) -> None:
    await make_endpoint(stall.api, stall.owner, "https://third.example.org/")


async def switch_the_second_off(stall: Stall) -> None:
    await stall.do(UPDATE, input={"id": stall.ids["Second"], "enabled": False})


async def move_the_first(stall: Stall) -> None:
    await stall.do(UPDATE, input={"id": stall.ids["First"], "url": "https://moved.example.org/"})


async def deliver_bare(stall: Stall) -> None:
    delivered = {"$set": {"state": "DELIVERED", "attempts": 1, "next_attempt_at": None}}
    await stall.driver.webhook_deliveries.update_one({"_id": stall.ids["test"]}, delivered)


async def fail_bare(stall: Stall) -> None:
    await stall.driver.webhook_endpoints.update_one({"_id": stall.ids["First"]}, [{"$set": {"failing_since": "$created_at"}}])


async def deliver_and_send_again(stall: Stall) -> None:
    await deliver_bare(stall)
    await stall.do(REDELIVER, id=stall.ids["test"])


CASES = [
    case("Query.webhookEndpoints", f"webhookEndpoints {ENDPOINTS}", make_an_endpoint, make_two_endpoints),
    case("Query.webhookEndpoints", f"webhookEndpoints(first: 1) {ENDPOINTS}", switch_the_second_off, make_two_endpoints),
    case("Query.webhookEndpoints", f"webhookEndpoints {ENDPOINTS}", fail_bare, make_two_endpoints),
    case(
        "Query.webhookEndpoints WebhookEndpoint.createdBy",
        "webhookEndpoints { nodes { createdBy { name } } }",
        rename_oneself,
        make_two_endpoints,
    ),
    case("Query.webhookDeliveries", f"webhookDeliveries(endpointId: <First>) {DELIVERIES}", deliver_bare, make_two_endpoints),
    case(
        "Query.webhookDeliveries",
        f"webhookDeliveries(endpointId: <First>, first: 1) {DELIVERIES}",
        deliver_and_send_again,
        make_two_endpoints,
    ),
    case(
        "Query.webhookDeliveries",
        f"webhookDeliveries(endpointId: <First>, status: DELIVERED) {DELIVERIES}",
        deliver_bare,
        make_two_endpoints,
    ),
    case(
        "Query.webhookDeliveries WebhookDelivery.endpoint",
        "webhookDeliveries(endpointId: <First>) { nodes { endpoint { url } } }",
        move_the_first,
        make_two_endpoints,
    ),
]
