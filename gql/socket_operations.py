"""The operations under way on one socket: one task each, started, stopped and limited here."""

import asyncio
from contextlib import aclosing, suppress
from dataclasses import replace
from functools import partial
from typing import Any, Generic

from datastore.errors import TillstreamError, TooComplexError
from gql.bodies import SocketMessage, subscribe_params
from gql.errors import describe, describe_fault
from gql.request_headers import new_request_id
from gql.sockets import (
    SUBSCRIBER_EXISTS,
    DisconnectedError,
    Socket,
    SocketClosing,
    complete_frame,
    error_frame,
    final_error_frame,
    next_frame,
    next_prefix,
)
from gql.wire import Caller, GraphQLParams, OperationT, RequestRefused, Service


class _Running:
    """An operation under way. A mutation is `unstoppable` while it is carried out: it must not end half-way."""

    __slots__ = ("id", "task", "unstoppable")

    def __init__(self, operation_id: str) -> None:
        self.id = operation_id
        self.task: asyncio.Task[None] | None = None
        self.unstoppable = False

    def stop(self) -> None:
        if self.task is not None and not self.unstoppable:
            self.task.cancel()


class SocketOperations(Generic[OperationT]):
    """All operations of one socket. An operation's next payload is asked for only when the transport took its last frame."""

    __slots__ = ("_address", "_limit", "_listened_to", "_running", "_service", "_socket", "_user_agent")

    def __init__(self, socket: Socket, service: Service[OperationT], limit: int, user_agent: str | None, address: str) -> None:
        self._socket = socket
        self._service = service
        self._limit = limit
        self._user_agent = user_agent
        self._address = address
        # By id: those whose client wants to hear of them. One that was completed runs on here until its task has come to rest.
        self._listened_to: dict[str, _Running] = {}
        self._running: set[_Running] = set()

    async def start(self, message: SocketMessage, principal: Any | None) -> None:
        """Starts what a subscribe message asks for, or answers at once why not.

        Raises SocketClosing and ProtocolError. Answers are awaited: of a client that does not read them no more is read.
        """
        params = subscribe_params(message)
        if message.id in self._listened_to:
            raise SocketClosing(SUBSCRIBER_EXISTS, f"Subscriber for {message.id} already exists")
        if len(self._running) >= self._limit:
            too_many = TooComplexError(f"A socket may have {self._limit} operations at once: complete one first.")
            await self._socket.send(error_frame(message.id, [describe(too_many)]))
            return
        caller = Caller(principal, new_request_id(), user_agent=self._user_agent, address=self._address, just_authenticated=False)
        try:
            operation = self._service.prepare(params, caller)
        except RequestRefused as refused:
            await self._socket.send(error_frame(message.id, refused.errors))
            return
        except TillstreamError as error:
            await self._socket.send(error_frame(message.id, [describe(error)]))
            return
        self._launch(message.id, operation, params, caller)

    def complete(self, operation_id: str) -> None:
        """The client has heard enough of an operation. Ids that are not known (any more) are no error."""
        running = self._listened_to.pop(operation_id, None)
        if running is not None:
            running.stop()

    def stop(self) -> None:
        """Ends all operations; mutations under way are finished in silence."""
        self._listened_to.clear()
        for running in self._running:
            running.stop()

    async def rest(self) -> None:
        """Returns when all have ended."""
        tasks = [running.task for running in self._running if running.task is not None]
        if tasks:
            await asyncio.wait(tasks)

    def _launch(self, operation_id: str, operation: OperationT, params: GraphQLParams, caller: Caller) -> None:
        running = _Running(operation_id)
        self._listened_to[operation_id] = running
        self._running.add(running)
        running.task = asyncio.create_task(self._carry_out(running, operation, params, caller))
        # Not the task's own last step: one that is stopped before it began never gets there.
        running.task.add_done_callback(lambda _: self._running.discard(running))

    async def _carry_out(self, running: _Running, operation: OperationT, params: GraphQLParams, caller: Caller) -> None:
        try:
            if operation.kind == "subscription":
                last = await self._stream(running, operation, params, caller)
            else:
                last = await self._execute(running, operation, params, caller)
            await self._finish(running, last)
        except DisconnectedError:
            pass  # The reading task has seen it too, and stops everything.
        except Exception as error:  # noqa: BLE001  The service does not raise; if it does, only this operation may suffer
            formatted = describe(error) if isinstance(error, TillstreamError) else describe_fault(error, caller.request_id)
            with suppress(DisconnectedError):
                await self._finish(running, error_frame(running.id, [formatted]))

    async def _execute(self, running: _Running, operation: OperationT, params: GraphQLParams, caller: Caller) -> str:
        """Carries out a query or mutation; returns its last frame."""
        running.unstoppable = operation.kind == "mutation"
        try:
            payload = await self._service.execute(operation, params, caller)
        finally:
            running.unstoppable = False
        if payload.final:
            return final_error_frame(running.id, payload.body)
        await self._deliver(running, next_frame(next_prefix(running.id), payload.body))
        return complete_frame(running.id)

    async def _stream(self, running: _Running, operation: OperationT, params: GraphQLParams, caller: Caller) -> str:
        """Carries out a subscription; returns its last frame."""
        prefix = next_prefix(running.id)
        pushing = replace(caller, push=partial(self._push, running, prefix))
        async with aclosing(self._service.subscribe(operation, params, pushing)) as payloads:
            async for payload in payloads:
                if payload.final:
                    return final_error_frame(running.id, payload.body)
                await self._deliver(running, next_frame(prefix, payload.body))
        return complete_frame(running.id)

    def _push(self, running: _Running, prefix: bytes, body: bytes) -> bool:
        """Sends a result if that can be done at once (`gql.wire.Push`)."""
        return self._listened_to.get(running.id) is running and self._socket.send_now(next_frame(prefix, body))

    async def _deliver(self, running: _Running, frame: bytes) -> None:
        """Sends a frame, unless the client has completed the operation meanwhile."""
        if self._listened_to.get(running.id) is running:
            await self._socket.send(frame.decode())

    async def _finish(self, running: _Running, frame: str) -> None:
        """Sends the last frame. The id is free before that: the client may use it again as soon as it has it."""
        if self._listened_to.get(running.id) is running:
            del self._listened_to[running.id]
            await self._socket.send(frame)
