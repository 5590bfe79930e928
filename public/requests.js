/* The live tail of requests: prepends new rows, holds them back while the list is in use, and removes old ones. */
document.addEventListener("DOMContentLoaded", () => {
  const maxRows = 200;
  /* Interval of announcements to screen readers. */
  const announceEveryMs = 10000;
  const formats = new Intl.NumberFormat("en-US");

  const main = document.getElementById("requests");
  const list = main?.querySelector('[data-role="rows"]');
  const part = (role) => main.querySelector(`[data-role="${role}"]`);

  for (const button of document.querySelectorAll("[data-copy]")) {
    if (!navigator.clipboard) break;
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = "Copied";
      setTimeout(() => (button.textContent = "Copy"), 2000);
    });
  }

  if (!list || !part("pause")) return;

  const [pause, resume, count, spoken, error] = ["pause", "held", "count", "spoken", "error"].map(part);
  /* Newest first, like the list. */
  let held = [];
  let seen = 0;
  let missed = 0;
  let unannounced = 0;
  let isPaused = false;

  /* No row may move under the pointer or under the keyboard focus. */
  const isInUse = () => isPaused || list.matches(":hover") || list.contains(document.activeElement);

  const rowsOf = (html) => {
    const template = document.createElement("template");
    template.innerHTML = html;
    const known = new Set(held.map(({ id }) => id));
    return [...template.content.children].filter(({ id }) => !known.has(id) && !document.getElementById(id));
  };

  const show = () => {
    if (held.length === 0) return;
    list.prepend(...held);
    held = [];
    while (list.children.length > maxRows) list.lastElementChild.remove();
  };

  const render = () => {
    const text = `${formats.format(seen)} new`;
    if (seen > 0) count.textContent = missed > 0 ? `${text}, ${formats.format(missed)} not shown` : text;
    resume.hidden = held.length === 0;
    resume.textContent = `Show ${held.length === maxRows ? "the last " : ""}${held.length} new`;
    pause.setAttribute("aria-pressed", String(isPaused));
    pause.textContent = isPaused ? "Resume" : "Pause";
    main.dataset.tail = isPaused ? "paused" : held.length > 0 ? "held" : "running";
  };

  const update = () => {
    if (!isInUse()) show();
    render();
  };

  document.addEventListener("requests", ({ detail }) => {
    const news = JSON.parse(detail.data);
    const rows = rowsOf(news.rows);
    held = [...rows, ...held].slice(0, maxRows);
    seen += rows.length + news.missed;
    unannounced += rows.length + news.missed;
    missed += news.missed;
    const text = news.error === null ? "" : `Live updates are interrupted. ${news.error} Retrying.`;
    if (error.textContent !== text) error.textContent = text;
    update();
  });

  pause.addEventListener("click", () => {
    isPaused = !isPaused;
    if (!isPaused) show();
    render();
  });
  resume.addEventListener("click", () => {
    isPaused = false;
    show();
    render();
    pause.focus({ preventScroll: true });
  });
  list.addEventListener("pointerleave", update);
  list.addEventListener("focusout", () => setTimeout(update));
  setInterval(() => {
    if (unannounced === 0) return;
    spoken.textContent = `${formats.format(unannounced)} new requests${isPaused ? ", paused" : ""}`;
    unannounced = 0;
  }, announceEveryMs);

  main.dataset.tail = "running";
  render();
});
