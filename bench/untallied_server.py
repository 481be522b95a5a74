"""The server with the sums of the dashboard left out: `python -m bench.untallied_server serve …`. Its books do not add up."""

from datastore.writing import Writer
from gql.command import main
from resolvers.summaries import Tallies


async def keep_nothing(self: Tallies, db: Writer) -> None:
    """In place of `Tallies.keep`."""


if __name__ == "__main__":
    Tallies.keep = keep_nothing  # type: ignore[method-assign]
    main()
