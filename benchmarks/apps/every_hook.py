"""A module with a hook at every stage and half that has room for one, twenty in all; none of them does anything."""

from penstock import Context, Hooks, Stage
from penstock.pipeline.stages import RULES


class EveryHook:
    """`asynchronous`: the hooks are coroutine functions that never wait. EXECUTE itself is left to what answers."""

    def __init__(self, *, asynchronous: bool = False) -> None:
        self.hook = self.awaited if asynchronous else self.called

    def attach(self, hooks: Hooks) -> None:
        for stage in Stage:
            if stage is not Stage.EXECUTE:
                hooks.on(stage, self.hook)
            if RULES[stage].has_post:
                hooks.after(stage, self.hook)

    def called(self, context: Context) -> None:
        pass

    async def awaited(self, context: Context) -> None:
        pass
