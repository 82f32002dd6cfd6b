"""curl: one command of the protocol for each command of the shell."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

import pytest
from interop_imap_imaplib import folders, kept
from interop_imap_messages import kinds, note, with_attachments
from interop_imap_programs import run_for_octets
from interop_imap_site import HOST, SPECIAL, Account

CURL = Path("/usr/bin/curl")
pytestmark = pytest.mark.skipif(not CURL.exists(), reason="not installed: curl (tests/interop/install-peers.sh)")
WAYS = ("imap", "starttls", "imaps")


def curl(account: Account, path: str, *options: str | Path, way: str = "imaps") -> bytes:
    """Run curl on what is below the account's URL."""
    port = {"imap": account.clear, "starttls": account.starttls, "imaps": account.implicit}[way]
    secure = ["--ssl-reqd"] if way == "starttls" else []
    scheme = "imaps" if way == "imaps" else "imap"
    login = ["--user", f"{account.user}:{account.password}", "--cacert", account.trusted]
    command = [CURL, "--silent", "--show-error", "--disable", *secure, *login, *options]
    return run_for_octets([*command, f"{scheme}://{HOST}:{port}/{path}"], account.home)


def upload(account: Account, folder: str, message: bytes, way: str = "imaps") -> None:
    """Append a message."""
    file = account.home / "message"
    file.write_bytes(message)
    curl(account, folder, "--upload-file", file, way=way)


@pytest.mark.parametrize("way", WAYS)
def test_octets(account: Account, way: str) -> None:
    """What is uploaded is downloaded as it was."""
    for message in kinds().values():
        upload(account, "Archive", message, way)

    for uid, message in enumerate(kinds().values(), 1):
        assert curl(account, f"Archive;UID={uid}", way=way) == message
    assert [body for _, _, body in kept(account)["Archive"]] == list(kinds().values())


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_mechanisms(account: Account, mechanism: str) -> None:
    """By both, with and without an initial response."""
    for initial in ([], ["--sasl-ir"]):
        listed = curl(account, "", "--login-options", f"AUTH={mechanism}", *initial).decode()
        assert {line.rpartition('"/" ')[2].strip('"') for line in listed.splitlines()} == {"INBOX", *SPECIAL.values()}


def test_folders(account: Account) -> None:
    """A name with a space and letters from elsewhere, by its name on the wire."""
    name = quote("Entw&APw-rfe &- Skizzen")
    curl(account, "", "--request", 'CREATE "Entw&APw-rfe &- Skizzen"')
    upload(account, name, note("first"))
    assert curl(account, f"{name};MAILINDEX=1") == note("first")
    assert b"MESSAGES 1" in curl(account, "", "--request", 'STATUS "Entw&APw-rfe &- Skizzen" (MESSAGES)')
    curl(account, "", "--request", 'DELETE "Entw&APw-rfe &- Skizzen"')
    assert "Entw&APw-rfe &- Skizzen" not in folders(account)


def test_parts_search_and_flags(account: Account) -> None:
    """A section, a partial section, a search by the URL's query, and what else is asked for in the protocol's words."""
    message = with_attachments("parts")
    upload(account, "INBOX", message)
    assert curl(account, "INBOX;UID=1;SECTION=1") == "Gr\u00fc\u00dfe\r\n".encode()
    assert curl(account, "INBOX;UID=1;SECTION=HEADER.FIELDS%20(SUBJECT)") == b"Subject: parts\r\n\r\n"
    assert curl(account, "INBOX?SUBJECT%20parts").split() == [b"*", b"SEARCH", b"1"]
    curl(account, "INBOX", "--request", r"STORE 1 +FLAGS (\Flagged $Label)")
    ((_, flags, _),) = kept(account)["INBOX"]
    assert {rb"\Flagged", rb"$Label", rb"\Seen"} <= flags
    assert re.search(rb"ENVELOPE \(.*\"parts\"", curl(account, "INBOX", "--request", "FETCH 1 ENVELOPE"))
