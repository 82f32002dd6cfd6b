"""What honest accounts send: a second set, made after the brake and without a look at its numbers.

The sizes are from what is published: 30 to 50 cold letters a day and mailbox,
begun with few and more each week (guides of sales tools, 2025 and 2026); hard
bounces of 0.5 to 3 % with lists in use, more with old ones (Constant Contact,
Mailchimp, dbmarketing.com); some hundred recipients an hour as what hosters
let a site send, which they ask lists to spread over hours; a message to a
handful in the median office.  The rest is drawn from wide ranges.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import chain

from sending_traces import DAY, HOUR, MINUTE, Event, World
from trace_people import Person, batches, cafes, fixed, line, mixed, office_network, own_ways, rare, telephone

Trace = Callable[[World, int], list[Event]]


def office(world: World, days: int) -> list[Event]:
    """Somebody at work or at home."""
    person, mean = Person.some(world), rare(world.rng, 1, 40)
    return [event for day in range(days) for event in person.day(day, mean)]


def newsletter(world: World, days: int) -> list[Event]:
    """Each week to a list that grows by a few per cent; from a server or a desk; at times late, or not at all."""
    rng = world.rng
    person = replace(Person.some(world), where=rng.choice((fixed, office_network, line))(world))
    size, growth = int(rare(rng, 60, 1500)), rng.uniform(0, 0.05)
    most, hour = rng.choice((1, 1, 25, 50)), rng.uniform(6, 20)
    readers, events = world.strangers(size), []
    pause = rng.choice((1.0, 8.0, 30.0)) * (1 if most == 1 else 5)
    for week in range(days // 7):
        if week and rng.random() < 0.08:
            continue
        at = (week * 7 + 2 + rng.choice((0, 0, 0, 1))) * DAY + (hour + rng.uniform(-1, 1)) * HOUR
        events += batches(person, readers, at, most, pause)
        readers += world.strangers(world.poisson(len(readers) * growth))
    return events + [event for day in range(days) for event in person.day(day, 2)]


def invoices(world: World, days: int) -> list[Event]:
    """Once a month to all customers, some of them new, one message each; the rest as others in an office."""
    rng = world.rng
    person, customers = Person.some(world), world.strangers(int(rare(rng, 30, 500)))
    new, first, mean = rng.uniform(0.01, 0.10), rng.uniform(0, 30.4), rare(rng, 1, 15)
    events, at = [], first
    while at < days:
        events += batches(person, customers, (int(at) + 0.4) * DAY, 1, rng.choice((2.0, 20.0)))
        customers += world.strangers(world.poisson(len(customers) * new))
        at += 30.4
    return events + [event for day in range(days) for event in person.day(day, mean)]


def shop(world: World, days: int) -> list[Event]:
    """Two mails an order, by night too; a sale of some days that brings as much as several times the orders."""
    rng = world.rng
    person = Person(world, fixed(world), 0.02, 1.0, rare(rng, 0.005, 0.04))
    mean, growth = rare(rng, 8, 120), rng.uniform(0.9, 1.3)
    sale, times = rng.randint(36, days - 8), rng.uniform(2, 8)
    events = []
    for day in range(days):
        much = mean * growth ** (day / 30) * (times if sale <= day < sale + 4 else 1) * rng.uniform(0.6, 1.4)
        for _ in range(world.poisson(much)):
            buyer, at = [world.stranger()], day * DAY + rng.triangular(0, 24, 20) * HOUR
            events += [person.to(buyer, at), person.to(buyer, at + rng.uniform(4, 70) * HOUR)]
    return events


def holiday(world: World, days: int) -> list[Event]:
    """At home, then some weeks abroad: a hotel, a carrier there, a café now and then; a few more strangers."""
    rng = world.rng
    person, mean = Person.some(world), rare(rng, 1, 12)
    begin, length = rng.randint(36, days - 30), rng.randint(7, 28)
    ways = (line(world), line(world), telephone(world), cafes(world))
    away = replace(person, where=mixed(world, ways), new=min(0.6, person.new * rng.uniform(1, 3)))
    who = lambda day: away if begin <= day < begin + length else person  # noqa: E731
    return [event for day in range(days) for event in who(day).day(day, mean)]


def traveller(world: World, days: int) -> list[Event]:
    """Three countries in a week, for work: carrier, hotel, airport, meeting, the train in each."""
    rng = world.rng
    person, mean = Person.some(world), rare(rng, 4, 25)
    places = [
        [rng.choice((line, telephone, office_network))(world) for _ in range(rng.randint(2, 4))] for _ in range(60)
    ]
    trips = [rng.randint(36, days - 9) for _ in range(rng.randint(1, 3))]
    away = replace(
        person,
        where=lambda at: rng.choice(places[int(at / DAY / 2.4) % 60])(at),
        new=min(0.6, person.new * rng.uniform(1, 3)),
    )
    is_away = lambda day: any(trip <= day < trip + 7 for trip in trips)  # noqa: E731
    return [event for day in range(days) for event in (away if is_away(day) else person).day(day, mean, 0.5)]


def family(world: World, days: int) -> list[Event]:
    """One account on four telephones of two carriers, at home and wherever there is a network."""
    rng = world.rng
    person, mean = Person.some(world), rare(rng, 2, 15)
    phones = [telephone(world) for _ in range(rng.randint(2, 5))]
    ways = [*phones, line(world), line(world), cafes(world)]
    shares = [2.0] * (len(ways) - 1) + [rare(rng, 0.05, 1.0)]
    person.where = mixed(world, ways, shares)
    return [event for day in range(days) for event in person.day(day, mean, 1.2)]


def moved_office(world: World, days: int) -> list[Event]:
    """A company whose lines go to another provider on a day, the telephones in the same month."""
    rng = world.rng
    person, mean, moved = Person.some(world), rare(rng, 2, 40), rng.randint(36, days - 5)
    after = replace(person, where=own_ways(world))
    return [event for day in range(days) for event in (person if day < moved else after).day(day, mean)]


def new_employee(world: World, days: int) -> list[Event]:
    """An account made after the site was learnt: everybody is a stranger in the first weeks, most are colleagues."""
    rng = world.rng
    person, mean, begin = Person.some(world), rare(rng, 3, 20), rng.randint(36, 50)
    person.friends, person.inside, usual = world.strangers(2), rng.uniform(0.3, 0.8), person.new
    events = []
    for day in range(begin, days):
        person.new = max(usual, 0.8 * 0.5 ** ((day - begin) / 10))
        events += person.day(day, mean * min(1.0, 0.3 + (day - begin) / 20))
    return events


def sales(world: World, days: int) -> list[Event]:
    """Cold letters on working days, as many as the guides say; addresses that are bought fail more often."""
    rng = world.rng
    person, much, share = Person.some(world), rare(rng, 8, 50), rng.uniform(0.005, 0.06)
    events = []
    for day in range(days):
        events += person.day(day, 8)
        cold = 0 if day % 7 > 4 else world.poisson(much * rng.uniform(0.6, 1.2))
        at = day * DAY + rng.uniform(8, 11) * HOUR
        letters = batches(person, world.strangers(cold), at, 1, rng.uniform(1, 6) * MINUTE)
        events += [replace(each, failing=world.failing(list(each.to), share)) for each in letters]
    return events


def new_sales(world: World, days: int) -> list[Event]:
    """The same with an account made later, which begins with few and writes to more each week, as the guides say."""
    rng = world.rng
    person, much, begin = Person.some(world), rare(rng, 10, 40), rng.randint(36, 45)
    person.where, events = rng.choice((fixed, office_network, line))(world), []
    for day in range(begin, days):
        events += person.day(day, 5)
        cold = 0 if day % 7 > 4 else world.poisson(min(much, 4 + (day - begin) / 7 * rng.uniform(3, 6)))
        at = day * DAY + rng.uniform(8, 14) * HOUR
        events += batches(person, world.strangers(cold), at, 1, rng.uniform(1, 6) * MINUTE)
    return events


def tickets(world: World, days: int) -> list[Event]:
    """A support desk's software: half of whom it writes to are new; a failure brings days with more."""
    rng = world.rng
    person = Person(
        world, fixed(world), rng.uniform(0, 0.3), rng.uniform(0.2, 0.8), rare(rng, 0.003, 0.03), world.strangers(30)
    )
    mean, bad = rare(rng, 8, 100), {rng.randint(36, days - 1) for _ in range(3)}
    return [
        event
        for day in range(days)
        for event in person.day(day, mean * (rng.uniform(1.5, 4) if day in bad else 1), 0.5)
    ]


