"""The limits of one listener, put together from the listener, [limits] and the role."""

from __future__ import annotations

from dataclasses import dataclass

from twistedmail_mta.config.site import Site


@dataclass(frozen=True, slots=True)
class ListenerLimits:
    """As `SessionLimits` of the site file, every value decided."""

    message_size: int
    header_size: int
    line_length: int
    recipients: int
    connections_per_client: int
    commands: int
    errors_before_delay: int
    errors: int
    hops: int
    idle: float
    transaction: float


def limits_of(site: Site, name: str) -> ListenerLimits:
    """Return the limits of the listener `name`: its own first, then [limits], then its role's."""
    listener = site.listen[name]
    role = listener.preset
    decided = {"recipients": role.recipients, "connections_per_client": role.connections_per_client}
    for table in (site.limits, listener.limits):
        decided |= table.model_dump(exclude={"connections"}, exclude_none=True)
    return ListenerLimits(**decided)
