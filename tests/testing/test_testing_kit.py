"""The test kit for authors of plugins: what it gives them, and what it doesn't let pass."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from zope.interface import implementer

from twistedmail_mta.config.values import Table, Wait
from twistedmail_mta.errors import HTTPError, TemporaryError
from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.mail.header import Header
from twistedmail_mta.model import Address, Envelope, MXRecord, Recipient, Reply, Via
from twistedmail_mta.plugins import Kit, PluginError
from twistedmail_mta.stages import (
    AddHeader,
    Arriving,
    Attempted,
    Changes,
    Client,
    FileInto,
    Hold,
    IConnectPolicy,
    IDeliveredObserver,
    IHeaderPolicy,
    IMailboxObserver,
    IMessagePolicy,
    IRecipientPolicy,
    IRoutePolicy,
    Leaving,
    MailFrom,
    Quarantine,
    ReplaceBody,
    SetNextHop,
    Stored,
    Tag,
)
from twistedmail_mta.tasks import Promise, sleep
from twistedmail_mta.testing.rig import Rig
from twistedmail_mta.testing.site import Site
from twistedmail_mta.testing.surroundings import START, Surroundings
from twistedmail_mta.testing.values import (
    arriving,
    attempted,
    client,
    envelope,
    header,
    leaving,
    mail_from,
    recipient,
    stored,
)

NO = Reply(550, "5.7.1", "no")


@implementer(IRecipientPolicy, IConnectPolicy)
class Counts:
    """Counts recipients in a table of its own, and refuses above a limit; slow ones first."""

    class Options(Table):
        most: int = 1
        pause: Wait | None = None

    migrations: ClassVar = ("CREATE TABLE {plugin}seen (address TEXT PRIMARY KEY, count INTEGER NOT NULL) STRICT;",)

    def __init__(self, options: Options, kit: Kit) -> None:
        self.options, self.kit = options, kit
        self.life: list[str] = []

    async def start(self) -> None:
        self.life.append("start")

    async def stop(self) -> None:
        self.life.append("stop")

    async def connected(self, client: Client) -> Reply | None:
        names = await self.kit.resolver.host_names(client.host)
        return NO if names.status == "missing" else None

    async def recipient(self, client: Client, mail: MailFrom, recipient: Recipient) -> Reply | None:
        if self.options.pause is not None:
            await sleep(self.kit.clock, self.options.pause)
        table, address = self.kit.prefix + "seen", str(recipient.address)
        added = f"INSERT INTO {table} VALUES (?, 1) ON CONFLICT DO UPDATE SET count = count + 1 RETURNING count"

        def count(tx: Transaction) -> int:
            ((number,),) = list(tx.execute(added, (address,)))
            return int(number)

        return NO if await self.kit.database.write(count) > self.options.most else None


class Answers:
    """Answers a stage with something."""

    def __new__(cls, stage: Any, answer: Any) -> Any:
        (method,) = stage.names()

        async def act(self: Any, *values: Any) -> Any:
            return answer(*values) if callable(answer) else answer

        return implementer(stage)(type("Says", (), {"__init__": lambda *_: None, method: act}))


# One stage


def test_a_stage_with_options_and_tables() -> None:
    """Options are read as from a site file, tables are made, and what was written stays."""
    rig = Rig(Counts, {"most": 2})
    ask = (IRecipientPolicy, client(), mail_from(), recipient("bob@home.test"))

    assert [rig.ask(*ask) for _ in range(3)] == [None, None, NO]
    assert rig.rows("SELECT address, count FROM {plugin}seen") == [("bob@home.test", 3)]
    assert rig.kit.prefix == "plugin_test_"


def test_mistaken_options() -> None:
    """As the server would say it."""
    with pytest.raises(ValueError, match="most"):
        Rig(Counts, {"most": "two"})
    with pytest.raises(PluginError, match="none of the stages"):
        Rig(lambda _options, _kit: object())


def test_time_passes_when_it_is_needed() -> None:
    """An answer that takes time is waited for on the plugin's own clock; or step by step."""
    rig = Rig(Counts, {"pause": "5s"})
    assert rig.kit.now() == START
    asked = rig.begin(IRecipientPolicy, client(), mail_from(), recipient())
    with pytest.raises(AssertionError, match="waits for something"):
        _ = asked.answer

    rig.clock.advance(5)

    assert asked.answer is None
    assert rig.ask(IRecipientPolicy, client(), mail_from(), recipient()) == NO
    assert 5 <= rig.kit.now() - START - 5 < 5.1


