"""What the next hop hears, and what becomes of mail that can't go on: the whole way through a real server."""

from __future__ import annotations

import json
import re
import smtplib
import uuid
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import trustme
from mail_sink import Received, Sink, running_sink
from running_site import ACCOUNT, PASSWORD, RunningSite, wait_until
from typist import Typist

STRANGER = "joe@strangers.test"


class Onward:
    """A site, and a next hop of each kind.

    Attributes:
        able: knows every extension, and gets what no other route takes.
        plain: knows PIPELINING alone.
        mute: takes a message and hangs up without an answer.
        rude: offers STARTTLS and hangs up when it is taken at its word.
        home: where reports go.
    """

    def __init__(self, directory: Path, able: Sink, plain: Sink, mute: Sink, rude: Sink, home: Sink) -> None:  # noqa: PLR0917 - one of each kind
        self.able, self.plain, self.mute, self.rude, self.home = able, plain, mute, rude, home
        routes = {
            "plain.test": f"smtp://127.0.0.1:{plain.port}",
            "mute.test": f"smtp://127.0.0.1:{mute.port}",
            "rude.test": f"smtp://127.0.0.1:{rude.port}",
            "example.org": f"smtp://127.0.0.1:{home.port}",
            "waste.test": "discard",
            "closed.test": "error:550 5.1.2 Nobody lives there",
            "*": f"smtp://127.0.0.1:{able.port}",
        }
        tables = [f'[[route]]\nmatch = {{ to_domain = ["{name}"] }}\nvia = "{via}"\n' for name, via in routes.items()]
        relayed = f'[domains."relayed.test"]\nrelay_to = "smtp://127.0.0.1:{able.port}"\nrecipients = "any"\n'
        strict = '[listen.strict]\nendpoint = "tcp:0:interface=127.0.0.1"\nrole = "mx"\nstrict = true\n'
        outbound = '[outbound]\nsource_addresses = ["127.0.0.9", "::1"]\n'
        self.site = RunningSite(directory, outbound + strict + relayed + "".join(tables))

    def submit(self, recipient: str, text: bytes = b"hello\r\n", options: tuple[str, ...] = (), **words: Any) -> bytes:
        """Send a message as the login; return the mark by which it is found again."""
        mark = uuid.uuid4().hex.encode()
        message = b"From: %s\r\nSubject: %s\r\n\r\n" % (words.pop("author", ACCOUNT).encode(), mark) + text
        with smtplib.SMTP("127.0.0.1", self.site.ports["submission"], timeout=20) as client:
            client.ehlo()
            client.login(ACCOUNT, PASSWORD)
            client.sendmail(ACCOUNT, recipient, message, options, words.pop("rcpt_options", ()))
        return mark

    def report(self, mark: bytes) -> EmailMessage:
        """Wait for the report about a message and return its status part's group of the recipient."""
        report = message_from_bytes(arrived(self.home, mark).data, policy=policy.default)
        status = next(part for part in report.walk() if part.get_content_type() == "message/delivery-status")
        return status.get_payload()[1]


def hang_up_at_starttls(line: str) -> str | None:
    """Break the connection off at STARTTLS; nothing special otherwise."""
    if line == "STARTTLS":
        raise ConnectionError
    return None


def arrived(sink: Sink, mark: bytes) -> Received:
    """Wait for the message with the mark."""
    wait_until(lambda: [message for message in sink.messages if mark in message.data])
    return next(message for message in sink.messages if mark in message.data)


@pytest.fixture(scope="module")
def onward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Onward]:
    """The site, running, with its next hops."""
    every = ("PIPELINING", "SIZE 0", "8BITMIME", "SMTPUTF8", "DSN")
    with (
        running_sink(extensions=every) as able,
        running_sink(extensions=("PIPELINING",)) as plain,
        running_sink(final="") as mute,
        running_sink(extensions=("STARTTLS",), answer=hang_up_at_starttls) as rude,
        running_sink() as home,
    ):
        onward = Onward(tmp_path_factory.mktemp("onward"), able, plain, mute, rude, home)
        onward.site.start()
        onward.site.add_account(ACCOUNT, PASSWORD)
        yield onward
        assert onward.site.stop() == 0
        assert "Traceback" not in onward.site.log


