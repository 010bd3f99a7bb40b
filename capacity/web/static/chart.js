"use strict";
// A chart of panels over one axis of time: lines, steps and bands as SVG, with a cursor, zoom and keys.
class Chart {
  constructor(host, format) {
    Object.assign(this, { host, format, panels: [], view: [0, 1], span: [0, 1], step: 3600000, cursor: null, chosen: null });
    this.onmove = this.onpick = () => {};
    this.listen();
    new ResizeObserver(() => this.draw()).observe(host);
  }

  set(panels, span, step, now) {
    Object.assign(this, { panels, span, step, now });
    this.host.setAttribute("aria-valuemax", String(Math.max(1, Math.round((span[1] - span[0]) / step) - 1)));
    this.draw();
  }

  zoom(begin, end) {
    const least = 6 * this.step, whole = this.span[1] - this.span[0];
    const width = Math.min(whole, Math.max(least, end - begin));
    begin = Math.min(Math.max(begin + (end - begin - width) / 2, this.span[0]), this.span[1] - width);
    this.view = [begin, begin + width];
    this.draw();
  }

  scale(factor) {
    const [begin, end] = this.view, middle = this.cursor !== null && this.cursor >= begin && this.cursor <= end ? this.cursor : (begin + end) / 2;
    this.zoom(middle - (middle - begin) * factor, middle + (end - middle) * factor);
  }

  pan(share) {
    const width = this.view[1] - this.view[0];
    this.zoom(this.view[0] + share * width, this.view[1] + share * width);
  }

  move(moment, follow = false) {
    const last = this.span[1] - this.step;
    this.cursor = Math.min(last, Math.max(this.span[0], this.span[0] + Math.floor((moment - this.span[0]) / this.step) * this.step));
    const width = this.view[1] - this.view[0];
    if (follow && this.cursor < this.view[0]) this.view = [this.cursor, this.cursor + width];
    if (follow && this.cursor + this.step > this.view[1]) this.view = [this.cursor + this.step - width, this.cursor + this.step];
    const text = this.onmove(this.cursor) || "";
    this.host.setAttribute("aria-valuenow", String(Math.round((this.cursor - this.span[0]) / this.step)));
    this.host.setAttribute("aria-valuetext", text);
    follow ? this.draw() : this.drawCursor();
  }

  pick(moment) {
    this.move(moment);
    this.chosen = this.cursor;
    this.drawCursor();
    this.onpick(this.cursor);
  }

  x(moment) { return this.left + (moment - this.view[0]) / (this.view[1] - this.view[0]) * (this.width - this.left - this.right); }
  moment(x) { return this.view[0] + (x - this.left) / (this.width - this.left - this.right) * (this.view[1] - this.view[0]); }

  draw() {
    if (!this.panels.length) return;
    this.width = Math.max(280, this.host.clientWidth);
    this.left = this.width < 500 ? 38 : 52;
    this.right = 8;
    const height = this.width < 500 ? 150 : 190, gap = 34, total = this.panels.length * (height + gap) + 22;
    this.bottom = total - 22;
    const parts = [this.axis(total)];
    this.panels.forEach((panel, place) => parts.push(this.panel(panel, place * (height + gap) + 22, height)));
    parts.push(this.begin());
    this.host.innerHTML = `<svg viewBox="0 0 ${this.width} ${total}" aria-hidden="true" focusable="false">${parts.join("")}<g class="marks"></g></svg>`;
    this.drawCursor();
  }

  panel(panel, top, height) {
    const all = panel.items.map((item) => this.visible(item)), used = Math.max(1e-9, ...all.filter((item) => !item.limit).map((item) => item.most));
    const shown = all.filter((item) => !item.limit || item.most <= 1.6 * used), most = Chart.nice(Math.max(used, ...shown.map((item) => item.most)));
    const above = all.filter((item) => !shown.includes(item)).map((item) => ` (${item.limit} ${Chart.short(item.most)}${this.width < 500 ? "" : " lies above"})`);
    const y = (value) => top + height - value / most * height;
    const lines = [0, 0.5, 1].map((share) => `<line class="grid" x1="${this.left}" x2="${this.width - this.right}" y1="${y(share * most)}" y2="${y(share * most)}"/><text x="${this.left - 6}" y="${y(share * most) + 4}" text-anchor="end">${Chart.short(share * most)}</text>`);
    const drawn = shown.map((item) => this.item(item, y));
    return `<text class="title" x="${this.left}" y="${top - 8}">${panel.title}${above.join("")}</text>${lines.join("")}${drawn.join("")}`;
  }

  visible(item) {
    const [begin, end] = this.view, count = (item.values || item.high).length;
    const first = Math.max(0, Math.floor((begin - item.start) / item.step) - 1), last = Math.min(count, Math.ceil((end - item.start) / item.step) + 1);
    let most = 0;
    for (let at = first; at < last; at++) most = Math.max(most, (item.values || item.high)[at] ?? 0);
    return { ...item, first, last, most };
  }

