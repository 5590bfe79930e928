/* Live charts: replaces the server's static SVG with uPlot charts and appends the points of the live stream. */
(() => {
  const { formats, axisFormats, lineStyles, colourOf } = globalThis.rangePlot;
  const plotHeight = 132;
  const dayMs = 86_400_000;

  const clock = (seconds, spanMs) => {
    const iso = new Date(seconds * 1000).toISOString();
    if (spanMs > dayMs) return `${iso.slice(5, 10)} ${iso.slice(11, 16)}`;
    return spanMs > 600_000 ? iso.slice(11, 16) : iso.slice(11, 19);
  };

  /* The charts of an upstream: three plots with a common time axis and cursor. */
  class Panel {
    constructor(root) {
      this.root = root;
      this.name = root.dataset.name;
      this.columns = undefined;
      this.plots = [];
      this.loading = undefined;
      this.visible = false;
      this.selectWindow(root.dataset.window);
      root.addEventListener("click", (event) => this.onClick(event));
      root.querySelector("details").addEventListener("toggle", () => this.updateTable());
      new IntersectionObserver(([entry]) => this.setVisible(entry.isIntersecting)).observe(root);
    }

    selectWindow(windowName) {
      this.window = windowName;
      for (const link of this.root.querySelectorAll("a[data-window]")) {
        const isChosen = link.dataset.window === windowName;
        if (!isChosen) link.removeAttribute("aria-current");
        else {
          link.setAttribute("aria-current", "true");
          this.spanMs = Number(link.dataset.span);
          this.stepMs = Number(link.dataset.step);
        }
      }
    }

    onClick(event) {
      const link = event.target.closest("a[data-window]");
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      history.replaceState(null, "", link.href);
      for (const panel of panels) {
        panel.selectWindow(link.dataset.window);
        void panel.load();
      }
    }

    setVisible(visible) {
      this.visible = visible;
      if (visible && this.isOld()) void this.load();
    }

    isOld() {
      const last = this.columns?.at.at(-1);
      return last === undefined || Date.now() - this.loadedAt > Math.max(this.stepMs, 5000);
    }

    address(path) {
      return `${path}?${new URLSearchParams({ upstream: this.name, window: this.window })}`;
    }

    /* After a failure, the next message of the stream triggers another attempt. */
    async load() {
      const requestedWindow = this.window;
      this.loading ??= fetch(this.address("/api/history"))
        .then((response) => (response.ok ? response.json() : undefined))
        .catch(() => undefined);
      const history = await this.loading;
      this.loading = undefined;
      if (requestedWindow !== this.window) return this.load();
      const columns = history?.series[0]?.columns;
      if (!columns) return;
      this.columns = columns;
      this.loadedAt = Date.now();
      this.draw();
      this.updateTable();
    }

    /* Appends the points of the last seconds to the finest window; other windows are reloaded when a new point is due. */
    append(columns) {
      if (!this.visible || !this.columns) return;
      if (this.window !== "5m") return this.isOld() ? void this.load() : undefined;
      const last = this.columns.at.at(-1) ?? 0;
      const fresh = columns.at.findIndex((at) => at > last);
      if (fresh < 0) return;
      if (fresh === 0 && last > 0 && this.columns.at.length > 0) return void this.load();
      const begin = columns.at.at(-1) - this.spanMs;
      const stale = this.columns.at.findIndex((at) => at > begin);
      for (const [name, values] of Object.entries(this.columns)) {
        values.push(...columns[name].slice(fresh));
        if (stale > 0) values.splice(0, stale);
      }
      this.loadedAt = Date.now();
      this.draw();
    }

    draw() {
      if (this.plots.length === 0) {
        this.plots = [...this.root.querySelectorAll(".chart")].map((figure) => new Plot(figure, this));
      }
      for (const plot of this.plots) plot.draw();
      this.showValues(null);
    }

    /* Shows the values under the cursor, or the latest values if `index` is null. */
    showValues(index) {
      const { at } = this.columns;
      const shown = index ?? at.length - 1;
      const time = this.root.querySelector("[data-role=time]");
      time.textContent =
        index === null || at[index] === undefined ? "" : `${clock(at[index] / 1000, this.spanMs)} UTC`;
      for (const plot of this.plots) plot.showValues(shown, index === null);
    }

    async updateTable() {
      const label = this.root.querySelector("[data-role=window-text]");
      label.textContent = { "5m": "5 minutes", "1h": "hour", "24h": "24 hours", "7d": "7 days" }[this.window];
      if (!this.root.querySelector("details").open) return;
      const target = this.root.querySelector("[data-role=numbers]");
      await htmx.ajax("GET", this.address("/numbers"), { target, swap: "innerHTML" });
    }

    recolour() {
      for (const plot of this.plots) plot.chart.redraw(false, true);
    }
  }

  class Plot {
    constructor(figure, panel) {
      this.panel = panel;
      this.unit = figure.dataset.unit;
      this.container = figure.querySelector("[data-role=plot]");
      this.keys = [...figure.querySelectorAll("[data-quantity]")];
      this.names = this.keys.map((key) => key.dataset.quantity);
      this.container.replaceChildren();
      this.chart = new uPlot(this.options(), this.data(), this.container);
      this.chart.root.setAttribute("aria-hidden", "true");
      new ResizeObserver(() => this.resize()).observe(this.container);
    }

    options() {
      const { panel, unit } = this;
      const axis = {
        stroke: () => colourOf("--ink-quiet"),
        font: `11px ${colourOf("--sans") || "sans-serif"}`,
        grid: { stroke: () => colourOf("--line"), width: 1 },
        ticks: { show: false },
      };
      return {
        width: this.width(),
        height: plotHeight,
        legend: { show: false },
        cursor: {
          y: false,
          drag: { setScale: false, x: false, y: false },
          sync: { key: panel.root.id, setSeries: false },
          points: { size: 6 },
        },
        padding: [6, 18, 0, 0],
        scales: {
          x: {
            time: true,
            range: () => {
              const end = (panel.columns.at.at(-1) ?? Date.now()) / 1000;
              return [end - panel.spanMs / 1000, end];
            },
          },
          y: { range: (_, __, most) => [0, most > 0 ? most * 1.1 : 1] },
        },
        axes: [
          {
            ...axis,
            size: 22,
            gap: 4,
            space: 48,
            incrs: [1, 5, 10, 30, 60, 180, 360, 1440].map((minutes) => minutes * 60),
            values: (_, times) => times.map((time) => clock(time, Math.max(panel.spanMs, 601_000))),
          },
          {
            ...axis,
            size: 52,
            gap: 6,
            space: 32,
            values: (_, values) => values.map(axisFormats[unit]),
          },
        ],
        series: [
          {},
          ...this.names.map((name) => {
            const { colour, filled, dash } = lineStyles[name];
            return {
              stroke: () => colourOf(colour),
              fill: filled ? () => `${colourOf(colour)}24` : undefined,
              width: 1.5,
              dash,
              points: { show: false },
              paths: uPlot.paths.linear(),
            };
          }),
        ],
        hooks: {
          setCursor: [
            (chart) => {
              /* Synchronized charts call this hook too: only the first one updates the values. */
              if (panel.plots[0]?.chart === chart) panel.showValues(chart.cursor.idx ?? null);
            },
          ],
        },
      };
    }

    data() {
      const { columns } = this.panel;
      return [columns.at.map((at) => at / 1000), ...this.names.map((name) => columns[name])];
    }

    draw() {
      this.chart.setData(this.data());
    }

    width() {
      return Math.max(160, Math.floor(this.container.clientWidth));
    }

    resize() {
      const width = this.width();
      if (width !== this.chart.width) this.chart.setSize({ width, height: plotHeight });
    }

    showValues(index, isLatest) {
      for (const key of this.keys) {
        const column = this.panel.columns[key.dataset.quantity];
        /* As latestOf in src/dashboard/charts/sparkline.tsx: values older than ten points are not current. */
        const value = isLatest ? column.slice(-10).findLast((each) => each !== null) : column[index];
        const text = value === null || value === undefined ? "–" : formats[this.unit](value);
        key.querySelector(".key-value").textContent = text;
      }
    }
  }

  const panels = [];

  document.addEventListener("DOMContentLoaded", () => {
    for (const root of document.querySelectorAll(".charts[data-name]")) panels.push(new Panel(root));
  });
  document.addEventListener("history", ({ detail }) => {
    if (panels.length === 0) return;
    for (const { upstream, columns } of JSON.parse(detail.data).series)
      for (const panel of panels) if (panel.name === upstream) panel.append(columns);
    for (const panel of panels) if (panel.visible && !panel.columns) void panel.load();
  });
  document.addEventListener("settings", () => {
    for (const panel of panels) panel.recolour();
  });
})();
