"""Making a person's user and their business: at once where sign-ups are open, else when they have shown that they read their address."""

from datetime import timedelta
from typing import Any, Final

import strawberry
from pydantic import BaseModel, Field

from datastore import schema as tables
from resolvers.audit import record
from resolvers.auth import founder, membership_row
from resolvers.functions import IdentityMutationContext, identity_mutation
from resolvers.money import CurrencyCode
from resolvers.passwords import HOW_TO_CHOOSE, Password
from resolvers.sessions import Session, start_session
from resolvers.settings import CURRENCY, LOCALE, TIME_ZONE
from resolvers.text import Email, LocaleTag, Name, TimeZoneName

PENDING_FOR: Final = timedelta(days=1)
"""How long somebody may take to confirm their address."""


@strawberry.pydantic.input(description="A person and their new business.")
class SignUpInput(BaseModel):
    """Who signs up, and what their account starts with."""

    email: Email = Field(description="The address to sign in with.")
    password: Password = Field(description=HOW_TO_CHOOSE, repr=False)
    name: Name = Field(description="What the person is called, 1 to 200 characters.")
    business_name: Name | None = Field(
        default=None, description="What customers know the business by; the person's name where it is left out."
    )
    currency: CurrencyCode = Field(default="USD", description=CURRENCY)
    time_zone: TimeZoneName = Field(default="UTC", description=TIME_ZONE)
    locale: LocaleTag = Field(default="en", description=LOCALE)


@identity_mutation(public=True)
async def found_business(ctx: IdentityMutationContext, input: SignUpInput) -> Session:
    """Makes a user and their business and signs them in, without asking whether they read the address: for operators, no part of the API.

    Raises ConflictError where the address is taken.
    """
    row = sign_up_row(ctx, input, await ctx.once("hash", lambda: ctx.services.passwords.hash(input.password)))
    return await start_session(ctx, await open_account(ctx, row, verified=True), row.account_id, "OWNER")


async def open_account(ctx: IdentityMutationContext, sign_up: tables.PendingSignUp, *, verified: bool) -> tables.User:
    """Makes the user and the business of a sign-up. Raises ConflictError where somebody else has its address. Internal."""
    user = await ctx.identity.insert(
        tables.User(
            id=sign_up.user_id,
            created_at=ctx.now,
            updated_at=ctx.now,
            email=sign_up.email,
            password_hash=sign_up.password_hash,
            email_verified=verified,
            name=sign_up.name,
            locale=sign_up.locale,
            home_account_id=sign_up.account_id,
        )
    )
    await _open_business(ctx, sign_up)
    return user


async def _open_business(ctx: IdentityMutationContext, sign_up: tables.PendingSignUp) -> None:
    account_id = sign_up.account_id
    made: Any = {"created_at": ctx.now, "updated_at": ctx.now, "account_id": account_id}
    db = ctx.writer(founder(account_id, sign_up.user_id))
    await db.insert(tables.Account(id=account_id, **made))
    await db.insert(
        tables.Member(id=tables.Member.new_id(), user_id=sign_up.user_id, role="OWNER", name=sign_up.name, email=sign_up.email, **made)
    )
    await ctx.identity.insert(membership_row(sign_up.user_id, account_id, ctx.now))
    await db.insert(
        tables.Settings(
            id=tables.Settings.new_id(),
            business_name=sign_up.business_name,
            currency=sign_up.currency,
            currency_fixed=False,
            time_zone=sign_up.time_zone,
            locale=sign_up.locale,
            **made,
        )
    )
    await record(db, "SIGNED_UP", subject=account_id)


def sign_up_row(ctx: IdentityMutationContext, input: SignUpInput, password_hash: str) -> tables.PendingSignUp:
    """Somebody who signs up, with the ids that they and their business will have. Internal."""
    return tables.PendingSignUp(
        id=tables.PendingSignUp.new_id(),
        created_at=ctx.now,
        updated_at=ctx.now,
        user_id=tables.User.new_id(),
        account_id=tables.Account.new_id(),
        email=input.email,
        password_hash=password_hash,
        name=input.name,
        business_name=input.business_name or input.name,
        currency=input.currency,
        time_zone=input.time_zone,
        locale=input.locale,
        expires_at=ctx.now + PENDING_FOR,
    )
