"""A site that comes into being from the settings of another server (PURE)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from twistedmail_mta.directory.accounts import account_name
from twistedmail_mta.directory.aliases import Alias, make_alias, shown
from twistedmail_mta.directory.schemes import comparison
from twistedmail_mta.migrating.findings import Finding, Outcome, Place
from twistedmail_mta.smtp.domain import parse_domain
from twistedmail_mta.smtp.errors import AddressError

Value = str | int | bool | list["Value"] | dict[str, "Value"]
"""What can stand in the site file."""
Path = tuple[str, ...]
"""A table of the site file, such as ("domains", "example.org")."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A key of the new site file.

    Attributes:
        value: its value.
        comment: where it comes from.
    """

    value: Value
    comment: str = ""


@dataclass(frozen=True, slots=True)
class NewAccount:
    """An account of the new site.

    Attributes:
        name: as `account_name` spells it.
        stored: `{SCHEME}hash`; None: nobody can log in before a password is set.
        place: where it comes from.
        quota: in octets; None: what the domain says; 0: no limit.
        enabled: whether it can be used.
    """

    name: str
    stored: str | None = field(repr=False)
    place: Place | None
    quota: int | None = None
    enabled: bool = True


@dataclass(slots=True)
class Draft:
    """The new site, as far as it is known.

    Attributes:
        findings: what became of each setting, in the order in which they were looked at.
        tables: of the site file; an empty path is its top.
        arrays: its arrays of tables, such as [[route]].
        accounts: by name.
        aliases: by their folded address.
        secrets: texts of files beside the site file that only the server may read, by name.
        files: texts of others.
        commands: what to do by hand afterwards, for a shell.
        comments: where tables come from.
    """

    findings: list[Finding] = field(default_factory=list)
    tables: dict[Path, dict[str, Entry]] = field(default_factory=dict)
    arrays: dict[str, list[dict[str, Entry]]] = field(default_factory=dict)
    accounts: dict[str, NewAccount] = field(default_factory=dict)
    aliases: dict[str, Alias] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    files: dict[str, str] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)
    comments: dict[Path, str] = field(default_factory=dict)

    def say(  # noqa: PLR0913, PLR0917 - the columns of the report
        self, outcome: Outcome, place: Place | None, setting: str, value: str = "", key: str = "", advice: str = ""
    ) -> None:
        """Tell what became of a setting."""
        self.findings.append(Finding(place, setting, value, outcome, key, advice))

    def put(self, path: Path, key: str, value: Value, comment: object = "") -> None:
        """Set a key of a table; the last word counts."""
        self.tables.setdefault(path, {})[key] = Entry(value, str(comment or ""))

    def table(self, path: Path) -> dict[str, Entry]:
        """Return a table, made if need be."""
        return self.tables.setdefault(path, {})

    def append(self, array: str, table: Mapping[str, Value], comment: object = "") -> None:
        """Add a table to an array of tables."""
        first = next(iter(table))
        self.arrays.setdefault(array, []).append(
            {key: Entry(value, str(comment or "") if key == first else "") for key, value in table.items()}
        )

    def plugin(self, name: str, use: str, comment: object = "") -> Path:
        """Make sure that a plugin is there; return its table, for options."""
        path = ("plugins", name)
        if path not in self.tables:
            self.put(path, "use", use, comment)
        return path

    def ask(self, listener: str, plugin: str) -> None:
        """Let a listener ask a plugin, after those that it asks already."""
        table = self.table(("listen", listener))
        names = table["plugins"].value if "plugins" in table else []
        if isinstance(names, list) and plugin not in names:
            table["plugins"] = Entry([*names, plugin])

    def listeners(self, role: str) -> list[str]:
        """Return the names of the listeners of a role."""
        return [
            path[1]
            for path, table in self.tables.items()
            if len(path) == 2 and path[0] == "listen" and table["role"].value == role
        ]

    @property
    def domains(self) -> list[str]:
        """Every domain of the site file."""
        return [path[1] for path in self.tables if len(path) == 2 and path[0] == "domains"]

    @property
    def hosted(self) -> list[str]:
        """The domains whose mail is kept."""
        return [name for name in self.domains if "relay_to" not in self.tables["domains", name]]

    def host(self, name: str, comment: object = "") -> str | None:
        """Keep the mail of a domain; return its name in A-labels, None when it is no domain."""
        try:
            domain = parse_domain(name.strip().rstrip("."))
        except AddressError:
            return None
        path = ("domains", domain)
        if path not in self.tables:
            self.tables[path] = {}
            if comment:
                self.comments[path] = str(comment)
        return domain

    def account(  # noqa: PLR0913, PLR0917 - what an account has
        self,
        address: str,
        stored: str | None,
        place: Place | None,
        setting: str,
        quota: int | None = None,
        enabled: bool = True,
    ) -> str | None:
        """Add an account, and say so; return its name, None when it can't be one.

        Of one that is there already, what was unknown of it is added.  One whose
        password can't be taken over is there all the same, without any.
        """
        try:
            name = account_name(address.strip())
        except ValueError as error:
            self.say("unmapped", place, setting, address, "", f"{error}; add it by hand: mta account add")
            return None
        problem = None if stored is None else _shortcoming(stored)
        known = None if problem else stored
        old = self.accounts.get(name)
        if old is None:
            self.accounts[name] = NewAccount(name, known, place, quota, enabled)
        else:
            self.accounts[name] = replace(
                old,
                stored=old.stored or known,
                quota=quota if old.quota is None else old.quota,
                enabled=old.enabled and enabled,
            )
        if problem:
            advice = f"{problem}; the account has no password yet: mta account password {name}"
            self.say("unmapped", place, setting, name, f"the account {name}", advice)
        else:
            self.say("mapped", place, setting, name, f"the account {name}")
        return name

    def alias(
        self, address: str, targets: Iterable[str], place: Place | None, setting: str, domain: str | None = None
    ) -> bool:
        """Add an alias, and say so; return whether it could be.

        Args:
            address: what leads on, or "@domain" for all that is for nobody else.
            targets: where to; each that can't be is told by itself.
            place: where it stands.
            setting: what it is called there.
            domain: of the addresses that name none.
        """
        found: dict[str, None] = {}
        key = address
        for target in targets:
            try:
                made = make_alias(address, [target], domain)
            except ValueError as error:
                self.say("unmapped", place, setting, f"{address}: {target}", "", f"{error}; {_instead(target)}")
                continue
            key = made.address
            found.update(dict.fromkeys(made.targets))
        if not found:
            return False
        whole = make_alias(key, found)
        old = self.aliases.get(whole.folded)
        merged = dict.fromkeys((*(old.targets if old else ()), *whole.targets))
        self.aliases[whole.folded] = replace(whole, targets=tuple(merged))
        name = shown(whole.address)
        self.say("mapped", place, setting, f"{name}: {', '.join(whole.targets)}", f"the alias {name}")
        return True


def _shortcoming(stored: str) -> str | None:
    """Return why nobody could log in with a hash; None: one can."""
    try:
        comparison(stored)
    except ValueError as error:
        return str(error)
    return None


def _instead(target: str) -> str:
    """Return what to do about a target that is no address."""
    first = target.lstrip('"')[:1]
    if first == "|":
        return "programs aren't started by mail here: let them fetch it by IMAP, or write a plugin (docs/plugins.md)"
    if first == "/":
        return (
            'make it an account, whose mail a program can fetch; /dev/null is an alias to a route with via = "discard"'
        )
    if first == ":":
        return "import the file that it includes by itself: mta alias import"
    return "add it by hand: mta alias add"
