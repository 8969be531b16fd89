"""Users and groups that workers run as: whether this machine has them."""

import sys
from collections.abc import Callable, Iterable

from penstock.settings.names import suggest

if sys.platform != "win32":
    import grp
    import pwd

    def user_number(text: str) -> int:
        """The number of a user, by its name or number. Raises KeyError when this machine has none."""
        return pwd.getpwuid(_number(text)).pw_uid if text.isdecimal() else pwd.getpwnam(text).pw_uid

    def group_number(text: str) -> int:
        """The number of a group, by its name or number. Raises KeyError when this machine has none."""
        return grp.getgrgid(_number(text)).gr_gid if text.isdecimal() else grp.getgrnam(text).gr_gid

    def _users() -> Iterable[str]:
        return (each.pw_name for each in pwd.getpwall())

    def _groups() -> Iterable[str]:
        return (each.gr_name for each in grp.getgrall())
else:

    def user_number(text: str) -> int:
        """A process keeps its user on Windows: KeyError."""
        raise KeyError(text)

    def group_number(text: str) -> int:
        """A process keeps its groups on Windows: KeyError."""
        raise KeyError(text)

    def _users() -> Iterable[str]:
        return ()

    def _groups() -> Iterable[str]:
        return ()


def judge_user(text: str) -> str:
    """What is wrong with the name or the number of a user, as a sentence that begins with it; "" means it is right."""
    return _judge(text, user_number, kind="user", names=_users)


def judge_group(text: str) -> str:
    """What is wrong with the name or the number of a group, as a sentence that begins with it; "" means it is right."""
    return _judge(text, group_number, kind="group", names=_groups)


def _judge(text: str, number: Callable[[str], int], *, kind: str, names: Callable[[], Iterable[str]]) -> str:
    try:
        number(text)
    except KeyError:
        return f'"{text}" is no {kind} of this machine{suggest(text, names())}'
    return ""


def _number(text: str) -> int:
    number = int(text)
    if number >= 1 << 32:
        raise KeyError(text)
    return number
