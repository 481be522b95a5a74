import asyncio
from collections.abc import Iterator

import pytest
from argon2 import PasswordHasher, extract_parameters

from datastore.errors import RateLimitedError
from resolvers.passwords import MEMORY_KIB, PASSES, Passwords, new_password, offered_password


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    made = Passwords(threads=1, waiting=2)
    yield made
    made.close()


async def test_a_password_is_verified_against_its_own_hash_only(passwords: Passwords) -> None:
    stored = await passwords.hash("correct horse")
    assert await passwords.verify(stored, "correct horse")
    assert not await passwords.verify(stored, "correct horsf")
    assert not await passwords.verify("no hash at all", "correct horse")


async def test_a_hash_is_argon2id_with_the_parameters_that_owasp_asks_for(passwords: Passwords) -> None:
    stored = await passwords.hash("correct horse")
    parameters = extract_parameters(stored)
    assert stored.startswith("$argon2id$")
    assert (parameters.memory_cost, parameters.time_cost) == (MEMORY_KIB, PASSES) == (19456, 2)
    assert not passwords.is_outdated(stored)
    assert passwords.is_outdated(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("x"))


async def test_nobody_has_a_password(passwords: Passwords) -> None:
    assert not await passwords.verify(None, "the password of nobody")


async def test_beyond_the_queue_a_hash_is_refused_and_the_queue_empties(passwords: Passwords) -> None:
    answers = await asyncio.gather(*(passwords.hash("correct horse") for _ in range(5)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [str, str, str, RateLimitedError, RateLimitedError]
    async with asyncio.timeout(5):
        while passwords._under_way:
            await asyncio.sleep(0)
    assert await passwords.hash("correct horse")


async def test_a_caller_who_goes_away_frees_no_room_before_the_thread_does(passwords: Passwords) -> None:
    task = asyncio.ensure_future(passwords.hash("correct horse"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(5):
        while passwords._under_way:
            await asyncio.sleep(0)


def test_a_new_password_has_8_to_128_characters_and_is_normalised() -> None:
    assert new_password("  spaces stay ") == "  spaces stay "
    assert new_password("ﬁnancial") == "financial"
    for refused in ("short", "x" * 129, "x" * 1_000_000, "\ud800" * 8):
        with pytest.raises(ValueError, match="must"):
            new_password(refused)


def test_an_offered_password_may_be_of_any_length_that_is_hashed() -> None:
    assert offered_password("short") == "short"
