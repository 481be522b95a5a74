"""What an operator sees of the live engine of the process that answers."""

import hmac
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated

import strawberry

from datastore.errors import ForbiddenError, UnavailableError
from resolvers.functions import IdentityQueryContext, identity_query
from resolvers.services import Services

REFRESH = timedelta(seconds=1)
"""How often a live `engine` looks again: its figures come from no row."""


@strawberry.type(description="The live engine of the process that answered.")
class Engine:
    """Its figures; totals are since the process started."""

    ready: bool = strawberry.field(description="Whether the change stream is open and live results are fresh.")
    subscribers: int = strawberry.field(description="How many operations are watched, equal ones counted each.")
    distinct_operations: int = strawberry.field(description="How many operations are live, each with one execution for all who watch.")
    due: int = strawberry.field(description="How many operations wait for their run.")
    runs: float = strawberry.field(description="Runs of live operations, in total.")
    unchanged_runs: float = strawberry.field(description="Runs whose result was as before, in total.")
    wakes: float = strawberry.field(description="How often a change touched what an operation had read, in total.")
    changes: float = strawberry.field(description="Changes followed, in total.")
    matching_seconds: float = strawberry.field(description="Seconds spent finding what changes touch, in total.")
    lag_seconds: float = strawberry.field(description="How long the stream took to reach the server's clock when last looked at.")
    streams_opened: float = strawberry.field(description="Change streams opened, in total: one, and one more after each loss.")


@identity_query
async def engine(
    ctx: IdentityQueryContext,
    operator_token: Annotated[
        str | None, strawberry.argument(description="The operator's token, as the setting TILLSTREAM_OPERATOR_TOKEN has it.")
    ] = None,
) -> Engine:
    """The live engine of the process that answers, for its operators. Live, it is looked at again every second."""
    if not is_operator(ctx.services, operator_token):
        raise ForbiddenError("That is not the operator's token.")
    if ctx.services.monitor.figures is None:
        raise UnavailableError("No live engine runs in this process.")
    ctx.usage.holds_until(ctx.instant + REFRESH)
    return Engine(**asdict(ctx.services.monitor.figures()))


def is_operator(services: Services, token: str | None) -> bool:
    """Whether this is the operator's token; where none is set, everybody is one, but nobody in production."""
    expected = services.settings.operator_token
    if expected is None:
        return services.settings.env != "production"
    return token is not None and hmac.compare_digest(token.encode(), expected.get_secret_value().encode())
