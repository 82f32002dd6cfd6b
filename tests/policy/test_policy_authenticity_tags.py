"""What the tags of `authentication` mean to those who read them later; they are made by the plugin itself."""

from __future__ import annotations

from typing import Any

import pytest
from authentication_kit import BANK, LIST_HOST, TEXT, chain_with, rig, sent, signed, surroundings

from twistedmail_mta.policy.authenticity_tags import chain_found, should_be_refused, was_examined

GENUINE = b"mx.example.org; dmarc=pass header.from=bank.test"


@pytest.mark.parametrize(
    ("policy", "options", "refuse"),
    [
        ("p=reject", {"reject": "junk"}, True),
        ("p=reject", {"reject": "tag"}, True),
        ("p=reject", {"reject": "quarantine"}, True),
        ("p=quarantine", {}, False),
        ("p=none", {}, False),
        ("p=reject; t=y", {}, False),
        ("p=reject", {"trusted_forwarders": ["192.0.2.0/24"]}, False),
    ],
)
def test_what_should_be_refused(policy: str, options: dict[str, Any], refuse: bool) -> None:
    """What the author's domain wants refused, unless somebody whom the site trusts vouches; whatever else is done."""
    _, accepted = sent(rig(surroundings(policy), **options))

    assert accepted is not None
    assert was_examined(accepted.tags)
    assert should_be_refused(accepted.tags) is refuse


def test_what_passes() -> None:
    """It may go anywhere."""
    _, accepted = sent(rig(), signed())

    assert accepted is not None
    assert not should_be_refused(accepted.tags)
    assert chain_found(accepted.tags) == "none"


@pytest.mark.parametrize(("change", "found"), [((b"", b""), "pass"), ((b"account", b"fortune"), "fail")])
def test_chains(change: tuple[bytes, bytes], found: str) -> None:
    """A whole one, and one that was broken since; a sealer who is trusted vouches."""
    text = chain_with(TEXT, GENUINE).replace(*change)
    _, accepted = sent(rig(reject="junk", trusted_sealers=["example.org"]), text, LIST_HOST)

    assert accepted is not None
    assert chain_found(accepted.tags) == found
    assert should_be_refused(accepted.tags) is (found == "fail")


def test_nothing_is_known() -> None:
    """Of mail that nobody looked at; a domain can't pass for a policy."""
    assert not was_examined({"score": "7"})
    assert not should_be_refused({})
    assert not should_be_refused({"auth.dmarc": "fail p=reject p=none"})
    assert not should_be_refused({"auth.dmarc": f"pass {BANK}"})
