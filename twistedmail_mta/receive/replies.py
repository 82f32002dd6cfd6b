"""What the receiving role answers, apart from what the pure session says by itself.

The texts name no host, file or rule.
"""

from __future__ import annotations

from typing import Final

from twistedmail_mta.model import Reply

HELLO: Final = Reply(250, "", "at your service")
CHUNK_OK: Final = Reply(250, "2.0.0", "Chunk OK")
SENDER_OK: Final = Reply(250, "2.1.0", "Sender OK")
RECIPIENT_OK: Final = Reply(250, "2.1.5", "Recipient OK")
SEND_DATA: Final = Reply(354, "", "End data with <CR><LF>.<CR><LF>")
READY_FOR_TLS: Final = Reply(220, "2.0.0", "Ready to start TLS")
LOGGED_IN: Final = Reply(235, "2.7.0", "Authentication succeeded")
CANNOT_VERIFY: Final = Reply(252, "2.1.5", "Cannot verify, but send some mail and it will be tried")
GOODBYE: Final = Reply(221, "2.0.0", "Bye")

TLS_FIRST: Final = Reply(530, "5.7.0", "Must issue a STARTTLS command first")
LOGIN_FIRST: Final = Reply(530, "5.7.0", "Authentication required: log in with AUTH first")
RELAY_DENIED: Final = Reply(550, "5.7.1", "Relaying denied: this is not a server for that domain")
REPORTS_ONLY: Final = Reply(550, "5.7.1", "Only reports, from the null sender, are taken for that address")
NOT_TRUSTED: Final = Reply(554, "5.7.1", "You are not one of those from whom mail is taken here")
BEHIND_GATEWAY: Final = Reply(
    421, "4.3.5", "Clients come here by way of a gateway that hides who they are, so nothing is taken; try again later"
)
SENDER_NOT_YOURS: Final = Reply(553, "5.7.1", "Sender address is not owned by this login; send as its own address")
FROM_NOT_YOURS: Final = Reply(550, "5.7.1", "From header is not an address of this login; write its own address there")
NO_SINGLE_FROM: Final = Reply(550, "5.6.0", "From header can't be understood")
NOT_FORWARDED: Final = Reply(
    550,
    "5.7.1",
    "This message would be forwarded elsewhere, and fails the DMARC policy of its author's domain\n"
    "Send it by a server of that domain, or with another address in From",
)
NUL_IN_HEADER: Final = Reply(550, "5.6.0", "Message header holds a NUL")
TOO_MANY_RECIPIENTS: Final = Reply(452, "4.5.3", "Too many recipients")
TOO_MANY_HOPS: Final = Reply(554, "5.4.6", "Too many hops: this message is going in circles")
DELIVERED_BEFORE: Final = Reply(554, "5.4.6", "This message was delivered to that address before: it goes in circles")
TRY_LATER: Final = Reply(451, "4.3.0", "Local error, please try again later")
TOO_SLOW_HERE: Final = Reply(451, "4.3.2", "The message can't be stored in time, please try again later")
TOO_MANY_COMMANDS: Final = Reply(421, "4.7.0", "Too many commands without mail")
TOO_MANY_ERRORS: Final = Reply(421, "4.7.0", "Too many errors")
IDLE_TOO_LONG: Final = Reply(421, "4.4.2", "Timeout: closing the connection")
TRANSACTION_TOO_LONG: Final = Reply(421, "4.4.2", "The transaction takes too long: closing the connection")
SHUTTING_DOWN: Final = Reply(421, "4.3.2", "The server is shutting down")
RULES_CHANGED: Final = Reply(421, "4.3.2", "The rules of this server have changed: please connect again")
LOGIN_ENDED: Final = Reply(421, "4.7.0", "Your login has ended: please log in again")
FLOODED: Final = Reply(421, "4.7.0", "Too much input")
BROKEN: Final = Reply(421, "4.3.0", "Local error: closing the connection")
