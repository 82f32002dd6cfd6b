"""Plugins in a dry run: they answer as those of the running site would, and leave no trace of it."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from zope.interface import implementer

from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.mail.header import Header
from twistedmail_mta.model import Recipient, Reply
from twistedmail_mta.plugins import Kit, NoOptions, PluginError, kind_of
from twistedmail_mta.policy.brake import Brake
from twistedmail_mta.policy.early import Early
from twistedmail_mta.policy.greylist import Greylist
from twistedmail_mta.policy.limits import Limits
from twistedmail_mta.policy.milter import Milter
from twistedmail_mta.policy.rspamd import Rspamd
from twistedmail_mta.policy.spamd import Spamd
from twistedmail_mta.policy.tarpit import Tarpit
from twistedmail_mta.stages import (
    Client,
    IConnectPolicy,
    IEndedObserver,
    IHeaderPolicy,
    IMailPolicy,
    IMessagePolicy,
    IRecipientPolicy,
    IRefusalObserver,
    MailFrom,
)
from twistedmail_mta.testing.rig import Rig
from twistedmail_mta.testing.values import arriving, client, envelope, mail_from, recipient

ANN = "ann@home.test"
NO = Reply(550, "5.1.1", "No such address here")


def send(rig: Rig, *recipients: str, account: str | None = None, taken: bool = True) -> Reply | None:
    """Go through the stages of a message, as a session does; return the first refusal."""
    who, mail = client(account=account), mail_from(ANN)
    replies = [rig.ask(IMailPolicy, who, mail)]
    replies += [rig.ask(IRecipientPolicy, who, mail, recipient(each)) for each in recipients]
    if not any(replies):
        replies.append(rig.ask(IMessagePolicy, who, arriving("Subject: hi\n\ntext\n", ANN, list(recipients))))
    refusal = next(filter(None, replies), None)
    rig.ask(IEndedObserver, who, mail, taken and refusal is None)
    return refusal


def test_greylisting_learns_nothing() -> None:
    """Whoever is new would have to wait, again and again, and isn't known for having been asked about."""
    live = Rig(Greylist)
    asked = (client(), mail_from(), recipient())
    for _ in range(2):
        dry = live.rehearsal()
        assert dry.ask(IRecipientPolicy, *asked).code == 450
        assert dry.rows("SELECT count(*) FROM {plugin}triplet") == [(1,)]
        live.clock.advance(600)
    assert live.rows("SELECT count(*) FROM {plugin}triplet") == [(0,)]


def test_greylisting_knows_who_came_back() -> None:
    """The answer is that of the tables, and the triplet is as it was afterwards."""
    live = Rig(Greylist)
    asked = (client(), mail_from(), recipient())
    assert live.ask(IRecipientPolicy, *asked).code == 450
    live.clock.advance(600)
    before = live.rows("SELECT * FROM {plugin}triplet")

    assert live.rehearsal().ask(IRecipientPolicy, *asked) is None
    assert live.rows("SELECT * FROM {plugin}triplet") == before


def limits(messages: int) -> Rig:
    return Rig(Limits, {"account": {"day": {"messages": messages, "new_recipients": "none"}}})


def test_limits_know_what_no_table_has_yet() -> None:
    """What was charged a moment ago counts."""
    live = limits(2)
    assert send(live, "bob@else.test", account=ANN) is None
    assert live.rows("SELECT count(*) FROM {plugin}bucket") == [(0,)]

    dry = live.rehearsal()
    assert send(dry, "bob@else.test", account=ANN) is None
    assert send(dry, "bob@else.test", account=ANN) is not None


def test_limits_charge_nobody() -> None:
    """However often a dry run sends, the account has all of its limit left, in memory and in the table."""
    live = limits(1)
    for _ in range(3):
        dry = live.rehearsal()
        assert send(dry, "bob@else.test", account=ANN) is None
        live.clock.advance(60)
        assert dry.rows("SELECT count(*) FROM {plugin}bucket") == [(0,)]  # it is over before that could be read again
    assert live.rows("SELECT count(*) FROM {plugin}bucket") == [(0,)]
    assert send(live, "bob@else.test", account=ANN) is None
    assert send(live, "bob@else.test", account=ANN) is not None


def brake() -> Rig:
    return Rig(Brake, {"learn": "1s"})


def guess(rig: Rig) -> None:
    """Name address after address that nobody has, until the brake stops that."""
    for number in range(100):
        who, mail = client(account=ANN), mail_from(ANN)
        if rig.ask(IMailPolicy, who, mail) is not None:
            return
        if rig.ask(IRecipientPolicy, who, mail, recipient(f"u{number}@else.test")) is None:
            rig.ask(IRefusalObserver, who, NO)
        rig.ask(IEndedObserver, who, mail, False)
    raise AssertionError("nobody was stopped")


