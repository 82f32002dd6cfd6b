"""Policies as this server publishes them: read back by who reads others', and an id that follows them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from twistedmail_mta.mta_sts.policy import MAX_AGE, Mode, Policy, parse_policy, policy_host, policy_text
from twistedmail_mta.mta_sts.record import id_of, policy_id, record_name, record_text

POLICY = Policy("enforce", 604800, ("mail.example.org", "*.example.net"))
OTHERS = (
    replace(POLICY, mode="testing"),
    replace(POLICY, max_age=604801),
    replace(POLICY, patterns=("mail.example.org",)),
    replace(POLICY, patterns=("*.example.net", "mail.example.org")),
)


@pytest.mark.parametrize("mode", ["enforce", "testing", "none"])
@pytest.mark.parametrize("age", [1, MAX_AGE])
def test_text(mode: Mode, age: int) -> None:
    """It says the policy, and each line ends as RFC 8461 section 3.2 has it."""
    policy = replace(POLICY, mode=mode, max_age=age)

    assert parse_policy(policy_text(policy)) == policy
    assert policy_text(policy).count(b"\r\n") == policy_text(policy).count(b"\n") == 5


def test_whole_text() -> None:
    """Version first, as in the RFC's examples."""
    assert policy_text(POLICY) == (
        b"version: STSv1\r\nmode: enforce\r\nmx: mail.example.org\r\nmx: *.example.net\r\nmax_age: 604800\r\n"
    )


def test_id_changes_with_the_policy() -> None:
    """With each part of it, and at no other time, restarts included: it is made of the policy alone."""
    ids = [id_of(each) for each in (POLICY, *OTHERS)]

    assert len(set(ids)) == len(ids)
    assert id_of(Policy("enforce", 604800, ("mail.example.org", "*.example.net"))) == id_of(POLICY)
    assert id_of(POLICY) == "2436e66f0e856051fe83c9a35b294b2c"


def test_record() -> None:
    """Senders find the id in it."""
    assert policy_id([record_text(POLICY).encode()]) == id_of(POLICY)
    assert (record_name("example.org"), policy_host("example.org")) == ("_mta-sts.example.org", "mta-sts.example.org")
