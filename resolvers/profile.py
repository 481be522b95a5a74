"""What people change of themselves, and how the businesses that they are members of hear of it."""

from typing import Annotated, Any

import strawberry
from pydantic import BaseModel, Field

from datastore import schema as tables
from datastore.errors import UnauthenticatedError
from resolvers.auth import on_behalf_of
from resolvers.file_references import usable_picture
from resolvers.functions import IdentityMutationContext, identity_mutation
from resolvers.text import LocaleTag, Name
from resolvers.users import User


@strawberry.pydantic.input(description="What to change of yourself; what is left out stays.")
class UpdateProfileInput(BaseModel):
    """Changes of the caller's own row."""

    name: strawberry.Maybe[Name] = Field(default=None, description="What you are called, 1 to 200 characters.")
    locale: strawberry.Maybe[LocaleTag] = Field(default=None, description="The BCP 47 language tag of what is written to you.")
    avatar_id: strawberry.Maybe[strawberry.ID | None] = Field(
        default=None,
        description="The id of a file of the business you work in now that is a picture of you, for that business to see: "
        "JPEG, PNG, WebP or GIF. Null: none.",
    )


@identity_mutation()
async def update_profile(
    ctx: IdentityMutationContext, input: Annotated[UpdateProfileInput, strawberry.argument(description="What to change.")]
) -> User:
    """Changes your own name, language or picture. A picture is for OWNER and MANAGER, who alone see files."""
    row = await user_row(ctx)
    changes: dict[str, Any] = input.model_dump(exclude_unset=True)
    if "avatar_id" in changes:
        await _hang_up(ctx, changes.pop("avatar_id"))
    row = await ctx.identity.update(row, **changes)
    await tell_businesses(ctx, row)
    return User.of(row)


async def user_row(ctx: IdentityMutationContext) -> tables.User:
    """The caller's own row. Raises UnauthenticatedError where it is gone. Internal."""
    row = await ctx.identity.get(tables.User, ctx.scope.user_id)
    if row is None:
        raise UnauthenticatedError
    return row


async def tell_businesses(ctx: IdentityMutationContext, user: tables.User) -> None:
    """Has the businesses that a person is a member of know their name and address as they are now. Internal."""
    for membership in await ctx.identity.list(tables.Membership, "by_user", user.id):
        db = ctx.writer(on_behalf_of(membership.account_id, user.id)).for_business
        member = await db.find(tables.Member, "by_user", user.id)
        if member is not None:
            await db.update(member, name=user.name, email=user.email)


async def _hang_up(ctx: IdentityMutationContext, file_id: str | None) -> None:
    """Makes a file of the business that the caller works in now their picture there."""
    db = ctx.writer(ctx.scope)
    picture_id = await usable_picture(db, file_id, "input.avatarId")
    member = await db.find(tables.Member, "by_user", ctx.scope.user_id)
    if member is not None:
        await db.for_business.update(member, avatar_id=picture_id)
