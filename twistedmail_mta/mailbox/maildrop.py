"""INBOX as POP3 sees it: a snapshot that stays as it is while the mailbox goes on (RFC 1939 section 3)."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Final, overload

from zope.interface import implementer

from twistedmail_mta.interfaces import IMaildrop
from twistedmail_mta.mailbox.mailboxes import Mailbox
from twistedmail_mta.mailbox.store import MailboxStore
from twistedmail_mta.mailbox.stored import Stored
from twistedmail_mta.mailbox.view import MailboxView
from twistedmail_mta.model import DropMessage

FETCHED_AT_ONCE: Final = 100
"""Messages read in one transaction."""


async def open_maildrop(store: MailboxStore, account: int) -> Maildrop:
    """Take a snapshot of the INBOX of an account.

    Raises:
        TemporaryError: it can't be read now, or the account is gone.
    """
    inbox = await store.make(account, "INBOX")
    view = await store.open(inbox.id)
    try:
        listing = Listing(inbox, view)
        await store.read_uidls(view)
        return Maildrop(store, listing)
    finally:
        store.leave(view)


class UniqueIds:
    """What POP3 calls the messages (RFC 1939 section 7), made as they are asked for; can be gone through again."""

    def __init__(self, uids: array[int], mailbox: Mailbox, brought: Mapping[int, str]) -> None:
        """Take the UIDs of the messages, and what those were called that another server had before."""
        self._uids = uids
        self._own = mailbox.uidl
        self._brought = brought

    def of(self, uid: int) -> str:
        """Return that of one message."""
        return self._brought.get(uid) or self._own(uid)

    def __iter__(self) -> Iterator[str]:
        """Return those of all messages, in their order."""
        return map(self.of, self._uids) if self._brought else map(self._own, self._uids)


class Listing(Sequence[DropMessage]):
    """The messages of a view as they are now, made one by one when they are asked for."""

    def __init__(self, mailbox: Mailbox, view: MailboxView) -> None:
        """Copy what can change.

        Args:
            mailbox: whose messages.
            view: of that mailbox; what its messages were called by another server may be read later.
        """
        self.mailbox = mailbox.id
        self.uids: array[int] = view.uids[:]
        self.sizes: array[int] = view.sizes[:]
        self.uidls = UniqueIds(self.uids, mailbox, view.uidls)

    def __len__(self) -> int:
        """Return how many messages there are."""
        return len(self.uids)

    @overload
    def __getitem__(self, index: int) -> DropMessage: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[DropMessage]: ...

    def __getitem__(self, index: int | slice) -> DropMessage | Sequence[DropMessage]:
        """Return one message, or some."""
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        uid = self.uids[index]
        return DropMessage(uid, self.sizes[index], self.uidls.of(uid))

    def sizes_of(self, uids: Sequence[int]) -> Sequence[int]:
        """Return the size of each; quickly, if they are neighbours here."""
        start = bisect_left(self.uids, uids[0]) if uids else 0
        end = start + len(uids)
        return self.sizes[start:end] if self.uids[start:end] == uids else [self.size(uid) for uid in uids]

    def size(self, uid: int) -> int:
        """Return the size of a message; 0 when it isn't here."""
        place = bisect_left(self.uids, uid)
        return self.sizes[place] if place < len(self) and self.uids[place] == uid else 0


@implementer(IMaildrop)
class Maildrop:
    """A POP3 session's snapshot of an INBOX.

    It holds two arrays, and the message that is being read in pieces.
    """

    def __init__(self, store: MailboxStore, messages: Listing) -> None:
        """Begin; `open_maildrop` does.

        Args:
            store: where the messages are.
            messages: the snapshot.
        """
        self.messages: Sequence[DropMessage] = messages
        self.uids: Sequence[int] = messages.uids
        self.sizes: Sequence[int] = messages.sizes
        self.uidls: Iterable[str] = messages.uidls
        self._store = store
        self._listing = messages
        self._read: tuple[int, Stored] | None = None

    async def fetch(self, uids: Sequence[int], most: int) -> Sequence[bytes | None]:
        """See `IMaildrop.fetch`."""
        wanted = uids[: self._how_many(uids[:FETCHED_AT_ONCE], most)]
        found = await self._store.whole(self._listing.mailbox, wanted)
        for uid in [uid for uid, octets in found.items() if octets is None]:
            found[uid] = await self.read(uid, 0, self._listing.size(uid)) or None
        return [found.get(uid) for uid in wanted]

    def _how_many(self, uids: Sequence[int], most: int) -> int:
        octets = list(accumulate(self._listing.sizes_of(uids)))
        return max(1, bisect_right(octets, most))

    async def read(self, uid: int, offset: int, size: int) -> bytes:
        """See `IMaildrop.read`."""
        if self._read is None or self._read[0] != uid:
            found = await self._store.stored(self._listing.mailbox, [uid])
            if uid not in found:
                return b""
            self._read = uid, found[uid]
        return await self._store.read(self._read[1], offset, size)

    async def remove(self, uids: Collection[int]) -> None:
        """See `IMaildrop.remove`."""
        await self._store.remove(self._listing.mailbox, uids)

    def close(self) -> None:
        """See `IMaildrop.close`."""
        self._read = None
