from datetime import timedelta

import pytest

from airtable_connector.ops.dashboard import Dashboard
from airtable_connector.records import CELLS, Upsert


@pytest.mark.anyio
async def test_the_dashboard_shows_each_cell_that_ever_beat_in_droplet_1s_shape(base):
    watch = base.watch()
    await base.write(
        Upsert(CELLS, {"Cell_ID": "a", "Role": "Builder", "IP_Address": "10.0.0.1", "Cost_per_hr": 0.25}),
        Upsert(CELLS, {"Cell_ID": "never", "Cost_per_hr": 5}),
    )
    await base.beat("b", CPU_Usage=7)
    await base.pass_time(watch, timedelta(minutes=4))
    await base.beat("a", CPU_Usage=12.5, RAM_Usage=30)
    await base.beat("c", CPU_Usage=7, RAM_Usage=2048)
    await base.fold_all(watch)
    shown = await Dashboard(base.workspace, base.database).show()
    seen = int(base.clock.now().timestamp())
    assert shown == {
        "droplets": [
            {
                "id": "a",
                "name": "a",
                "role": "Builder",
                "ip": "10.0.0.1",
                "cost_hour": 0.25,
                "cpu": 12.5,
                "mem": 30,
                "last_seen": seen,
                "status": "healthy",
            },
            {"id": "b", "name": "b", "cpu": 7, "last_seen": seen - 240, "status": "down"},
            {"id": "c", "name": "c", "cpu": 7, "last_seen": seen, "status": "healthy"},
        ],
        "summary": {"total": 3, "healthy": 2, "down": 1, "cost_hour_total": 0.25},
    }


@pytest.mark.anyio
async def test_the_dashboard_of_an_empty_base_shows_zeros(base):
    shown = await Dashboard(base.workspace, base.database).show()
    assert shown == {"droplets": [], "summary": {"total": 0, "healthy": 0, "down": 0, "cost_hour_total": 0.0}}
