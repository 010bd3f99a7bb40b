"use strict";
// The page of one workload: its data from the API, the chart, the waterfall of an hour, and the controls.
(() => {
  const app = document.getElementById("app"), data = app.dataset, zone = data.zone;
  const place = `${data.base}/v1/workloads/${data.namespace}/${data.name}`;
  const $ = (id) => document.getElementById(id);
  const words = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", timeZone: zone });
  const day = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short", timeZone: zone });
  const hour = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: zone });
  const parts = new Intl.DateTimeFormat("en-GB", { year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", hourCycle: "h23", timeZone: zone });
  const offset = (moment) => {
    const found = Object.fromEntries(parts.formatToParts(moment).map((one) => [one.type, Number(one.value)]));
    return Date.UTC(found.year, found.month - 1, found.day, found.hour, found.minute) - Math.floor(moment / 60000) * 60000;
  };
  const format = { offset, tick: (moment, apart) => apart < 86400000 && hour.format(moment) !== "00:00" ? hour.format(moment) : day.format(moment) };
  const number = (value, digits = 3) => value === null || value === undefined ? "–" : Number(value.toPrecision(digits)).toLocaleString("en-GB");
  const signed = (value) => `${Math.abs(value) < 0.005 ? "" : value > 0 ? "+" : "−"}${Math.abs(value).toFixed(2)}`;
  const safe = (text) => String(text).replace(/[&<>"']/g, (one) => `&#${one.charCodeAt(0)};`);
  const chart = new Chart($("chart"), format);
  let plan, forecast = null, past = {}, after = null, comparing = 0, explaining = 0;

  async function ask(path) {
    const answer = await fetch(path, { headers: { Accept: "application/json" } });
    const found = await answer.json();
    if (!answer.ok) throw new Error(found.detail || answer.statusText);
    return found;
  }

  function series(document_, kind, values = document_ && document_.values) {
    return document_ ? { kind, start: Date.parse(document_.start), step: document_.step * 1000, values } : null;
  }

  function needed(cpu, memory) {
    return cpu.map((value, at) => Math.max(value / plan.cpu_request, memory[at] / plan.memory_request) / plan.target_utilization);
  }

  const span = (length) => ({ 60000: "minute", 3600000: "hour", 86400000: "day", 604800000: "week" })[length] || (length < 3600000 ? `${length / 60000} min` : `${length / 3600000} h`);
  const level = (quantiles, wanted) => quantiles[Object.keys(quantiles).reduce((one, other) => Math.abs(other - wanted) < Math.abs(one - wanted) ? other : one)];

  function panels() {
    const start = Date.parse(plan.start), step = plan.step * 1000, found = [], level_ = plan.quantile_level;
    if (forecast && forecast.sales) {
      const base = { start: Date.parse(forecast.sales_start), step: forecast.sales_step * 1000 }, all = forecast.sales.quantiles;
      const items = [
        { ...base, kind: "band", low: level(all, 0.05), high: level(all, level_) }, { ...base, kind: "median", values: level(all, 0.5) },
        series(past.sales, "past"), series(past.came, "came")].filter(Boolean);
      const unit = Math.max(...items.map((item) => item.step)); // steps may differ: all are shown in the longest
      const scaled = (values, item) => values && (item.step === unit ? values : values.map((value) => value === null ? null : value * unit / item.step));
      found.push({ title: `Sales per ${span(unit)}`, items: items.map((item) => ({ ...item, values: scaled(item.values, item), low: scaled(item.low, item), high: scaled(item.high, item) })) });
    }
    const items = [];
    if (forecast) {
      const cpu = forecast.cpu.quantiles, memory = forecast.memory.quantiles, base = { start: Date.parse(forecast.start), step: forecast.step * 1000 };
      const middle = needed(level(cpu, 0.5), level(memory, 0.5));
      items.push({ ...base, kind: "band", low: middle, high: needed(level(cpu, level_), level(memory, level_)) }, { ...base, kind: "median", values: middle });
    }
    if (past.cpu) items.push(series(past.cpu, "past", past.cpu.values.map((value, at) => value === null ? null : Math.max(value / plan.cpu_request, past.memory ? (past.memory.values[at] || 0) / plan.memory_request : 0) / plan.target_utilization)));
    if (past.replicas) items.push({ ...series(past.replicas, "ran"), steps: true });
    items.push({ kind: "ceiling", limit: "ceiling", start, step: step * plan.floor.length, values: [plan.ceiling], steps: true });
    items.push({ kind: "floor", start, step, values: plan.floor, steps: true });
    if (after) items.push({ kind: "after", start: Date.parse(after.start), step: after.step * 1000, values: after.floor, steps: true });
    found.push({ title: `Replicas at ${Math.round(100 * plan.target_utilization)} % utilization`, items });
    return found;
  }

  const NAMES = { past: "what happened", came: "what came since", median: "median forecast", band: "up to the planned quantile", floor: "planned floor", after: "floor under what-if", ceiling: "ceiling", ran: "replicas that ran" };

  function show() {
    const found = panels(), items = found.flatMap((panel) => panel.items);
    const begin = Math.min(...items.map((item) => item.start)), end = Date.parse(plan.start) + plan.step * 1000 * plan.floor.length;
    chart.set(found, [begin, end], plan.step * 1000, Date.parse(plan.start));
    const kinds = [...new Set(items.map((item) => item.kind))];
    $("legend").innerHTML = kinds.map((kind) => `<li><svg viewBox="0 0 32 12" aria-hidden="true">${kind === "band" ? `<rect class="band" width="32" height="12"/>` : `<line class="${kind}" x1="0" x2="32" y1="6" y2="6"/>`}</svg>${NAMES[kind]}</li>`).join("");
  }

  function at(item, moment) {
    const values = item.values || item.high, index = Math.floor((moment - item.start) / item.step);
    return index < 0 || index >= values.length ? null : values[index];
  }

  function describe(moment) {
    const lines = panels().map((panel) => {
      const values = panel.items.map((item) => [item.kind === "band" ? "planned for" : NAMES[item.kind], at(item, moment)]).filter((one) => one[1] !== null && one[1] !== undefined);
      return values.length ? `${panel.title}: ${values.map(([name, value]) => `${name} ${number(value)}`).join(", ")}.` : "";
    });
    return `${words.format(moment)}. ${lines.filter(Boolean).join(" ")}`;
  }

  function peak() {
    const moment = Date.parse(data.peak), room = 86400000 * 0.75;
    chart.zoom(moment - room, moment + room);
    chart.pick(moment);
  }

  function week() {
    const start = Date.parse(plan.start), narrow = chart.host.clientWidth < 500, one = 86400000;
    chart.zoom(start - (narrow ? one : 4 * one), start + (narrow ? 2 : 7) * one);
  }

  chart.onmove = (moment) => { const text = describe(moment); $("hour").textContent = text; return text; };
  chart.onpick = (moment) => explain(moment);
  document.querySelector(".tools").addEventListener("click", (event) => {
    const kind = event.target.dataset.zoom;
    if (!plan || !kind) return;
    ({ in: () => chart.scale(0.6), out: () => chart.scale(1.6), left: () => chart.pan(-0.5), right: () => chart.pan(0.5), peak, week, all: () => chart.zoom(...chart.span) })[kind]();
  });

  async function explain(moment) {
    if (data.forecast !== "1") return;
    const mine = ++explaining, asked = query(), start = Date.parse(plan.start);
    if (moment < start) {
      $("why").innerHTML = `<p class="note">${words.format(moment)} lies before the plan, which begins on ${words.format(start)}. Choose an hour from there on.</p>`;
      return;
    }
    asked.set("at", new Date(moment).toISOString());
    try {
      const found = await ask(`${place}/explain?${asked}`);
      if (mine === explaining) $("why").innerHTML = waterfall(found);
    } catch (error) {
      if (mine === explaining) $("why").innerHTML = `<p class="note">${safe(error.message)}</p>`;
    }
  }

  function waterfall(found) {
    const most = Math.max(1, ...found.bars.flatMap((bar) => [bar.total, bar.before]));
    const rows = found.bars.map((bar) => {
      const begin = Math.min(bar.before, bar.total) / most * 100, width = Math.max(0.6, Math.abs(bar.replicas) / most * 100);
      return `<tr><th scope="row">${safe(bar.name)}</th><td class="number">${signed(bar.replicas)}</td><td class="number">${bar.total.toFixed(2)}</td>` +
        `<td class="bar"><svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true"><rect class="${bar.replicas >= 0 ? "up" : "down"}" x="${begin}" width="${width}" y="1" height="8"/></svg></td><td>${safe(bar.why)}</td></tr>`;
    });
    const notes = found.notes.length ? `<ul class="small">${found.notes.map((note) => `<li>${safe(note)}</li>`).join("")}</ul>` : "";
    return `<p><strong>${words.format(Date.parse(found.at))}: a floor of ${found.floor}${query().size ? " under the what-if" : ""}</strong>, because of ${safe(found.cause)}. The parts add up to it exactly, in replicas.</p>` +
      `<div class="table" tabindex="0" role="region" aria-label="Why this floor"><table class="bars"><thead><tr><th scope="col">Part</th><th scope="col" class="number">Adds</th><th scope="col" class="number">So far</th><th scope="col">Bar</th><th scope="col">Why</th></tr></thead><tbody>${rows.join("")}</tbody></table></div>` +
      `<p>The controller holds ${found.covered_floor} here: the highest floor until ${words.format(Date.parse(found.covered_until))}, when the next one can be ready.</p>${notes}`;
  }

  function query() {
    const asked = new URLSearchParams(), value = (id) => ($(id).disabled || $(id).closest("fieldset").disabled ? "" : $(id).value);
    if (value("quantile")) asked.set("quantile", value("quantile"));
    if (Number(value("growth"))) asked.set("growth", String(Number(value("growth")) / 100));
    if (value("lead_time")) asked.set("lead_time", `${value("lead_time")}m`);
    if (value("minutes")) asked.set("minutes", String(Number(value("minutes")) / 100));
    if (value("overload_cost")) asked.set("overload_cost", value("overload_cost"));
    if ($("lost_zone").checked) asked.set("lost_zone", "true");
    const from = value("promotion_from"), uplift = Number(value("promotion_uplift"));
    if (from && uplift) {
      const end = new Date(Date.parse(`${from}Z`) + Number(value("promotion_hours") || 24) * 3600000).toISOString().slice(0, 16);
      asked.set("promotion", `${from}/${end}:${uplift > 0 ? "+" : ""}${uplift}%`);
    }
    return asked;
  }

  async function compare() {
    const asked = query(), mine = ++comparing;
    $("growth-out").textContent = `${$("growth").value > 0 ? "+" : ""}${$("growth").value} %`;
    history.replaceState(null, "", asked.size ? `?${asked}` : location.pathname);
    $("save").hidden = !asked.size;
    if ($("keep")) $("keep").hidden = !asked.size;
    $("save").href = `${place}/scenario.yaml?${asked}`;
    if (!asked.size) {
      after = null;
      $("compared").innerHTML = "";
      show();
      return;
    }
    try {
      const found = await ask(`${place}/compare?${asked}`);
      if (mine !== comparing) return;
      after = found;
      $("compared").innerHTML = table(found);
    } catch (error) {
      if (mine !== comparing) return;
      after = null;
      $("compared").innerHTML = `<p class="note">${safe(error.message)}</p>`;
    }
    show();
    if (chart.chosen !== null) explain(chart.chosen);
  }

  function table(found) {
    const unit = found.before.unit ? ` (${safe(found.before.unit)})` : "", both = [found.before, found.after];
    const change = (one, other) => !one ? "–" : other / one >= 10 ? `× ${number(other / one, 2)}` : `${other >= one ? "+" : "−"}${Math.abs(100 * (other / one - 1)).toFixed(1)} %`;
    const row = (name, pick, digits = 4) => {
      const [one, other] = both.map(pick);
      return `<tr><th scope="row">${name}</th><td class="number">${number(one, digits)}</td><td class="number">${number(other, digits)}</td><td class="number">${one === null || other === null ? "–" : change(one, other)}</td></tr>`;
    };
    const evidence = both.every((one) => one.evidence);
    const rows = [
      row("Peak replicas", (one) => one.peak.replicas), row("Mean floor", (one) => one.mean_floor, 2),
      row(`Cost of the floors a month${unit}`, (one) => one.cost_per_month),
      row("Expected minutes a day over the target, floors alone", (one) => one.expected_minutes_over_target_per_day, 3),
      row("Minutes short of the need", (one) => one.minutes_short_of_need),
    ];
    if (evidence) rows.push(
      row(`Replayed: cost a day (${safe(found.before.evidence.unit)})`, (one) => one.evidence.cost_per_day),
      row("Replayed: minutes a day over the target", (one) => one.evidence.minutes_over_target_per_day, 3));
    const policies = both.map((one) => safe(one.policy || "floors from the forecast"));
    const notes = found.after.notes.filter((note) => !found.before.notes.includes(note));
    return `<h3>Before and after</h3><div class="table" tabindex="0" role="region" aria-label="Before and after"><table><thead><tr><th scope="col">Figure</th><th scope="col" class="number">As planned</th><th scope="col" class="number">What if</th><th scope="col" class="number">Change</th></tr></thead><tbody>${rows.join("")}` +
      `</tbody></table></div><p>Policy: ${policies[0]}${policies[1] === policies[0] ? "" : `; what if: ${policies[1]}`}.</p>${notes.length ? `<ul class="small">${notes.map((note) => `<li>${safe(note)}</li>`).join("")}</ul>` : ""}`;
  }

  if ($("keep")) $("keep").addEventListener("click", async () => {
    const name = new Date().toISOString().slice(0, 19).toLowerCase().replace(/[^0-9t]/g, "-");
    const answer = await fetch(`${place}/scenarios/${name}?${query()}`, { method: "PUT" }), found = await answer.json();
    $("kept").textContent = answer.ok ? `Saved as ${found.saved}.` : found.detail;
  });

  let waiting = 0;
  $("controls").addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(compare, 150); });
  $("controls").addEventListener("reset", () => setTimeout(compare));
  $("controls").addEventListener("submit", (event) => event.preventDefault());

  $("table").addEventListener("toggle", () => {
    if (!$("table").open || !plan) return;
    const step = plan.step * 1000, start = Date.parse(plan.start), found = panels(), columns = found.flatMap((panel) => panel.items.filter((item) => item.kind !== "ceiling" && item.kind !== "past").map((item) => [panel.title, item]));
    const head = columns.map(([title, item]) => `<th scope="col" class="number">${title.split(" ")[0]}: ${NAMES[item.kind]}</th>`).join("");
    const rows = plan.floor.map((_, index) => {
      const moment = start + index * step;
      return `<tr><th scope="row">${words.format(moment)}</th>${columns.map(([, item]) => `<td class="number">${number(at(item, moment))}</td>`).join("")}</tr>`;
    });
    $("rows").innerHTML = `<table><thead><tr><th scope="col">From (${safe(zone)})</th>${head}</tr></thead><tbody>${rows.join("")}</tbody></table>`;
  });

  function restore() {
    const asked = new URLSearchParams(location.search);
    const put = (id, value) => { if (value !== null && !$(id).disabled) $(id).value = value; };
    put("quantile", asked.get("quantile"));
    put("lead_time", asked.get("lead_time") && asked.get("lead_time").replace("m", ""));
    for (const [id, factor] of [["growth", 100], ["minutes", 100], ["overload_cost", 1]]) if (asked.has(id)) put(id, String(+(asked.get(id) * factor).toPrecision(6)));
    $("lost_zone").checked = asked.get("lost_zone") === "true" && !$("lost_zone").disabled;
    const found = /^(.+)\/(.+):([+-]?[\d.]+)%$/.exec(asked.get("promotion") || "");
    if (found) {
      put("promotion_from", found[1]);
      put("promotion_uplift", String(Number(found[3])));
      put("promotion_hours", String((Date.parse(`${found[2]}Z`) - Date.parse(`${found[1]}Z`)) / 3600000));
    }
  }

  (async () => {
    try {
      const known = data.forecast === "1";
      [plan, past, forecast] = await Promise.all([ask(`${place}/plan`), ask(`${place}/past`), known ? ask(`${place}/forecast`) : null]);
    } catch (error) {
      $("hour").textContent = `The data could not be read: ${error.message}`;
      return;
    }
    show();
    week();
    restore();
    if (known() && query().size) await compare();
    chart.chosen = Date.parse(data.peak);
    if (known()) explain(chart.chosen);
    chart.drawCursor();
    app.dataset.ready = "1";
  })();
  function known() { return data.forecast === "1"; }
})();
