"""What `penstock drain`, `resume` and `scale` have in common: one pool is changed, and told of."""

import click

from penstock.tools.control_client import ask, read, segment, show_json


def change_pool(target: str, control: str | None, pool: str, call: str, order: object = None, *, as_json: bool) -> None:
    """Post `order` to the call of this pool, and print how the pool is then. Raises NotRunning and Refused."""
    content = ask(target, control, f"POST /v1/pools/{segment('pool', pool)}/{call}", order, waits=True)
    if as_json:
        show_json(content)
        return
    from penstock.supervisor.control_model import PoolStatus
    from penstock.tools.control_text import pool_line

    click.echo(pool_line(read(content, PoolStatus)))
