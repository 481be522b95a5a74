"""The table of mail that is sent on a schedule: part of the page in `datastore/schema.py`."""

from datetime import datetime
from typing import ClassVar

from datastore.tables import Index, OwnedRow, TableSpec


class SummaryMail(OwnedRow):
    """When a business is to be sent its next daily summary; one row for a business that ever wanted any."""

    spec: ClassVar = TableSpec(
        "summary_mails",
        "smm",
        "daily summary",
        indexes=(Index("by_account", (), unique=True), Index("by_due", ("due_at",))),
        followed=False,
    )

    due_at: datetime | None
    """Null while it wants none."""
    last_on: str | None
    """The last day that a summary was sent of: none is sent twice, however the clocks and time zones go."""
    user_id: str
    """Who switched it on, on whose behalf it is sent."""
