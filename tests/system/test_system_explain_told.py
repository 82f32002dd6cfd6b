"""What `mta explain` tells besides the replies, of a site that runs and of one that doesn't."""

from __future__ import annotations

from pathlib import Path

import pytest
from explained_site import ANN, SUE, explained, made
from mail_sink import Sink
from name_server import NameServer
from running_site import RunningSite

from twistedmail_mta.store.files import DATABASE_NAME


def test_aliases_step_by_step(either: RunningSite) -> None:
    """An alias for a mailbox and an address elsewhere, one that goes in circles, one that leads to nobody."""
    (both,) = explained(either, "rcpt", "both@example.org")["recipients"]
    assert [(each["address"], each["is"]) for each in both["steps"]] == [
        ("both@example.org", "alias"),
        ("joe@else.test", "elsewhere"),
        (ANN, "account"),
    ]
    assert [each["address"] for each in both["mailboxes"]] == [ANN]
    assert both["forwards"] == ["joe@else.test"]

    (loop,) = explained(either, "rcpt", "loop@example.org", accepted=False)["recipients"]
    assert [(each["address"], each["is"]) for each in loop["steps"]][-1] == ("loop@example.org", "before")
    assert loop["problem"] == "leads back to itself and nowhere else"
    (gone,) = explained(either, "rcpt", "gone@example.org", accepted=False)["recipients"]
    assert gone["steps"][-1] == {"address": "nobody@example.org", "is": "unknown", "leads_to": [], "leads_to_more": 0}


def test_the_way_of_a_forward(either: RunningSite) -> None:
    """By MX, in order of preference, with a sender that passes SPF, and what is demanded of TLS, and why."""
    answer = explained(either, "rcpt", "both@example.org", "--from", "eve@else.test", "--from-ip", "127.0.0.1")
    (way,) = answer["ways"]
    assert (way["recipient"], way["forwarded_by"], way["route"], way["key"]) == (
        "joe@else.test", "example.org", "else.test", None,
    )  # fmt: skip
    assert [(each["preference"], each["host"]) for each in way["mx"]] == [(10, "mx1.else.test"), (20, "mx2.else.test")]
    assert [each["host"] for each in way["hosts"]] == ["mx1.else.test", "mx2.else.test"]
    assert way["lane"] == "mx1.else.test"
    assert way["sender"].startswith("SRS0=")
    assert way["sender"].endswith("@example.org")
    assert way["sealed_by"] == "example.org"
    assert "DANE is off" in way["tls"]
    assert "no MTA-STS policy" in way["tls"]


def test_which_rule_leads_where(either: RunningSite, own_sink: Sink) -> None:
    """Named by its key path; a domain that takes no mail, a plugin that sends another way, and a route that refuses."""
    send = ("send", "--account", SUE, "--from", SUE, "--to")
    ways = {
        to: explained(either, *send, to)["ways"][0]
        for to in ("x@one.lab.test", "x@any.test", "x@refused.test", "x@nomail.test", "never@else.test")
    }
    keys = [way["key"] for way in ways.values()]
    assert keys == ["route[1]", 'domains."any.test".relay_to', "route[0]", None, None]
    assert ways["x@one.lab.test"]["route"] == f"smtp://127.0.0.1:{own_sink.port}"
    assert ways["x@one.lab.test"]["tls"] == "TLS with a certificate of the host's name, as the route says"
    assert ways["x@refused.test"]["outcome"] == "fails"
    assert ways["x@nomail.test"]["reply"] == "556 5.1.10 The recipient's domain accepts no mail"
    assert ways["never@else.test"]["chosen_by"] == "picky"
    assert ways["never@else.test"]["reply"] == "550 5.7.1 never"


def test_who_signs_and_what_is_left(either: RunningSite) -> None:
    """The keys of the author's domain, as whom the account may send, and its limits."""
    answer = explained(either, "send", "--account", SUE, "--from", SUE, "--to", "x@any.test")
    assert [(each["domain"], each["kind"]) for each in answer["message"]["signed_by"]] == [
        ("example.org", "rsa"),
        ("example.org", "ed25519"),
    ]
    assert answer["account"]["send_as"] == ["sales@example.org"]
    (limit,) = [each for each in answer["account"]["limits"] if each["measure"] == "messages"]
    assert (limit["plugin"], limit["allowed"]) == ("limits", 3)


def test_what_is_not_known_without_asking_is_said(either: RunningSite, own_sink: Sink) -> None:
    """A recipient of a relayed domain is taken to exist, unless the next hop may be asked."""
    heard: list[str] = []
    own_sink.answer = heard.append  # type: ignore[assignment] # it returns None
    answer = explained(either, "rcpt", "x@relayed.test")
    assert answer["callouts"] == {"x@relayed.test": f"smtp://127.0.0.1:{own_sink.port}"}
    assert heard == []

    own_sink.answer = lambda line: "550 5.1.1 nobody" if line.startswith("RCPT") else None
    explained(either, "rcpt", "y@relayed.test", "--callout", accepted=False)
    own_sink.answer = lambda _: None


