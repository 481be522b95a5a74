"""Mail that is kept in a folder instead of being sent: what a machine without a mail server does, so that it can be read at `/dev/mail`."""

import asyncio
import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Final

MOST_KEPT: Final = 200
"""Messages; the oldest goes when one more comes."""

_NAME = re.compile(r"[0-9]{17}-[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class KeptMessage:
    """A message that was kept, and the name that it is found by: it sorts by the time that it was kept at."""

    name: str
    message: EmailMessage


class KeptMail:
    """The newest messages, as files (RFC 5322) of one folder, which several processes may share."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def keep(self, message: bytes, handle: str, now: datetime) -> None:
        """Keeps a message; one that was kept under this handle before is not kept again."""
        await asyncio.to_thread(self._keep, message, handle, now)

    async def newest(self) -> Sequence[KeptMessage]:
        """All messages, the newest first."""
        return await asyncio.to_thread(self._newest)

    async def find(self, name: str) -> KeptMessage | None:
        """The message of a name; None where there is none, or no longer."""
        return await asyncio.to_thread(self._find, name)

    def _keep(self, message: bytes, handle: str, now: datetime) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        mark = hashlib.sha256(handle.encode()).hexdigest()[:16]
        if any(self.folder.glob(f"*-{mark}.eml")):
            return
        draft = self.folder / f".{secrets.token_hex(8)}"
        draft.write_bytes(message)
        # Codes and links stand in there: they are its owner's alone.
        draft.chmod(0o600)
        draft.rename(self.folder / f"{now:%Y%m%d%H%M%S}{now.microsecond // 1000:03}-{mark}.eml")
        for name in self._names()[MOST_KEPT:]:
            (self.folder / f"{name}.eml").unlink(missing_ok=True)

    def _newest(self) -> list[KeptMessage]:
        return [found for name in self._names() if (found := self._find(name)) is not None]

    def _find(self, name: str) -> KeptMessage | None:
        if not _NAME.fullmatch(name):
            return None
        try:
            content = (self.folder / f"{name}.eml").read_bytes()
        except FileNotFoundError:
            return None
        return KeptMessage(name, message_from_bytes(content, policy=default))

    def _names(self) -> list[str]:
        names = (path.stem for path in self.folder.glob("*.eml"))
        return sorted((name for name in names if _NAME.fullmatch(name)), reverse=True)
