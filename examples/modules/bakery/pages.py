# bakery/pages.py
"""What the bakery has to say."""

import asyncio

from bakery.experiment import Variant
from penstock import Context, HTTPError

WELCOME = {"en": "Welcome to the bakery", "de": "Willkommen in der Bäckerei", "fr": "Bienvenue à la boulangerie"}
ORDERS = {"7": "two rye loaves", "8": "twelve rolls"}


def welcome(context: Context) -> str:
    text = WELCOME[context.items["language"]]
    return f"{text}!\n" if context.need(Variant).name == "A" else f"{text}! Today with pretzels.\n"


def order(number: str) -> dict[str, str]:
    if number not in ORDERS:
        raise HTTPError(404, f"there is no order {number}")
    return {"number": number, "text": ORDERS[number]}


async def oven() -> str:
    await asyncio.sleep(0.2)
    return "Ready.\n"


def burnt() -> str:
    raise RuntimeError("the oven was too hot")
