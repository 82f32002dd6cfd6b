"""Hashes of other servers: every scheme by an example that Dovecot or libcrypt made, damage, and limits."""

from __future__ import annotations

import hashlib
from base64 import b64encode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twistedmail_mta.directory import system_crypt
from twistedmail_mta.directory.schemes import CannotCompare, comparison, scheme_matches

PASSWORD = "pässwörd x"

MADE_BY_DOVECOT = [
    "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$6FGPN19Phhl4vHlg46fltQ$kBZ8CWGdcqq+pIALeNZOR9dF73ccX+XTVaw6QgaCviA",
    "{ARGON2I}$argon2i$v=19$m=32768,t=4,p=1$7vvfTwN8nAnv51yJb75zpg$dT5yPT9GT8Kox0fOUwoVhUQSmj+Hl3lxVCczXxy7lro",
    "{BLF-CRYPT}$2y$05$KY2YHvO.eQSOcxnYcyspk.I50eZW4KmGA56iObgyLg3t.roZ2PUj2",
    (
        "{SHA512-CRYPT}$6$p3PjThtddCVCvHUl$FxzcaxJpJsfFtOKZpjVFDhSbz/OZCip7mEjXABnp6jTcpwU0Li9X69WHZDJlGZqCSbBA"
        "/l6ROj91gvvpMhhl6."
    ),
    "{SHA256-CRYPT}$5$3II7Kw7IWMEF1WGe$bXI7vdPqrHYYoinhIiLQeDi/dUE7T54BjAG0/1NO.HA",
    "{MD5-CRYPT}$1$IbKT5Aa2$v6fnsC55w7pR2AA/UYBFI0",
    "{MD5}$1$TUB6If/f$VnkmEWA6iVBVoX5V2OuYh.",
    "{CRYPT}$2y$05$EAHbpK9fsXUKFfHkfejIpecFHz1UBU2bOKhwz0QdHmbI3o5tHopaq",
    "{PBKDF2}$1$Pi8ZENjUNsJJNRCa$5000$bf195491516c59ed17bef0544b81c5bd24692794",
    "{SSHA}eIaMPrPhz9GGHXPaydfNS3OhTZLYOGHz",
    "{SSHA256}Rnc6I3W3dz5k6c3UvW6tOU2sqAM8Fx++MOhPllffmkiE4FHH",
    "{SSHA512}FuEaDrw8tTYWV2I5004sCcFcrK6ynz2QktQrtU7B/3dHYXpVx/fPRvhb7SRtA+u/q+nJo/Seq/cNF1qnPiRY9FoZwUg=",
    "{SHA}VHsYLU/uCAarQaTN4WZVsim3X3A=",
    "{SHA1}VHsYLU/uCAarQaTN4WZVsim3X3A=",
    "{SHA256}178CRy+sT6eJYhpBbe3+/KG/DxWIsq8A+jy+JjPg4cI=",
    "{SHA512}8hhdfF8OgYKYbA3l9R6HQeA02w+X5AfgFobUPmGGTyhCL7KZD7guqms41joytc/+Rs+WXnjvtHa2CeZrP0gCTg==",
    "{SMD5}aHyB7GNLF9Vz573gGH6wrPd/Y3A=",
    "{PLAIN-MD5}72c5aaf74379cba2a259fec3bcdeee19",
    "{LDAP-MD5}csWq90N5y6KiWf7DvN7uGQ==",
    "{PLAIN}pässwörd x",
    "{CLEAR}pässwörd x",
    "{CLEARTEXT}pässwörd x",
    (
        "{SCRAM-SHA-256}4096,vcUfdO3kXFEU86vMG0vd1Q==,DMHH0mdRbySvGnxBD70iRi5ZPkjTO9zrYkQofM3VtOE=,"
        "FofBFJd27jt5thliO+Uuhf0icKL0vB2vpvunT3Hq9tY="
    ),
    "{SSHA.HEX}2b516c60da055132896e3d7ff660d2046c66a0b09ee9b77b",
    "{SSHA512.B64}PH/qq21J/ZU0leMJvqPwKZxBDIazPn9H43Pbso91+QSSxDdUQOvASksHNRP4CF2gHFNedakQp2LHvYtKE7AMfcUUGYM=",
    "{PLAIN.B64}cMOkc3N3w7ZyZCB4",
    "{PLAIN.HEX}70c3a4737377c3b672642078",
    "{SHA256.HEX}d7bf02472fac4fa789621a416dedfefca1bf0f1588b2af00fa3cbe2633e0e1c2",
    (
        "{PBKDF2.HEX}243124526a334d654650444f4563364763307024353030302435366338303936393633303763386339336334656535363538"
        "653834646337306332653366393538"
    ),
]


@pytest.mark.parametrize("stored", MADE_BY_DOVECOT, ids=lambda stored: stored[1 : stored.index("}")])
def test_what_dovecot_stored(stored: str) -> None:
    """Its password matches, another one doesn't; the scheme may be written in lower case."""
    scheme, brace, content = stored.partition("}")

    assert scheme_matches(stored, PASSWORD)
    assert scheme_matches(scheme.lower() + brace + content, PASSWORD)
    assert not scheme_matches(stored, "pässwörd")
    assert not scheme_matches(stored, "")


