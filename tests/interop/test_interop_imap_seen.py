"""The running server beside Dovecot: awkward messages given to both, and all that both tell of them compared."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import awkward_messages
import pytest
from awkward_made import made_messages
from imap_client import Client, SocketWire
from interop_imap import IMAP_SERVER
from interop_imap_pipe import dovecot_client
from interop_imap_reasons import REASONS, Difference, differences, reasons
from interop_imap_seen import Seen, fill, look_at, look_into
from running_site import PASSWORD, RunningSite
from test_interop_structure import BODIES, ENVELOPES

Explained = list[tuple[Difference, str | None]]

_EVERY = [*awkward_messages.messages(), *made_messages()]
MESSAGES = {name: message.replace(b"\0", b"\x80") for name, message in _EVERY}
"""What can be in a literal."""
ASPECTS = ("ENVELOPE", "BODY", "BODYSTRUCTURE", "SECTION", "DECODED", "SEARCH")


@pytest.fixture(scope="module")
def site() -> Iterator[RunningSite]:
    """The server under test."""
    listener = (
        '[listen.imap]\nendpoint = "tcp:0:interface=127.0.0.1"\nrole = "imap"\nplaintext_login = ["127.0.0.0/8"]\n'
    )
    with tempfile.TemporaryDirectory(prefix="mta-interop-") as folder:
        site = RunningSite(Path(folder), '[domains."hosted.test"]\n', listener).start()
        site.add_account("ann@hosted.test", PASSWORD)
        yield site
        assert site.stop() == 0
        assert "Traceback" not in site.log


@pytest.fixture(scope="module")
def explained(site: RunningSite) -> Explained:
    """What differs, and why."""
    if not IMAP_SERVER.exists() or os.geteuid() != 0:
        pytest.skip("needs Dovecot's IMAP server, and root to give it a user")
    with Client(SocketWire(site.ports["imap"])) as client:
        ours = seen_by(client.login("ann@hosted.test", PASSWORD), None)
    with tempfile.TemporaryDirectory(prefix="mta-interop-") as root:
        Path(root).chmod(0o755)
        with dovecot_client(Path(root)) as client:
            theirs = seen_by(client, ours)
    return list(reasons(differences(ours, theirs), MESSAGES))


def seen_by(client: Client, other: Seen | None) -> Seen:
    """Give a server the messages, and look at all that it tells; into the parts that the other has told of, if any."""
    fill(client, MESSAGES)
    seen = look_at(client, MESSAGES)
    told: Mapping[str, Mapping[str, object]] = (other or seen).items
    for number, name in enumerate(MESSAGES, 1):
        body = told[name]["BODYSTRUCTURE"]
        look_into(client, seen, number, name, body, careful=other is not None)  # type: ignore[arg-type]
    return seen


@pytest.mark.parametrize("aspect", ASPECTS)
def test_every_difference_has_a_reason(explained: Explained, aspect: str) -> None:
    """Whatever Dovecot tells otherwise is told otherwise on purpose."""
    found = [each for each in explained if each[0].aspect.partition(" ")[0] == aspect]

    assert found
    assert [difference for difference, why in found if why is None] == []


def test_every_reason_is_needed(explained: Explained) -> None:
    """No reason is given for what is the same."""
    used = {why for _, why in explained}

    assert {each.text for each in REASONS} | set(ENVELOPES.values()) | set(BODIES.values()) <= used


LINE_ENDS = {
    "bare LF": (b"Subject: x\n\ntext\n", b"Subject: x\r\n\r\ntext\r\n"),
    "bare CR": (b"Subject: x\r\n\r\ntext\rmore\r\n", b"Subject: x\r\n\r\ntext\r\nmore\r\n"),
    "mixed": (b"Subject: x\nTo: y\r\n\ntext\r\r\n", b"Subject: x\r\nTo: y\r\n\r\ntext\r\n\r\n"),
}


@pytest.mark.parametrize("name", LINE_ENDS)
def test_line_ends(site: RunningSite, name: str) -> None:
    """What isn't CRLF is mended when it comes, as it is in SMTP; so sizes and sections fit to one another."""
    sent, kept = LINE_ENDS[name]
    with Client(SocketWire(site.ports["imap"])) as client:
        client.login("ann@hosted.test", PASSWORD)
        client.append("Archive", sent)
        client.select("Archive")
        told = client.ok("FETCH * (RFC822.SIZE BODY.PEEK[] BODY.PEEK[HEADER] BODY.PEEK[TEXT])").fetched()
        (items,) = told.values()
    assert items["BODY[]"] == kept
    assert items["RFC822.SIZE"] == len(kept)
    assert items["BODY[HEADER]"] + items["BODY[TEXT]"] == kept