def test_what_never_comes() -> None:
    """A test doesn't hang."""
    rig = Rig(Answers(IConnectPolicy, lambda _: None))

    async def never(_: Client) -> None:
        await Promise[None]()

    rig.plugin.connected = never

    with pytest.raises(AssertionError, match="waits for something"):
        rig.ask(IConnectPolicy, client())
    asked = rig.begin(IConnectPolicy, client())
    asked.cancel()
    assert asked.done


@pytest.mark.parametrize("answer", [True, "no", Reply(354, "", "go on"), (AddHeader("X", "1"),), NotImplemented])
def test_answers_that_are_none(answer: Any) -> None:
    """What the server would take for a failure fails a test."""
    rig = Rig(Answers(IRecipientPolicy, answer))

    with pytest.raises(AssertionError, match="can't be answered with"):
        rig.ask(IRecipientPolicy, client(), mail_from(), recipient())


def test_what_it_raises_is_raised() -> None:
    """An author wants to see it."""

    def fail(*_: Any) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Rig(Answers(IRecipientPolicy, fail)).ask(IRecipientPolicy, client(), mail_from(), recipient())


def test_functions_that_write_run_twice() -> None:
    """As the server's may: one that touches memory is found out."""
    rig, touched = Rig(Counts), []

    def write(tx: Transaction) -> None:
        touched.append(tx)

    rig.call(rig.kit.database.write(write))

    assert len(touched) == 2
    with pytest.raises(ZeroDivisionError):
        rig.call(rig.kit.database.write(lambda _: 1 // 0))


def test_a_broken_database() -> None:
    """And one that works again."""
    rig = Rig(Counts)
    rig.surroundings.database.failure = TemporaryError(NO)
    with pytest.raises(TemporaryError):
        rig.ask(IRecipientPolicy, client(), mail_from(), recipient())

    rig.surroundings.database.failure = None

    assert rig.ask(IRecipientPolicy, client(), mail_from(), recipient()) is None


def test_names() -> None:
    """The DNS says what it was told."""
    rig = Rig(Counts)
    names = rig.surroundings.names
    assert rig.ask(IConnectPolicy, client("192.0.2.1")) == NO
    names.add("192.0.2.1", "PTR", "a.test")
    names.add("a.test", "MX", MXRecord(10, "b.test"))

    assert rig.ask(IConnectPolicy, client("192.0.2.1")) is None
    assert rig.call(rig.kit.resolver.addresses("a.test", "A")).status == "empty"  # type: ignore[arg-type]
    assert names.asked == ["192.0.2.1 PTR", "192.0.2.1 PTR", "a.test A"]
    names.broken.add("192.0.2.1")
    with pytest.raises(TemporaryError):
        rig.ask(IConnectPolicy, client("192.0.2.1"))
    names.silent.add("192.0.2.9")
    assert not rig.begin(IConnectPolicy, client("192.0.2.9")).done


def test_web() -> None:
    """Services say what they were told; others aren't there."""
    rig = Rig(Counts)
    web, http = rig.surroundings.web, rig.kit.http
    web.say("http://a.test/", "hello", status=201, server="x")
    web.add("http://b.test/", lambda request: web_echo(request.body))

    answer = rig.call(http.request("GET", "http://a.test/"))  # type: ignore[arg-type]
    assert (answer.status, answer.headers, answer.body) == (201, {"server": "x"}, b"hello")
    echo = http.request("POST", "http://b.test/", body=b"head ", stream=arriving("X: 1\n\nbody\n").body)
    assert rig.call(echo).body == b"head body\r\n"  # type: ignore[arg-type]
    assert [(each.method, each.body) for each in web.asked] == [("GET", b""), ("POST", b"head body\r\n")]
    with pytest.raises(HTTPError):
        rig.call(http.request("GET", "http://c.test/"))  # type: ignore[arg-type]
    with pytest.raises(HTTPError, match="too large"):
        rig.call(http.request("GET", "http://a.test/", most=4))  # type: ignore[arg-type]


def web_echo(body: bytes) -> Any:
    from twistedmail_mta.model import HTTPAnswer  # noqa: PLC0415 - of this test alone

    return HTTPAnswer(200, {}, body)


def test_life() -> None:
    """It is started when it is made; stopping it ends what it has begun."""
    rig = Rig(Counts)
    task = rig.kit.tasks.start("x", _wait_for_ever())

    rig.stop()

    assert rig.plugin.life == ["start", "stop"]
    assert task.done


async def _wait_for_ever() -> None:
    await Promise[None]()


# Values


def test_values() -> None:
    """As the server makes them."""
    assert client().role == "mx"
    assert client(account="ann@home.test").role == "submission"
    assert client(tls="TLSv1.3", helo="x").tls == "TLSv1.3"
    assert mail_from("").sender.is_null
    assert isinstance(envelope("a@b.test", "c@d.test"), Envelope)
    assert header("Subject: hi\nTo: x\n\ntext\n").block == b"Subject: hi\r\nTo: x\r\n\r\n"
    assert isinstance(header(b""), Header)
    message = arriving("Subject: hi\n\nline\n", "a@b.test", ["c@d.test"])
    assert (message.size, message.body.size) == (21, 6)
    assert isinstance(attempted(reply=NO, attempts=3), Attempted)
    assert stored(("bob@home.test", "Junk")) == stored(("bob@home.test", "Junk"))
    assert isinstance(stored(), Stored)


# A session


def test_a_session() -> None:
    """The plugin's refusal is the server's; what is taken can be looked at."""
    site = Site(Rig(Counts))
    site_names = ("192.0.2.1", "PTR", "client.test")
    assert not site.connect().connected
    site = Site(rig := Rig(Counts))
    rig.surroundings.names.add(*site_names)
    session = site.connect()
    assert session.greeting.startswith("220 ")

    assert session.mail("ann@sender.test", "bob@home.test", "eve@relayed.test", text="A: 1\n\n.dot\n").startswith("250")
    assert session.mail("ann@sender.test", "bob@home.test").startswith("550 5.7.1 no")
    assert session.mail("ann@sender.test", "bob@elsewhere.test").startswith("550 5.7.1")

    (accepted,) = site.accepted
    assert accepted.sender == "ann@sender.test"
    assert accepted.mailboxes == {"bob@home.test": "INBOX"}
    assert accepted.recipients == ("eve@relayed.test",)
    assert accepted.header.get(b"A") == b"1"
    assert accepted.body == b".dot\r\n"
    assert not accepted.held
    session.hang_up()


def test_another_text() -> None:
    """What a plugin writes in the body's place, asked by hand and in a session."""

    async def write(message: Arriving) -> Changes:
        draft = message.draft()
        await draft.write(b"another\r\n")
        return (ReplaceBody(await draft.finish()),)

    rig = Rig(Answers(IMessagePolicy, None))
    rig.plugin.message = lambda _, message: write(message)

    (change,) = rig.ask(IMessagePolicy, client(), arriving())
    assert rig.call(change.body.read(0, 100)) == b"another\r\n"


def test_another_text_in_a_session() -> None:
    """It is what was taken."""

    class Writes:
        def __init__(self, options: Any, kit: Kit) -> None: ...

        async def message(self, client: Client, message: Arriving) -> Changes:
            draft = message.draft()
            await draft.write(b"another\r\n")
            return (ReplaceBody(await draft.finish()),)

    site = Site(Rig(implementer(IMessagePolicy)(Writes)))

    assert site.connect().mail("ann@sender.test", "bob@home.test").startswith("250")
    assert site.accepted[0].body == b"another\r\n"


def test_several_plugins() -> None:
    """In their order; all their changes are made."""
    around = Surroundings()

    def add(client: Client, message: Arriving) -> Changes:
        return (AddHeader("X-Size", str(message.size)),)

    site = Site(
        Rig(Answers(IMessagePolicy, add), surroundings=around),
        Rig(Answers(IMessagePolicy, (FileInto("Junk"), Hold("odd"))), surroundings=around),
        Rig(Answers(IHeaderPolicy, lambda _c, _e, header: NO if header.has(b"X-Bad") else None), surroundings=around),
    )
    session = site.connect("2001:db8::1")

    assert session.mail("", "bob@home.test", text="X-Bad: 1\n\n").startswith("550")
    assert session.mail("", "bob@home.test", text="S: 1\n\nt\n").startswith("250")
    (accepted,) = site.accepted
    assert accepted.held
    assert accepted.quarantined is None
    assert accepted.header.get(b"X-Size") == b"11"
    with pytest.raises(ValueError, match="share"):
        Site(Rig(Counts), Rig(Counts))


def test_quarantine() -> None:
    """Why it is there; nothing of it is in a mailbox, unless it is one that was named."""
    site = Site(Rig(Answers(IMessagePolicy, (Quarantine("odd"),))))
    assert site.connect().mail("ann@sender.test", "bob@home.test", "eve@relayed.test").startswith("250")
    (accepted,) = site.accepted
    assert (accepted.quarantined, accepted.held, accepted.mailboxes) == ("odd", True, {})
    assert accepted.recipients == ("eve@relayed.test", "bob@home.test")

    site = Site(Rig(Answers(IMessagePolicy, (Quarantine("odd", Address("virus", "home.test")),))))
    assert site.connect().mail("ann@sender.test", "bob@home.test").startswith("250")
    (accepted,) = site.accepted
    assert (accepted.quarantined, accepted.held, accepted.mailboxes) == (None, False, {"virus@home.test": "INBOX"})
    assert accepted.header.get(b"X-Envelope-To") == b"<bob@home.test>"


def test_submission_and_observers() -> None:
    """Whoever logs in may send anywhere; those who take note are told."""
    told: list[Any] = []
    site = Site(Rig(Answers(IMailboxObserver, told.append)), role="submission", senders={"ann@home.test": ["x@y.test"]})

    assert site.connect().mail("ann@home.test", "bob@home.test").startswith("5")
    session = site.connect(account="ann@home.test")
    assert session.mail("x@y.test", "bob@home.test", "eve@elsewhere.test").startswith("250")

    assert site.accepted[0].recipients == ("eve@elsewhere.test",)
    assert [str(address) for address, _ in told[0].mailboxes] == ["bob@home.test"]


def test_slow_plugins_in_a_session() -> None:
    """Time passes for them; past their limit the client is told to come back."""
    site = Site(rig := Rig(Counts, {"pause": "5s"}))
    rig.surroundings.names.add("192.0.2.1", "PTR", "client.test")
    assert site.connect().mail("ann@sender.test", "bob@home.test").startswith("250")
    site = Site(rig := Rig(Counts, {"pause": "5s"}, timeout="2s"))
    rig.surroundings.names.add("192.0.2.1", "PTR", "client.test")
    assert site.connect().mail("ann@sender.test", "bob@home.test").startswith("451 4.3.0")
    assert rig.running.failures == 1


def test_observers_are_asked_like_others() -> None:
    """What they return is nobody's business."""
    assert Rig(Answers(IDeliveredObserver, "thanks")).ask(IDeliveredObserver, attempted()) == "thanks"


@implementer(IMessagePolicy, IRoutePolicy)
class Ways:
    """Notes the subject, and goes by it."""

    def __init__(self, _options: Any, kit: Kit) -> None:
        self._clock = kit.clock

    async def message(self, _client: Client, message: Arriving) -> Changes:
        subject = (message.header.get(b"Subject") or b"").decode()
        return (Tag("subject", subject), *([SetNextHop("smtp://chosen.test")] if subject == "chosen" else []))

    async def routed(self, leaving: Leaving) -> Any:
        await sleep(self._clock, 2.0)
        if leaving.account != "ann@home.test" or leaving.attempts:
            return Reply(450, "4.7.1", "later")
        return Via(f"smtp://{leaving.tags['subject']}.test") if leaving.route == "elsewhere.test" else None


def test_which_way_copies_go() -> None:
    """Asked as the queue does: with what was noted, not about those whose next hop is chosen; time passes for it."""
    site = Site(Rig(Ways), role="submission")
    session = site.connect(account="ann@home.test")
    for subject in ("news", "chosen"):
        session.mail("ann@home.test", "bob@elsewhere.test", "eve@other.test", text=f"Subject: {subject}\n\nx\n")

    news, chosen = site.accepted
    assert site.routed(news) == {"bob@elsewhere.test": Via("smtp://news.test"), "eve@other.test": None}
    assert site.routed(news, {"bob@elsewhere.test": "mailbox"})["bob@elsewhere.test"] is None
    assert site.routed(news, attempts=1)["eve@other.test"] == Reply(450, "4.7.1", "later")
    assert site.routed(chosen) == {}
    assert chosen.ways == dict.fromkeys(chosen.recipients, Via("smtp://chosen.test"))
    assert dict(chosen.tags) == {"subject": "chosen"}


def test_what_is_no_way() -> None:
    """An answer that the server would take for a failure fails the test; a filter is chosen before."""
    rig = Rig(Ways)
    rig.plugin.routed = _answers(Via("filter+smtp://127.0.0.1:10024"))

    with pytest.raises(AssertionError, match="IRoutePolicy can't be answered with"):
        rig.ask(IRoutePolicy, leaving())
    rig.plugin.routed = _answers(Via("smtp://127.0.0.1:10024"))
    assert rig.ask(IRoutePolicy, leaving()) == Via("smtp://127.0.0.1:10024")


def _answers(answer: Any) -> Any:
    async def routed(_: Leaving) -> Any:
        return answer

    return routed
