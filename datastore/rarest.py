"""A list of the rows that have several texts: read by the rarest of them, and never by more rows than a page may cost.

As search engines walk the shortest of the lists that they intersect (Manning, Raghavan, Schütze: Introduction to Information Retrieval,
1.3, https://nlp.stanford.edu/IR-book/html/htmledition/processing-boolean-queries-1.html). Which text it is read by changes neither the rows
nor their order, so how many have each is counted outside the snapshot of the run, and nothing rests on it.
"""

import asyncio
from dataclasses import replace
from typing import Any, Final

from datastore.errors import TooComplexError
from datastore.legs import Send
from datastore.paging import Scan

READ_LIMIT_MS: Final = 10_000

FEW: Final = 1_000
"""Rows that are counted of each text at first: where one has fewer, the others need no closer look."""

MOST_EXAMINED: Final = 20_000
"""Rows that one page looks at, of which it keeps those that have the other texts too."""


async def rarest_first(scan: Scan, send: Send) -> tuple[Scan, int | None]:
    """The same scan, by the text that the fewest rows have; and how many rows it may look at, None where there are not that many."""
    if not scan.also:
        return scan, None
    texts = sorted(scan.texts, key=lambda text: (-len(text), text))  # of equally rare ones, the longest
    for most in (FEW, MOST_EXAMINED):
        counts = await asyncio.gather(*(_count(scan.by_text(text), most, send) for text in texts))
        fewest, text = min(zip(counts, texts, strict=True), key=lambda each: each[0])
        if fewest < most:
            return scan.by_text(text), None
    return scan.by_text(texts[0]), MOST_EXAMINED


async def check_all_examined(scan: Scan, examined: int, send: Send) -> None:
    """Raises TooComplexError where more than `examined` rows have the text that the scan is by.

    A page that looked at so many, and is not full, does not tell what else there is.
    """
    if await _count_behind(scan, examined + 1, send) > examined:
        raise TooComplexError(
            f"More than {examined:,} rows have each of these words, and few have them all: search for another word as well."
        )


async def _count(scan: Scan, most: int, send: Send) -> int:
    """How many rows have the scan's first text, up to `most`: of the whole list, so that the index alone tells it."""
    command = {"count": scan.table.spec.name, "query": replace(scan, after=None).condition(), "limit": most, "hint": scan.index.name}
    reply = await send({**command, "maxTimeMS": READ_LIMIT_MS})
    return int(reply["n"])


async def _count_behind(scan: Scan, most: int, send: Send) -> int:
    """The same of what is behind the scan's cursor, exactly, at the moment that `send` reads."""
    stages: list[dict[str, Any]] = [{"$match": scan.condition()}, {"$limit": most}, {"$count": "rows"}]
    reply = await send({"aggregate": scan.table.spec.name, "pipeline": stages, "cursor": {}, "hint": scan.index.name})
    return sum(group["rows"] for group in reply["cursor"]["firstBatch"])
