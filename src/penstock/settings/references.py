"""Import references such as `shop.api:app`: from text to the object, with errors that say what is missing."""

import importlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType

from penstock.errors import ConfigurationError, Problem, StartupError
from penstock.settings.names import suggest


def load_reference(reference: str) -> object:
    """Import what `package.module:attribute.of.it` names.

    Raises `ConfigurationError` where the form, the module or the attribute is wrong (the operator's fault), and
    `StartupError`, with the cause chained, where the module is found and fails while it is imported (the module's).
    """
    module_name, _, attribute_path = reference.partition(":")
    if not _is_dotted(module_name) or not _is_dotted(attribute_path):
        raise _refusal(f'"{reference}" is not an import reference: write "package.module:attribute"')
    found: object = _import_module(module_name)
    so_far = module_name
    for name in attribute_path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            raise _refusal(f'{so_far} has no attribute "{name}"{suggest(name, _public_names(found))}') from None
        so_far = f"{so_far}{'.' if ':' in so_far else ':'}{name}"
    return found


@contextmanager
def importable(folders: Sequence[str]) -> Iterator[None]:
    """Let Python import from `folders` first, for as long as the block lasts."""
    before = list(sys.path)
    sys.path[:0] = folders
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:] = before


def _is_dotted(text: str) -> bool:
    return all(part.isidentifier() for part in text.split("."))


def _refusal(message: str) -> ConfigurationError:
    return ConfigurationError([Problem(message)])


def _import_module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if not _is_or_contains(error.name or "", name):
            raise _own_failure(name, error) from error
        raise _refusal(_missing_module(error.name or name)) from None
    except (Exception, SystemExit) as error:
        raise _own_failure(name, error) from error


def _is_or_contains(package: str, module: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def _missing_module(name: str) -> str:
    import pkgutil  # imported when used, as `traceback` is: they cost start-up time

    package_name, _, last = name.rpartition(".")
    if not package_name:
        near = suggest(last, (module.name for module in pkgutil.iter_modules()))
        return f'there is no module "{last}"{near or "; is its folder in app_dirs?"}'
    paths = getattr(sys.modules.get(package_name), "__path__", None)
    if paths is None:
        return f'there is no module "{name}": "{package_name}" is a module, not a package'
    return (
        f'there is no module "{last}" in {package_name}{suggest(last, (m.name for m in pkgutil.iter_modules(paths)))}'
    )


def _own_failure(name: str, error: BaseException) -> StartupError:
    import traceback

    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "importlib" not in frame.filename]
    place = f" at {frames[-1].filename}:{frames[-1].lineno}" if len(frames) > 1 else ""
    if isinstance(error, SyntaxError) and error.filename:
        place = f" at {error.filename}:{error.lineno}"
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return StartupError(f'importing "{name}" failed{place}: {said}')


def _public_names(owner: object) -> list[str]:
    return [name for name in dir(owner) if not name.startswith("_")]
