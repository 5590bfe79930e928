/* One chart of a time: the lines, the marks and bands over them, and the pointer that reads, zooms, moves and pins. */
globalThis.rangePlot = (() => {
  const { ticks, lines, topOf, clock, mergeMarks } = globalThis.timeAxis;
  /* Room for the numbers of the marks. */
  const flagHeight = 18;
  const dragPixels = 5;
  const doubleClickMs = 250;

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
  const { isLocal } = globalThis.settings;
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

    /* By the width of the lines: asking the page for it between two changes lays the whole page out. */
    xOf(at) {
      return ((at - this.charts.from) / (this.charts.to - this.charts.from)) * this.chart.width;
    }

    momentAt(x) {
      return this.charts.from + (x / this.chart.width) * (this.charts.to - this.charts.from);
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
      const { width } = this.chart;
      const height = this.height + flagHeight;
      this.layer.setAttribute("viewBox", `0 0 ${width} ${height}`);
      this.layer.replaceChildren(
        svg("line", { class: "grid-base", x1: 0, x2: width, y1: height - 0.5, y2: height - 0.5 }),
      );
      /* One group for each level: where its bands lie over each other, they are not darker. */
      const bands = new Map(
        ["notice", "warning", "critical"].map((level) => [
          level,
          svg("g", { class: "problem-bands", "data-level": level }),
        ]),
      );
      this.layer.append(...bands.values());
      for (const { from, to, level } of this.charts.problems) {
        const [left, right] = [
          Math.max(0, this.xOf(from)),
          Math.min(width, this.xOf(Math.min(to, this.charts.to))),
        ];
        if (right <= left) continue;
        const place = { x: left, y: flagHeight, width: right - left, height: this.height };
        const band = svg("rect", { class: "problem-band", "data-level": level, ...place });
        (bands.get(level) ?? this.layer).append(band);
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
      const [left, right] = [Math.max(0, Math.min(from, to)), Math.min(this.chart.width, Math.max(from, to))];
      this.brush.setAttribute("x", String(left));
      this.brush.setAttribute("width", String(Math.max(0, right - left)));
    }

    showMoved(pixels) {
      const seconds = ((pixels / this.chart.width) * (this.charts.to - this.charts.from)) / 1000;
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
        plot.charts.goBack();
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

  return { Plot, svg, footText, isLocal, dragPixels, formats, axisFormats, lineStyles, colourOf };
})();
