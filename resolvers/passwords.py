"""Passwords: hashed with Argon2id, in a small pool of threads, so that a rush of sign-ins delays sign-ins and nothing else.

What is asked of a new one is that it is hard to guess (zxcvbn, https://github.com/dropbox/zxcvbn), not that it has characters of certain
kinds: NIST SP 800-63B-4, section 3.1.1.2.
"""

import asyncio
import os
import re
import sys
import threading
import unicodedata
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Annotated, Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from pydantic import AfterValidator

from datastore.errors import InvalidInputError, RateLimitedError

SHORTEST = 8
LONGEST = 128
"""In characters; NIST SP 800-63B-4 asks for at least 8 and no fewer than 64, without rules of composition."""

# OWASP Password Storage Cheat Sheet: 19 MiB of memory, two passes, one lane (RFC 9106 explains the parameters).
MEMORY_KIB = 19 * 1024
PASSES = 2
LANES = 1

THREADS: Final = max(1, (os.cpu_count() or 1) // 2)
"""That hash at once: half of the machine is left for what is asked meanwhile."""

WAITING: Final = 64
"""In line behind them: at some 30 ms a hash the last of these waits a second or two."""

LEAST_SCORE: Final = 3
"""Of zxcvbn's 0 to 4: found after a hundred million guesses at the earliest, which slow hashes make take years."""

SCORED_CHARACTERS: Final = 64
"""Of a password, the rest being thrown in: zxcvbn takes a time that grows with the square of the length, or worse."""

HOW_TO_CHOOSE: Final = "8 to 128 characters, of any kind, that are hard to guess."

_SHORTEST_KNOWN: Final = 3
_NICENESS: Final = 10
"""Of the hashing threads (`nice(2)`): where there is too little processor for all, hashes wait."""

T = TypeVar("T")


def offered_password(value: str) -> str:
    """A password as it is hashed: NFKC, as NIST SP 800-63B-4 section 3.1.1.2 advises, and not trimmed.

    Raises ValueError where it is longer than any, or holds what is no character.
    """
    if len(value) > 4 * LONGEST:
        raise ValueError(f"must have at most {LONGEST} characters")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("must not contain lone surrogates") from None
    return unicodedata.normalize("NFKC", value)


def new_password(value: str) -> str:
    """A password that somebody chose, of a length that is taken. Raises ValueError."""
    text = offered_password(value)
    if not SHORTEST <= len(text) <= LONGEST:
        raise ValueError(f"must have {SHORTEST} to {LONGEST} characters")
    return text


Password = Annotated[str, AfterValidator(new_password)]
"""A password that is being chosen."""

OfferedPassword = Annotated[str, AfterValidator(offered_password)]
"""A password that is compared with a stored one: one of a wrong length is merely wrong."""


async def check_strength(passwords: "Passwords", password: str, about: Sequence[str], path: str = "input.password") -> None:
    """Raises InvalidInputError, naming the field at `path`, for a password that is too easy to guess."""
    weakness = await passwords.weakness(password, about)
    if weakness is not None:
        raise InvalidInputError.of(path, weakness)


class Passwords:
    """Hashes, verifies and weighs passwords, `threads` at once; when `waiting` more stand in line, the next one is refused.

    The memory of hashing is therefore `threads` times `memory_kib`, whoever floods it.
    """

    def __init__(
        self,
        *,
        threads: int = THREADS,
        waiting: int = WAITING,
        memory_kib: int = MEMORY_KIB,
        passes: int = PASSES,
        least_score: int = LEAST_SCORE,
    ) -> None:
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=LANES)
        self._least_score = least_score
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="passwords", initializer=_step_back)
        self._room = threads + waiting
        self._under_way = 0
        self._nobodys_hash = self._hasher.hash("the password of nobody")

    async def hash(self, password: str) -> str:
        """The hash to store, a PHC string. Raises RateLimitedError when too many wait."""
        return await self._in_pool(lambda: self._hasher.hash(password))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether the password is the one that was hashed.

        None stands for a user who does not exist: it takes as long, and is never true. Raises RateLimitedError when too many wait.
        """
        matches = await self._in_pool(lambda: self._matches(self._nobodys_hash if stored is None else stored, password))
        return matches and stored is not None

    async def weakness(self, password: str, about: Sequence[str]) -> str | None:
        """Why a new password is too easy to guess for somebody who knows these texts about its owner; None where it is not.

        Raises RateLimitedError when too many wait.
        """
        if self._least_score == 0:
            return None
        return await self._in_pool(lambda: _weakness(password, about, self._least_score))

    def is_outdated(self, stored: str) -> bool:
        """Whether the hash was made with weaker parameters than today's."""
        return self._hasher.check_needs_rehash(stored)

    def close(self) -> None:
        """Waits for the hashes under way and ends the threads."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _matches(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _in_pool(self, work: Callable[[], T]) -> T:
        if self._under_way >= self._room:
            raise RateLimitedError("Too many people are signing in at this moment; try again shortly.", retry_after=1.0)
        self._under_way += 1
        loop = asyncio.get_running_loop()
        job = self._pool.submit(work)
        # Counted when it really ends: a caller who went away has not freed the thread.
        job.add_done_callback(lambda ended: self._ended(loop, ended))
        return await asyncio.wrap_future(job)

    def _ended(self, loop: asyncio.AbstractEventLoop, _job: Future[T]) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._free)

    def _free(self) -> None:
        self._under_way -= 1


def _weakness(password: str, about: Sequence[str], least_score: int) -> str | None:
    from zxcvbn import zxcvbn  # type: ignore[import-untyped]

    known = {word for text in about for word in (text, *re.split(r"[\W_]+", text)) if len(word) >= _SHORTEST_KNOWN}
    weighed = zxcvbn(password[:SCORED_CHARACTERS], user_inputs=sorted(known))
    if weighed["score"] >= least_score:
        return None
    return " ".join(["is too easy to guess.", weighed["feedback"]["warning"], *weighed["feedback"]["suggestions"]]).replace("  ", " ")


def _step_back() -> None:
    """Lets all other threads of the process go first. Where threads have no niceness of their own, nothing is changed."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
