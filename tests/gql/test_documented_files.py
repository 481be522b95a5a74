"""What docs/files.md shows is run as it stands there, but for the address."""

import asyncio
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


async def test_the_documented_upload_works_as_it_is_written(live_server: str) -> None:
    [program] = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "files.md").read_text(encoding="utf-8"), re.DOTALL)
    assert "http://127.0.0.1:8000" in program
    code = compile(program.replace("http://127.0.0.1:8000", live_server), "docs/files.md", "exec")
    named: dict[str, object] = {}
    await asyncio.to_thread(exec, code, named)
    assert named["file"]["status"] == "READY"  # type: ignore[index]