def test_parameters_of_reports_are_handed_on(onward: Onward) -> None:
    """RET, ENVID, NOTIFY and ORCPT reach a next hop that knows DSN as they were given (RFC 3461 section 5.2.1)."""
    options = ("RET=HDRS", "ENVID=QQ+2B314159")
    rcpt_options = ("NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;Bob+2Bx@able.test")

    mark = onward.submit("bob@able.test", options=options, rcpt_options=rcpt_options)

    message = arrived(onward.able, mark)
    assert message.sender.startswith(f"<{ACCOUNT}> SIZE=")
    assert message.sender.endswith(" RET=HDRS ENVID=QQ+2B314159")
    assert message.recipients == ["<bob@able.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Bob+2Bx@able.test"]


def test_success_is_reported_where_the_next_hop_never_does(onward: Onward) -> None:
    """Without DSN there, the sender who asked is told that the mail was handed on (RFC 3461 section 5.2.2)."""
    options = {"options": ("ENVID=QQ+2B314159",), "rcpt_options": ("NOTIFY=SUCCESS", "ORCPT=rfc822;Bob+2Bx@plain.test")}

    group = onward.report(onward.submit("bob@plain.test", **options))

    assert group["Original-Recipient"] == "rfc822; Bob+x@plain.test"
    assert group["Action"] == "relayed"
    assert group["Status"].startswith("2.")
    assert all("NOTIFY" not in recipient for message in onward.plain.messages for recipient in message.recipients)


def test_connections_come_from_the_source_address(onward: Onward) -> None:
    """`source_addresses` decides where next hops see us come from."""
    assert arrived(onward.able, onward.submit("bob@able.test")).peer == "127.0.0.9"


def test_size_is_the_octets_that_follow(onward: Onward) -> None:
    """SIZE= announces exactly what is sent, trace field included (RFC 1870 section 5)."""
    message = arrived(onward.able, onward.submit("bob@able.test"))

    size = re.search(r" SIZE=(\d+)", message.sender)
    assert size is not None
    assert int(size[1]) == len(message.data)


def test_parameters_stay_where_nobody_knows_them(onward: Onward) -> None:
    """A next hop without DSN, SIZE or 8BITMIME hears none of their parameters."""
    mark = onward.submit("bob@plain.test", options=("RET=FULL", "ENVID=x", "BODY=8BITMIME"))

    message = arrived(onward.plain, mark)
    assert (message.sender, message.recipients) == (f"<{ACCOUNT}>", ["<bob@plain.test>"])


def test_eight_bit_text_bounces_where_it_cannot_go(onward: Onward) -> None:
    """8-bit text is announced where it may go, and comes back with 5.6.3 from a 7-bit host (RFC 6152 section 3)."""
    text = "Grüße\r\n".encode()

    mark = onward.submit("bob@able.test", text, options=("BODY=8BITMIME",))
    assert " BODY=8BITMIME" in arrived(onward.able, mark).sender
    assert arrived(onward.able, mark).data.endswith(text)

    assert onward.report(onward.submit("bob@plain.test", text, options=("BODY=8BITMIME",)))["Status"] == "5.6.3"


def test_international_mail_bounces_where_it_cannot_go(onward: Onward) -> None:
    """SMTPUTF8 is asked for where it is known, and the mail comes back with 5.6.7 elsewhere (RFC 6531 section 3.4)."""
    options = ("SMTPUTF8", "BODY=8BITMIME")

    mark = onward.submit("bob@able.test", options=options, author=f"Zoë <{ACCOUNT}>")
    assert " SMTPUTF8" in arrived(onward.able, mark).sender

    refused = onward.submit("bob@plain.test", options=options, author=f"Zoë <{ACCOUNT}>")
    assert onward.report(refused)["Status"] == "5.6.7"


