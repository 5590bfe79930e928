/* Charts of a time that ends now: adds the seconds of the live stream, and what has happened since. */
globalThis.liveColumns = (() => {
  /* Of percentiles, which cannot be added, and of gauges a step has the highest: as in src/history/point.ts. */
  const highest = new Set(["p50Ms", "p95Ms", "p99Ms", "queued", "inFlight"]);
  /* Of several pools, percentiles are those of the slowest: as in src/dashboard/charts/sparkline.tsx. */
  const slowest = new Set(["p50Ms", "p95Ms", "p99Ms"]);

  const joined = (one, other, join) =>
    one === null || one === undefined ? (other ?? null) : other === null ? one : join(one, other);

  /* The seconds of several pools as one list, oldest first. */
  const secondsOf = (series) => {
    const seconds = new Map();
    for (const { columns } of series)
      for (const [index, at] of columns.at.entries()) {
        const second = seconds.get(at) ?? { at };
        seconds.set(at, second);
        for (const [name, values] of Object.entries(columns)) {
          if (name === "at") continue;
          const join = slowest.has(name) ? Math.max : (one, other) => one + other;
          second[name] = joined(second[name], values[index], join);
        }
      }
    return [...seconds.values()].sort((one, other) => one.at - other.at);
  };

  return {
    secondsOf,

    /* Adds the seconds after the last point. A second of the same step is merged into its point. */
    append(columns, seconds, stepMs) {
      for (const second of seconds) {
        const last = columns.at.at(-1) ?? 0;
        if (second.at <= last) continue;
        const end = Math.ceil(second.at / stepMs);
        const isSameStep = last > 0 && Math.ceil(last / stepMs) === end;
        const measuredMs = last - (end - 1) * stepMs;
        const mean = (before, now) =>
          (before * measuredMs + now * (second.at - last)) / (measuredMs + second.at - last);
        for (const [name, values] of Object.entries(columns)) {
          if (!isSameStep) values.push(second[name] ?? null);
          else if (name === "at") values[values.length - 1] = second.at;
          else {
            const join = highest.has(name) ? Math.max : mean;
            values[values.length - 1] = joined(values.at(-1), second[name] ?? null, join);
          }
        }
      }
    },

    /* Drops the points before a moment, but for one: the line comes from outside of the chart. */
    dropBefore(columns, from) {
      const first = columns.at.findIndex((at) => at > from) - 1;
      if (first <= 0) return;
      for (const values of Object.values(columns)) values.splice(0, first);
    },
  };
})();
(() => {
  const { secondsOf, append, dropBefore } = globalThis.liveColumns;
  /* A point of the stream that is later than this was missed: the history has it. */
  const missedMs = 2_500;
  const reloadMs = 5_000;
  /* Events may come every second: the list of them is read again this often at most. */
  const momentsMs = 10_000;

  const chartsNow = () => {
    const root = document.querySelector("#traffic [data-role=range-charts]");
    return root?.dataset.live === "yes" ? root.charts : undefined;
  };

  let loadedAt = 0;
  const reload = (charts) => {
    if (Date.now() - loadedAt < reloadMs) return;
    loadedAt = Date.now();
    void charts.load();
  };

  const advance = (charts, series) => {
    const { searchParams } = new URL(charts.source, location.href);
    const isShown = (one) =>
      ["pool", "upstream"].every((name) => (searchParams.get(name) ?? one[name]) === one[name]);
    const seconds = secondsOf(series.filter(isShown));
    const [last, first, newest] = [charts.columns?.at.at(-1), seconds[0]?.at, seconds.at(-1)?.at];
    if (newest === undefined) return;
    if (last === undefined || first - last > missedMs) return reload(charts);
    append(charts.columns, seconds, charts.step);
    dropBefore(charts.columns, newest - (charts.to - charts.from));
    charts.moveTo(newest);
  };

  let readAt = 0;
  let refreshing;
  /* The marks of events and the bands of problems come from the page itself. */
  const followMoments = (newest) => {
    const place = document.getElementById("traffic-time");
    if (String(newest) === place.dataset.newest || refreshing !== undefined) return;
    refreshing = setTimeout(
      async () => {
        readAt = Date.now();
        const response = await fetch(location.href, { headers: { accept: "text/html" } }).catch(
          () => undefined,
        );
        const text = response?.ok ? await response.text() : "";
        refreshing = undefined;
        const charts = chartsNow();
        const next = new DOMParser().parseFromString(text, "text/html").getElementById("traffic-time");
        if (!charts || !next) return;
        for (const role of ["marks", "bands"]) {
          const selector = `[data-role=${role}]`;
          charts.root.querySelector(selector).replaceWith(next.querySelector(selector));
        }
        document.getElementById("traffic-time").dataset.newest = next.dataset.newest;
        charts.readMoments();
      },
      Math.max(0, readAt + momentsMs - Date.now()),
    );
  };

  document.addEventListener("history", ({ detail }) => {
    const charts = chartsNow();
    if (!charts) return;
    const { series, legends, newest } = JSON.parse(detail.data);
    if (legends) charts.setResting(legends);
    advance(charts, series);
    if (newest !== undefined) followMoments(newest);
  });

  document.addEventListener(
    "toggle",
    ({ target }) => {
      const table =
        target.open && target.dataset?.role === "numbers" && target.querySelector("[data-source]");
      if (table) void htmx.ajax("GET", table.dataset.source, { target: table, swap: "innerHTML" });
    },
    true,
  );
})();
