"""A writer of rows that nobody watches: `python -m bench.load_process URI DATABASE`, told by lines of JSON when to begin and to stop."""

import json
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from pymongo import MongoClient
from pymongo.collection import Collection


class Load:
    """Writes at an even rate in a thread, one row at a time, each acknowledged."""

    def __init__(self, products: Collection[dict[str, Any]]) -> None:
        self._products = products
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._written, self._begun = 0, 0.0

    def start(self, account_id: str, rate: float) -> dict[str, Any]:
        """Begins to change the stock of an account's products, one after the other."""
        ids = [row["_id"] for row in self._products.find({"account_id": account_id}, {"_id": 1})]
        self._begun = time.perf_counter()
        self._thread = threading.Thread(target=self._write, args=(ids, rate), daemon=True)
        self._thread.start()
        return {}

    def stop(self) -> dict[str, Any]:
        """Ends it; says how many writes a second there were."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        return {"rate": self._written / (time.perf_counter() - self._begun)}

    def _write(self, ids: list[str], rate: float) -> None:
        while not self._stopping.wait(max(self._begun + self._written / rate - time.perf_counter(), 0)):
            self._products.update_one({"_id": ids[self._written % len(ids)]}, {"$set": {"stock": self._written}})
            self._written += 1


def main() -> None:
    """Answers requests until the input ends."""
    uri, database = sys.argv[1:]
    with MongoClient[dict[str, Any]](uri, w=1) as client:
        load = Load(client[database]["products"])
        operations: dict[str, Callable[..., dict[str, Any]]] = {"start": load.start, "stop": load.stop}
        for line in sys.stdin:
            request = json.loads(line)
            print(json.dumps(operations[request.pop("op")](**request)), flush=True)


if __name__ == "__main__":
    main()
