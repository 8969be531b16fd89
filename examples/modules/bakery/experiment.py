# bakery/experiment.py
"""Shows half of the visitors something new: an A/B header, and a cookie by which a visitor keeps what they saw first."""

import secrets

from penstock import Context, Response, Stage, after, on


class Experiment:
    """`name` is that of the cookie, `share` the part of new visitors who see B. Others find "A" or "B" by `need(Variant)`."""

    def __init__(self, name: str = "variant", share: float = 0.5) -> None:
        if not 0 <= share <= 1:
            raise ValueError(f"share is a part of all visitors, from 0 to 1, not {share}")
        self.name = name
        self.share = share

    @on(Stage.BEGIN)
    def choose(self, context: Context) -> None:
        known = context.request.cookies.get(self.name, "")
        context.provide(Variant(known) if known in ("A", "B") else self.choose_anew())

    def choose_anew(self) -> "Variant":
        return Variant("B" if secrets.randbelow(1000) < self.share * 1000 else "A", is_new=True)

    @after("map_handler")
    def tell(self, context: Context) -> None:
        context.response.on_sending_headers(lambda response: self.write(context.need(Variant), response))

    def write(self, variant: "Variant", response: Response) -> None:
        response.headers["x-variant"] = variant.name
        response.headers.add("vary", "cookie")
        if variant.is_new:
            response.set_cookie(self.name, variant.name, max_age=86400, httponly=True, samesite="Lax")


class Variant:
    """What one visitor sees."""

    def __init__(self, name: str, *, is_new: bool = False) -> None:
        self.name = name
        self.is_new = is_new
