"""What an action is to who schedules it: a kind of work with its limits, found by its function or by its name."""

import inspect
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from datastore import schema as tables
from datastore.columns import wire_name
from datastore.jobs import schedule
from datastore.writing import Writer

MARK: Final = "__tillstream_action__"

ActionFunction = Callable[..., Coroutine[Any, Any, Any]]


@dataclass(frozen=True, slots=True)
class Action:
    """A function that is carried out as a job.

    `attempts`: how often, at most; `first_backoff` and `timeout` in seconds; `at_once`: how many of it one process carries out at the same
    time, None for any number; `listed`: whether people see its jobs; `private`: whether what came of one is for who scheduled it alone.
    """

    kind: str
    function: ActionFunction
    attempts: int
    first_backoff: float
    timeout: float
    at_once: int | None
    listed: bool
    private: bool


ACTIONS: Final[dict[str, Action]] = {}
"""By their kind, which is their function's name as the wire has it."""


def declare(action: Action) -> None:
    """Makes an action known. Raises TypeError where another has its name, or it is no async function."""
    if not inspect.iscoroutinefunction(action.function):
        raise TypeError(f"{action.function} must be an async function")
    if action.kind in ACTIONS:
        raise TypeError(f"there are two actions {action.kind}: stored jobs know theirs by this name")
    ACTIONS[action.kind] = action
    setattr(action.function, MARK, action)


def kind_of(function: Callable[..., Any]) -> str:
    """The name that an action has on the wire and in stored jobs."""
    return wire_name(function.__name__)


def action_of(function: object) -> Action:
    """The action that a function is. Raises TypeError where it is none."""
    made = getattr(function, MARK, None)
    if not isinstance(made, Action):
        raise TypeError(f"{function} is no action: mark it with @action")
    return made


async def schedule_action(
    db: Writer, function: ActionFunction, arguments: Mapping[str, Any], now: datetime, at: datetime | None
) -> tables.Job:
    """Stores a job of an action in the writer's transaction, for the writer's person. Raises TypeError for arguments that do not fit it."""
    action = action_of(function)
    inspect.signature(function).bind(None, **arguments)
    return await schedule(db, kind=action.kind, arguments=arguments, listed=action.listed, now=now, at=at or now)
