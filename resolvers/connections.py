"""Lists: connections with cursors, as Relay has them (GraphQL Cursor Connections Specification), without `last` and `before`."""

from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar

import strawberry

from datastore.reading import Page
from datastore.tables import Row

T = TypeVar("T")
R = TypeVar("R", bound=Row)


@strawberry.type(description="Where a page lies in its list.")
class PageInfo:
    """The page, as seen from its list. Its cursors are made when they are asked for: signing one costs more than reading a row."""

    page: strawberry.Private[Page[Any]]
    has_next_page: bool = strawberry.field(description="Whether rows follow this page.")
    has_previous_page: bool = strawberry.field(description="Whether the page was asked for with `after`.")

    @strawberry.field(description="The cursor of the first row; null where there is none.")  # type: ignore[untyped-decorator]
    def start_cursor(self) -> str | None:
        """The first row's cursor."""
        return self.page.cursor_at(0) if self.page.rows else None

    @strawberry.field(description="The cursor of the last row, to continue after; null where there is none.")  # type: ignore[untyped-decorator]
    def end_cursor(self) -> str | None:
        """The last row's cursor."""
        return self.page.cursor_at(len(self.page.rows) - 1) if self.page.rows else None


@strawberry.type(description="A row in a list.")
class Edge(Generic[T]):
    """A row and its place in a list."""

    cursor: str = strawberry.field(description="The row's place in this list, to be given as `after`. It stays good when rows come and go.")
    node: T = strawberry.field(description="The row.")


@strawberry.type(description="A page of a list.")
class Connection(Generic[T]):
    """A page of a list."""

    page: strawberry.Private[Page[Any]]
    nodes: list[T] = strawberry.field(description="The rows of this page, in order.")
    page_info: PageInfo = strawberry.field(description="Where the page lies in the list.")

    @strawberry.field(description="The same rows, each with its cursor.")  # type: ignore[untyped-decorator]
    def edges(self) -> list[Edge[T]]:
        """The rows with their cursors."""
        return [Edge(cursor=cursor, node=node) for cursor, node in zip(self.page.cursors, self.nodes, strict=True)]

    @classmethod
    def of(cls, page: Page[R], make: Callable[[R], T]) -> Self:
        """The page as its rows' GraphQL type, which `make` makes of each."""
        info = PageInfo(page=page, has_next_page=page.has_next_page, has_previous_page=page.has_previous_page)
        return cls(page=page, nodes=[make(row) for row in page.rows], page_info=info)
