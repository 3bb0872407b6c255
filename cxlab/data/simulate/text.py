"""What made-up customers write: a small grammar with synonyms, by theme and tone."""

from __future__ import annotations

import re

__all__ = ["THEMES", "sentence"]

_WORD = 0xFFFFFFFFFFFFFFFF

# {name} stands for one of a list of words, which may hold such names themselves
WORDS: dict[str, tuple[str, ...]] = {
    "very": ("really", "very", "so", "quite", "rather", "incredibly", ""),
    "again": ("again", "once more", "for the second time", "yet again", "this month too"),
    "good": ("great", "good", "excellent", "fine", "very helpful", "smooth", "spot on"),
    "bad": ("poor", "bad", "awful", "disappointing", "not good enough", "a mess", "a letdown"),
    "person": ("the agent", "your colleague", "the lady I spoke to", "the gentleman", "support",
               "the person on the line", "someone from your team"),
    "time": ("half an hour", "forty minutes", "more than an hour", "ages", "20 minutes",
             "most of my lunch break", "far too long"),
    "days": ("three days", "a week", "ten days", "nearly two weeks", "five days", "days on end"),
    "soon": ("within minutes", "straight away", "the same day", "in no time", "on the first try",
             "before I had finished my coffee"),
    "anger": ("I am fed up.", "Not what I pay for.", "This has to get better.", "Disappointed.",
              "I am thinking about leaving.", "Please sort this out.", "Never had this elsewhere.",
              "It cost me a whole morning.", "", "", ""),
    "thanks": ("Thank you!", "Keep it up.", "Happy customer here.", "Thanks a lot.",
               "Would recommend.", "Exactly what I needed.", "", "", ""),
    "month": ("January", "March", "May", "July", "September", "October", "November"),
    "place": ("the city centre", "the high street", "the station", "the mall", "my neighbourhood"),
    "reach": ("You can reach me at jo.{name}@example.com.", "Call me on 0{tens} 5550 1{tens}.",
              "My mail is {name}{tens}@example.org.", "Regards, {first} {surname}"),
    "name": ("keller", "martin", "novak", "silva", "jansen", "rossi"),
    "first": ("Anna", "Luis", "Marek", "Ines", "Tom", "Greta"),
    "surname": ("Keller", "Martin", "Novak", "Silva", "Jansen", "Rossi"),
    "tens": ("31", "42", "57", "68", "74", "89"),
}  # fmt: skip

THEMES: dict[str, dict[str, tuple[str, ...]]] = {
    "billing": {
        "bad": ("the invoice for {month} is wrong {again}", "I was charged twice in {month}",
                "the amount on my bill does not match my plan",
                "a fee appeared that nobody can explain",
                "the payment page crashed and my card was still charged",
                "still no refund after {days}", "the bill is {very} confusing"),
        "good": ("the invoice is clear and always on time", "paying was {very} easy",
                 "my refund arrived {soon}", "the new bill is easy to read",
                 "checkout was {good}"),
    },
    "delivery": {
        "bad": ("my parcel came {days} late", "the delivery never showed up",
                "the courier left the box in the rain", "the wrong item was delivered {again}",
                "tracking said delivered but nothing was there", "the package arrived damaged"),
        "good": ("delivery was fast and the parcel well packed", "my order came a day early",
                 "the courier was {very} friendly", "tracking was accurate to the minute"),
    },
    "waiting": {
        "bad": ("I was on hold for {time}", "nobody picked up for {time}",
                "the queue took {time} and then the line dropped", "I waited {time} in the chat",
                "passed from one department to the next {again}", "the callback never came"),
        "good": ("got through {soon}", "hardly any waiting time", "somebody answered {soon}",
                 "the chat replied {soon}"),
    },
    "agent": {
        "bad": ("{person} was {very} rude", "{person} did not understand my question",
                "{person} promised to come back to me and never did",
                "I had to explain everything {again}", "the answer I got was a copied text",
                "{person} could not help at all"),
        "good": ("{person} was {very} kind and patient", "{person} solved it {soon}",
                 "{person} knew exactly what to do", "I felt taken seriously by {person}"),
    },
    "app": {
        "bad": ("the app crashes every time I log in", "the update broke the search",
                "the app is {very} slow since the last version", "I keep getting logged out",
                "the help pages led me in circles", "syncing fails {again}"),
        "good": ("the app is {very} fast now", "love the new layout",
                 "everything works on my phone",
                 "the help pages answered my question {soon}", "the dark mode is {good}"),
    },
    "onboarding": {
        "bad": ("setting up took {time} and still fails", "the setup guide skips half the steps",
                "nobody showed up for the welcome call", "the introduction call was {bad}",
                "after {days} my account is still not ready", "I did not get the activation code"),
        "good": ("setting up was {very} easy", "the welcome call was {good}",
                 "the guide walked me through it {soon}", "up and running {soon}"),
    },
    "price": {
        "bad": ("it has become {very} expensive", "the price went up {again} without a reason",
                "new customers pay less than I do", "competitors offer the same for less",
                "the renewal costs more than I was told", "not worth the money any more"),
        "good": ("fair price for what I get", "the loyalty discount was a nice surprise",
                 "the renewal offer was {good}", "good value compared with others"),
    },
    "cancelling": {
        "bad": ("the cancel button is hidden", "the cancellation page threw an error {again}",
                "I was pushed into an offer I did not want", "cancelling should not take {time}",
                "they would not accept my cancellation"),
        "good": ("cancelling was simple and honest", "they accepted my decision politely",
                 "the page made it clear what happens next"),
    },
    "website": {
        "bad": ("the website is {very} hard to navigate", "the advert promised something else",
                "links in the newsletter do not work", "far too many mails",
                "the page would not load {again}"),
        "good": ("the website is well made", "I like the newsletter", "found what I wanted {soon}",
                 "the page explained the plans {very} well"),
    },
    "store": {
        "bad": ("the shop in {place} was out of stock", "staff in the shop sent me home {again}",
                "the queue in the shop took {time}", "the shop in {place} was {bad}"),
        "good": ("the shop in {place} is lovely", "staff in the shop were {very} helpful",
                 "the shop sorted it out {soon}"),
    },
}  # fmt: skip