def test_the_brake_stops_nobody() -> None:
    """In a dry run it refuses as it would, holds no mail, tells nobody, and knows nothing of it afterwards."""
    live = brake()
    live.clock.advance(60)

    guess(live.rehearsal())

    assert live.ask(IMailPolicy, client(account=ANN), mail_from(ANN)) is None
    assert live.surroundings.notices.sent == []
    assert live.surroundings.account_mail.suspended == set()


def test_the_brake_knows_who_is_stopped() -> None:
    """Also what isn't in the table yet."""
    live = brake()
    live.clock.advance(60)
    guess(live)
    assert live.rehearsal().ask(IMailPolicy, client(account=ANN), mail_from(ANN)) is not None


@pytest.mark.parametrize("use", [Early, Tarpit])
def test_nobody_waits(use: Any) -> None:
    """Time that a client would have to wait is taken to have passed."""
    dry = Rig(use).rehearsal()
    for _ in range(20):
        if use is Early:
            assert dry.ask(IConnectPolicy, client()) is None
        else:
            dry.ask(IRefusalObserver, client(), NO)
    assert dry.clock.seconds() == 0.0


@pytest.mark.parametrize("use", [Milter, Rspamd, Spamd])
def test_who_asks_others_is_not_asked(use: Any) -> None:
    """What their daemons do with what they are told isn't ours to undo."""
    assert not kind_of(use, "it").rehearses


@implementer(IMailPolicy)
class Counter:
    """Counts mail in a table, and in memory."""

    migrations: ClassVar[tuple[str, ...]] = ("CREATE TABLE {plugin}seen (sender TEXT) STRICT",)

    def __init__(self, options: NoOptions, kit: Kit) -> None:
        self.kit = kit
        self.seen = 0

    def rehearse(self, live: Counter) -> None:
        self.seen = live.seen

    async def sender(self, client: Client, mail: MailFrom) -> Reply | None:
        self.seen += 1
        sql = f"INSERT INTO {self.kit.prefix}seen VALUES (?)"

        def insert(tx: Transaction) -> None:
            tx.execute(sql, (str(mail.sender),))

        await self.kit.database.write(insert)
        return NO if self.seen > 1 else None


def test_any_plugin_is_kept_from_leaving_traces() -> None:
    """Its kit has a database that forgets and no hand on mail; it is told so, and what it knows is handed over."""
    live = Rig(Counter)
    dry = live.rehearsal()
    assert (dry.kit.rehearsal, live.kit.rehearsal) == (True, False)
    assert dry.kit.account_mail is None
    assert dry.kit.notices is None

    assert dry.ask(IMailPolicy, client(), mail_from()) is None
    assert live.ask(IMailPolicy, client(), mail_from()) is None
    assert live.rehearsal().ask(IMailPolicy, client(), mail_from()) == NO
    assert live.rows("SELECT count(*) FROM {plugin}seen") == [(1,)]


def made(**attributes: Any) -> Any:
    return implementer(IRecipientPolicy)(type("Odd", (), {"recipient": _recipient, "__init__": _init, **attributes}))


def _init(self: object, options: NoOptions, kit: Kit) -> None:
    """Nothing is kept."""


async def _recipient(self: object, client: Client, mail: MailFrom, recipient: Recipient) -> Reply | None:
    return None


def test_what_is_wrong_is_said() -> None:
    """With the plugin's name, where the server would start it, or the dry run begins."""

    async def waits(self: object, live: object) -> None:
        """It would have to be awaited."""

    def fails(self: object, live: object) -> None:
        raise ValueError("no")

    with pytest.raises(PluginError, match="rehearse must be no async method"):
        Rig(made(rehearse=waits))
    with pytest.raises(PluginError, match="rehearses must be True or False"):
        Rig(made(rehearses="no"))
    with pytest.raises(PluginError, match="test can't take over from the one that runs: ValueError: no"):
        Rig(made(rehearse=fails)).rehearsal()
    with pytest.raises(PluginError, match="can't be asked in a dry run"):
        Rig(made(rehearses=False)).rehearsal()


def test_headers_are_no_concern_here() -> None:
    """A dry run's null sender is told to wait by its header, as a real one is."""
    live = Rig(Greylist)
    dry = live.rehearsal()
    assert dry.ask(IHeaderPolicy, client(), envelope("", "bob@home.test"), Header(b"\r\n")).code == 450
    assert live.rows("SELECT count(*) FROM {plugin}triplet") == [(0,)]