def forum(world: World, days: int) -> list[Event]:
    """Registrations, mostly to new people, many mistyped; notices to members; robots that register by the dozen."""
    rng = world.rng
    person = Person(world, fixed(world), 0.0, rng.uniform(0.2, 0.7), rng.uniform(0.02, 0.10), world.strangers(50))
    mean, raids = rare(rng, 8, 100), {rng.randint(36, days - 1) for _ in range(2)}
    return [
        event
        for day in range(days)
        for event in person.day(day, mean * (rng.uniform(1.5, 3) if day in raids else 1), 1.0)
    ]


def club(world: World, days: int) -> list[Event]:
    """A sports club's secretary: to all members now and then, in one message; some new each time."""
    rng = world.rng
    person, members, gap = Person.some(world), world.strangers(int(rare(rng, 20, 250))), rng.uniform(4, 18)
    events, at = [], rng.uniform(0, min(gap, 14))
    while at < days:
        events += batches(person, members, (int(at) + rng.uniform(0.7, 0.95)) * DAY, rng.choice((30, 100)), 60.0)
        members += world.strangers(rng.choice((0, 0, 1, 3, 6)))
        at += gap * rng.uniform(0.5, 1.5)
    return events + [event for day in range(days) for event in person.day(day, 2, 1.0)]


