"""What can be done with capacity, one use case a file: read, call the core, write.

Names load on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from capacity.lazy import load_lazily

if TYPE_CHECKING:
    from capacity.app.configuration import read_config as read_config
    from capacity.app.control import apply as apply
    from capacity.app.control import preview as preview
    from capacity.app.control import restore as restore
    from capacity.app.fleet import Fleet as Fleet
    from capacity.app.notify import Notifier as Notifier
    from capacity.app.plan import plan_fleet as plan_fleet
    from capacity.app.reconciliation import Reconciliation as Reconciliation
    from capacity.app.status import read_status as read_status
    from capacity.app.what_if import parse_scenario as parse_scenario
    from capacity.app.what_if import parse_scenarios as parse_scenarios

HOMES = {
    "capacity.app.configuration": ("read_config",),
    "capacity.app.control": ("apply", "preview", "restore"),
    "capacity.app.fleet": ("Fleet",),
    "capacity.app.plan": ("plan_fleet",),
    "capacity.app.notify": ("Notifier",),
    "capacity.app.reconciliation": ("Reconciliation",),
    "capacity.app.what_if": ("parse_scenario", "parse_scenarios"),
    "capacity.app.status": ("read_status",),
}
__all__, __getattr__, __dir__ = load_lazily(__name__, HOMES)
