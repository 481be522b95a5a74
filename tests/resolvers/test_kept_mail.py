import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from resolvers.kept_mail import MOST_KEPT, KeptMail

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def raw(subject: str) -> bytes:
    return f"Subject: {subject}\r\n\r\nHello\r\n".encode()


async def test_what_is_kept_can_be_read_again_the_newest_first(tmp_path: Path) -> None:
    kept = KeptMail(tmp_path / "mail")
    assert await kept.newest() == []
    await kept.keep(raw("first"), "1", NOON)
    await kept.keep(raw("second"), "2", NOON + timedelta(milliseconds=1))
    messages = await kept.newest()
    assert [each.message["Subject"] for each in messages] == ["second", "first"]
    found = await kept.find(messages[0].name)
    assert found is not None
    assert found.message["Subject"] == "second"


async def test_a_message_of_one_handle_is_kept_once(tmp_path: Path) -> None:
    kept = KeptMail(tmp_path)
    await kept.keep(raw("first"), "handle", NOON)
    await kept.keep(raw("again"), "handle", NOON + timedelta(hours=1))
    assert [each.message["Subject"] for each in await kept.newest()] == ["first"]


async def test_the_oldest_go_when_there_are_too_many(tmp_path: Path) -> None:
    kept = KeptMail(tmp_path)
    for number in range(MOST_KEPT + 3):
        await kept.keep(raw(str(number)), str(number), NOON + timedelta(seconds=number))
    subjects = [each.message["Subject"] for each in await kept.newest()]
    assert (len(subjects), subjects[-1]) == (MOST_KEPT, "3")


async def test_many_may_keep_at_once(tmp_path: Path) -> None:
    kept = KeptMail(tmp_path)
    await asyncio.gather(*(kept.keep(raw(str(number)), str(number), NOON) for number in range(50)))
    assert len(await kept.newest()) == 50


@pytest.mark.parametrize(
    "name", ["", "..", "../secret", "20261124120000000-0123456789abcdef.eml", "20261124120000000-0123456789abcdef", "\0"]
)
async def test_no_name_leads_out_of_the_folder_or_to_nothing(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.eml").write_text("Subject: secret")
    assert await KeptMail(tmp_path / "mail").find(name) is None


async def test_only_its_owner_may_read_what_is_kept(tmp_path: Path) -> None:
    await KeptMail(tmp_path / "mail").keep(raw("first"), "1", NOON)
    assert [path.stat().st_mode & 0o077 for path in (tmp_path / "mail", *(tmp_path / "mail").iterdir())] == [0, 0]
