"""This file is the test of `penstock status`."""

import json

from tests.tools.controlled import printed

SHOWN = """\
penstock    0.1.0, running, for 1 h 2 min
site file   /srv/shop/penstock.toml
listening   http://127.0.0.1:8000
supervisor  pid 4700, 30.0 MB
generation  1
recycled    3 RequestLimit

pool     state    workers  generation  failures  recycled
default  running  2 of 2   1           0         3 RequestLimit
reports  off      0 of 1   1           0         none            5 crashes; tried again in 4.5 s

id  pool     slot  pid   state    up         requests  inside  queued  sockets  conns  memory   lag
1   default  0     4701  serving  1 h 2 min  1200      1       0       0        2      52.4 MB  0 ms
2   default  1     4702  serving  1 h 2 min  2400      2       0       0        4      52.4 MB  0 ms
3   reports  0     4703  serving  1 h 2 min  3600      3       0       0        6      52.4 MB  0 ms
"""


def test_everything_at_one_glance() -> None:
    assert printed("status") == SHOWN


def test_for_programs() -> None:
    status = json.loads(printed("status", "--json"))
    assert (status["pid"], status["pools"][1]["state"], len(status["workers"])) == (4700, "off", 3)
