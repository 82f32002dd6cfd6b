"""Who lets strangers' mail be sent on: only those under [relay], and only by the one value that says so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from reception import Client, Reception
from twisted.logger import globalLogPublisher
from zope.interface import directlyProvides, implementer

from twistedmail_mta import stages
from twistedmail_mta.errors import MailError, PermanentError
from twistedmail_mta.interfaces import IRecipientCheck
from twistedmail_mta.model import Address, Reply
from twistedmail_mta.plugin_record import Plugin
from twistedmail_mta.stages import Grant, IRecipientPolicy, IRelayGrant
from twistedmail_mta.tasks import Promise

GRANTED = Grant("the scanner of the office")
DENIED = "550 5.7.1 Relaying denied: this is not a server for that domain\r\n"
BROKEN = "451 4.3.0 Mail can't be judged now, please try again later\r\n"
NO = Reply(550, "5.7.1", "not here")
AWAY = "bob@elsewhere.test"


@implementer(IRelayGrant)
class Grants:
    """Answers always the same, and remembers what it was told."""

    def __init__(self, answer: Any) -> None:
        self.told: list[tuple[Any, ...]] = []
        self._answer = answer

    async def may_relay(self, client: stages.Client, mail: stages.MailFrom, recipient: Any) -> Any:
        self.told.append((client, mail, recipient))
        answer = self._answer(client, mail, recipient) if isinstance(self._answer, Raising) else self._answer
        return await answer if isinstance(answer, Promise) else answer


@dataclass
class Raising:
    """Raises when it is called."""

    error: BaseException

    def __call__(self, *_: Any) -> None:
        raise self.error


def plugin(answer: Any, name: str = "test", *, abstains: bool = False) -> Plugin:
    return Plugin(name, Grants(answer), 10.0, abstains)


def begin(reception: Reception, sender: str = "ann@sender.test") -> Client:
    client = reception.connect()
    client.type("LHLO client.test" if reception.role == "lmtp" else "EHLO client.test", f"MAIL FROM:<{sender}>")
    return client


def rcpt(*relay: Plugin, path: str = AWAY, **options: Any) -> str:
    """What the client hears of a recipient."""
    return begin(Reception(relay=relay, **options)).type(f"RCPT TO:<{path}>")


@pytest.fixture
def logged() -> Iterator[list[Any]]:
    """What was logged."""
    events: list[Any] = []
    globalLogPublisher.addObserver(events.append)
    yield events
    globalLogPublisher.removeObserver(events.append)


# What grants


def test_a_grant(logged: list[Any]) -> None:
    """The message goes into the queue; who let it, for whom and why is logged and counted."""
    scanner = plugin(GRANTED, "scanner")
    reception = Reception(relay=(plugin(None), scanner))
    client = begin(reception)

    assert client.type(f"RCPT TO:<{AWAY}> NOTIFY=FAILURE").startswith("250")
    assert client.type("DATA", "Subject: hi", "", "text", ".").startswith("250")

    (message,) = reception.acceptance.messages
    assert [str(each.address) for each in message.envelope.recipients] == [AWAY]
    assert message.origin.account is None
    seen, mail, recipient = scanner.acts.told[0]
    assert (seen.host, str(mail.sender), str(recipient.address)) == ("192.168.1.1", "ann@sender.test", AWAY)
    assert recipient.notify == {"FAILURE"}
    (line,) = [event for event in logged if event.get("event") == "relay.granted"]
    facts = {key: line[key] for key in ("plugin", "peer", "sender", "recipient", "reason")}
    assert facts == {
        "plugin": "scanner", "peer": "192.168.1.1", "sender": "ann@sender.test", "recipient": AWAY,
        "reason": GRANTED.reason,
    }  # fmt: skip
    assert scanner.grants == 1


def test_it_is_asked_for_each_recipient() -> None:
    """What was granted for one isn't for another."""

    class Bobs(Grants):
        async def may_relay(self, client: Any, mail: Any, recipient: Any) -> Any:
            return GRANTED if recipient.address.local == "bob" else None

    client = begin(Reception(relay=(Plugin("test", Bobs(None), 10.0, False),)))

    assert client.type(f"RCPT TO:<{AWAY}>").startswith("250")
    assert client.type("RCPT TO:<eve@elsewhere.test>") == DENIED


