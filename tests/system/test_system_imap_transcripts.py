"""The RFCs' own examples, line by line, with the running server."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from itertools import count
from pathlib import Path

import pytest
from imap_client import Client, SocketWire
from imap_transcript import Reader, Transcript, read_transcripts
from running_site import PASSWORD, RunningSite

TRANSCRIPTS = list(read_transcripts(Path(__file__).with_name("transcripts")))


class People:
    """The site, and accounts that nobody has used yet."""

    def __init__(self, site: RunningSite) -> None:
        self.site = site
        self._numbers = count()
        passwords = site.directory / "passwords"
        stored = sha256(PASSWORD.encode()).hexdigest()
        passwords.write_text("".join(f"u{n}@hosted.test:{{SHA256.HEX}}{stored}\n" for n in range(len(TRANSCRIPTS))))
        site.mta("account", "import", str(passwords))

    def account(self) -> str:
        return f"u{next(self._numbers)}@hosted.test"

    def session(self, account: str, name: str) -> Client:
        client = Client(SocketWire(self.site.ports["clear"]), prefix=name)
        return client.login(account, PASSWORD)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[People]:
    """A site with IMAP where passwords may be said in clear, and where not."""
    at = "tcp:0:interface=127.0.0.1"
    listeners = (
        f'[listen.clear]\nendpoint = "{at}"\nrole = "imap"\nplaintext_login = ["127.0.0.0/8"]\n'
        f'[listen.strict]\nendpoint = "{at}"\nrole = "imap"\n'
    )
    limits = '[domains."hosted.test"]\nquota = "10MB"\n[limits]\nmessage_size = "1MB"\n'
    site = RunningSite(tmp_path_factory.mktemp("imap"), limits, listeners).start()
    yield People(site)
    assert site.stop() == 0
    assert "Traceback" not in site.log


@pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=lambda transcript: transcript.id)
def test_transcript(people: People, transcript: Transcript) -> None:
    """What the RFC says must come back does."""
    account = people.account()
    sessions: list[Client] = []

    def begin(name: str) -> Client:
        sessions.append(people.session(account, name))
        return sessions[-1]

    if transcript.listener is None:
        client = begin("main")
        del client.greeting
    else:
        client = Client(SocketWire(people.site.ports[transcript.listener]))
        sessions.append(client)

    Reader(client, begin).run([line for line in transcript.lines if line[0] != "connected"])

    for session in sessions:
        session.close()
