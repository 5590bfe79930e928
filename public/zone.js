/* Times in the zone that the viewer has chosen. The server writes all of them in UTC. */
globalThis.zone = (() => {
  const { clock } = globalThis.timeAxis;
  let isShown = false;

  /* The quarters of the day that the horizon shows, as in the server's axis: not too near to its ends. */
  const hourMs = 3_600_000;
  const quarters = (from, to, isLocal) => {
    const found = [];
    const at = new Date(from + hourMs);
    if (isLocal) at.setMinutes(60, 0, 0);
    else at.setUTCMinutes(60, 0, 0);
    for (; at < to - hourMs / 2; at.setTime(at.getTime() + hourMs))
      if ((isLocal ? at.getHours() : at.getUTCHours()) % 6 === 0) found.push(at.getTime());
    return found;
  };
  const showAxis = (isLocal) => {
    const axis = document.getElementById("sea-axis");
    if (!axis) return;
    const [from, to, end] = ["from", "to", "end"].map((name) => Number(axis.dataset[name]));
    const zone = axis.querySelector(".sea-zone");
    for (const label of axis.querySelectorAll(".sea-time")) label.remove();
    for (const at of quarters(from, to, isLocal)) {
      const label = zone.cloneNode();
      label.setAttribute("class", "sea-time");
      label.setAttribute("x", `${(((at - from) / (end - from)) * 100).toFixed(2)}%`);
      label.removeAttribute("dx");
      label.textContent = clock(at, isLocal, "minute");
      zone.before(label);
    }
    zone.textContent = isLocal ? "local" : "UTC";
  };

  const show = () => {
    const isLocal = globalThis.settings.isLocal();
    if (!isLocal && !isShown) return;
    isShown = isLocal;
    for (const node of document.querySelectorAll("[data-clock]")) {
      const at = Date.parse(node.closest("time").dateTime);
      node.textContent = clock(at, isLocal, node.dataset.clock);
    }
    for (const node of document.querySelectorAll("[data-zone-name]"))
      node.textContent = isLocal ? "local" : "UTC";
    showAxis(isLocal);
  };

  document.addEventListener("DOMContentLoaded", show);
  document.addEventListener("htmx:sse:after:message", show);
  document.addEventListener("htmx:after:swap", show);
  document.addEventListener("settings", () => {
    const url = new URL(location.href);
    /* The choice counts from now on, and not the address that led here. */
    if (url.searchParams.get("tz") === "local" && document.documentElement.dataset.zone === "utc") {
      url.searchParams.delete("tz");
      location.replace(url);
    } else show();
  });
  return { show };
})();
