"""Which TXT records announce a policy."""

from __future__ import annotations

import pytest

from twistedmail_mta.mta_sts.record import policy_id


@pytest.mark.parametrize(
    "text",
    [
        b"v=STSv1; id=20160831085700Z;",
        b"v=STSv1; id=20160831085700Z",
        b"v=STSv1;id=20160831085700Z",
        b"v=STSv1 ; id=20160831085700Z ;",
        b"v=STSv1; ext=what:ever; id=20160831085700Z; more=1",
    ],
)
def test_announced(text: bytes) -> None:
    """The forms of RFC 8461 section 3.1, with extensions."""
    assert policy_id([b"v=spf1 -all", text]) == "20160831085700Z"


@pytest.mark.parametrize(
    "texts",
    [
        [],
        [b"v=spf1 -all"],
        [b"v=STSv1"],
        [b"v=STSv1;"],
        [b"v=STSv1; id="],
        [b"v=STSv1; id=with-hyphen"],
        [b"v=STSv1; id=" + b"1" * 33],
        [b"v=STSv1; xid=1"],
        [b"v=STSv2; id=1"],
        [b" v=STSv1; id=1"],
        [b"v=STSv1; id=1; spaces in it"],
        [b"v=STSv1; id=1;", b"v=STSv1; id=1;"],
    ],
)
def test_not_announced(texts: list[bytes]) -> None:
    """Malformed, of another version, or twice: as if there was none."""
    assert policy_id(texts) is None


def test_linear() -> None:
    """A long record that almost fits doesn't cost a second."""
    assert policy_id([b"v=STSv1" + b"; a=b" * 12_000 + b"; ="]) is None
