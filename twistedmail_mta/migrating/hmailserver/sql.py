"""Dumps of hMailServer's database: INSERT as MySQL, SQL Server and PostgreSQL write it, and COPY as the last does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.migrating.findings import Place
from twistedmail_mta.migrating.hmailserver.rows import Row, Tables

_NAME: Final = r'(?:[`"\[]?\w+[`"\]]?\s*\.\s*)*[`"\[]?hm_(\w+)[`"\]]?'
_STATEMENT: Final = re.compile(
    rf"\b(?:(?P<insert>(?:INSERT(?:\s+IGNORE)?|REPLACE)(?:\s+INTO)?)\s+{_NAME}|CREATE\s+TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?{_NAME}\s*\("
    rf"|COPY\s+{_NAME})",
    re.IGNORECASE,
)
_TOKEN: Final = re.compile(
    r"\s+|--[^\n]*|/\*.*?\*/|(?P<text>(?:N|E|_\w+\s*)?'(?:[^'\\]|\\.|'')*')|(?P<plain>N?'(?:[^']|'')*')"
    r'|(?P<quoted>`[^`]*`|"[^"]*"|\[[^\]]*\])|(?P<word>[-+]?[\w.]+)|(?P<sign>.)',
    re.DOTALL,
)
_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t", "0": "\0", "b": "\b", "Z": "\x1a"}
_NO_COLUMN: Final = frozenset(
    {"primary", "key", "unique", "constraint", "index", "fulltext", "check", "foreign", "spatial"}
)
_BIG: Final = frozenset(
    {"messages", "message_metadata", "messagerecipients", "greylisting_triplets", "fetchaccounts_uids"}
)
"""Tables of which only it matters that they have rows."""


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    end: int


def parse_sql(text: str, file: str, tables: Tables) -> bool:
    """Read a dump into tables; return whether it has any of them.

    Args:
        text: of it.
        file: what it is called.
        tables: get the rows.
    """
    return _Dump(text, file, tables).read()


class _Dump:
    """A dump that is being read."""

    def __init__(self, text: str, file: str, tables: Tables) -> None:
        self._text = text
        self._file = file
        self._tables = tables
        self._columns: dict[str, list[str]] = {}
        self._has_backslashes = "`" in text[:100_000] or "MySQL" in text[:1000] or "MariaDB" in text[:1000]
        self._counted, self._line = 0, 1

    def read(self) -> bool:
        """Read all of it."""
        at, found_any = 0, False
        while (found := _STATEMENT.search(self._text, at)) is not None:
            found_any = True
            insert, create, copy = found[2], found[3], found[4]
            if insert is not None:
                at = self._insert(insert.lower(), found.end())
            elif create is not None:
                at = self._create(create.lower(), found.end())
            else:
                at = self._copy(copy.lower(), found.end())
        return found_any

    def _tokens(self, at: int) -> Iterator[_Token]:
        while (found := _TOKEN.match(self._text, at)) is not None:
            kind, at = found.lastgroup, found.end()
            if kind == "text" and not self._has_backslashes and "\\" in found[0]:
                plain = re.compile(r"[NE]?'(?:[^']|'')*'", re.DOTALL).match(self._text, found.start())
                if plain is not None:
                    yield _Token("text", plain[0], plain.end())
                    at = plain.end()
                    continue
            if kind is not None:
                yield _Token("text" if kind == "plain" else kind, found[0], at)

    def _create(self, table: str, at: int) -> int:
        """Note the columns of a table, in their order."""
        columns: list[str] = []
        depth, begins, end = 1, True, at
        for token in self._tokens(at):
            end = token.end
            if token.text == "(":
                depth += 1
            elif token.text == ")":
                depth -= 1
                if not depth:
                    break
            elif token.text == "," and depth == 1:
                begins = True
                continue
            elif begins and token.kind in ("word", "quoted"):
                name = token.text.strip('`"[]').lower()
                if name not in _NO_COLUMN or token.kind == "quoted":
                    columns.append(name)
            begins = False
        self._columns[table] = columns
        return max(end, at)

    def _insert(self, table: str, at: int) -> int:
        """Read the rows of an INSERT, up to its end."""
        columns = self._columns.get(table, [])
        named: list[str] = []
        values: list[str] = []
        is_open = has_values = False
        end = begun = at
        for token in self._tokens(at):
            end = token.end
            word = token.text.upper() if token.kind == "word" else token.text
            if not is_open and word == "(":
                is_open, values, begun = True, [], end
            elif is_open and word == ")":
                is_open = False
                if has_values:
                    self._row(table, named or columns, values, begun)
                else:
                    named = [value.strip('`"[]').lower() for value in values]
            elif is_open:
                if word not in (",", "("):
                    self._value(token, values)
            elif word == "VALUES":
                has_values = True
            elif word == ";" or (token.kind == "word" and word not in ("VALUES", "VALUE", "OVERRIDING", "SYSTEM")):
                break
        return max(end, at)

    def _value(self, token: _Token, values: list[str]) -> None:
        if token.kind == "text":
            values.append(self._string(token.text))
        elif token.kind == "word" and token.text.upper() == "NULL":
            values.append("")
        elif token.kind in ("word", "quoted"):
            values.append(token.text)

    def _string(self, raw: str) -> str:
        inner = raw[raw.index("'") + 1 : -1].replace("''", "'")
        if not self._has_backslashes and not raw.startswith("E'"):
            return inner
        return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), inner, flags=re.DOTALL)

    def _row(self, table: str, columns: list[str], values: list[str], at: int) -> None:
        if table in _BIG and self._tables.of(table):
            return
        self._line += self._text.count("\n", self._counted, at)
        self._counted = at
        names = columns or _KNOWN.get(table, [])
        self._tables.add(table, Row(dict(zip(names, values, strict=False)), Place(self._file, self._line)))

    def _copy(self, table: str, at: int) -> int:
        """Read the lines of `COPY table (columns) FROM stdin;`."""
        head = re.compile(r"\s*(?:\(([^)]*)\))?\s*FROM\s+stdin[^\n]*\n", re.IGNORECASE).match(self._text, at)
        if head is None:
            return at
        columns = (
            [name.strip().strip('"').lower() for name in (head[1] or "").split(",")]
            if head[1]
            else self._columns.get(table, [])
        )
        end = self._text.find("\n\\.", head.end() - 1)
        end = len(self._text) if end < 0 else end
        for line in self._text[head.end() : end].split("\n") if end >= head.end() else ():
            fields = [
                "" if field == "\\N" else re.sub(r"\\(.)", lambda f: _ESCAPES.get(f[1], f[1]), field)
                for field in line.split("\t")
            ]
            self._row(table, columns, fields, head.end())
        return end


_KNOWN: Final = {
    "settings": ["settingid", "settingname", "settingstring", "settinginteger"],
    "domain_aliases": ["daid", "dadomainid", "daalias"],
    "aliases": ["aliasid", "aliasdomainid", "aliasname", "aliasvalue", "aliasactive"],
    "distributionlistsrecipients": [
        "distributionlistrecipientid",
        "distributionlistrecipientlistid",
        "distributionlistrecipientaddress",
    ],
}
"""Columns of tables that never changed, for dumps without CREATE TABLE."""
