"""What the SMTP grammar raises."""

from __future__ import annotations

from twistedmail_mta.model import Reply


class AddressError(ValueError):
    """A text that is no address.

    Attributes:
        code: the reply code that fits: 501 for bad syntax, 553 for a name
            that can't exist (RFC 5321 section 4.2.3).
    """

    def __init__(self, text: str, code: int = 501) -> None:
        super().__init__(text)
        self.code = code


class CommandError(ValueError):
    """A command that can't be obeyed as it stands.

    Attributes:
        reply: the answer to give.
    """

    def __init__(self, reply: Reply) -> None:
        super().__init__(str(reply))
        self.reply = reply