def test_smtputf8_alone_demands_nothing(onward: Onward) -> None:
    """A message that says SMTPUTF8 but is ASCII goes to any host."""
    mark = onward.submit("bob@plain.test", options=("SMTPUTF8", "BODY=8BITMIME"))

    assert arrived(onward.plain, mark).sender == f"<{ACCOUNT}>"


def test_the_longest_line_is_relayed_whole(onward: Onward) -> None:
    """A line of 1 MiB, dots at its head, goes out as it came; one octet more is refused."""
    line = b"." + b"x." * (512 * 1024 - 1) + b"y"
    assert len(line) == 1024 * 1024

    mark = onward.submit("bob@able.test", b"before\r\n" + line + b"\r\n.after\r\n")

    assert arrived(onward.able, mark).data.endswith(b"\r\n\r\nbefore\r\n" + line + b"\r\n.after\r\n")
    with pytest.raises(smtplib.SMTPDataError) as refused:
        onward.submit("bob@able.test", line + b"z\r\n")
    assert (refused.value.smtp_code, refused.value.smtp_error[:5]) == (552, b"5.6.0")


def test_broken_tls_is_no_reason_to_keep_mail(onward: Onward) -> None:
    """Where TLS is a courtesy, a host that fails at it gets the mail in clear at once, and the log says so."""
    arrived(onward.rude, onward.submit("bob@rude.test"))

    assert re.search(r"TLS with \S+ \[127\.0\.0\.1\] failed, trying in clear", onward.site.log)


def test_one_id_leads_through_the_log(onward: Onward) -> None:
    """The line of the acceptance joins session and message; the outcome names the message."""
    arrived(onward.able, onward.submit("trace@able.test"))
    wait_until(lambda: " delivered trace@able.test " in onward.site.log)

    (queue_id,) = re.findall(r"(\w+) delivered trace@able\.test ", onward.site.log)
    assert re.search(
        rf"{queue_id} accepted from <{ACCOUNT}> for 1: \d+ octets by ESMTPS?A from \S+, login {ACCOUNT}, ",
        onward.site.log,
    )


def test_strict_is_of_one_listener(onward: Onward) -> None:
    """The same bare line feed is mended on one listener and refused on the other."""
    for listener, code in (("mx", "250 2.0.0"), ("strict", "550 5.6.11")):
        with Typist(onward.site.ports[listener]) as typist:
            typist.reply()
            for line in ("EHLO me", f"MAIL FROM:<{STRANGER}>", "RCPT TO:<ann@relayed.test>"):
                assert typist.type(line).startswith("250")
            assert typist.type("DATA").startswith("354")
            typist.send(b"Subject: x\r\n\r\nbare\nend\r\n.\r\n")
            assert typist.reply().startswith(code)


def test_source_routes_are_dropped(onward: Onward) -> None:
    """The host before the colon is passed over, for sender and recipient (RFC 5321 appendix C)."""
    mark = uuid.uuid4().hex
    with Typist(onward.site.ports["mx"]) as typist:
        typist.reply()
        typist.type("EHLO me")
        assert typist.type(f"MAIL FROM:<@a.test,@b.test:{STRANGER}>").startswith("250")
        assert typist.type("RCPT TO:<@relayed.test:ann@elsewhere.test>").startswith("550 5.7.1")
        assert typist.type("RCPT TO:<@elsewhere.test:ann@relayed.test>").startswith("250")
        assert typist.type("DATA").startswith("354")
        typist.send(f"Subject: {mark}\r\n\r\n.\r\n".encode())
        assert typist.reply().startswith("250")

    message = arrived(onward.able, mark.encode())
    assert message.sender.startswith(f"<{STRANGER}>")
    assert message.recipients == ["<ann@relayed.test>"]


