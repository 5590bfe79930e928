/* Pages of a time range: charts to zoom, move and point at, a moment to pin, keys, and the zone of the browser. */
(() => {
  const { ticks, lines, topOf, clock, mergeMarks } = globalThis.timeAxis;
  /* Room for the numbers of the marks. */
  const flagHeight = 18;
  const dragPixels = 5;
  const doubleClickMs = 250;
  const settleMs = 400;
  const retryMs = 2_000;

  const rates = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
  const oneDigit = new Intl.NumberFormat("en-US", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
  const compact = new Intl.NumberFormat("en-US", { maximumFractionDigits: 1, notation: "compact" });
  /* The same formats as in src/wording/format.ts. */
  const formats = {
    rate: (value) => (value === 0 ? "0" : value < 100 ? oneDigit.format(value) : rates.format(value)),
    ms(value) {
      if (value < 9.95) return `${oneDigit.format(value)}\u00a0ms`;
      return value < 999.5 ? `${rates.format(value)}\u00a0ms` : `${oneDigit.format(value / 1000)}\u00a0s`;
    },
    count: (value) => rates.format(value),
  };
  const axisFormats = {
    rate: (value) => compact.format(value),
    ms: (value) =>
      value < 1000 ? `${compact.format(value)}\u00a0ms` : `${compact.format(value / 1000)}\u00a0s`,
    count: (value) => compact.format(value),
  };

  /* Colours come from the style sheet; lines also differ in their dashes. */
  const lineStyles = {
    requestsPerSecond: { colour: "--accent", filled: true },
    errorsPerSecond: { colour: "--bad", filled: true },
    queued: { colour: "--warn", filled: true },
    inFlight: { colour: "--accent", filled: true },
    p50Ms: { colour: "--p50" },
    p95Ms: { colour: "--accent" },
    p99Ms: { colour: "--calm", dash: [5, 3] },
  };

  const colourOf = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const isLocal = () => new URLSearchParams(location.search).get("tz") === "local";
  const svgNamespace = "http://www.w3.org/2000/svg";
  const svg = (name, attributes = {}, text = "") => {
    const node = document.createElementNS(svgNamespace, name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, String(value));
    if (text !== "") node.textContent = text;
    return node;
  };

  /* A label below a chart. At an edge it stays inside: another chart may begin there. */
  const footText = (x, width, text) => {
    const half = text.length * 3;
    const anchor = x < half ? "start" : x > width - half ? "end" : "middle";
    return svg("text", { x, y: 12, "text-anchor": anchor }, text);
  };

  /* All charts of a page, with one time axis and one moment that is read. */
  class RangeCharts {
    constructor(root) {
      this.root = root;
      /* The stream of a live page finds the charts here. */
      root.charts = this;
      const { from, to, at, source, pins } = root.dataset;
      [this.from, this.to] = [Number(from), Number(to)];
      this.pinned = at === "" ? undefined : Number(at);
      [this.source, this.pins] = [source, pins];
      this.plots = [];
      this.readMoments();
    }

    /* The marks and bands of the markup. */
    readMoments() {
      const { root } = this;
      this.marks = [...root.querySelectorAll("[data-role=marks] li[data-at]")].map(({ dataset }) => ({
        at: Number(dataset.at),
        number: Number(dataset.number),
        tone: dataset.tone,
      }));
      this.problems = [...root.querySelectorAll("[data-role=bands] li")].map(({ dataset }) => ({
        from: Number(dataset.from),
        to: dataset.to === "" ? Number.POSITIVE_INFINITY : Number(dataset.to),
        level: dataset.level,
      }));
      this.redraw();
    }

    isLive() {
      return this.root.dataset.live === "yes";
    }

    async load() {
      const response = await fetch(this.source).catch(() => undefined);
      if (!response?.ok || !this.root.isConnected) return;
      const { columns, compared } = await response.json();
      if (!this.root.isConnected) return;
      this.columns = columns;
      this.compared = compared;
      /* What a page said that could not read them is over. */
      this.root.parentElement.querySelector("[data-role=unread]")?.remove();
      if (this.plots.length > 0) return this.redraw();
      this.plots = [...this.root.querySelectorAll(".range-chart")].map((figure) => new Plot(figure, this));
      this.rest();
      this.root.dataset.drawn = "yes";
    }

    /* The end of a live time. A move by less than half a pixel is not drawn. */
    moveTo(end) {
      const lengthMs = this.to - this.from;
      [this.from, this.to] = [end - lengthMs, end];
      const width = this.plots[0]?.width() ?? 1;
      if (end - (this.drawnTo ?? 0) < lengthMs / width / 2) return;
      this.redraw();
      const times = [...document.querySelectorAll("[data-role=range-times] time")];
      for (const [index, time] of times.entries()) {
        const at = index === 0 ? this.from : this.to;
        time.dateTime = new Date(at).toISOString();
        time.textContent = clock(at, isLocal(), time.dataset.clock);
      }
    }

    redraw() {
      if (this.plots.some(({ pointer }) => pointer.drag)) return;
      const { readAt } = this;
      this.drawnTo = this.to;
      for (const plot of this.plots) plot.redraw();
      this.point(readAt === undefined ? undefined : this.indexAt(readAt));
    }

    /* What the legends say while no moment is read. */
    setResting({ values, notes }) {
      for (const plot of this.plots) plot.setResting(values, notes);
      if (this.index === undefined) this.point(undefined);
    }

    /* A point counts for the time before it. */
    indexAt(moment) {
      const index = this.columns.at.findIndex((end) => end >= moment);
      return index < 0 ? this.columns.at.length - 1 : index;
    }

    /* Moves the crosshair of all charts to a point; undefined takes it away. */
    point(index) {
      this.index = index;
      this.readAt = index === undefined ? undefined : this.columns.at[index];
      for (const plot of this.plots) plot.showPoint(index);
    }

    rest() {
      this.point(this.pinned === undefined ? undefined : this.indexAt(this.pinned));
    }

    stepBy(count) {
      const { length } = this.columns.at;
      const start = this.index ?? (count < 0 ? length : -1);
      this.point(Math.min(length - 1, Math.max(0, start + count)));
      if (this.pinned === undefined) return;
      clearTimeout(this.settling);
      this.settling = setTimeout(() => this.pin(this.index, true), settleMs);
    }

    pin(index, isStep = false) {
      if (this.pins === "" || index === undefined) return;
      const url = new URL(location.href);
      if (this.pins !== "here") {
        const { searchParams } = new URL(this.source, location.href);
        url.href = new URL(`${this.pins}?${searchParams}`, location.href).href;
      }
      url.searchParams.set("at", instant(this.columns.at[index]));
      if (this.pins !== "here") location.assign(url.href);
      else void go(url.href, { replaces: isStep });
    }

    zoom(from, to) {
      const url = new URL(location.href);
      url.hash = "";
      for (const name of ["from", "to", "at", "cursor"]) url.searchParams.delete(name);
      /* An end at the very edge of a live range stays live. */
      const isLive = this.isLive() && to >= this.to;
      url.searchParams.set(
        "from",
        isLive ? `-${Math.max(1, Math.round((to - from) / 1000))}s` : instant(from),
      );
      url.searchParams.set("to", isLive ? "now" : instant(to));
      if (this.pinned !== undefined && this.pinned >= from && this.pinned <= to)
        url.searchParams.set("at", instant(this.pinned));
      void go(url.href, { back: location.href });
    }
  }

  const instant = (at) => new Date(Math.round(at / 1000) * 1000).toISOString().replace(".000Z", "Z");

  class Plot {
    constructor(figure, charts) {
      this.figure = figure;
      this.charts = charts;
      this.unit = figure.dataset.unit;
      this.container = figure.querySelector("[data-role=plot]");
      this.keys = [...figure.querySelectorAll("[data-quantity]")];
      this.names = this.keys.map((key) => key.dataset.quantity);
      this.rememberResting();
      this.height = this.container.clientHeight - flagHeight;
      this.container.replaceChildren();
      this.chart = new uPlot(this.options(), this.data(), this.container);
      this.chart.root.setAttribute("aria-hidden", "true");
      this.layer = svg("svg", { class: "range-layer", "aria-hidden": "true" });
      this.container.append(this.layer);
      this.feet = svg("svg", { class: "range-feet", "aria-hidden": "true" });
      figure.querySelector("[data-role=ends]").replaceWith(this.feet);
      new ResizeObserver(() => this.resize()).observe(this.container);
      this.pointer = new Pointer(this);
      this.drawLayer();
    }

    rememberResting() {
      const isPinned = this.charts.pinned !== undefined;
      const note = this.figure.querySelector(".key-at").textContent;
      this.restingNote = isPinned ? "" : note;
      this.resting = Object.fromEntries(
        this.keys.map((key) => [
          key.dataset.quantity,
          isPinned ? "" : key.querySelector(".key-value").textContent,
        ]),
      );
    }

    setResting(values, notes) {
      this.restingNote = notes[this.figure.getAttribute("aria-label")] ?? "";
      for (const name of this.names) this.resting[name] = values[name] ?? "";
    }

    redraw() {
      this.chart.setData(this.data());
      this.drawLayer();
    }

    width() {
      return Math.max(160, Math.floor(this.container.clientWidth));
    }

    peak() {
      const columns = [this.charts.columns, this.charts.compared?.columns].filter(Boolean);
      let most = 0;
      for (const column of columns.flatMap((each) => this.names.map((name) => each[name])))
        for (const value of column) if (value !== null && value > most) most = value;
      return topOf(most, Number(this.figure.dataset.least));
    }

    /* Only the first quantity is compared: more lines would not be told apart. */
    comparedName() {
      return this.names.includes("p95Ms") ? "p95Ms" : this.names[0];
    }

    data() {
      const { columns, compared } = this.charts;
      const own = [columns.at.map((at) => at / 1000), ...this.names.map((name) => columns[name])];
      if (!compared) return own;
      const before = [
        compared.columns.at.map((at) => (at + compared.shiftMs) / 1000),
        compared.columns[this.comparedName()],
      ];
      return uPlot.join([own, before]);
    }

    options() {
      const { charts } = this;
      return {
        width: this.width(),
        height: this.height + flagHeight,
        legend: { show: false },
        cursor: { show: false },
        padding: [flagHeight, 0, 0, 0],
        scales: {
          x: { time: true, range: () => [charts.from / 1000, charts.to / 1000] },
          y: { range: () => [0, this.peak()] },
        },
        axes: [{ show: false }, { show: false }],
        series: [
          {},
          ...this.names.map((name) => this.series(lineStyles[name], charts.columns[name])),
          ...(charts.compared ? [this.series({ colour: "--line-strong", dash: [3, 3] }, [])] : []),
        ],
      };
    }

    series({ colour, filled, dash }, column) {
      /* What is zero all the time draws no red. */
      const isNothing = column.every((value) => value === null || value === 0);
      const shade = () => colourOf(isNothing && column.length > 0 ? "--line-strong" : colour);
      return {
        stroke: shade,
        fill: filled && !isNothing ? () => `${shade()}24` : undefined,
        width: 1.5,
        dash,
        /* A value between two gaps is no line: it is drawn as a point. */
        points: {
          show: column.length > 0,
          size: 4,
          stroke: shade,
          fill: shade,
          filter: (chart, index) => lonePoints(chart.data[index]),
        },
        paths: uPlot.paths.linear(),
      };
    }

    xOf(at) {
      return ((at - this.charts.from) / (this.charts.to - this.charts.from)) * this.width();
    }

    momentAt(x) {
      return this.charts.from + (x / this.width()) * (this.charts.to - this.charts.from);
    }

    yOf(value) {
      return flagHeight + this.height * (1 - Math.min(1, value / this.peak()));
    }

    resize() {
      const width = this.width();
      if (width === this.chart.width) return;
      this.chart.setSize({ width, height: this.height + flagHeight });
      this.drawLayer();
      this.showPoint(this.charts.index);
    }

    drawLayer() {
      const width = this.width();
      const height = this.height + flagHeight;
      this.layer.setAttribute("viewBox", `0 0 ${width} ${height}`);
      this.layer.replaceChildren(
        svg("line", { class: "grid-base", x1: 0, x2: width, y1: height - 0.5, y2: height - 0.5 }),
      );
      for (const { from, to, level } of this.charts.problems) {
        const [left, right] = [
          Math.max(0, this.xOf(from)),
          Math.min(width, this.xOf(Math.min(to, this.charts.to))),
        ];
        if (right <= left) continue;
        const place = { x: left, y: flagHeight, width: right - left, height: this.height };
        this.layer.append(svg("rect", { class: "problem-band", "data-level": level, ...place }));
      }
      for (const value of lines(this.peak())) {
        const y = this.yOf(value);
        this.layer.append(
          svg("line", { class: "grid-line", x1: 0, x2: width, y1: y, y2: y }),
          svg("text", { class: "grid-text", x: 2, y: y - 3 }, axisFormats[this.unit](value)),
        );
      }
      const inside = this.charts.marks.filter(({ at }) => at >= this.charts.from && at <= this.charts.to);
      for (const { x, text, tone } of mergeMarks(inside, (at) => this.xOf(at))) {
        const flag = 8 + 6 * text.length;
        const left = Math.min(width - flag, Math.max(0, x - flag / 2));
        this.layer.append(
          svg("line", {
            class: "mark-line",
            "data-tone": tone,
            x1: x,
            x2: x,
            y1: flagHeight - 2,
            y2: height,
          }),
          svg("rect", {
            class: "mark-flag",
            "data-tone": tone,
            x: left,
            y: 0,
            width: flag,
            height: 14,
            rx: 3,
          }),
          svg("text", { class: "mark-text", "data-tone": tone, x: left + flag / 2, y: 10.5 }, text),
        );
      }
      this.cross = svg("g", { class: "cross" });
      this.brush = svg("rect", { class: "brush", y: flagHeight, height: this.height, width: 0 });
      this.layer.append(this.cross, this.brush);
      this.drawFeet(width);
    }

    drawFeet(width) {
      this.feet.setAttribute("viewBox", `0 0 ${width} 16`);
      this.feet.replaceChildren(
        ...ticks(this.charts.from, this.charts.to, width, isLocal()).map(({ at, text }) =>
          footText(this.xOf(at), width, text),
        ),
      );
    }

    showPoint(index) {
      const { columns } = this.charts;
      const at = index === undefined ? undefined : columns.at[index];
      const time = this.figure.querySelector(".key-at");
      time.textContent = at === undefined ? this.restingNote : `at ${clock(at, isLocal())}`;
      this.cross.replaceChildren();
      if (at !== undefined) {
        const x = this.xOf(at);
        this.cross.append(svg("line", { x1: x, x2: x, y1: flagHeight, y2: flagHeight + this.height }));
      }
      for (const key of this.keys) {
        const value = at === undefined ? undefined : columns[key.dataset.quantity][index];
        const isKnown = value !== null && value !== undefined;
        key.querySelector(".key-value").textContent = isKnown
          ? formats[this.unit](value)
          : at === undefined
            ? this.resting[key.dataset.quantity]
            : "–";
        if (isKnown) this.cross.append(svg("circle", { cx: this.xOf(at), cy: this.yOf(value), r: 3.5 }));
      }
    }

    showBrush(from, to) {
      const [left, right] = [Math.max(0, Math.min(from, to)), Math.min(this.width(), Math.max(from, to))];
      this.brush.setAttribute("x", String(left));
      this.brush.setAttribute("width", String(Math.max(0, right - left)));
    }

    showMoved(pixels) {
      const seconds = ((pixels / this.width()) * (this.charts.to - this.charts.from)) / 1000;
      this.chart.setScale("x", {
        min: this.charts.from / 1000 - seconds,
        max: this.charts.to / 1000 - seconds,
      });
      this.layer.style.transform = pixels === 0 ? "" : `translateX(${pixels}px)`;
    }
  }

  /* Indices of values with no value on either side. */
  const lonePoints = (values) => {
    /* What another series has at its own times is not a gap: it is undefined there. */
    const known = [...values.keys()].filter((index) => values[index] !== undefined);
    const isGap = (place) => (values[known[place]] ?? null) === null;
    return known.filter((_, place) => !isGap(place) && isGap(place - 1) && isGap(place + 1));
  };

  /* The pointer over one plot: points, zooms, moves, pins. */
  class Pointer {
    constructor(plot) {
      this.plot = plot;
      this.drag = undefined;
      const { container } = plot;
      container.addEventListener("pointerdown", (event) => this.down(event));
      container.addEventListener("pointermove", (event) => this.move(event));
      container.addEventListener("pointerup", (event) => this.up(event));
      container.addEventListener("pointercancel", () => this.end());
      container.addEventListener("pointerleave", () => this.drag ?? plot.charts.rest());
      container.addEventListener("dblclick", () => {
        clearTimeout(this.clicking);
        goBack();
      });
    }

    xOf(event) {
      return event.clientX - this.plot.container.getBoundingClientRect().left;
    }

    down(event) {
      if (event.button !== 0) return;
      this.plot.container.setPointerCapture(event.pointerId);
      this.drag = { x: this.xOf(event), moves: event.shiftKey, isDragged: false };
    }

    move(event) {
      const { plot, drag } = this;
      const x = this.xOf(event);
      if (!drag) {
        if (event.pointerType !== "touch") plot.charts.point(plot.charts.indexAt(plot.momentAt(x)));
        return;
      }
      drag.isDragged ||= Math.abs(x - drag.x) >= dragPixels;
      if (!drag.isDragged) return;
      for (const each of plot.charts.plots)
        if (drag.moves) each.showMoved(x - drag.x);
        else each.showBrush(drag.x, x);
    }

    up(event) {
      const { plot, drag } = this;
      if (!drag) return;
      const x = this.xOf(event);
      this.end();
      const { charts } = plot;
      if (!drag.isDragged) {
        const index = charts.indexAt(plot.momentAt(x));
        clearTimeout(this.clicking);
        this.clicking = setTimeout(() => charts.pin(index), doubleClickMs);
      } else if (drag.moves) {
        const shift = ((drag.x - x) / plot.width()) * (charts.to - charts.from);
        const limited = Math.min(shift, Math.max(0, Date.now() - charts.to));
        charts.zoom(charts.from + limited, charts.to + limited);
      } else {
        const [left, right] = [Math.max(0, Math.min(drag.x, x)), Math.min(plot.width(), Math.max(drag.x, x))];
        charts.zoom(plot.momentAt(left), Math.max(plot.momentAt(right), plot.momentAt(left) + 1_000));
      }
    }

    end() {
      this.drag = undefined;
      for (const plot of this.plot.charts.plots) {
        plot.showBrush(0, 0);
        if (plot.layer.style.transform !== "") plot.showMoved(0);
      }
    }
  }

  /* The strip of a day: dragging chooses a range, a click moves the present one. */
  const watchStrip = (strip, charts) => {
    const [from, to] = [Number(strip.dataset.from), Number(strip.dataset.to)];
    const ends = strip.querySelector("[data-role=ends]");
    const feet = svg("svg", { class: "range-feet", "aria-hidden": "true" });
    ends.replaceWith(feet);
    const drawFeet = () => {
      const width = Math.max(160, strip.clientWidth);
      feet.setAttribute("viewBox", `0 0 ${width} 16`);
      feet.replaceChildren(
        ...ticks(from, to, width, isLocal()).map(({ at, text }) =>
          footText(((at - from) / (to - from)) * width, width, text),
        ),
      );
    };
    new ResizeObserver(drawFeet).observe(strip);
    const brush = strip.querySelector(".brush");
    const shareOf = (event) => {
      const { left, width } = strip.getBoundingClientRect();
      return Math.min(1, Math.max(0, (event.clientX - left) / width));
    };
    let start;
    strip.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      strip.setPointerCapture(event.pointerId);
      start = { share: shareOf(event), x: event.clientX };
    });
    strip.addEventListener("pointermove", (event) => {
      if (!start || Math.abs(event.clientX - start.x) < dragPixels) return;
      const shares = [start.share, shareOf(event)].sort((left, right) => left - right);
      brush.setAttribute("x", `${shares[0] * 100}%`);
      brush.setAttribute("width", `${(shares[1] - shares[0]) * 100}%`);
    });
    strip.addEventListener("pointerup", (event) => {
      if (!start) return;
      const momentOf = (share) => from + share * (to - from);
      const [first, second] = [momentOf(start.share), momentOf(shareOf(event))].sort(
        (left, right) => left - right,
      );
      const half = (charts.to - charts.from) / 2;
      if (Math.abs(event.clientX - start.x) >= dragPixels)
        charts.zoom(first, Math.max(second, first + 1_000));
      else charts.zoom(first - half, Math.min(Date.now(), first + half));
      start = undefined;
    });
  };

  /* Times in the zone of the browser. */
  const showZones = () => {
    for (const zones of document.querySelectorAll("[data-role=zones]")) zones.hidden = false;
    if (!isLocal()) return;
    for (const time of document.querySelectorAll("time[data-clock]"))
      time.textContent = clock(Date.parse(time.dateTime), true, time.dataset.clock);
  };

  /* Where another time is shown without loading the document again: the whole page, or its charts. */
  const softPlaces = "main.history, #traffic";
  const pageAddress = () => location.pathname + location.search;
  let shownAddress = pageAddress();

  let charts;
  let refreshing;
  let failedSince;

  const begin = () => {
    const root = document.querySelector("[data-role=range-charts]");
    if (!root) return;
    for (const form of document.querySelectorAll("form[data-role=sends]")) form.classList.add("live");
    showZones();
    charts = new RangeCharts(root);
    void charts.load();
    const strip = document.querySelector("[data-role=day-strip]");
    if (strip) watchStrip(strip, charts);
    followTime();
  };

  /* A live range moves on. It waits while the page is hidden, in use, or marked. */
  const followTime = () => {
    clearTimeout(refreshing);
    const main = document.querySelector("main[data-every]");
    if (main?.dataset.live !== "yes") return;
    showLive();
    refreshing = setTimeout(
      async () => {
        const isInUse =
          document.hidden ||
          main.contains(document.activeElement?.closest("input, select") ?? null) ||
          charts?.index !== undefined ||
          String(getSelection()) !== "";
        if (!isInUse) await go(location.href, { replaces: true, isQuiet: true });
        else followTime();
      },
      failedSince === undefined ? Number(main.dataset.every) : retryMs,
    );
  };

  const showLive = () => {
    const sign = document.querySelector("[data-role=range-live]");
    if (!sign) return;
    sign.hidden = false;
    sign.dataset.state = failedSince === undefined ? "live" : "lost";
    const text =
      failedSince === undefined ? "Live" : `No news since ${clock(failedSince, isLocal())}, trying again`;
    if (sign.textContent !== text) sign.textContent = text;
  };

  /* Shows another address of the same page without loading the document again. */
  const go = async (address, { replaces = false, isQuiet = false, back } = {}) => {
    clearTimeout(refreshing);
    if (!document.querySelector(softPlaces)) return location.assign(address);
    const response = await fetch(address, { headers: { accept: "text/html" } }).catch(() => undefined);
    const type = response?.headers.get("content-type") ?? "";
    if (!response || response.status >= 500 || !type.startsWith("text/html")) {
      if (!isQuiet) return location.assign(address);
      failedSince ??= Date.now();
      return followTime();
    }
    const next = new DOMParser().parseFromString(await response.text(), "text/html");
    const main = next.querySelector("main");
    /* Another page came instead, as the login. */
    if (response.redirected || !main?.querySelector("[data-role=range-charts]"))
      return location.assign(address);
    failedSince = undefined;
    const focus = document.activeElement?.closest("[data-key]")?.dataset.key;
    const hadFocus = document.activeElement === charts?.root;
    document.querySelector("main").replaceWith(main);
    /* A live page connects to the stream of its new address. */
    htmx.process(main);
    document.querySelector("nav.pages")?.replaceWith(next.querySelector("nav.pages"));
    document.title = next.title;
    if (!replaces) history.pushState({ back }, "", address);
    else history.replaceState(history.state, "", address);
    shownAddress = pageAddress();
    if (hadFocus) main.querySelector("[data-role=range-charts]").focus({ preventScroll: true });
    else if (focus !== undefined)
      main.querySelector(`[data-key="${CSS.escape(focus)}"]`)?.focus({ preventScroll: true });
    begin();
  };

  /* Back to where a zoom began, or out. */
  const goBack = () => {
    const back = history.state?.back;
    const out = document.querySelector('main [data-key="0"]')?.href;
    if (back) void go(back);
    else if (out) void go(out);
  };

  const keyed = {
    ArrowLeft: () => charts?.columns && charts.stepBy(-1),
    ArrowRight: () => charts?.columns && charts.stepBy(1),
    Enter: () => document.activeElement === charts?.root && charts.pin(charts.index),
    0: goBack,
    Escape: () => document.querySelector("[data-role=unpin]")?.click(),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !document.querySelector("[data-role=range-charts]"))
      return;
    if (event.target.closest?.("input, select, textarea, dialog, summary")) return;
    const task = keyed[event.key];
    const link = document.querySelector(`main [data-key="${CSS.escape(event.key)}"]:not([aria-current])`);
    const other =
      event.key === "z" ? document.querySelector("[data-role=zones] a:not([aria-current])") : link;
    if (event.key === "Enter" && document.activeElement !== charts?.root) return;
    if (!task && !other) return;
    if (event.key.startsWith("Arrow") && !charts?.columns) return;
    /* Without a pinned moment, Escape closes what the browser has open. */
    if (event.key === "Escape" && !document.querySelector("[data-role=unpin]")) return;
    event.preventDefault();
    if (task) task();
    else other.click();
  });

  /* Links to the same page keep the document; others, and those with a modifier, are the browser's. */
  document.addEventListener("click", async (event) => {
    const link = event.target.closest?.("main a[href]");
    if (!link || event.defaultPrevented || event.button !== 0) return;
    if (event.ctrlKey || event.metaKey || event.shiftKey || link.hasAttribute("download")) return;
    if (link.dataset.role === "copy-link" && navigator.clipboard) {
      event.preventDefault();
      await navigator.clipboard.writeText(link.href);
      const text = link.textContent;
      link.textContent = "Copied";
      setTimeout(() => (link.textContent = text), 2_000);
      return;
    }
    const url = new URL(link.href);
    if (!link.closest(softPlaces) || url.origin !== location.origin || url.pathname !== location.pathname)
      return;
    event.preventDefault();
    void go(url.href);
  });

  addEventListener("popstate", () => {
    /* A jump within the page shows no other time. */
    if (charts && pageAddress() !== shownAddress) void go(location.href, { replaces: true });
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const plot of charts?.plots ?? []) plot.chart.redraw(false, true);
  });
  /* A choice counts at once; without the script it has a button. */
  document.addEventListener("change", ({ target }) => {
    const form = target.closest?.("form[data-role=sends]");
    if (!form) return;
    const chosen = [...new FormData(form)].filter(([, value]) => value !== "");
    void go(`${form.getAttribute("action")}?${new URLSearchParams(chosen)}`);
  });
  document.addEventListener("DOMContentLoaded", begin);
})();
