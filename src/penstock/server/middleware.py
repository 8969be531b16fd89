"""From settings to middleware in stages: what a `middleware = [...]` becomes in the pipeline."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from penstock.errors import ConfigurationError, PenstockError, Problem, StartupError
from penstock.pipeline.module import Hooks
from penstock.pipeline.stages import stage_named

if TYPE_CHECKING:
    from penstock.settings import MiddlewareSettings


def middleware_hooks(settings: MiddlewareSettings, name: str, load: Callable[[str], object]) -> Hooks:
    """The hooks of one middleware. Raises ConfigurationError for what is none, StartupError when its own code fails."""
    from penstock.pipeline_gateways.middleware_shapes import detect_middleware
    from penstock.pipeline_gateways.staged_pieces import hook_middleware

    found = load(settings.use)
    hooks = Hooks(name)
    try:
        middleware = detect_middleware(found, (), settings.settings, name=settings.use)
        hook_middleware(hooks, stage_named(settings.stage), middleware, relays_errors=settings.relay_errors)
    except (PenstockError, TypeError, ValueError, AttributeError) as error:
        raise ConfigurationError([Problem(f"middleware {settings.use}: {error}")]) from error
    except Exception as error:
        raise StartupError(f"middleware {settings.use} failed to start: {error}") from error
    return hooks


def builder_hooks(reference: str, load: Callable[[str], object], taken: Iterable[str]) -> list[Hooks]:
    """The hooks of a site's `builder`: a Builder, or a function that is given one. Raises as `middleware_hooks`."""
    from penstock.pipeline_gateways.builder import Builder
    from penstock.pipeline_gateways.staged_builder import hook_builder

    found: Any = load(reference)
    if not isinstance(found, Builder) and not callable(found):
        kind = type(found).__name__
        told = f"builder {reference} is {kind!r}: it is a Builder, or a function that is given one"
        raise ConfigurationError([Problem(told)])
    try:
        builder = found
        if not isinstance(found, Builder):
            builder = Builder()
            found(builder)
        return hook_builder(builder, taken)
    except (PenstockError, TypeError, ValueError) as error:
        raise ConfigurationError([Problem(f"builder {reference}: {error}")]) from error
    except Exception as error:
        raise StartupError(f"builder {reference} failed to start: {error}") from error
