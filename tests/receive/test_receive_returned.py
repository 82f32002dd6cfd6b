"""Reports that come back to the senders of forwarded mail: for nobody else, and from the null sender alone."""

from __future__ import annotations

import pytest
from reception import Client, Reception
from zope.interface import implementer

from twistedmail_mta.errors import PermanentError, TemporaryError
from twistedmail_mta.interfaces import IReturnPaths
from twistedmail_mta.mail.srs import Rewriting, SRSError, has_form
from twistedmail_mta.model import Address, Recipient, Reply
from twistedmail_mta.receive.admission import Admission

NOW = 1_800_000_000.0
REWRITING = Rewriting((b"our own secret",))
JOE = Address("joe", "strangers.test")
TEXT = ("DATA", "Subject: failed", "", "Hello", ".")


@implementer(IReturnPaths)
class Paths:
    """The real form and hash, without a database."""

    def __init__(self) -> None:
        self.trouble: TemporaryError | None = None

    def claims(self, address: Address) -> bool:
        return has_form(address.local)

    async def original(self, address: Address) -> Address:
        if self.trouble is not None:
            raise self.trouble
        try:
            return REWRITING.original(address.local, NOW)
        except SRSError:
            raise PermanentError(Reply(550, "5.1.1", "not ours")) from None


def made(sender: Address = JOE, rewriting: Rewriting = REWRITING, now: float = NOW) -> str:
    return str(rewriting.rewritten(sender, "home.test", now))


class Site(Reception):
    """A listener that knows the senders."""

    def __init__(self, role: str = "mx") -> None:
        self.paths = Paths()
        super().__init__(role=role)
        listener = self._listener()
        self.options = {
            "admission": Admission(listener.admission.relayed, self.directory, None, self.paths),
            "vrfy": "always",
        }
        self.factory.serve(self._listener())

    def begin(self, sender: str = "") -> Client:
        client = self.connect()
        client.type("LHLO me" if self.role == "lmtp" else "EHLO me", f"MAIL FROM:<{sender}>")
        return client


@pytest.mark.parametrize("role", ["mx", "lmtp"])
def test_a_report_goes_back(role: str) -> None:
    """To the sender as he was, from the null sender, through the queue."""
    site = Site(role)
    client = site.begin()

    assert client.type(f"RCPT TO:<{made()}>").startswith("250 ")
    assert client.type(*TEXT).startswith("250 ")

    (message,) = site.acceptance.messages
    assert message.envelope.sender.is_null
    assert message.envelope.recipients == (Recipient(JOE),)
    assert site.acceptance.local == [None]


def test_named_twice_it_goes_once() -> None:
    """Whatever the case of its letters."""
    site = Site()
    client = site.begin()
    client.type(f"RCPT TO:<{made()}>", f"RCPT TO:<{made().lower()}>", f"RCPT TO:<{made()}>", *TEXT)

    (message,) = site.acceptance.messages
    assert message.envelope.recipients == (Recipient(JOE),)


@pytest.mark.parametrize("sender", ["joe@strangers.test", "mailer-daemon@far.test", "u1@home.test"])
def test_nothing_but_reports(sender: str) -> None:
    """Other mail isn't for that address, whoever sends it."""
    site = Site()

    assert site.begin(sender).type(f"RCPT TO:<{made()}>").startswith("550 5.7.1 Only reports")


@pytest.mark.parametrize(
    "recipient",
    [
        made().replace("joe", "eve"),
        made().replace("strangers", "stranger"),
        made().replace("SRS0", "SRS1"),
        made(rewriting=Rewriting((b"another's secret",))),
        made(now=NOW - 22 * 86400),
        made(now=NOW + 86400),
        "SRS0=@home.test",
        "SRS1=h=far.test==x@home.test",
        '"SRS0=a=b=c d=e"@home.test',
        "SRS0=AAAAAAAA=2W=foreign.test=user@home.test",
        "SRS0=AAAAAAAA=2W==user@home.test",
    ],
)
def test_nobody_relays_by_it(recipient: str) -> None:
    """Tampered with, expired, made by others or by hand: each is refused, and nothing else was granted."""
    site = Site()
    client = site.begin()

    assert client.type(f"RCPT TO:<{recipient}>").startswith("550 5.1.1")
    assert client.type("DATA")[:3] in ("503", "554")


@pytest.mark.parametrize("local", ["user%foreign.test", "foreign.test!user"])
def test_routes_stay_refused(local: str) -> None:
    """A good hash isn't for what a next hop might read as a route."""
    assert Site().begin().type(f"RCPT TO:<{made(Address(local, 'strangers.test'))}>").startswith("550 5.7.1")


def test_at_domains_of_others_it_is_nothing() -> None:
    """The hash is ours, the domain isn't: no relaying."""
    recipient = made().replace("@home.test", "@foreign.test")

    assert Site().begin().type(f"RCPT TO:<{recipient}>").startswith("550 5.7.1 Relaying denied")


def test_a_sender_who_is_here_now() -> None:
    """If his domain came here since, his address is one like any other here: known, or unknown at once."""
    site = Site()
    client = site.begin()

    assert client.type(f"RCPT TO:<{made(Address('u1', 'home.test'))}>", *TEXT).startswith("250 ")
    (local,) = site.acceptance.local
    assert local is not None
    assert [each.account for each in local.deliveries] == [1]
    assert site.begin().type(f"RCPT TO:<{made(Address('nobody', 'home.test'))}>").startswith("550 5.1.1")


def test_nothing_is_read_twice() -> None:
    """An address that stands for one that looks rewritten leads no further here: no loop, however it was made."""
    inner = REWRITING.rewritten(JOE, "home.test", NOW)

    assert Site().begin().type(f"RCPT TO:<{made(inner)}>").startswith("550 5.1.1")


def test_trouble_delays() -> None:
    """What can't be said now is said later."""
    site = Site()
    site.paths.trouble = TemporaryError(Reply(450, "4.7.1", "too many"))

    assert site.begin().type(f"RCPT TO:<{made()}>").startswith("450 4.7.1")


def test_vrfy_tells_nothing() -> None:
    """Whose address it is, is for reports to find out."""
    assert Site().connect().type("EHLO me", f"VRFY {made()}").startswith("550 5.7.1")


def test_without_rewriting_it_is_an_address() -> None:
    """Where senders are never rewritten, the directory is asked as for any other."""
    site = Reception()
    client = site.connect()
    client.type("EHLO me", "MAIL FROM:<>")

    assert client.type(f"RCPT TO:<{made()}>").startswith("550 5.1.1 no such address")