def test_unknown_parameters_are_refused(onward: Onward) -> None:
    """555 for what isn't offered, 501 for bad values; neither begins anything (RFC 5321 section 4.1.1.11)."""
    with Typist(onward.site.ports["mx"]) as typist:
        typist.reply()
        typist.type("EHLO me")
        assert typist.type(f"MAIL FROM:<{STRANGER}> HOLDFOR=5").startswith("555 5.5.4")
        assert typist.type(f"MAIL FROM:<{STRANGER}> BODY=BINARYMIME").startswith("555 5.5.4")
        assert typist.type(f"MAIL FROM:<{STRANGER}> SIZE=many").startswith("501 5.5.4")
        assert typist.type("RCPT TO:<ann@relayed.test>").startswith("503 5.5.1")
        assert typist.type(f"MAIL FROM:<{STRANGER}>").startswith("250")
        assert typist.type("RCPT TO:<ann@relayed.test> COLOUR=red").startswith("555 5.5.4")
        assert typist.type("RCPT TO:<ann@relayed.test> NOTIFY=NEVER,DELAY").startswith("501 5.5.4")
        assert typist.type("DATA").startswith("503 5.5.1")


def test_discarded_mail_leaves_no_trace(onward: Onward) -> None:
    """What a route discards is accepted, reported to nobody, and gone."""
    mark = onward.submit("bob@waste.test")

    wait_until(lambda: "bob@waste.test" in onward.site.log)
    wait_until(lambda: not queued(onward.site, "--to", "bob@waste.test"))
    after = onward.submit("carol@closed.test")  # reports leave in order: were there one, it would be here by then
    onward.report(after)
    assert not [message for message in onward.home.messages if mark in message.data]


def test_refusing_route_bounces(onward: Onward) -> None:
    """The reply of an `error:` route comes back to the sender who logged in."""
    group = onward.report(onward.submit("bob@closed.test"))

    assert group["Status"] == "5.1.2"
    assert "550 5.1.2 Nobody lives there" in " ".join(group["Diagnostic-Code"].split())


def test_strangers_get_no_bounce(onward: Onward, tmp_path: Path) -> None:
    """Mail that a stranger sent and that fails later is told to the administrator, whoever it claims to be from."""
    mark = uuid.uuid4().hex
    with running_sink(final="550 5.7.1 not this one") as refusing:
        site = RunningSite(
            tmp_path / "site",
            f'[domains."relayed.test"]\nrelay_to = "smtp://127.0.0.1:{refusing.port}"\nrecipients = "any"\n'
            f'[[route]]\nmatch = {{}}\nvia = "smtp://127.0.0.1:{onward.home.port}"\n',
        ).start()
        try:
            with Typist(site.ports["mx"]) as typist:
                typist.reply()
                for line in ("EHLO me", f"MAIL FROM:<{STRANGER}>", "RCPT TO:<ann@relayed.test>", "DATA"):
                    typist.type(line)
                assert typist.type(f"Subject: {mark}\r\n\r\n.").startswith("250")
            report = arrived(onward.home, mark.encode())
            wait_until(lambda: not queued(site))
        finally:
            site.stop()

    assert report.sender.startswith("<>")
    assert report.recipients == ["<postmaster@example.org>"]
    assert not [message for message in onward.home.messages if STRANGER in "".join(message.recipients)]


def test_a_bounce_is_never_bounced(tmp_path: Path) -> None:
    """Where the report of a failure fails too, it ends there: a line in the log, nothing in the queue."""
    refuse = lambda line: "550 5.1.1 nobody" if line.upper().startswith("RCPT") else None  # noqa: E731 - one line
    with running_sink(answer=refuse) as refusing:
        site = RunningSite(
            tmp_path / "site", f'[[route]]\nmatch = {{}}\nvia = "smtp://127.0.0.1:{refusing.port}"\n'
        ).start()
        try:
            site.add_account(ACCOUNT, PASSWORD)
            with smtplib.SMTP("127.0.0.1", site.ports["submission"], timeout=20) as client:
                client.login(ACCOUNT, PASSWORD)
                client.sendmail(ACCOUNT, "bob@far.test", b"Subject: x\r\n\r\n")
            wait_until(lambda: "nobody is told of failures" in site.log)
            assert not queued(site)
            assert site.log.count(" is told about ") == 1
        finally:
            site.stop()


