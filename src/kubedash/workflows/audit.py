"""Reading the audit trail: who changed what, when, from where and with which outcome."""

from __future__ import annotations

from kubedash.policy import access
from kubedash.policy.access import Actor, Permission
from kubedash.records import AuditEntry, AuditQuery, Page
from kubedash.storage import audit
from kubedash.workflows.services import Services


async def open_audit(services: Services, actor: Actor, query: AuditQuery) -> Page[AuditEntry]:
    """One page of the lines that the query asks for, newest first.

    Raises `InvalidInput` for a limit out of bounds or a cursor that is not ours.
    """
    access.require(actor, Permission.AUDIT_READ)
    async with services.database.read() as session:
        return await audit.page(session, query)
