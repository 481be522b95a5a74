"""What every run shares."""

from datetime import UTC

from resolvers.services import Services, utc_now


def test_the_clock_is_utc_in_whole_milliseconds() -> None:
    now = utc_now()
    assert now.tzinfo is UTC
    assert now.microsecond % 1000 == 0


async def test_the_services_reach_a_database_that_answers(services: Services) -> None:
    assert await services.database.ping() > 0
    assert services.clock() <= utc_now()