def test_des_looks_at_eight_octets() -> None:
    """The oldest scheme is compared as it always was."""
    assert scheme_matches("{DES-CRYPT}abiQ6Ep3EYTHc", "x")
    assert not scheme_matches("{DES-CRYPT}abiQ6Ep3EYTHc", "y")


def test_yescrypt() -> None:
    """Debian's own scheme in /etc/shadow is known too, without a prefix."""
    stored = "$y$j9T$abcdefgh$9WNEpu8Mx2S4KNGvbVWKM6clOSoY6.YEl7AYF4DGV04"

    assert scheme_matches(stored, "x")
    assert not scheme_matches(stored, "y")


@pytest.mark.parametrize("stored", ["!", "*", "!$6$salt$x", "{CRYPT}!!", "{SHA512-CRYPT}*LK*"])
def test_locked(stored: str) -> None:
    """What /etc/shadow locks is locked: nothing matches, and that is no damage."""
    assert not scheme_matches(stored, "x")
    assert not scheme_matches(stored, stored)


def test_longer_than_crypt_takes() -> None:
    """libcrypt takes 511 octets; what is longer can't be right."""
    assert not scheme_matches("{SHA512-CRYPT}$6$saltsalt$abc", "x" * 512)


DAMAGED = [
    "",
    "{",
    "{}x",
    "{PLAIN",
    "{PLAIN}",
    "{PLAIN}\x00",
    "{NO-SUCH}x",
    "{PLAIN.B32}x",
    "{PLAIN.HEX}xyz",
    "{PLAIN.HEX}ff",
    "x",
    "{CRYPT}x",
    "{CRYPT}$6$a b$c",
    "{ARGON2ID}$2y$05$x",
    "{ARGON2ID}$argon2id$v=19$m=8,t=1,p=1$AA",
    "{SSHA}short",
    "{SSHA}VHsYLU/uCAarQaTN4WZVsim3X3A=",
    "{SHA}eIaMPrPhz9GGHXPaydfNS3OhTZLYOGHz",
    "{SHA512}not base64!",
    "{PBKDF2}$1$salt$5000$",
    "{PBKDF2}$2$salt$5000$00",
    "{PBKDF2}$1$salt$0$00",
    "{PBKDF2}$1$salt$-1$00",
    "{PBKDF2}$1$salt$99999999$00",
    "{PBKDF2}$1$salt$x$00",
    "{SCRAM-SHA-256}4096,AA==,AA==",
    "{SCRAM-SHA-256}4096,AA==,?,AA==",
    "{PLAIN}" + "x" * 3000,
]


@pytest.mark.parametrize("stored", DAMAGED, ids=range(len(DAMAGED)))
def test_damage_is_no_wrong_password(stored: str) -> None:
    """It is told when it is read, and nobody gets in by it; the complaint doesn't show it."""
    with pytest.raises(ValueError) as caught:
        comparison(stored)
    with pytest.raises(CannotCompare):
        scheme_matches(stored, "x")

    assert len(str(caught.value)) < 100


def test_what_libcrypt_refuses_is_damage() -> None:
    """A hash in good form whose method the system doesn't know is no wrong password either."""
    comparison("{CRYPT}$nosuch$salt$hash")
    with pytest.raises(CannotCompare):
        scheme_matches("{CRYPT}$nosuch$salt$hash", "x")


def test_no_libcrypt(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system without one can't compare, and says so."""
    monkeypatch.setattr(system_crypt, "_crypt_r", lambda: None)

    with pytest.raises(CannotCompare, match="libcrypt"):
        scheme_matches("{SHA512-CRYPT}$6$saltsalt$abc", "x")


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.text(max_size=60), st.sampled_from(["", "{PLAIN}", "{CRYPT}", "{PBKDF2}$1$", "{SSHA}", "{SCRAM-SHA-256}1,"]))
def test_nothing_but_verdicts(text: str, prefix: str) -> None:
    """Whatever stands in the row: yes, no, or that it can't be said."""
    try:
        matched = scheme_matches(prefix + text, "x")
    except CannotCompare:
        return
    assert isinstance(matched, bool)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20), st.binary(min_size=1, max_size=30)
)
def test_salted_digests(password: str, salt: bytes) -> None:
    """Salts of any length and content are told from the digest before them."""
    octets = hashlib.sha256(password.encode() + salt).digest() + salt

    assert scheme_matches("{SSHA256}" + b64encode(octets).decode(), password)
    assert scheme_matches("{SSHA256.hex}" + octets.hex(), password)
    assert not scheme_matches("{SSHA256.hex}" + octets.hex(), password + "x")


def test_hmailserver() -> None:
    """Its SHA-256 has six letters of salt in front of the digest, and in front of the password in it."""
    digest = hashlib.sha256(f"0a1b2c{PASSWORD}".encode()).hexdigest()

    assert scheme_matches(f"{{HMAILSERVER}}0a1b2c{digest}", PASSWORD)
    assert not scheme_matches(f"{{HMAILSERVER}}1a1b2c{digest}", PASSWORD)
    assert not scheme_matches(f"{{HMAILSERVER}}0a1b2c{digest}", f"{PASSWORD}y")


@pytest.mark.parametrize("content", ["0a1b2c", "0a1b2c00", "x" * 70, "0a1b2c" + "0" * 66])
def test_hmailserver_damaged(content: str) -> None:
    """What isn't salt and digest lets nobody in, and is told."""
    with pytest.raises(ValueError, match="hash"):
        comparison(f"{{HMAILSERVER}}{content}")
