"""Filters that nobody here wrote, or that stand on libmilter: all that they can do, on both kinds of connection."""

from __future__ import annotations

import json
import smtplib
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from interop_daemons import Daemon, LoopbackNetwork, eventually
from interop_milters import (
    Filter,
    Place,
    clamav_milter,
    filter_of_every_action,
    need,
    opendkim,
    opendmarc,
    spamass_milter,
    tcp,
    unix,
)
from interop_peers import MAIL_USER, folder
from interop_scanners import CLAMD, EICAR, GTUBE, SPAMD, SPAMD_PORT, start_clamd, start_spamd
from mail_sink import Received, Sink, running_sink
from running_site import PASSWORD, RunningSite

MESSAGE = (
    b"Subject: hi \xe9\r\nX-Old:  1\r\n\tfolded\r\nX-Old: 2\r\nX-Empty:\r\nFrom: <ann@sender.test>\r\n\r\n"
    b"text \xff\x80\r\n.\r\n\r\nend\r\n"
)
BODY = MESSAGE.partition(b"\r\n\r\n")[2]


@dataclass
class Site:
    """A server, what stands in front of it, and where its mail goes."""

    server: RunningSite
    sink: Sink

    def send(self, wish: str, *recipients: str, text: bytes = MESSAGE, options: tuple[str, ...] = ()) -> Any:
        """Send from an address that tells the filter what to do; return the last answer."""
        with smtplib.SMTP(self.server.host, self.server.ports["mx"], "client.test", timeout=60) as client:
            client.ehlo()
            answer = client.mail(f"{wish}@sender.test", ["BODY=8BITMIME", *options])
            if answer[0] != 250:
                return answer
            answers = [client.rcpt(each) for each in recipients or ("bob@relayed.test",)]
            return client.data(text) if any(code == 250 for code, _ in answers) else answers[-1]

    def received(self, wish: str, domain: str = "sender.test") -> Received:
        """What the next hop got."""
        mark = f"<{wish}@{domain}>"

        def find() -> Received | None:
            return next((each for each in self.sink.messages if each.sender.startswith(mark)), None)

        return eventually(find, f"{wish} arrives")


def below_trace(message: Received) -> bytes:
    """A message without our own field."""
    first, _, rest = message.data.partition(b"\r\n")
    assert first.startswith(b"Received: ")
    while rest.startswith((b" ", b"\t")):
        rest = rest.partition(b"\r\n")[2]
    return rest


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A folder whose paths are short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="mta-milter-") as path:
        Path(path).chmod(0o755)
        yield Path(path)


@contextmanager
def running(home: Path, plugins: str, names: str, submission: str = "") -> Iterator[Site]:
    """A server that asks plugins, and sends mail on to a sink."""
    with running_sink() as sink:
        listeners = (
            f'[listen.mx]\nendpoint = "tcp:0:interface=127.0.0.1"\nrole = "mx"\nplugins = {names}\n'
            '[listen.submission]\nendpoint = "tcp:0:interface=127.0.0.1"\nrole = "submission"\n'
            f'plaintext_login = ["127.0.0.0/8"]\n{submission}\n'
        )
        tables = (
            f'[domains."relayed.test"]\nrelay_to = "smtp://127.0.0.1:{sink.port}"\nrecipients = "any"\n'
            f'[[route]]\nmatch = {{ to_domain = ["elsewhere.test"] }}\nvia = "smtp://127.0.0.1:{sink.port}"\n{plugins}'
        )
        site = RunningSite(home, tables, listeners)
        try:
            yield Site(site.start(), sink)
        finally:
            site.stop()


@pytest.fixture(scope="module", params=["unix", "tcp"])
def place(request: pytest.FixtureRequest, home: Path, network: LoopbackNetwork) -> Place:
    """Where the filter of every action listens."""
    return unix(home / "filter.sock") if request.param == "unix" else tcp(network.address(51))


@pytest.fixture(scope="module")
def filter_(home: Path, place: Place) -> Iterator[Filter]:
    """The filter of every action."""
    folder = home / place.ours.partition(":")[0]
    folder.mkdir()
    with filter_of_every_action(folder, place) as running_filter:
        yield running_filter


@pytest.fixture(scope="module")
def site(home: Path, filter_: Filter) -> Iterator[Site]:
    """A server that asks it."""
    plugins = f'[plugins.every]\nuse = "milter"\nendpoint = "{filter_.place.ours}"\nlook_up_names = false\n'
    folder = home / f"site-{filter_.place.ours.partition(':')[0]}"
    with running(folder, plugins, '["every"]') as started:
        yield started


# What it is told


