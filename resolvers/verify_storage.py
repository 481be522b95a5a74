"""What is counted of an account's files is what these take: a part of `tillstream verify`."""

from collections import defaultdict

from datastore import schema as tables
from resolvers.verify_rows import Books


async def check_storage(books: Books) -> None:
    """Adds the files of every account up, those in the bin and under way among them."""
    files: defaultdict[str, int] = defaultdict(int)
    sizes: defaultdict[str, int] = defaultdict(int)
    async for row in books.rows(tables.File, "by_account", ("account_id", "size_bytes")):
        files[row.account_id] += 1
        sizes[row.account_id] += row.size_bytes
    async for row in books.rows(tables.StorageUsage, "by_key", ("account_id", "files", "bytes")):
        name = f"storage usage {row.id}"
        books.findings.differ(name, "files", row.files, files.pop(row.account_id, 0), "the files of its account are")
        books.findings.differ(name, "bytes", row.bytes, sizes.pop(row.account_id, 0), "the files of its account have")
    for account_id, number in files.items():
        books.findings.add(f"account {account_id}: its {number:,} files are counted nowhere")
