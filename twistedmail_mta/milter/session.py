"""One connection to a filter: what may be told when, and what may be answered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address
from types import MappingProxyType
from typing import Final

from twistedmail_mta.milter import commands
from twistedmail_mta.milter.answers import NEEDED, Answer, Modification, Verdict, answer_of
from twistedmail_mta.milter.errors import MilterError
from twistedmail_mta.milter.packets import PacketReader
from twistedmail_mta.milter.terms import ALL_ACTIONS, ALL_STEPS, OLDEST_VERSION, VERSION, Agreement, Stage, Step
from twistedmail_mta.model import Reply

Macros = Mapping[bytes, bytes]
"""Values by name; a name longer than a letter is in braces, as in `{rcpt_addr}`."""

NONE: Final[Macros] = MappingProxyType({})

USUAL: Final[dict[Stage, tuple[bytes, ...]]] = {
    Stage.CONNECT: (
        b"j", b"_", b"v", b"{daemon_name}", b"{daemon_addr}", b"{daemon_port}", b"{if_name}", b"{if_addr}",
        b"{client_addr}", b"{client_name}", b"{client_ptr}", b"{client_port}",
    ),
    Stage.HELLO: (b"{tls_version}", b"{cipher}", b"{cipher_bits}", b"{cert_subject}", b"{cert_issuer}"),
    Stage.MAIL: (b"i", b"{auth_type}", b"{auth_authen}", b"{auth_author}", b"{mail_addr}", b"{mail_host}"),
    Stage.RECIPIENT: (b"i", b"{rcpt_addr}", b"{rcpt_host}"),
    Stage.DATA: (b"i",),
    Stage.END_OF_HEADER: (b"i",),
    Stage.END_OF_MESSAGE: (b"i",),
}  # fmt: skip
"""The macros that Sendmail and Postfix give where a filter names none."""


class State(IntEnum):
    """What a filter was told."""

    NEW = 0
    AGREED = 1
    """Of no client."""
    CLIENT = 2
    """Of a client."""
    MESSAGE = 3
    """Of a message that it hasn't judged yet."""
    ENDED = 4
    """That nothing follows."""


