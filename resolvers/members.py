"""The people who share a business, as each other see them."""

from typing import Self

import strawberry

from datastore import schema as tables
from datastore.reading import Reader
from resolvers.functions import shows
from resolvers.nodes import Node, node_type
from resolvers.users import Role


@node_type(tables.Member)
@strawberry.type(description="A person's part in a business.")
class Member(Node):
    """A member of the caller's account."""

    row: strawberry.Private[tables.Member]
    name: str = strawberry.field(description="What the person is called.")
    role: Role = strawberry.field(description="What they may do.")
    user_id: strawberry.ID = strawberry.field(description="The id that the person has as a user.", metadata=shows("user_id"))

    @classmethod
    def of(cls, row: tables.Member) -> Self:
        """The row as the API shows it."""
        return cls(
            id=strawberry.ID(row.id),
            created_at=row.created_at,
            updated_at=row.updated_at,
            row=row,
            name=row.name,
            role=Role(row.role),
            user_id=strawberry.ID(row.user_id),
        )


async def member_of(db: Reader, user_id: str) -> Member | None:
    """The member that a user is of the reader's account; None where they are no longer."""
    row = await db.find(tables.Member, "by_user", user_id)
    return None if row is None else Member.of(row)
