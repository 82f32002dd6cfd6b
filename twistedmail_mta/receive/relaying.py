"""Asks those whom the site file names under [relay] whether a stranger's mail may be sent on."""

from __future__ import annotations

from twistedmail_mta.errors import MailError
from twistedmail_mta.model import Address, Recipient, Reply
from twistedmail_mta.receive.client import Client
from twistedmail_mta.receive.listener import Listener
from twistedmail_mta.smtp.parameters import RcptParameters
from twistedmail_mta.stages import MailFrom


async def may_relay(
    listener: Listener, client: Client, mail: MailFrom, parameters: RcptParameters, address: Address
) -> bool:
    """Return whether one of them grants it; each grant is logged.

    Args:
        listener: where the client is.
        client: who hasn't logged in.
        mail: what MAIL said.
        parameters: of RCPT.
        address: whom it named, at a domain elsewhere.

    Raises:
        MailError: one of them refuses, or has failed.
    """
    recipient = Recipient(address, parameters.notify, parameters.orcpt)
    answer = await listener.grants.grant(listener.seen(client), mail, recipient)
    if isinstance(answer, Reply):
        raise MailError(answer)
    if answer is None:
        return False
    plugin, grant = answer
    client.hear(plugin.name, "may_relay", f"granted for {address}: {grant.reason}")
    listener.log.info(
        "plugin {plugin} lets {peer} send {queue_id} from <{sender}> on to <{recipient}>: {reason}",
        event="relay.granted",
        plugin=plugin.name,
        session=client.session,
        peer=client.host,
        queue_id=mail.id,
        sender=str(mail.sender),
        recipient=str(address),
        reason=grant.reason,
    )
    return True
