"""What each command prints: audits, forecasts and plans as sheets of named values."""

from capacity.edge.sheets.audit import audit_sheet as audit_sheet
from capacity.edge.sheets.audit import history_sheet as history_sheet
from capacity.edge.sheets.backtest import backtest_sheet as backtest_sheet
from capacity.edge.sheets.doctor import doctor_sheet as doctor_sheet
from capacity.edge.sheets.explain import explain_document as explain_document
from capacity.edge.sheets.explain import explain_sheet as explain_sheet
from capacity.edge.sheets.forecast import forecast_rows as forecast_rows
from capacity.edge.sheets.forecast import forecast_sheet as forecast_sheet
from capacity.edge.sheets.load import load_sheet as load_sheet
from capacity.edge.sheets.plan import plan_sheet as plan_sheet
from capacity.edge.sheets.scenarios import scenarios_sheet as scenarios_sheet
from capacity.edge.sheets.seasons import seasons_sheet as seasons_sheet
from capacity.edge.sheets.simulation import simulation_sheet as simulation_sheet
from capacity.edge.sheets.status import status_sheet as status_sheet
