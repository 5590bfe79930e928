/* Pages of a time range: charts with one moment that is read, and another time without another document. */
(() => {
  const { ticks, clock } = globalThis.timeAxis;
  const { Plot, svg, footText, isLocal, dragPixels } = globalThis.rangePlot;
  const settleMs = 400;
  const retryMs = 2_000;

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

    goBack() {
      goBack();
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
    globalThis.zone.show();
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
    document.dispatchEvent(new Event("timeshown"));
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
    Escape: () => document.querySelector("[data-role=unpin]")?.click(),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !document.querySelector("[data-role=range-charts]"))
      return;
    if (event.target.closest?.("input, select, textarea, dialog, summary")) return;
    const task = keyed[event.key];
    if (event.key === "Enter" && document.activeElement !== charts?.root) return;
    if (!task) return;
    if (event.key.startsWith("Arrow") && !charts?.columns) return;
    /* Without a pinned moment, Escape closes what the browser has open. */
    if (event.key === "Escape" && !document.querySelector("[data-role=unpin]")) return;
    event.preventDefault();
    task();
  });
  document.addEventListener("shortcut", (event) => {
    if (event.detail !== "0" || !charts) return;
    event.preventDefault();
    goBack();
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
  /* Another theme has other colours, and another zone other times. */
  document.addEventListener("settings", () => {
    for (const plot of charts?.plots ?? []) plot.chart.redraw(false, true);
    charts?.redraw();
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