  item(item, y) {
    const at = (place) => Math.min(this.width - this.right, Math.max(this.left, this.x(item.start + place * item.step)));
    const middle = item.steps ? 0 : 0.5;
    const path = (values) => {
      let text = "", open = false, before = null;
      for (let place = item.first; place < item.last; place++) {
        const value = values[place];
        if (value === null || value === undefined) { open = false; continue; }
        const x = at(place + middle).toFixed(1), level = y(value).toFixed(1);
        text += open ? (item.steps ? (value === before ? "" : `H${x}V${level}`) : `L${x},${level}`) : `M${x},${level}`;
        open = true; before = value;
        if (item.steps && place === item.last - 1) text += `H${at(place + 1).toFixed(1)}`;
      }
      return text;
    };
    if (!item.high) return `<path class="${item.kind}" d="${path(item.values)}"/>`;
    const up = [], down = [];
    for (let place = item.first; place < item.last; place++) {
      up.push(`${at(place + 0.5).toFixed(1)},${y(item.high[place]).toFixed(1)}`);
      down.push(`${at(place + 0.5).toFixed(1)},${y(item.low[place]).toFixed(1)}`);
    }
    return `<polygon class="${item.kind}" points="${up.join(" ")} ${down.reverse().join(" ")}"/>`;
  }

  axis(total) {
    const hours = [1, 3, 6, 12, 24, 48, 96, 168, 336].map((one) => one * 3600000), room = (this.width - this.left) / (this.width < 500 ? 70 : 90);
    const apart = hours.find((one) => (this.view[1] - this.view[0]) / one <= room) || 672 * 3600000;
    const shift = this.format.offset(this.view[0]), parts = [];
    for (let at = Math.ceil((this.view[0] + shift) / apart) * apart - shift; at < this.view[1]; at += apart) {
      const x = this.x(at);
      if (x > this.width - 30) break;
      parts.push(`<line class="grid" x1="${x}" x2="${x}" y1="22" y2="${this.bottom - 12}"/>${x < this.left + 24 ? "" : `<text x="${x}" y="${total - 8}" text-anchor="middle">${this.format.tick(at, apart)}</text>`}`);
    }
    return parts.join("");
  }

  begin() {
    const now = this.now ? this.x(this.now) : -1;
    if (now <= this.left || now >= this.width - this.right) return "";
    return `<line class="now" x1="${now}" x2="${now}" y1="22" y2="${this.bottom - 12}"/><text x="${now + 4}" y="34">plan starts</text>`;
  }

  drawCursor() {
    const marks = this.host.querySelector(".marks");
    if (!marks) return;
    const line = (moment, kind) => {
      const x = moment === null ? -1 : this.x(moment + this.step / 2);
      return x < this.left || x > this.width - this.right ? "" : `<line class="${kind}" x1="${x}" x2="${x}" y1="22" y2="${this.bottom - 12}"/>`;
    };
    const area = this.drag && this.drag.zooms ? [Math.min(this.drag.x, this.drag.to), Math.abs(this.drag.to - this.drag.x)] : null;
    marks.innerHTML = line(this.chosen, "chosen") + line(this.cursor, "cursor") + (area ? `<rect class="select" x="${area[0]}" y="22" width="${area[1]}" height="${this.bottom - 34}"/>` : "");
  }

  listen() {
    const host = this.host, place = (event) => event.clientX - host.getBoundingClientRect().left;
    host.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      this.drag = { x: place(event), to: place(event), view: [...this.view], zooms: event.pointerType === "mouse", moved: false };
      host.setPointerCapture(event.pointerId);
    });
    host.addEventListener("pointermove", (event) => {
      const x = place(event);
      if (!this.drag) return this.panels.length ? this.move(this.moment(x)) : undefined;
      this.drag.to = x;
      this.drag.moved ||= Math.abs(x - this.drag.x) > 8;
      if (!this.drag.moved) return;
      if (this.drag.zooms) return this.drawCursor();
      const shift = (this.drag.x - x) / (this.width - this.left - this.right) * (this.drag.view[1] - this.drag.view[0]);
      this.zoom(this.drag.view[0] + shift, this.drag.view[1] + shift);
    });
    host.addEventListener("pointerup", () => {
      const drag = this.drag;
      this.drag = null;
      if (!drag || !this.panels.length) return;
      if (!drag.moved) return this.pick(this.moment(drag.x));
      if (drag.zooms) this.zoom(this.moment(Math.min(drag.x, drag.to)), this.moment(Math.max(drag.x, drag.to)));
    });
    host.addEventListener("pointercancel", () => { this.drag = null; });
    host.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.shiftKey) return;
      event.preventDefault();
      this.move(this.moment(place(event)));
      this.scale(event.deltaY + event.deltaX > 0 ? 1.25 : 0.8);
    }, { passive: false });
    host.addEventListener("keydown", (event) => this.key(event));
  }

  key(event) {
    if (!this.panels.length) return;
    const day = 86400000, from = this.cursor ?? this.chosen ?? this.view[0];
    const moves = { ArrowLeft: -this.step, ArrowDown: -this.step, ArrowRight: this.step, ArrowUp: this.step, PageDown: -day, PageUp: day };
    if (event.key in moves) this.move(from + moves[event.key], true);
    else if (event.key === "Home") this.move(this.span[0], true);
    else if (event.key === "End") this.move(this.span[1], true);
    else if (event.key === "Enter" || event.key === " ") this.pick(from);
    else if (event.key === "+") this.scale(0.66);
    else if (event.key === "-") this.scale(1.5);
    else return;
    event.preventDefault();
  }

  static nice(value) {
    const power = 10 ** Math.floor(Math.log10(value)), share = value / power;
    return (share <= 1 ? 1 : share <= 2 ? 2 : share <= 3 ? 3 : share <= 4 ? 4 : share <= 6 ? 6 : share <= 8 ? 8 : 10) * power;
  }

  static short(value) {
    return value >= 1e6 ? `${+(value / 1e6).toPrecision(3)}M` : value >= 1e4 ? `${+(value / 1e3).toPrecision(3)}k` : String(+value.toPrecision(3));
  }
}
