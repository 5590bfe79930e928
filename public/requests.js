/* The live tail of requests: puts new rows on top, holds them back while somebody reads, and forgets old ones. */
document.addEventListener("DOMContentLoaded", () => {
  const mostRows = 200;
  /* Often enough to know that it goes on, seldom enough to listen to. */
  const spokenEveryMs = 10000;
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
  let sinceSpoken = 0;
  let isPaused = false;

  /* Nothing may move under a pointer or under the keyboard's focus. */
  const isRead = () => isPaused || list.matches(":hover") || list.contains(document.activeElement);

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
    while (list.children.length > mostRows) list.lastElementChild.remove();
  };

  const tell = () => {
    const words = `${formats.format(seen)} new`;
    if (seen > 0)
      count.textContent = missed > 0 ? `${words}, ${formats.format(missed)} too fast to show` : words;
    resume.hidden = held.length === 0;
    resume.textContent = `Show ${held.length === mostRows ? "the last " : ""}${held.length} held`;
    pause.setAttribute("aria-pressed", String(isPaused));
    pause.textContent = isPaused ? "Resume" : "Pause";
    main.dataset.tail = isPaused ? "paused" : held.length > 0 ? "held" : "running";
  };

  const flow = () => {
    if (!isRead()) show();
    tell();
  };

  document.addEventListener("requests", ({ detail }) => {
    const news = JSON.parse(detail.data);
    const rows = rowsOf(news.rows);
    held = [...rows, ...held].slice(0, mostRows);
    seen += rows.length + news.missed;
    sinceSpoken += rows.length + news.missed;
    missed += news.missed;
    const words = news.error === null ? "" : `The tail is interrupted: ${news.error}. It is tried again.`;
    if (error.textContent !== words) error.textContent = words;
    flow();
  });

  pause.addEventListener("click", () => {
    isPaused = !isPaused;
    if (!isPaused) show();
    tell();
  });
  resume.addEventListener("click", () => {
    isPaused = false;
    show();
    tell();
    pause.focus({ preventScroll: true });
  });
  list.addEventListener("pointerleave", flow);
  list.addEventListener("focusout", () => setTimeout(flow));
  setInterval(() => {
    if (sinceSpoken === 0) return;
    spoken.textContent = `${formats.format(sinceSpoken)} new requests${isPaused ? ", paused" : ""}`;
    sinceSpoken = 0;
  }, spokenEveryMs);

  main.dataset.tail = "running";
  tell();
});
