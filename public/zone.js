/* Times in the zone that the viewer has chosen. The server writes all of them in UTC. */
globalThis.zone = (() => {
  const { clock } = globalThis.timeAxis;
  let isShown = false;

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