def test_it_is_awaited() -> None:
    """Nothing is taken before the answer is here."""
    answer: Promise[Any] = Promise()
    client = begin(Reception(relay=(plugin(answer),)))

    assert client.type(f"RCPT TO:<{AWAY}>") == ""
    answer.resolve(GRANTED)

    assert client.said().startswith("250")


def test_other_policies_have_their_say() -> None:
    """A grant makes the recipient one that could be taken, no more: limits and the like are asked as ever."""

    class Refuses:
        async def recipient(self, *_: Any) -> Reply:
            return NO

    refuses = Refuses()
    directlyProvides(refuses, IRecipientPolicy)
    limit = Plugin("limit", refuses, 10.0, False)

    assert rcpt(plugin(GRANTED), plugins=(limit,)) == "550 5.7.1 not here\r\n"


# What doesn't


class Truthful:
    """Says that it is true, and a grant."""

    reason = "because"

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return "Truthful()"


NONSENSE: list[Any] = [
    True,
    False,
    1,
    "yes",
    b"yes",
    (),
    (GRANTED,),
    [GRANTED],
    {"grant": True},
    Grant,
    Grant(""),
    Grant("a\r\nb"),
    Grant("x" * 201),
    Grant(None),  # type: ignore[arg-type]
    Truthful(),
    Reply(250, "2.0.0", "yes"),
    Reply(354, "", "go on"),
    stages.AddHeader("X", "1"),
    Raising(ZeroDivisionError()),
    Raising(KeyboardInterrupt()),
    Raising(MailError(Reply(250, "2.0.0", "yes"))),
    Raising(MailError(GRANTED)),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("answer", NONSENSE, ids=repr)
@pytest.mark.parametrize(("abstains", "heard"), [(False, BROKEN), (True, DENIED)])
def test_nothing_else_grants(answer: Any, abstains: bool, heard: str) -> None:
    """Whatever is returned or raised instead is a failure, and a failure never grants, whatever `on_error` says."""
    asked = plugin(answer, abstains=abstains)
    reception = Reception(relay=(asked,))
    client = begin(reception)

    assert client.type(f"RCPT TO:<{AWAY}>") == heard
    assert client.type("DATA").startswith(("503", "554"))

    assert (asked.failures, asked.grants) == (1, 0)
    assert reception.acceptance.messages == []


@pytest.mark.parametrize(("abstains", "heard"), [(False, BROKEN), (True, DENIED)])
def test_one_that_takes_too_long(abstains: bool, heard: str) -> None:
    """Its time over, it has failed; what it says later counts for nothing."""
    answer: Promise[Any] = Promise()
    reception = Reception(relay=(plugin(answer, abstains=abstains),))
    client = begin(reception)
    client.type(f"RCPT TO:<{AWAY}>")

    reception.clock.advance(10.0)

    assert client.said() == heard


def test_refusals() -> None:
    """They are the client's, and nobody else is asked; also those that are raised."""
    later = Reply(450, "4.7.1", "fetch your mail first")

    assert rcpt(plugin(later), plugin(GRANTED)) == "450 4.7.1 fetch your mail first\r\n"
    assert rcpt(plugin(Raising(PermanentError(NO))), plugin(GRANTED)) == "550 5.7.1 not here\r\n"
    assert rcpt(plugin(None), plugin(None)) == DENIED


def test_listeners_lists_grant_nothing() -> None:
    """One who could grant, and whom [relay] doesn't name, isn't even asked."""
    grants = plugin(GRANTED)

    assert rcpt(plugins=(grants,)) == DENIED
    assert grants.acts.told == []


def test_relay_names_no_policies() -> None:
    """One that refuses recipients, too, does so on the listeners that name it."""

    class Both(Grants):
        async def recipient(self, *_: Any) -> Reply:
            return NO

    both = Both(GRANTED)
    directlyProvides(both, IRelayGrant, IRecipientPolicy)
    acts = Plugin("both", both, 10.0, False)

    assert rcpt(acts).startswith("250")
    assert rcpt(acts, plugins=(acts,)) == "550 5.7.1 not here\r\n"


# Where it is asked


ROUTES = [
    "x%else.test@elsewhere.test",
    "x%else.test@relayed.test",
    "u1%else.test@home.test",
    "else.test!x@elsewhere.test",
    '"x@else.test"@elsewhere.test',
]


@pytest.mark.parametrize("path", ROUTES)
def test_routes_in_local_parts(path: str) -> None:
    """They stay refused whoever would grant them: the next hop may trust this one and follow them."""
    grants = plugin(GRANTED)

    assert rcpt(grants, path=path) == DENIED
    assert grants.acts.told == []


@implementer(IRecipientCheck)
class NobodyThere:
    async def verify(self, recipient: Address) -> Reply | None:
        return Reply(550, "5.1.1", "no such address")


@pytest.mark.parametrize(
    ("path", "heard"),
    [
        ("u1@home.test", "250"),
        ("nobody@home.test", "550 5.1.1"),
        ("ann@relayed.test", "250"),
        ("ann@checked.test", "550 5.1.1"),
        ("postmaster", "250"),
    ],
)
def test_who_is_decided_without_it(path: str, heard: str) -> None:
    """Recipients here, and at domains relayed for: those that don't exist stay refused."""
    grants = plugin(GRANTED)
    checks = {"relayed.test": None, "checked.test": NobodyThere()}

    assert rcpt(grants, path=path, checks=checks, admin="u1@home.test").startswith(heard)
    assert grants.acts.told == []


def test_lmtp_never_relays() -> None:
    """Nothing makes a listener of that role send on: what comes there was sent on already."""
    grants = plugin(GRANTED)

    assert rcpt(grants, role="lmtp") == DENIED
    assert rcpt(grants, role="lmtp", path="ann@relayed.test") == DENIED
    assert grants.acts.told == []


def test_submission_needs_a_login_all_the_same() -> None:
    """Without one there is no transaction; with one nobody has to be asked."""
    grants = plugin(GRANTED)
    client = Reception(role="submission", relay=(grants,)).connect()

    assert client.type("EHLO me", "MAIL FROM:<ann@example.org>").startswith("530")
    assert client.type(f"RCPT TO:<{AWAY}>").startswith("503")
    token = "AGFubkBleGFtcGxlLm9yZwBzZWNyZXQ="
    assert client.type(f"AUTH PLAIN {token}", "MAIL FROM:<ann@example.org>", f"RCPT TO:<{AWAY}>").startswith("250")
    assert grants.acts.told == []


def test_vrfy_asks_nobody() -> None:
    """It says nothing of addresses elsewhere."""
    grants = plugin(GRANTED)
    client = begin(Reception(relay=(grants,), options={"vrfy": "always"}))

    assert client.type(f"VRFY {AWAY}").startswith("252")
    assert grants.acts.told == []


def test_a_client_that_goes_away() -> None:
    """The question ends with it."""
    answer: Promise[Any] = Promise()
    grants = plugin(answer)
    client = begin(Reception(relay=(grants,)))
    client.type(f"RCPT TO:<{AWAY}>")

    client.hang_up()
    if not answer.done:
        answer.resolve(GRANTED)

    assert (grants.calls["may_relay"], grants.grants, grants.failures) == (1, 0, 0)


# A stranger, at every role, in every way


WAYS = [
    AWAY,
    '"bob"@elsewhere.test',
    "@home.test:bob@elsewhere.test",
    "@relayed.test,@home.test:bob@elsewhere.test",
    "bob%elsewhere.test@home.test",
    "bob%elsewhere.test@relayed.test",
    "elsewhere.test!bob@relayed.test",
    '"bob@elsewhere.test"@relayed.test',
    "bob@[203.0.113.9]",
    "bob@[127.0.0.1]",
    "bob@ELSEWHERE.test",
    "bob@relayed.test.elsewhere.test",
    "bob@sub.relayed.test",
]


@pytest.mark.parametrize("relay", [(), (plugin(None),), (plugin(True),), (plugin(1, abstains=True),)])
@pytest.mark.parametrize("role", ["mx", "submission", "lmtp"])
@pytest.mark.parametrize("way", WAYS)
def test_strangers(role: str, relay: tuple[Plugin, ...], way: str) -> None:
    """Nothing they say gets mail for elsewhere in, with nobody who grants it, and with somebody who doesn't."""
    reception = Reception(role=role, relay=relay, limits={"errors": 50})
    for sender in ("", "ann@sender.test", "u1@home.test", "ann@relayed.test"):
        client = begin(reception, sender)
        client.type(f"RCPT TO:<{way}>")
        assert client.type("DATA")[:3] in {"503", "554"}
        client.hang_up()

    assert reception.acceptance.messages == []
