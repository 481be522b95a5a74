"""What `verify` reads with and writes its findings into."""

from collections.abc import AsyncIterator

from resolvers.verify_rows import MOST_FINDINGS, Findings, Record, chunked, ids_by_account


async def numbers(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number


def test_a_hundred_findings_are_told_and_the_others_counted() -> None:
    findings = Findings()
    for number in range(MOST_FINDINGS + 5):
        findings.add(f"finding {number}")
    assert (len(findings.lines), findings.lines[-1], findings.more) == (100, "finding 99", 5)


def test_only_what_differs_is_a_finding() -> None:
    findings = Findings()
    findings.differ("sale sal_1", "total_minor", 7, 7, "its items make")
    findings.differ("sale sal_1", "total_minor", 8, 7, "its items make")
    assert findings.lines == ["sale sal_1: total_minor is 8, but its items make 7"]


async def test_rows_come_in_chunks_the_last_of_which_may_be_short() -> None:
    assert [chunk async for chunk in chunked(numbers(5), 2)] == [[0, 1], [2, 3], [4]]
    assert [chunk async for chunk in chunked(numbers(4), 2)] == [[0, 1], [2, 3]]
    assert [chunk async for chunk in chunked(numbers(0), 2)] == []


def test_ids_are_gathered_by_account() -> None:
    rows = [Record(_id="b", account_id="2"), Record(_id="a", account_id="1"), Record(_id="c", account_id="2")]
    assert ids_by_account(rows) == {"2": ["b", "c"], "1": ["a"]}