def test_all_that_a_filter_is_told(site: Site, filter_: Filter) -> None:
    """Octet by octet, with the macros that it asks for."""
    assert site.send("nothing", "bob@relayed.test", "eve@relayed.test", options=("SIZE=200",))[0] == 250

    calls = filter_.calls
    connect = max(number for number, call in enumerate(calls) if call[0] == "connect")
    assert calls[connect : connect + 2] == [
        [
            "connect",
            "[127.0.0.1]",
            {"j": "mail.example.org", "{daemon_name}": "mx", "{client_addr}": "127.0.0.1", "{if_addr}": "127.0.0.1"},
        ],
        ["hello", "client.test"],
    ]
    told = filter_.last_message()
    queue_id = told[0][3]
    assert told[:14] == [
        ["mail", "<nothing@sender.test>", ["SIZE=200", "BODY=8BITMIME"], queue_id],
        ["rcpt", "<bob@relayed.test>", [], "bob@relayed.test"],
        ["rcpt", "<eve@relayed.test>", [], "eve@relayed.test"],
        ["data"],
        ["header", "Subject", "hi \xe9"],
        ["header", "X-Old", " 1\n\tfolded"],
        ["header", "X-Old", "2"],
        ["header", "X-Empty", ""],
        ["header", "From", "<ann@sender.test>"],
        ["eoh"],
        ["body", len(BODY), BODY.decode("latin-1")],
        ["eom", len(BODY), queue_id],
        *told[12:14],
    ]
    assert below_trace(site.received("nothing")) == MESSAGE
    eventually(lambda: f"{queue_id} accepted" in site.server.log, f"{queue_id} is logged")


def test_a_large_message(site: Site, filter_: Filter) -> None:
    """In pieces that libmilter takes; it wants no more of another one after the first."""
    text = b"\r\n".join([b"Subject: large", b"", *[b"\xe9" * 98] * 20_000, b""])
    assert site.send("big", text=text)[0] == 250
    bodies = [call for call in filter_.last_message() if call[0] == "body"]
    assert sum(call[1] for call in bodies) == 2_000_000
    assert len(bodies) == 31
    assert below_trace(site.received("big")) == text

    assert site.send("skip", text=text)[0] == 250
    assert [call[0] for call in filter_.last_message()].count("body") == 1


def test_connections_are_used_again(site: Site, filter_: Filter) -> None:
    """By client after client; libmilter tells the filter of each."""
    before = len([call for call in filter_.calls if call[0] == "connect"])
    for number in range(3):
        assert site.send(f"again{number}")[0] == 250

    calls = [call[0] for call in filter_.calls]
    assert calls.count("connect") == before + 3
    begin = [number for number, name in enumerate(calls) if name == "connect"][before]
    assert calls[begin:].count("close") >= 2


def test_a_message_that_isnt_sent(site: Site, filter_: Filter) -> None:
    """The filter is told to forget it."""
    with smtplib.SMTP(site.server.host, site.server.ports["mx"], "client.test", timeout=60) as client:
        client.ehlo()
        client.mail("never@sender.test")
        client.rset()
        client.mail("later@sender.test")
        assert [call[0] for call in filter_.calls][-2:] == ["abort", "mail"]


# Refusals


@pytest.mark.parametrize("stage", ["mail", "data", "header", "eoh", "body", "eom"])
@pytest.mark.parametrize(
    ("word", "answer"),
    [
        ("reject", (550, b"5.7.1 Command rejected")),
        ("tempfail", (451, b"4.7.1 Service unavailable - try again later")),
        ("reply", (554, b"5.7.9 not like\n5.7.9 this 100%")),
    ],
)
def test_refusals(site: Site, word: str, answer: tuple[int, bytes], stage: str) -> None:
    """At every stage, in the filter's words."""
    assert site.send(f"{word}-{stage}") == answer


def test_refused_greeting(site: Site) -> None:
    """The client can mend it."""
    with smtplib.SMTP(site.server.host, site.server.ports["mx"], timeout=60) as client:
        assert client.ehlo("refused.test")[0] == 550
        assert client.ehlo("client.test")[0] == 250
        assert client.mail("mended@sender.test")[0] == 250


def test_refused_recipients(site: Site) -> None:
    """At RCPT; the message is for the others."""
    assert site.send("reply-rcpt", "bad@relayed.test")[0] == 554
    assert site.send("reject-rcpt", "bad@relayed.test", "bob@relayed.test")[0] == 250
    assert [each.partition(">")[0] for each in site.received("reject-rcpt").recipients] == ["<bob@relayed.test"]


