"""Prints every benchmark."""

import asyncio

from bench import live_latency

if __name__ == "__main__":
    asyncio.run(live_latency.run())