class FilterSession:
    """Octets in, answers out; commands in, octets out.

    Each command returns whether the filter answers it: then nothing may be told
    before `next_answer` has given the last of it.  Commands that the filter doesn't
    want aren't sent.  They raise `MilterError` where the filter has said more than
    it was asked.

    Attributes:
        agreement: what was agreed on.
        state: what the filter was told.
    """

    __slots__ = ("_asked", "_at_rest", "_output", "_reader", "_skipping", "_told_of_message", "agreement", "state")

    def __init__(self) -> None:
        self.agreement = Agreement()
        self.state = State.NEW
        self._reader = PacketReader()
        self._output: list[bytes] = []
        self._asked = b""
        self._skipping = False
        self._told_of_message = False  # it was sent anything of the message under way
        self._at_rest = False  # it is where libmilter hears that another client follows

    def bytes_to_send(self) -> bytes:
        """Return what has to be sent, once."""
        octets = b"".join(self._output)
        self._output.clear()
        return octets

    def receive_bytes(self, octets: bytes) -> None:
        """Take octets from the wire."""
        self._reader.receive(octets)

    def next_answer(self) -> Answer | None:
        """Return the next answer; None when it isn't here yet.

        Raises:
            MilterError: it is none that may be given now.
        """
        packet = self._reader.next_packet()
        if packet is None:
            return None
        answer = answer_of(packet)
        self._check(answer)
        if isinstance(answer, Agreement):
            self._agree(answer)
        elif answer is not Verdict.PROGRESS and not isinstance(answer, Modification):
            self._settle(answer)
        return answer

    @property
    def unread(self) -> int:
        """How many octets have come that no answer was made of."""
        return len(self._reader)

    def _check(self, answer: Answer) -> None:
        """Refuse an answer that nobody asked for, or that wasn't agreed on."""
        asked = self._asked
        if not asked or (asked == b"O") is not isinstance(answer, Agreement):
            raise MilterError(f"{answer!r:.100} answers nothing that was asked")
        if isinstance(answer, Modification):
            if asked != commands.END_OF_MESSAGE:
                raise MilterError(f"{type(answer).__name__} before the end of the message")
            if not NEEDED[type(answer)] & self.agreement.actions:
                raise MilterError(f"{type(answer).__name__} wasn't agreed on")
        if answer is Verdict.SKIP and (asked != commands.BODY or not self.agreement.steps & Step.SKIP):
            raise MilterError("a skip that wasn't agreed on")

    def _agree(self, agreement: Agreement) -> None:
        if not OLDEST_VERSION <= agreement.version <= VERSION:
            raise MilterError(f"the filter speaks version {agreement.version}")
        if int(agreement.actions) & ~int(ALL_ACTIONS) or int(agreement.steps) & ~int(ALL_STEPS):
            raise MilterError("the filter wants what wasn't offered")
        self.agreement, self.state, self._asked = agreement, State.AGREED, b""

    def _settle(self, answer: Verdict | Reply) -> None:
        """Note what a command's last answer means for what follows."""
        asked, self._asked = self._asked, b""
        self._skipping = answer is Verdict.SKIP
        goes_on = answer in {Verdict.CONTINUE, Verdict.SKIP}
        is_refusal = isinstance(answer, Reply) or answer in {Verdict.REJECT, Verdict.DELAY}
        if asked == commands.END_OF_MESSAGE or (not goes_on and not (is_refusal and asked == commands.RECIPIENT)):
            self.state = min(self.state, State.CLIENT)  # a filter that has judged a message forgets it
            self._at_rest = asked == commands.END_OF_MESSAGE and goes_on

    # What is told

    def negotiate(self) -> bool:
        """Offer all there is."""
        self._expect(State.NEW)
        self._output.append(commands.negotiate(ALL_ACTIONS, ALL_STEPS))
        self._asked = b"O"
        return True

    def connect(self, name: bytes, host: IPv4Address | IPv6Address | None, port: int, macros: Macros) -> bool:
        """Tell of a client; see `commands.connect`."""
        self._expect(State.AGREED)
        self.state = State.CLIENT
        if self._leaves_out(Step.NO_CONNECT):
            self._give(Stage.CONNECT, commands.CONNECT, macros)  # they are good for what follows as well
            return False
        packet = commands.connect(name, host, port)
        return self._tell(packet, commands.CONNECT, Step.SILENT_CONNECT, Stage.CONNECT, macros)

    def hello(self, name: bytes, macros: Macros) -> bool:
        """Tell what the client calls itself; it may do so several times."""
        self._expect(State.CLIENT)
        self._at_rest = False
        if self._leaves_out(Step.NO_HELLO):
            self._give(Stage.HELLO, commands.HELLO, macros)
            return False
        return self._tell(commands.hello(name), commands.HELLO, Step.SILENT_HELLO, Stage.HELLO, macros)

    def mail(self, path: bytes, parameters: Iterable[bytes], macros: Macros) -> bool:
        """Begin a message."""
        self._expect(State.CLIENT)
        self.state, self._skipping, self._told_of_message = State.MESSAGE, False, False
        if self._leaves_out(Step.NO_MAIL):
            self._give(Stage.MAIL, commands.MAIL, macros)
            return False
        return self._tell(commands.mail(path, parameters), commands.MAIL, Step.SILENT_MAIL, Stage.MAIL, macros)

    def recipient(self, path: bytes, parameters: Iterable[bytes], macros: Macros) -> bool:
        """Tell of one recipient more."""
        self._expect(State.MESSAGE)
        if self._leaves_out(Step.NO_RECIPIENT):
            self._give(Stage.RECIPIENT, commands.RECIPIENT, macros)
            return False
        packet = commands.recipient(path, parameters)
        return self._tell(packet, commands.RECIPIENT, Step.SILENT_RECIPIENT, Stage.RECIPIENT, macros)

    def data(self, macros: Macros) -> bool:
        """Tell that the text follows."""
        self._expect(State.MESSAGE)
        if self._leaves_out(Step.NO_DATA) or self.agreement.version < 4:
            return False
        return self._tell(commands.data(), commands.DATA, Step.SILENT_DATA, Stage.DATA, macros)

    def header(self, name: bytes, value: bytes) -> bool:
        """Tell a header field.

        Args:
            name: what stands before the colon.
            value: all that stands behind it, without the last line end; its lines are parted by CRLF.
        """
        self._expect(State.MESSAGE)
        if self._leaves_out(Step.NO_HEADERS):
            return False
        if not self.agreement.steps & Step.LEADING_SPACE:
            value = value.removeprefix(b" ")
        packet = commands.header(name, value.replace(b"\r\n", b"\n"))
        return self._tell(packet, commands.HEADER, Step.SILENT_HEADER)

    def end_of_header(self, macros: Macros) -> bool:
        """Tell that no field follows."""
        self._expect(State.MESSAGE)
        if self._leaves_out(Step.NO_END_OF_HEADER):
            return False
        packet, silent = commands.end_of_header(), Step.SILENT_END_OF_HEADER
        return self._tell(packet, commands.END_OF_HEADER, silent, Stage.END_OF_HEADER, macros)

    @property
    def wants_body(self) -> bool:
        """Whether the next piece of the body is wanted."""
        return not self._skipping and not self._leaves_out(Step.NO_BODY)

    def body(self, chunk: bytes) -> bool:
        """Tell a piece of the body, up to `terms.MAX_CHUNK` octets."""
        self._expect(State.MESSAGE)
        return self.wants_body and self._tell(commands.body(chunk), commands.BODY, Step.SILENT_BODY)

    def end_of_message(self, macros: Macros) -> bool:
        """Ask what to do with the message."""
        self._expect(State.MESSAGE)
        packet = commands.end_of_message()
        return self._tell(packet, commands.END_OF_MESSAGE, Step(0), Stage.END_OF_MESSAGE, macros)

    def unknown(self, line: bytes) -> bool:
        """Tell of a command that the server doesn't know."""
        self._expect(State.CLIENT, State.MESSAGE)
        if self._leaves_out(Step.NO_UNKNOWN) or self.agreement.version < 3:
            return False
        return self._tell(commands.unknown(line), commands.UNKNOWN, Step.SILENT_UNKNOWN)

    def abort(self) -> None:
        """Forget the message, if there is one."""
        self._expect(State.AGREED, State.CLIENT, State.MESSAGE)
        if self.state is State.MESSAGE:
            self.state = State.CLIENT
            if self._told_of_message:
                self._output.append(commands.ABORT)
                self._at_rest = False

    def part(self) -> bool:
        """Forget the client; return whether another one may follow on this connection, else it is ended.

        libmilter hears of another client, which it does since version 6, only
        behind a message that it was asked to judge and let pass: anywhere else it
        overhears that, and the client that follows as well.
        """
        self.abort()
        stays = self.state is State.AGREED or (self._at_rest and self.agreement.version >= VERSION)
        if self.state is State.CLIENT:
            self._output.append(commands.NEXT_CLIENT if stays else commands.QUIT)
        self.state, self._at_rest = State.AGREED if stays else State.ENDED, False
        return stays

    def quit(self) -> None:
        """End the connection; at any time."""
        self._output.append(commands.QUIT)
        self.state = State.ENDED

    # Below

    def _expect(self, *states: State) -> None:
        if self.state not in states or self._asked:
            raise RuntimeError(f"not now: {self.state.name}, asked {self._asked!r}")

    def _leaves_out(self, step: Step) -> bool:
        return bool(self.agreement.steps & step)

    def _tell(
        self, packet: bytes, letter: bytes, silent: Step, stage: Stage | None = None, macros: Macros = NONE
    ) -> bool:
        if len(self._reader):  # it would be taken for the answer to this
            raise MilterError("the filter says something that nobody asked")
        if stage is not None:
            self._give(stage, letter, macros)
        self._output.append(packet)
        self._told_of_message = self.state is State.MESSAGE
        if self.agreement.steps & silent:
            return False
        self._asked = letter
        return True

    def _give(self, stage: Stage, letter: bytes, macros: Macros) -> None:
        """Give the macros that the filter wants at a stage, as far as they have a value."""
        names = self.agreement.macros.get(stage, USUAL[stage])
        known = [(name, value) for name in names if (value := _value(macros, name))]
        if known:
            self._output.append(commands.macros(letter, known))


def _value(macros: Macros, name: bytes) -> bytes:
    """Return the value of a macro; filters may leave out its braces."""
    return macros.get(name) or macros.get(b"{" + name + b"}", b"")
