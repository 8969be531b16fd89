# bakery/language.py
"""The language of a page stands in front of its path: /de/orders/7 is /orders/7 in German."""

from penstock import Context, Hooks, Stage


class Language:
    """`languages` are the prefixes, `default` is that of paths without one. Others find it in `context.items["language"]`."""

    def __init__(self, languages: list[str], default: str = "en") -> None:
        self.languages = frozenset(languages)
        self.default = default

    def attach(self, hooks: Hooks) -> None:
        hooks.on(Stage.BEGIN, self.begin)

    def begin(self, context: Context) -> None:
        first, _, rest = context.request.path[1:].partition("/")
        language = self.default
        if first in self.languages:
            language = first
            context.rewrite(f"/{rest}")
        context.items["language"] = language
        context.response.on_sending_headers(lambda response: response.headers.setdefault("content-language", language))