def test_what_people_read(either: RunningSite) -> None:
    """Steps, indented, with a verdict each, the plugins' answers, and the last reply; on a pipe without colours."""
    done = either.mta("explain", "rcpt", "hermit@any.test", check=False)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0] == "Session at listener mx (mx), from 198.51.100.25, in clear"
    assert "  refused   RCPT TO:<hermit@any.test>: 550 5.7.1 nobody writes to him" in lines
    assert "    plugin    picky at recipient of hermit@any.test: 550 5.7.1 nobody writes to him" in lines
    assert lines[-2:] == [
        "Would be refused: 550 5.7.1 nobody writes to him",
        "Nothing was sent or accepted: this is a dry run.",
    ]
    text = either.mta(
        "explain", "send", "--from", "eve@else.test", "--from-ip", "127.0.0.1", "--to", "both@example.org"
    ).stdout
    for line in (
        "  ok        both@example.org is an alias of ann@example.org, joe@else.test",
        "  ok        into INBOX of ann@example.org",
        "Way of joe@else.test, to whom an alias of example.org leads",
        "  ok        goes on, route else.test, by MX, as no route says otherwise",
        "  ok        MX: 10 mx1.else.test, 20 mx2.else.test",
    ):
        assert line in text.splitlines(), text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rcpt", "x@y.test", "--from-ip", "nowhere"], "is no IP address"),
        (["rcpt", "x@y.test", "--listener", "imap"], "no mail comes in by a listener 'imap'; there are: mx,"),
        (["rcpt", "x\r\nQUIT"], "can't be said in a line of SMTP"),
    ],
)
def test_what_cannot_be_asked(either: RunningSite, arguments: list[str], said: str) -> None:
    """A sentence, and no traceback."""
    done = either.mta("explain", *arguments, check=False)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_list_of_thousands(either: RunningSite) -> None:
    """Its beginning is told, and how much more there is; a hundred such recipients are too much at once."""
    answer = explained(either, "rcpt", "many@example.org", "--from-ip", "127.0.0.1")
    (many,) = answer["recipients"]
    assert (len(many["steps"]), many["more_steps"]) == (100, 2901)
    assert (len(many["steps"][0]["leads_to"]), many["steps"][0]["leads_to_more"]) == (20, 2980)
    assert (len(many["forwards"]), many["more_forwards"]) == (100, 2900)
    text = either.mta("explain", "rcpt", "many@example.org", "--from-ip", "127.0.0.1").stdout
    assert "and 2995 more" in text
    assert "            and 2901 more steps" in text.splitlines()
    many_times = [word for number in range(100) for word in ("--to", f"many+{number}@example.org")]
    done = either.mta("explain", "session", "--from-ip", "127.0.0.1", *many_times, "--json", check=False)
    assert done.returncode == 1
    assert done.stderr == "Error: there is too much to tell at once; ask for fewer recipients\n"


def test_what_operators_hold_back(either: RunningSite) -> None:
    """It would be accepted, and wait."""
    either.mta("queue", "suspend", "--domain", "any.test")
    try:
        (way,) = explained(either, "rcpt", "x@any.test")["ways"]
        assert way["suspended"] is True
        assert "an operator holds it back" in either.mta("explain", "rcpt", "x@any.test").stdout
    finally:
        either.mta("queue", "resume", "--domain", "any.test")
    (way,) = explained(either, "rcpt", "x@any.test")["ways"]
    assert way["suspended"] is False


def test_the_running_server_answers_by_what_it_has_read(
    tmp_path: Path, own_sink: Sink, other_names: NameServer
) -> None:  # fmt: skip
    """Whatever the file says meanwhile, until it is reloaded."""
    site = made(tmp_path / "site", own_sink, other_names).start()
    text = site.config.read_text()
    site.config.write_text(text.replace('"error:550 5.1.2 not there"', '"discard"'))
    send = ("send", "--account", SUE, "--from", SUE, "--to", "x@refused.test")
    assert explained(site, *send)["ways"][0]["outcome"] == "fails"
    assert site.mta("reload").returncode == 0
    assert explained(site, *send)["ways"][0]["outcome"] == "is discarded"
    assert site.stop() == 0
    assert explained(site, *send)["ways"][0]["outcome"] == "is discarded"


def test_plugins_that_are_not_asked(either: RunningSite) -> None:
    """Those who say that it leaves traces, unless it is said that they may be; only where they would be asked."""
    answer = explained(either, "rcpt", "shy@any.test", "--from-ip", "127.0.0.1")
    assert answer["not_asked"] == ["aloof"]
    said = either.mta("explain", "rcpt", "shy@any.test", "--from-ip", "127.0.0.1").stdout
    assert "Not asked, since that leaves traces: aloof; --daemons asks them" in said.splitlines()
    asked = explained(either, "rcpt", "shy@any.test", "--from-ip", "127.0.0.1", "--daemons", accepted=False)
    assert (asked["reply"], asked["not_asked"]) == ("550 5.7.1 not me", [])
    assert explained(either, "rcpt", ANN, "--account", SUE, "--from", SUE)["not_asked"] == []


def test_what_keeps_a_site_from_being_asked(tmp_path: Path, own_sink: Sink, other_names: NameServer) -> None:
    """A file that it can't do without, or a database that is none: in a sentence, as at the server's start."""
    site = made(tmp_path / "site", own_sink, other_names)
    text = site.config.read_text()
    site.config.write_text(text.replace('recipients = "any"', 'recipients = "file:missing"'))
    done = site.mta("explain", "rcpt", ANN, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: ")
    assert "missing" in done.stderr

    site.config.write_text(text)
    (site.state / DATABASE_NAME).write_bytes(b"no database" * 1000)
    done = site.mta("explain", "rcpt", ANN, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "can't be used: file is not a database" in done.stderr
    assert "Traceback" not in done.stderr
