"""The trail of what was done."""

from tests.live.cases import Stall, case
from tests.live.cases_keys import make_a_key, make_two_keys
from tests.live.cases_sales import rename_oneself

TRAIL = "{ nodes { event subjectId detail } pageInfo { hasNextPage } }"


async def change_settings(stall: Stall) -> None:
    await stall.do('mutation { updateSettings(input: {businessName: "Analytical Engines"}) { id } }')


CASES = [
    case("Query.auditEvents", f"auditEvents {TRAIL}", change_settings, make_two_keys),
    case("Query.auditEvents", f"auditEvents(event: API_KEY_CREATED, userId: <user>, first: 1) {TRAIL}", make_a_key),
    case("Query.auditEvents AuditEvent.user", "auditEvents { nodes { user { name } } }", rename_oneself, make_two_keys),
]
