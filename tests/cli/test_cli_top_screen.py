"""A picture on screens of all sizes."""

from __future__ import annotations

import pytest
from rich.cells import cell_len
from top_pictures import figures, lane, message, picture

from twistedmail_mta.cli.top_panes import TITLES, panes_of
from twistedmail_mta.cli.top_picture import Picture
from twistedmail_mta.cli.top_screen import TWO_COLUMNS, View, plain, screen_of

FULL = picture(figures(lanes={"number": 40, "transfers": 2, "waiting": 1, "recipients": 3, "troubles": [],
                              "listed": [lane(n) for n in range(40)]}), messages=30)  # fmt: skip


def text(shown: Picture, view: View, width: int, height: int) -> list[str]:
    return [line.plain for line in screen_of(shown, view, width, height).lines]


@pytest.mark.parametrize("width", [1, 20, 40, 80, 120, TWO_COLUMNS, 400])
@pytest.mark.parametrize("height", [1, 5, 12, 24, 50, 200])
@pytest.mark.parametrize("pane", range(len(TITLES)))
def test_it_never_overflows(width: int, height: int, pane: int) -> None:
    """No line is wider than the screen, and there are no more than it has: else it would scroll."""
    empty, stopped, broken = picture(figures(), messages=0), picture(None), picture(None, trouble="another release")
    for shown in (FULL, empty, stopped, broken):
        lines = text(shown, View(pane), width, height)

        assert len(lines) <= height
        assert max(map(cell_len, lines)) <= width


@pytest.mark.parametrize(("width", "height"), [(80, 24), (200, 50), (100, 60)])
@pytest.mark.parametrize("pane", range(len(TITLES)))
def test_the_pane_in_focus_is_seen(width: int, height: int, pane: int) -> None:
    """With its headings, a row at least, and the keys below; on a screen of 24 lines as on a large one."""
    lines = text(FULL, View(pane), width, height)
    shown = "\n".join(lines)

    assert len(lines) == height
    assert lines[-1].startswith("q quit")
    assert f"[{TITLES[pane]}]" in shown
    assert panes_of(FULL)[pane].rows[0][0] in shown


def test_a_large_screen_has_all_panes() -> None:
    """Always at the same places, whichever is in focus."""
    for pane in range(len(TITLES)):
        lines = text(FULL, View(pane), 200, 50)
        assert all(f"[{title}]" in "\n".join(lines) or f" {title}" in "\n".join(lines) for title in TITLES)
    places = [[line.replace("[", " ").replace("]", " ") for line in text(FULL, View(pane), 200, 50)] for pane in (0, 3)]
    assert places[0] == places[1]


def test_numbers_are_there() -> None:
    """Rates, what isn't known yet, the queue, and how the server does."""
    shown = "\n".join(text(FULL, View(), 80, 24))

    assert "accepted    12.3   0   -      7" in shown
    assert "messages 30" in " ".join(shown.split())
    assert "up 2h" in shown
    assert "2.0 ms late at most in 10s, 2.5 s in 5m" in shown
    assert "120 of 1000 MB" in shown
    assert "writes wait 1.5 ms, 4 waiting" in shown


def test_scrolling() -> None:
    """By rows and pages, no farther than to the last row, and each pane for itself."""
    view = View()
    screen = screen_of(FULL, view, 80, 24)
    page, rows = screen.page, screen.rows
    assert (rows, page) == (
        40,
        len([line for line in screen.lines if "mx" in line.plain and "example.net" in line.plain]),
    )

    view = view.after("down", rows, page).after("down", rows, page).after("up", rows, page)
    assert "mx0.example.net" not in "\n".join(text(FULL, view, 80, 24))
    assert "mx1.example.net" in "\n".join(text(FULL, view, 80, 24))
    assert view.after("end", rows, page).offsets[0] == rows - page
    assert view.after("page down", rows, page).offsets[0] == 1 + page
    assert view.after("home", rows, page).offsets[0] == 0
    assert "mx39.example.net" in "\n".join(text(FULL, view.after("end", rows, page), 80, 24))
    assert view.after("next", rows, page).offsets == view.offsets


def test_panes_go_round() -> None:
    """Forwards and backwards; p pauses until it is pressed again."""
    view = View()
    for _ in TITLES:
        view = view.after("next", 0, 1)
    assert view == View()
    assert view.after("previous", 0, 1).pane == len(TITLES) - 1
    assert view.after("pause", 0, 1).paused
    assert not view.after("pause", 0, 1).after("pause", 0, 1).paused
    assert view.after("quit", 0, 1).quitting
    assert "PAUSED" in "\n".join(text(FULL, View(paused=True), 80, 24))


def test_scrolled_beyond_what_is_left() -> None:
    """When rows have gone meanwhile, the last of those that are left are shown."""
    view = View(offsets=(35, 0, 0, 0, 0))

    assert "mx1.example.net" in "\n".join(text(picture(figures()), view, 80, 24))


def test_states_of_lanes() -> None:
    """What an operator looks for: who is out of reach, and for how long yet."""
    lanes = [
        lane(1, dead=True, rest=130.0, said="451 4.4.1 No answer"),
        lane(2, rest=12.5),
        lane(3, crowded=True),
        lane(4),
    ]
    shown = picture(figures(lanes=figures()["lanes"] | {"listed": lanes}))

    pane = panes_of(shown)[0]

    assert [row[1] for row in pane.rows] == ["dead 2m", "rests 12s", "crowded", "open"]
    assert pane.notable == {0, 2}


def test_trouble_is_said() -> None:
    """Why nothing is sent; and what a server that doesn't answer says."""
    stuck = picture(figures(lanes=figures()["lanes"] | {"troubles": ["settle"]}))
    assert "NOTHING IS SENT until this is over: settle" in "\n".join(text(stuck, View(), 80, 24))

    old = picture(None, trouble="unknown command: site.figures")
    assert "The server says nothing: unknown command: site.figures." in "\n".join(text(old, View(), 80, 24))
    assert "No server runs. This is its queue, from the database." in "\n".join(text(picture(None), View(), 80, 24))


def test_words_of_strangers_command_no_terminal() -> None:
    """A sender, an answer, a name in HELO may be anything."""
    evil = "\x1b[2J\x07\u202ex"
    shown = picture(figures(lanes=figures()["lanes"] | {"listed": [lane(1, name=evil, said=evil)]},
                            senders={"seconds": 9.0, "listed": [{"name": evil, "messages": 1}]}))  # fmt: skip
    queue = [message(1, sender=evil)]
    shown = Picture(
        shown.at, shown.server, type(shown.queue)(0.0, shown.queue.counts, ((evil, (1,) * 7),), tuple(queue))
    )

    lines = [line.plain for line in plain(shown, 200, 10)] + text(shown, View(), 200, 50)

    assert all(line.isprintable() for line in lines)
    assert sum("\ufffd" in line for line in lines) >= 4


def test_wide_letters() -> None:
    """They take two columns each, and a column is cut where it is full."""
    shown = picture(figures(lanes=figures()["lanes"] | {"listed": [lane(1, said="漢" * 200)]}))

    for width in range(60, 100):
        assert max(map(cell_len, text(shown, View(), width, 24))) <= width


def test_on_paper() -> None:
    """Every pane, one below the other, and how many rows were left out."""
    lines = [line.plain for line in plain(FULL, 120, 15)]

    assert [line for line in lines if line in TITLES] == list(TITLES)
    assert lines.count("and 25 more") == 1
    assert lines.count("and 15 more") == 1
