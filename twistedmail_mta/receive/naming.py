"""The recipients of a message while plugins change them: each is known by what it was when the plugins were asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from twistedmail_mta.directory.forwarding import original
from twistedmail_mta.model import Address, Expansion, Notify, Recipient
from twistedmail_mta.receive.addressees import Addressee

_USUAL: Final[frozenset[Notify]] = frozenset({"FAILURE", "DELAY"})
"""What a sender hears of who asked for nothing (RFC 3461 section 4.1)."""


class Named:
    """Recipients by the names that plugins know, and where their copies go now.

    Plugins don't see one another's changes, so a recipient that was changed is
    still removed, filed or changed by its old name.  Several that have become
    one are gone only when all of them are removed.

    Attributes:
        addressees: by the address that the copy goes to.
    """

    __slots__ = ("_claims", "_now", "addressees")

    def __init__(self, addressees: Mapping[Address, Addressee]) -> None:
        """Begin with those that RCPT named."""
        self.addressees = dict(addressees)
        self._now = {address: address for address in addressees}
        self._claims = Counter(self.addressees.keys())

    def now(self, named: Address) -> Address:
        """Return where the copy of a recipient goes; of one that is none, the same."""
        return self._now.get(named, named)

    def add(self, recipient: Recipient, expansion: Expansion | None) -> None:
        """Add one more; one that is there already stays as it is."""
        address = recipient.address
        if address not in self.addressees:
            self.addressees[address] = Addressee(recipient, expansion)
            self._now.setdefault(address, address)
            self._claims[address] += 1

    def remove(self, named: Address) -> bool:
        """Remove one; return whether it was there."""
        place = self._now.pop(named, None)
        if place is None:
            return False
        self._release(place)
        return True

    def standing(self, named: Address) -> Recipient | None:
        """Return a recipient as it is now; None if it is none, or no longer."""
        place = self._now.get(named)
        return None if place is None else self.addressees[place].recipient

    def move(self, named: Address, new: Address, expansion: Expansion | None) -> None:
        """Send the copy of a recipient to another address; one that gets it anyhow gets it once.

        What it was is told as the original recipient, where the sender's own
        server hasn't (RFC 3461 section 4.2).

        Args:
            named: the recipient, which is there.
            new: another address.
            expansion: whom that stands for.
        """
        place = self._now[named]
        recipient = self.addressees[place].recipient
        there = self.addressees.get(new)
        if there is None:
            orcpt = recipient.orcpt or original(recipient.address)
            moved = Addressee(replace(recipient, address=new, orcpt=orcpt), expansion)
        else:
            notify = _both(there.recipient.notify, recipient.notify)
            moved = replace(there, recipient=replace(there.recipient, notify=notify))
        self.addressees[new] = moved
        self._now[named] = new
        self._claims[new] += 1
        self._release(place)

    def divert(self, recipient: Recipient, expansion: Expansion | None) -> None:
        """Send one copy to somebody, and none to anybody else; nobody is known by another name any more."""
        self._now, self._claims = {}, Counter()
        self.addressees = {recipient.address: Addressee(recipient, expansion)}

    def decide(self, recipient: Recipient) -> None:
        """Note what was decided of where the copy of a recipient goes, who is there."""
        self.addressees[recipient.address] = replace(self.addressees[recipient.address], recipient=recipient)

    def _release(self, place: Address) -> None:
        self._claims[place] -= 1
        if not self._claims[place]:
            del self._claims[place]
            del self.addressees[place]


def _both(one: frozenset[Notify] | None, other: frozenset[Notify] | None) -> frozenset[Notify] | None:
    """Return what two recipients that have become one are to be told of: whatever either was."""
    if one == other:
        return one
    wanted = (_USUAL if one is None else one) | (_USUAL if other is None else other)
    return wanted - {"NEVER"}
