"""The demo upstream's data: invented text, the same on every run."""

SUBJECTS = [
    "the night ferry", "a paper lantern", "the harbour clock", "an old orchard",
    "the weather station", "a borrowed bicycle", "the corner bakery", "a chess column",
    "the tide table", "an attic radio", "the stone bridge", "a box of seeds",
    "the village library", "a winter market", "the signal tower", "an unsent postcard",
]
ACTIONS = [
    "keeps better time than its owner", "was repaired with fishing line",
    "belongs to nobody in particular", "smells of rain and oranges",
    "has been open since before the war of the hedges", "moves a little every spring",
    "still answers when it is called by name", "is described differently by each witness",
    "fills up on the second Tuesday", "was drawn to scale and then folded wrongly",
    "casts two shadows at noon", "costs less than the ticket to see it",
]
REMARKS = [
    "Nobody wrote down why.", "The mayor denies it.", "Bring a coat.",
    "We counted twice and got two answers.", "It rained for the whole visit.",
    "The photographs came out well.", "A dog watched from the wall.",
    "There is a plaque, but it is about something else.", "Ask at the second door.",
    "The soup was excellent.", "It sounds better from the other bank.", "Nothing was for sale.",
]
REACTIONS = [
    "I was there and remember it louder.", "My aunt tells this the other way round.",
    "Two corrections and a compliment follow by letter.", "Please write more about the dog.",
    "Agreed, except for the part about the soup.", "Has anyone tried the third door?",
    "This is going on the noticeboard.", "The map in the hallway disagrees.",
    "Came for the clock, stayed for the hedges.", "You forgot the smell of oranges.",
]
PEOPLE = [
    ("Ada Marlowe", "adam", "Windy Corner", "Brackwater"),
    ("Bruno Fell", "bfell", "Mill Lane", "Stonehollow"),
    ("Cleo Arden", "cleo.a", "Rope Walk", "Brackwater"),
    ("Dmitri Hale", "dhale", "Quay Street", "Lowharbour"),
    ("Esme Thorne", "esme_t", "Orchard Rise", "Applewick"),
    ("Farid Locke", "flocke", "Lantern Row", "Stonehollow"),
    ("Greta Winslow", "gwin", "Signal Hill", "Lowharbour"),
    ("Hugo Pell", "hugop", "Bridge End", "Tarnside"),
    ("Iris Calloway", "iris.c", "Market Square", "Applewick"),
    ("Jonas Reed", "jreed", "Ferry Steps", "Tarnside"),
]
TRADES = ["Ropeworks", "Clockmakers", "Seed Exchange", "Ferry Company", "Map Office"]


def pick(words, *numbers):
    """One of the words, chosen by numbers alone."""
    state = 17
    for number in numbers:
        state = (state * 1103515245 + number * 12345 + 7) % 2147483648
    return words[(state >> 8) % len(words)]


def sentence(*numbers):
    """A sentence about something."""
    subject = pick(SUBJECTS, *numbers, 1)
    return f"{subject[0].upper()}{subject[1:]} {pick(ACTIONS, *numbers, 2)}."


def make_post(number):
    """Post 1 to 100; ten per user."""
    lines = [sentence(number, line) + " " + pick(REMARKS, number, line) for line in (1, 2, 3)]
    return {
        "userId": (number - 1) // 10 + 1,
        "id": number,
        "title": sentence(number, 0)[:-1].lower(),
        "body": "\n".join(lines),
    }


def make_comment(number):
    """Comment 1 to 500; five per post."""
    post = (number - 1) // 5 + 1
    name, username, _, town = PEOPLE[(number * 7) % len(PEOPLE)]
    return {
        "postId": post,
        "id": number,
        "name": f"{name.split()[0]} on {pick(SUBJECTS, number, 3)}",
        "email": f"{username}{number}@{town.lower()}.example",
        "body": f"{pick(REACTIONS, number, 4)} {pick(REMARKS, number, 5)}",
    }


def make_user(number):
    """User 1 to 10."""
    name, username, street, town = PEOPLE[number - 1]
    trade = TRADES[number % len(TRADES)]
    return {
        "id": number,
        "name": name,
        "username": username,
        "email": f"{username}@{town.lower()}.example",
        "address": {
            "street": street,
            "suite": f"Floor {number % 4 + 1}",
            "city": town,
            "zipcode": f"{number * 731 % 90000 + 10000}",
            "geo": {"lat": f"{50 + number * 0.3717:.4f}", "lng": f"{-4 + number * 0.2113:.4f}"},
        },
        "phone": f"0555-{number:02d}-{number * 37 % 1000:03d}",
        "website": f"{username.replace('_', '-')}.example",
        "company": {
            "name": f"{town} {trade}",
            "catchPhrase": pick(REMARKS, number, 6),
            "bs": pick(ACTIONS, number, 7),
        },
    }


POSTS = [make_post(number) for number in range(1, 101)]
COMMENTS = [make_comment(number) for number in range(1, 501)]
USERS = [make_user(number) for number in range(1, 11)]
