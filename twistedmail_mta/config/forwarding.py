"""[forwarding]: mail for addresses elsewhere that aliases stand for."""

from __future__ import annotations

from typing import Literal

from twistedmail_mta.config.values import Domain, FilePath, Table


class ForwardingTable(Table):
    """[forwarding]: how mail leaves that an alias sends on elsewhere.

    Attributes:
        srs: when its sender is rewritten: "needed": unless SPF lets us send it as it is; "always"; "never".
        arc: whether it gets a seal that tells what `authentication` found when it came.
        secret_file: secrets for rewritten senders, one a line, the newest first; None: one that is in the database.
        domain: at which hosted domain rewritten senders are; None: that of the alias.
    """

    srs: Literal["needed", "always", "never"] = "needed"
    arc: bool = True
    secret_file: FilePath | None = None
    domain: Domain | None = None
