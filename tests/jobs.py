"""Carrying out jobs in tests: as a worker does, until nothing is due any more."""

from dataclasses import replace
from datetime import datetime

from resolvers.services import Services
from resolvers.workers import Worker


async def work_off(services: Services, until: datetime | None = None) -> None:
    """Carries out all jobs and crons that are due, now or, as if that had come, by a moment."""
    await Worker(services if until is None else replace(services, clock=lambda: until), slots=8).work_off()