@pytest.mark.parametrize("stage", ["mail", "data", "header", "eoh", "body", "eom"])
def test_taken_early(site: Site, stage: str) -> None:
    """Without further questions; or taken and dropped."""
    assert site.send(f"accept-{stage}")[0] == 250
    assert below_trace(site.received(f"accept-{stage}")) == MESSAGE

    answer = site.send(f"discard-{stage}")
    assert answer[0] == 250
    queue_id = answer[1].decode().rpartition(" ")[2]
    eventually(lambda: f"{queue_id} discarded by plugins" in site.server.log, f"{queue_id} is dropped")


# Changes


def test_header(site: Site) -> None:
    """Fields in front, between and behind, changed and removed; the others as they were."""
    assert site.send("headers")[0] == 250
    assert below_trace(site.received("headers")) == (
        b"X-First: first\r\nX-Second: folded\r\n\tvalue\r\nSubject: another\r\nX-Old: changed\r\nX-Empty:\r\n"
        b"From: <ann@sender.test>\r\nX-Last: last\r\nX-New: new\r\n\r\n" + BODY
    )


def test_recipients(site: Site) -> None:
    """One more, one more without reports, one less; none that this host doesn't take mail for."""
    assert site.send("recipients", "bob@relayed.test", "eve@relayed.test")[0] == 250
    recipients = {each.partition(">")[0] for each in site.received("recipients").recipients}
    assert recipients == {"<eve@relayed.test"}
    undone = "which can't be done: AddRecipient(address=Address(local='copy', domain='relayed.test')"
    eventually(lambda: undone in site.server.log, "it is logged that one can't be added")


def test_sender(site: Site) -> None:
    """Another reverse-path."""
    assert site.send("sender")[0] == 250
    assert below_trace(site.received("changed")) == MESSAGE


def test_body(site: Site) -> None:
    """Another text; a dot in it is no end of the message."""
    assert site.send("body")[0] == 250
    header = MESSAGE.partition(b"\r\n\r\n")[0]
    assert below_trace(site.received("body")) == header + b"\r\n\r\nanother b\xf6dy\r\n.\r\n"


def test_large_body(site: Site) -> None:
    """Larger than what is kept in memory; nothing stays of the one that came."""
    assert site.send("large", text=b"Subject: x\r\n\r\n" + (b"y" * 998 + b"\r\n") * 500)[0] == 250
    data = site.received("large").data
    assert data.endswith(b"\r\n\r\n" + (b"x" * 1022 + b"\r\n") * 1024)
    bodies = site.server.state / "bodies"
    eventually(lambda: not any(path.is_file() for path in bodies.rglob("*")), "both bodies are removed")


def test_quarantine(site: Site) -> None:
    """It waits for an operator, who sees the filter's reason."""
    assert site.send("quarantine")[0] == 250

    (message,) = json.loads(site.server.mta("quarantine", "list", "--json").stdout)

    assert message["detention"]["kind"] == "quarantine"
    assert message["detention"]["reason"] == "looks odd"
    site.server.mta("quarantine", "release", message["id"])
    assert below_trace(site.received("quarantine")) == MESSAGE


def test_patience(site: Site) -> None:
    """A filter may ask for it."""
    assert site.send("progress")[0] == 250


# OpenDKIM and OpenDMARC


@pytest.fixture(scope="module")
def guarded(home: Path, knot: Daemon, network: LoopbackNetwork) -> Iterator[Site]:
    """A server whose submissions OpenDKIM signs, and for which it and OpenDMARC judge what comes from elsewhere."""
    folder = home / "dkim"
    folder.mkdir()
    names = network.address(53)
    signer, verifier = unix(folder / "sign.sock"), tcp(network.address(52))
    judge = unix(folder / "dmarc.sock")
    plugins = (
        f'[plugins.sign]\nuse = "milter"\nendpoint = "{signer.ours}"\n'
        f'[plugins.verify]\nuse = "milter"\nendpoint = ["{verifier.ours}", "{judge.ours}"]\nlook_up_names = false\n'
        '[domains."signed.test"]\n'
    )
    with ExitStack() as stack:
        stack.enter_context(opendkim(folder, signer, mode="s", domain="signed.test"))
        stack.enter_context(opendkim(folder, verifier, mode="v", domain="signed.test"))
        stack.enter_context(opendmarc(folder, judge, names))
        made = running(home / "guarded", plugins, '["verify"]', 'plugins = ["sign"]')
        site = stack.enter_context(made)
        site.server.add_account("ann@signed.test", PASSWORD)
        yield site


