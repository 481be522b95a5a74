"""`POST /webhooks/stripe`: where Stripe sends its events. Signed, small, and answered at once: what follows is done in one transaction."""

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from datastore.errors import ConflictError, InvalidInputError, TillstreamError, UnavailableError
from gql.request_headers import request_id_of
from gql.rest.problems import Problem, fault_response, problem_response
from gql.rest.requests import body_chunks
from resolvers.payment_events import receive_event
from resolvers.services import Services

PATH: Final = "/webhooks/stripe"
MOST_BYTES: Final = 512 * 1024
"""Events of Stripe's are some kilobytes."""


def stripe_routes(services: Services) -> list[BaseRoute]:
    """The routes that others post events to."""
    return [Route(PATH, _taking(services), methods=["POST"])]


def _taking(services: Services) -> Callable[[Request], Awaitable[Response]]:
    async def take(request: Request) -> Response:
        """200 for what was taken, now or before, or is none of ours; 400 for what Stripe has not signed; 503: send it again."""
        request_id = request_id_of(request.headers)
        try:
            body = b"".join([chunk async for chunk in body_chunks(request, MOST_BYTES)])
            taken = await receive_event(services, body, request.headers.get("stripe-signature", ""))
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        except Problem as problem:
            return problem_response(problem, request_id)
        except TillstreamError as error:
            return problem_response(_problem(error), request_id)
        except Exception as error:  # noqa: BLE001  Logged, with its traceback, by fault_response: the last line of defence
            return fault_response(error, request_id)
        return JSONResponse({"received": True, "taken": taken}, headers={"X-Request-Id": request_id})

    return take


def _problem(error: TillstreamError) -> Problem:
    if isinstance(error, InvalidInputError):
        return Problem(400, error)
    if isinstance(error, ConflictError):  # two of its deliveries met
        return Problem.of(UnavailableError("Send it again."))
    return Problem.of(error)
