import asyncio
import threading
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from argon2 import PasswordHasher, extract_parameters

from datastore.errors import InvalidInputError, RateLimitedError
from resolvers.passwords import MEMORY_KIB, PASSES, Passwords, check_strength, new_password, offered_password


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


@pytest.mark.parametrize(
    ("password", "about"),
    [
        ("password1", []),
        ("aaaaaaaaaaaa", []),
        ("Passw0rd!", []),
        ("Ada.Lovelace", ["ada.lovelace@example.org", "Ada Lovelace"]),
        ("analyticalengines", ["Analytical Engines"]),
        ("x" * 128, []),
    ],
)
async def test_a_password_that_is_easy_to_guess_is_refused_by_its_field(passwords: Passwords, password: str, about: list[str]) -> None:
    with pytest.raises(InvalidInputError) as refused:
        await check_strength(passwords, password, about)
    [problem] = refused.value.fields
    assert problem.path == "input.password"
    assert problem.message.startswith("is too easy to guess.")
    assert password not in problem.message


@pytest.mark.parametrize("password", ["correct horse", "gjkvhlwzqnbt", "каждый охотник желает", "x" * 20 + "7 lean oxen graze"])
async def test_a_password_that_is_hard_to_guess_needs_no_digits_and_no_signs(passwords: Passwords, password: str) -> None:
    await check_strength(passwords, password, ["ada@example.org"])


async def test_weighing_the_longest_password_takes_bounded_time(passwords: Passwords) -> None:
    """Of 128 characters 64 are weighed: all would take zxcvbn seconds for some."""
    async with asyncio.timeout(5):
        whole = await passwords.weakness("aA1!l33t" * 16, [])
        assert whole == await passwords.weakness("aA1!l33t" * 8, [])


async def test_hashes_at_once_are_as_many_as_there_are_threads() -> None:
    """And with them the memory, whoever floods it: no more than that many times 19 MiB."""
    passwords, running, most = Passwords(threads=2, waiting=20, memory_kib=8, passes=1), 0, 0
    lock = threading.Lock()
    hashes = passwords._hasher.hash

    def counted(password: str) -> str:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        try:
            return hashes(password)
        finally:
            with lock:
                running -= 1

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_hasher", SimpleNamespace(hash=counted))
        await asyncio.gather(*(passwords.hash("correct horse") for _ in range(20)))
    passwords.close()
    assert 1 <= most <= 2