def school(world: World, days: int) -> list[Event]:
    """To each class of parents at times, to all of them each term; a class is new each year."""
    rng = world.rng
    person, classes = Person.some(world), [world.strangers(rng.randint(15, 30)) for _ in range(rng.randint(3, 14))]
    person.lost, mean = rng.uniform(0.005, 0.03), rare(rng, 2, 12)
    events = batches(person, list(chain.from_iterable(classes)), (5 + rng.random()) * DAY, rng.choice((1, 50)), 20.0)
    for term in range(1, days // 80 + 1):
        classes[0] = world.strangers(len(classes[0])) if term % 3 == 0 else classes[0]
        at = (80 * term + rng.uniform(0.3, 0.6)) * DAY
        events += batches(person, list(chain.from_iterable(classes)), at, rng.choice((1, 50)), 20.0)
    for day in range(days):
        events += person.day(day, mean)
        if rng.random() < 0.2:
            events.append(person.to(rng.choice(classes), day * DAY + rng.uniform(8, 16) * HOUR))
    return events


def scanner(world: World, days: int) -> list[Event]:
    """A printer that mails what it scans, to people of the house and a few firms."""
    rng = world.rng
    person = Person(world, fixed(world), rng.uniform(0.7, 0.98), 0.05, 0.01, world.strangers(5))
    mean = rare(rng, 3, 100)
    return [event for day in range(days) for event in person.day(day, mean, 0.02)]


def staff_news(world: World, days: int) -> list[Event]:
    """To everybody of the own domain, each month or so; nobody outside."""
    rng = world.rng
    person, staff = Person.some(world), [f"staff{n}@example.org" for n in range(int(rare(rng, 40, 800)))]
    events, at = [], rng.uniform(1, 28)
    while at < days:
        events += batches(person, staff, (int(at) + rng.uniform(0.35, 0.6)) * DAY, rng.choice((1, 50, 100)), 5.0)
        at += rng.uniform(14, 45)
    return events + [event for day in range(days) for event in person.day(day, 8)]


def mailing_list(world: World, days: int) -> list[Event]:
    """Software that sends each post to all members; a few join each week, a few are gone."""
    rng = world.rng
    person = Person(world, fixed(world), 0.0, 0.0, rare(rng, 0.001, 0.01))
    members, posts = world.strangers(int(rare(rng, 20, 250))), rare(rng, 0.3, 4)
    events = []
    for day in range(days):
        for _ in range(world.poisson(posts * rare(rng, 0.3, 3))):
            events += batches(person, members, day * DAY + rng.triangular(6, 24, 16) * HOUR, 50, 10.0)
        members = members[world.poisson(0.1) :] + world.strangers(world.poisson(len(members) * 0.003))
    return events


def vacation(world: World, days: int) -> list[Event]:
    """The client's answering machine, for two weeks or three: each writer gets one, many were never written to."""
    rng = world.rng
    person, mean = Person.some(world), rare(rng, 2, 20)
    begin, length, desk = rng.randint(36, days - 25), rng.randint(7, 21), fixed(world)
    machine = replace(person, where=desk, new=rng.uniform(0.1, 0.6), inside=0.3)
    who = lambda day: machine if begin <= day < begin + length else person  # noqa: E731
    return [event for day in range(days) for event in who(day).day(day, mean)]


def conference(world: World, days: int) -> list[Event]:
    """An organiser: letters to speakers, then to all who registered, again and again, more of them each time."""
    rng = world.rng
    person, mean = Person.some(world, (0.2, 0.5)), rare(rng, 4, 15)
    guests: list[str] = []
    events = []
    for day in range(days):
        events += person.day(day, mean)
        new = world.strangers(world.poisson(rng.uniform(0, 6)))
        events += [person.to([each], day * DAY + rng.uniform(8, 20) * HOUR) for each in new]
        guests += new
        if day % 14 == 13:
            events += batches(person, guests, day * DAY + rng.uniform(9, 17) * HOUR, rng.choice((1, 50)), 10.0)
    return events


def recruiter(world: World, days: int) -> list[Event]:
    """Some candidates each day, from the office, home and on the way."""
    rng = world.rng
    person, mean = Person.some(world, (0.3, 0.7)), rare(rng, 4, 18)
    return [event for day in range(days) for event in person.day(day, mean)]


def seldom(world: World, days: int) -> list[Event]:
    """Somebody who writes a few times a month, from wherever he is."""
    person, mean = Person.some(world), rare(world.rng, 0.05, 0.5)
    return [event for day in range(days) for event in person.day(day, mean, 1.0)]


def christmas(world: World, days: int) -> list[Event]:
    """Once a year a letter to all he knows, some of whom he never wrote to from here, within an evening."""
    rng = world.rng
    person, mean = Person.some(world), rare(rng, 0.5, 5)
    greeted = person.friends[: int(rare(rng, 15, 90))] + world.strangers(int(rare(rng, 2, 20)))
    evening = (rng.randint(40, days - 5) + rng.uniform(0.7, 0.95)) * DAY
    events = batches(person, greeted, evening, rng.choice((1, 20, 100)), 60.0)
    return events + [event for day in range(days) for event in person.day(day, mean, 1.0)]


def wedding(world: World, days: int) -> list[Event]:
    """Invitations to 30 to 120 people over some evenings, a third to two thirds of them new to the account."""
    rng = world.rng
    person, mean, day = Person.some(world), rare(rng, 0.5, 5), rng.randint(40, days - 12)
    person.friends += world.strangers(30)
    new, guests = rng.uniform(0.3, 0.6), rng.randint(30, 120)
    invited = world.strangers(int(guests * new))
    invited += rng.sample(person.friends, min(len(person.friends), int(guests * (1 - new))))
    rng.shuffle(invited)
    evenings = rng.randint(2, 7)
    events = [event for n in range(days) for event in person.day(n, mean, 1.0)]
    for n, one in enumerate(invited):
        events.append(person.to([one], (day + n * evenings // len(invited) + rng.uniform(0.75, 0.97)) * DAY))
    return events


NAMED: dict[str, Trace] = {"newsletter": newsletter, "shop": shop, "holiday": holiday, "office": office}
OTHERS: dict[str, Trace] = {
    each.__name__: each
    for each in (
        invoices, traveller, family, moved_office, new_employee, sales, new_sales, tickets, forum, club, school,
        scanner, staff_news, mailing_list, vacation, conference, recruiter, seldom, christmas, wedding,
    )
}  # fmt: skip
HONEST = NAMED | OTHERS
