"""What registries post when something happens: several senders' formats, one value.

`parse` reads any of them; see `values.Notification` for what comes out. Pure.
"""

from kubedash.oci.notifications.parsing import parse
from kubedash.oci.notifications.values import MAX_EVENTS, MAX_RAW, Action, Format, Notification, Parsed

__all__ = ["MAX_EVENTS", "MAX_RAW", "Action", "Format", "Notification", "Parsed", "parse"]
