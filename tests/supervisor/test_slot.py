"""A place for one worker."""

from penstock.supervisor.slot import Slot
from tests.supervisor.on_loop import on_loop
from tests.supervisor.pool_subject import Scripted


@on_loop
async def test_it_serves_when_its_worker_does_and_is_no_stand_in() -> None:
    slot = Slot(0)
    worker = Scripted(1, pool="default", slot=0, generation=1)
    stand_in = Scripted(2, pool="default", slot=0, generation=1, is_stand_in=True)
    seen = [slot.is_serving]
    for each in (worker, stand_in):
        slot.worker = each
        seen.append(slot.is_serving)
        each.get_ready()
        each.serve()
        seen.append(slot.is_serving)
    assert seen == [False, False, True, False, False]


@on_loop
async def test_it_remembers_the_last_five_reasons_the_newest_first() -> None:
    slot = Slot(0)
    for number in range(7):
        slot.remember(str(number))
    assert slot.reasons == ["6", "5", "4", "3", "2"]