def test_a_lost_answer_is_named_and_every_due_time_outlives_a_restart(onward: Onward) -> None:
    """A reply to the final dot that never comes is in the log and the queue as that; a kill changes no due time."""
    onward.submit("bob@mute.test")
    lost = "before the answer to the end of the message"

    wait_until(lambda: re.search(rf"unconfirmed bob@mute\.test .*{lost}", onward.site.log))
    wait_until(lambda: any(each["reply"] for each in recipients(onward.site, "bob@mute.test")))
    (before,) = recipients(onward.site, "bob@mute.test")
    assert lost in before["reply"]
    assert before["state"] == "waiting"
    onward.site.kill()
    onward.site.start()

    assert recipients(onward.site, "bob@mute.test") == [before]
    assert len(onward.mute.messages) == 1
    onward.site.mta("queue", "delete", "--to", "bob@mute.test")


def queued(site: RunningSite, *words: str) -> list[dict[str, Any]]:
    """What `mta queue list` shows."""
    return json.loads(site.mta("--json", "queue", "list", *words).stdout or "[]")


def recipients(site: RunningSite, address: str) -> list[dict[str, Any]]:
    """What the queue knows of a recipient."""
    return [each for message in queued(site, "--to", address) for each in message["recipients"]]


def smart_host(directory: Path, authority: trustme.CA, sink: Sink) -> RunningSite:
    """A submission server that the authority vouches for, started; its mail goes to the sink."""
    host = RunningSite(directory, f'[[route]]\nmatch = {{}}\nvia = "smtp://127.0.0.1:{sink.port}"\n')
    issued = authority.issue_cert("localhost")
    issued.cert_chain_pems[0].write_to_path(host.certificate)
    issued.private_key_pem.write_to_path(host.key)
    host.start()
    host.add_account(ACCOUNT, PASSWORD)
    return host


def test_smart_host_with_verified_tls_and_login(tmp_path: Path) -> None:
    """`tls = "required"` and `auth`: nothing goes to a host nobody vouches for; what goes is logged in, over TLS."""
    authority, password = trustme.CA(), tmp_path / "password"
    password.write_text(PASSWORD + "\n")
    authority.cert_pem.write_to_path(tmp_path / "authorities.pem")
    with running_sink() as sink:
        host = smart_host(tmp_path / "host", authority, sink)
        site = RunningSite(
            tmp_path / "site",
            f'[[route]]\nmatch = {{}}\nvia = "smtp://localhost:{host.ports["submission"]}"\ntls = "required"\n'
            f'auth = {{ user = "{ACCOUNT}", password_file = "{password}" }}\n',
        )
        try:
            site.start()
            site.add_account(ACCOUNT, PASSWORD)
            with smtplib.SMTP("127.0.0.1", site.ports["submission"], timeout=20) as client:
                client.login(ACCOUNT, PASSWORD)
                client.sendmail(ACCOUNT, "bob@far.test", f"From: {ACCOUNT}\r\n\r\nhello\r\n".encode())
            wait_until(lambda: re.search(r"no session with localhost .*no trusted authority vouches", site.log))
            assert not sink.messages
            site.stop()

            with site.config.open("a") as config:
                config.write(f'[outbound]\nca_file = "{tmp_path / "authorities.pem"}"\n')
            site.start()
            site.mta("queue", "retry", "--all")
            wait_until(lambda: sink.messages)
        finally:
            site.stop()
            host.stop()

    (message,) = sink.messages
    theirs, ours = re.findall(rb"\bby mail\.example\.org with (\w+) ", message.data)
    assert (theirs, ours) == (b"ESMTPSA", b"ESMTPA")
    assert re.search(rb"\bTLSv1\.[23]\b", message.data)
