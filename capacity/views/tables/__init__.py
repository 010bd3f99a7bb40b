"""What each command prints: audits, forecasts and plans as tables.

Names load on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from capacity.lazy import load_lazily

if TYPE_CHECKING:
    from capacity.views.tables.data import audit_sheet as audit_sheet
    from capacity.views.tables.data import backtest_sheet as backtest_sheet
    from capacity.views.tables.data import forecast_rows as forecast_rows
    from capacity.views.tables.data import forecast_sheet as forecast_sheet
    from capacity.views.tables.data import history_sheet as history_sheet
    from capacity.views.tables.data import seasons_sheet as seasons_sheet
    from capacity.views.tables.load import load_sheet as load_sheet
    from capacity.views.tables.outlook import outlook_sheets as outlook_sheets
    from capacity.views.tables.outlook import volumes_sheet as volumes_sheet
    from capacity.views.tables.plan import explain_document as explain_document
    from capacity.views.tables.plan import explain_sheet as explain_sheet
    from capacity.views.tables.plan import floor_lines as floor_lines
    from capacity.views.tables.plan import plan_sheet as plan_sheet
    from capacity.views.tables.plan import scenarios_sheet as scenarios_sheet
    from capacity.views.tables.simulation import advice_sentence as advice_sentence
    from capacity.views.tables.simulation import choice_sheet as choice_sheet
    from capacity.views.tables.simulation import choices_sheet as choices_sheet
    from capacity.views.tables.simulation import nodes_sheet as nodes_sheet
    from capacity.views.tables.simulation import simulation_sheet as simulation_sheet
    from capacity.views.tables.simulation import sizes_sheet as sizes_sheet
    from capacity.views.tables.status import doctor_sheet as doctor_sheet
    from capacity.views.tables.status import status_sheet as status_sheet

HOMES = {
    "capacity.views.tables.data": (
        "audit_sheet",
        "history_sheet",
        "backtest_sheet",
        "forecast_rows",
        "forecast_sheet",
        "seasons_sheet",
    ),
    "capacity.views.tables.simulation": (
        "advice_sentence",
        "choice_sheet",
        "choices_sheet",
        "nodes_sheet",
        "simulation_sheet",
        "sizes_sheet",
    ),
    "capacity.views.tables.load": ("load_sheet",),
    "capacity.views.tables.outlook": ("outlook_sheets", "volumes_sheet"),
    "capacity.views.tables.plan": ("explain_document", "explain_sheet", "floor_lines", "plan_sheet", "scenarios_sheet"),
    "capacity.views.tables.status": ("doctor_sheet", "status_sheet"),
}

__all__, __getattr__, __dir__ = load_lazily(__name__, HOMES)