_FRAMES = {
    "bad": ("{a}. {anger}", "{a}, and {b}. {anger}", "{a}! {anger}", "Sorry to say: {a}. {anger}",
            "{a}. Also {b}. {anger}", "honestly, {a}. {anger}"),
    "good": ("{a}. {thanks}", "{a}, {b}. {thanks}", "{a}! {thanks}", "{a} and {b}. {thanks}",
             "no complaints, {a}. {thanks}"),
    "mixed": ("{g}, but {a}.", "{a}. On the other hand, {g}.", "{a}, although {g}.",
              "mostly fine: {g}. Only {a}.", "{g}. Still, {a}. {anger}"),
}  # fmt: skip
_SIGNED_SHARE = 0.03


class _Dice:
    """A stream of small numbers from one key."""

    def __init__(self, key: int) -> None:
        self.state = key & _WORD

    def below(self, limit: int) -> int:
        """Draw a whole number from 0 to ``limit - 1``."""
        self.state = (self.state + 0x9E3779B97F4A7C15) & _WORD
        x = ((self.state ^ (self.state >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
        x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _WORD
        return (x >> 33) % limit

    def one(self, words: tuple[str, ...]) -> str:
        """Pick one of some words."""
        return words[self.below(len(words))]


def sentence(theme: str, tone: str, key: int) -> str:
    """Write a comment; the same arguments give the same words.

    Parameters
    ----------
    theme : str
        One of :data:`THEMES`.
    tone : str
        ``good``, ``bad`` or ``mixed``.
    key : int
        What the choice of words hangs on.
    """
    dice = _Dice(key)
    lines = THEMES[theme]
    side = "good" if tone == "good" else "bad"
    first = dice.below(len(lines[side]))
    second = (first + 1 + dice.below(len(lines[side]) - 1)) % len(lines[side])
    parts = {"a": lines[side][first], "b": lines[side][second], "g": _praise(theme, dice)}
    text = _fill(dice.one(_FRAMES[tone]), parts, dice)
    if dice.below(1000) < 1000 * _SIGNED_SHARE:
        text += " " + _fill("{reach}", parts, dice)
    text = re.sub(r"\s+", " ", text).strip()
    text = text.lower() if dice.below(8) == 0 else text[0].upper() + text[1:]
    return text.rstrip(".") if dice.below(3) == 0 else text


def _praise(theme: str, dice: _Dice) -> str:
    """Give a good word about something else than the theme."""
    others = tuple(t for t in THEMES if t != theme)
    return dice.one(THEMES[dice.one(others)]["good"])


def _fill(text: str, parts: dict[str, str], dice: _Dice) -> str:
    """Replace every ``{name}``, the ones that replacements bring too."""
    while match := re.search(r"\{(\w+)\}", text):
        name = match.group(1)
        word = parts[name] if name in parts else dice.one(WORDS[name])
        text = text[: match.start()] + word + text[match.end() :]
    return text
