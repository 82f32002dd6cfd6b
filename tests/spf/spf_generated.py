"""Zones with records made by chance: most terms are right, some are damaged."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from spf_zones import FAILS, Zones

from twistedmail_mta.networks import reverse_name

HOSTS = ("a.example", "b.example", "mail.a.example", "deep.mail.b.example")
DOMAINS = ("r1.example", "r2.example", "r3.example", "none.example", "sub.r1.example")
IPV4 = ("192.0.2.1", "192.0.2.77", "198.51.100.9", "203.0.113.200")
IPV6 = ("2001:db8::1", "2001:db8:1::77", "2001:db8:ffff::9")
CLIENTS = (*IPV4, *IPV6, "::ffff:192.0.2.1")
SENDERS = ("ann@r1.example", "bob-x.y@r2.example", "ann@a.example")
LETTERS = ("l", "d", "o", "i", "v", "h", "s", "L", "S", "p", "d2", "dr", "d1r", "l1r-", "ir", "i2r", "o2")
MACROS = (*(f"%{{{letters}}}" for letters in LETTERS), "%-", "%_")
LENGTHS = ("", "", "", "/24", "/8", "//64", "/24//32", "/0", "//0", "/32//128")
DAMAGE = "%{}:/=.-+~?a1r d,&\x01\xe9"
EXPLANATION = b"why %{i} %{s} %{d} %{h} %{c} %{r} %{t1}%% %-"


@dataclass(frozen=True)
class Made:
    """A client, what it says, and what the DNS says."""

    zones: Zones
    ip: str
    sender: str


class Chance:
    """Makes them, always the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def make(self) -> Made:
        """Return a client that may or may not match some of four records."""
        zones = self._hosts()
        for domain in (*DOMAINS[:3], HOSTS[0]):
            zones.add(domain, "TXT", self._record(domain).encode())
        if self._random.random() < 0.3:
            zones.records[DOMAINS[2], self._one(("A", "AAAA", "MX", "TXT"))] = [FAILS]
        return Made(zones, self._one(CLIENTS), self._one(SENDERS))

    def _hosts(self) -> Zones:
        zones = Zones()
        for number, host in enumerate(HOSTS):
            zones.add(host, "A", IPV4[number])
            zones.add(host, "AAAA", IPV6[number % 3])
            zones.add(host, "MX", (10, HOSTS[(number + 1) % 4]), (5, HOSTS[(number + 2) % 4]))
        for ip in (*IPV4, *IPV6):
            zones.add(reverse_name(ip), "PTR", *self._random.sample(HOSTS, 2))
        zones.add("x.example", "TXT", EXPLANATION)
        zones.add("ann.a.example", "A", "127.0.0.1")
        return zones

    def _record(self, domain: str) -> str:
        terms = " ".join(self._term(domain) for _ in range(self._random.randrange(6)))
        if self._random.random() < 0.25:
            terms = self._damaged(terms)
        return f"v=spf1 {terms}" if terms else "v=spf1"

    def _term(self, domain: str) -> str:
        others = [name for name in DOMAINS if name != domain]
        kinds = (
            (3, f"ip4:{self._one(IPV4)}{self._one(('', '/24', '/16', '/32', '/0'))}"),
            (2, f"ip6:{self._one(IPV6)}{self._one(('', '/48', '/32', '/128'))}"),
            (1, "all"),
            (1, f"a{self._target(optional=True)}{self._one(LENGTHS)}"),
            (1, f"mx{self._target(optional=True)}{self._one(LENGTHS)}"),
            (1, f"ptr{self._target(optional=True)}"),
            (1, f"exists{self._target()}"),
            (1, f"include:{self._one(others)}"),
            (1, f"{self._letters()}{self._one(('=', '=%{d}', '=baz'))}"),
            (1, f"redirect={self._one(DOMAINS)}"),
            (1, "exp=x.example"),
        )
        term = self._random.choices([term for _, term in kinds], [weight for weight, _ in kinds])[0]
        return term if "=" in term else self._one(("", "", "", "+", "-", "~", "?")) + term

    def _target(self, *, optional: bool = False) -> str:
        if optional and self._random.random() < 0.5:
            return ""
        macro, name = self._one(MACROS), self._one((*HOSTS, "example"))
        targets = (
            (5, self._one((*HOSTS, *DOMAINS))),
            (1, self._one(("gone.example", "foo.gone.example", "%%.example"))),
            (2, f"{macro}.{name}"),
            (1, f"{macro}{self._one(('.', '-', ''))}{self._one(MACROS)}"),
            (1, "%{l}.a.example"),
        )
        return ":" + self._random.choices([target for _, target in targets], [weight for weight, _ in targets])[0]

    def _letters(self) -> str:
        return "".join(self._random.choices("abcdefghjk", k=4))

    def _damaged(self, text: str) -> str:
        letters = list(text)
        for _ in range(self._random.randrange(1, 3)):
            place, letter = self._random.randrange(len(letters) + 1), self._one(DAMAGE)
            what = self._random.randrange(3)
            letters[place : place + (what > 0)] = [letter] if what < 2 else []
        return "".join(letters)

    def _one(self, choices: tuple[str, ...] | list[str] | str) -> str:
        return self._random.choice(choices)