def signed(site: Site, text: bytes) -> bytes:
    """Submit a message; return it as it left, without our own field."""
    with smtplib.SMTP(site.server.host, site.server.ports["submission"], timeout=60) as client:
        client.login("ann@signed.test", PASSWORD)
        client.sendmail("ann@signed.test", "bob@elsewhere.test", text, ["BODY=8BITMIME"])
    return below_trace(site.received("ann", "signed.test"))


def told_by_mx(site: Site, text: bytes) -> tuple[int, bytes]:
    """Let a stranger send a message."""
    with smtplib.SMTP(site.server.host, site.server.ports["mx"], "client.test", timeout=60) as client:
        client.ehlo()
        client.mail("stranger@elsewhere.test", ["BODY=8BITMIME"])
        client.rcpt("bob@relayed.test")
        return client.data(text)


LETTER = MESSAGE.replace(b"ann@sender.test", b"ann@signed.test") + b"\r\n"


def test_signed_and_verified(guarded: Site) -> None:
    """What OpenDKIM signs on the way out it finds unchanged on the way in, 8-bit text and odd spaces as well.

    OpenDMARC is shown what OpenDKIM wrote on top of it, and lets it pass.
    """
    text = signed(guarded, LETTER)
    assert text.startswith(b"DKIM-Signature: v=1; a=rsa-sha256; c=simple/simple; d=signed.test; s=sel;\r\n\t")
    assert LETTER.partition(b"From:")[0] in text

    assert told_by_mx(guarded, text)[0] == 250
    arrived = below_trace(guarded.received("stranger", "elsewhere.test"))
    assert arrived.endswith(text)
    results = arrived.removesuffix(text)
    assert b"dkim=pass" in results
    assert b"dmarc=pass" in results


def test_forged(guarded: Site) -> None:
    """A text that was changed on its way, or never signed, is refused in OpenDMARC's words."""
    text = signed(guarded, LETTER)
    for forged in (text.replace(b"end\r\n", b"END\r\n"), LETTER):
        code, words = told_by_mx(guarded, forged)
        assert code == 550
        assert words.startswith(b"5.7.1 rejected by DMARC policy for signed.test")


# clamav-milter and spamass-milter


@pytest.fixture(scope="module")
def scanned(network: LoopbackNetwork) -> Iterator[Site]:
    """A server that asks both, which ask a clamd and a spamd of their own."""
    need(CLAMD, SPAMD)
    with tempfile.TemporaryDirectory(prefix="mta-scan-") as path, ExitStack() as stack:
        Path(path).chmod(0o755)
        home = folder(Path(path) / "x", MAIL_USER)
        virus, spam = unix(home / "virus.sock"), unix(home / "spam.sock")
        clamd = start_clamd(home, network, "10M")
        stack.callback(clamd.stop)
        spamd = start_spamd(home, network)
        stack.callback(spamd.stop)
        stack.enter_context(clamav_milter(home, virus, f"unix:{home}/clamd/clamd.ctl"))
        stack.enter_context(spamass_milter(home, spam, (network.address(42), SPAMD_PORT)))
        plugins = f'[plugins.scan]\nuse = "milter"\nendpoint = ["{virus.ours}", "{spam.ours}"]\nlook_up_names = false\n'
        yield stack.enter_context(running(home / "site", plugins, '["scan"]'))


def test_clean_mail_is_marked(scanned: Site) -> None:
    """By both; the text stays what it is, octet by octet."""
    assert scanned.send("clean")[0] == 250

    header, _, body = below_trace(scanned.received("clean")).partition(b"\r\n\r\n")
    assert b"X-Virus-Status: Clean" in header
    assert b"X-Spam-Status: No, score=" in header
    assert body == BODY


def test_a_virus_is_refused(scanned: Site) -> None:
    """In clamav-milter's words."""
    code, words = scanned.send("virus", text=b"Subject: x\r\n\r\n" + bytes.fromhex(EICAR.decode()) + b"\r\n")

    assert (code, words) == (550, b"5.7.1 This holds Eicar-Test.UNOFFICIAL")


def test_spam_is_marked_or_refused(scanned: Site) -> None:
    """As spamass-milter does it: another subject and a report in the text's place; from 15 points on refused."""
    assert scanned.send("marked", text=b"Subject: x\r\nX-Test-Score: 7\r\n\r\ntext\r\n")[0] == 250
    arrived = below_trace(scanned.received("marked"))
    assert b"X-Spam-Flag: YES\r\n" in arrived
    assert b"X-Spam-Status: Yes, score=1" in arrived

    code, words = scanned.send("refused", text=f"Subject: x\r\n\r\n{GTUBE}\r\n".encode())
    assert (code, words) == (550, b"5.7.1 Blocked by SpamAssassin")
