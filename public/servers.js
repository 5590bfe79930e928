/* The table of upstreams: the filter that works while typing, and selecting all upstreams of a pool. */
(() => {
  /* The filter hides rows with a style sheet, so that an update of the rows does not show them again. */
  const sheet = new CSSStyleSheet();
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];

  const filter = (box) => {
    const wanted = box.value.trim().toLowerCase();
    /* An upstream by what it is, and all of a pool by a route that leads there. */
    const matching = `tr[data-find*="${CSS.escape(wanted)}"]`;
    const leading = `:has([data-leads*="${CSS.escape(wanted)}"])`;
    sheet.replaceSync(
      wanted === ""
        ? ""
        : `tr[data-find]:not(${matching}, tbody${leading} tr), .up tbody:not(:has(${matching}), ${leading}) { display: none !important; }`,
    );
    const address = new URL(location.href);
    if (wanted === "") address.searchParams.delete("filter");
    else address.searchParams.set("filter", box.value.trim());
    if (address.href !== location.href) history.replaceState(null, "", address);
    count(wanted);
  };
  const leads = (row) => row.parentElement.querySelector("[data-leads]")?.dataset.leads;
  const count = (wanted) => {
    const result = document.getElementById("filter-result");
    const rows = [...document.querySelectorAll("tr[data-find]")];
    const shown = rows.filter(
      (row) => row.dataset.find.includes(wanted) || leads(row)?.includes(wanted),
    ).length;
    const text = wanted === "" ? "" : `${shown} of ${rows.length} shown`;
    if (result && result.textContent !== text) result.textContent = text;
  };

  /* Where upstreams are left out the server filters: it knows all of them. */
  const liveBox = () => {
    const box = document.getElementById("filter");
    return box && !("folded" in box.form.dataset) ? box : undefined;
  };
  const start = () => {
    const box = liveBox();
    if (!box) return;
    box.form.classList.add("live");
    filter(box);
  };
  document.addEventListener("input", ({ target }) => {
    if (target.id === "filter" && target === liveBox()) filter(target);
  });
  document.addEventListener("submit", (event) => {
    const box = liveBox();
    if (event.target !== box?.form) return;
    event.preventDefault();
    filter(box);
  });
  document.addEventListener("htmx:sse:after:message", () => {
    const box = liveBox();
    if (box) count(box.value.trim().toLowerCase());
  });
  document.addEventListener("DOMContentLoaded", start);
  /* Another time is shown without another document. */
  document.addEventListener("timeshown", start);

  /* Links that show the table in another way contain the filter at page load: replace it with the current one. */
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[data-view]");
    const wanted = document.getElementById("filter")?.value.trim();
    if (!link || wanted === undefined) return;
    const address = new URL(link.href);
    address.searchParams.delete("filter");
    if (wanted !== "") address.searchParams.set("filter", wanted);
    link.href = address.href;
  });

  /* The box of a pool stands for all its upstreams; without one of them it does not. */
  document.addEventListener("change", ({ target }) => {
    if (!target.matches?.(".pick")) return;
    const body = target.closest("tbody");
    const whole = body?.querySelector(".pick-pool");
    if (target === whole) for (const box of body.querySelectorAll(".pick")) box.checked = whole.checked;
    else if (whole && !target.checked) whole.checked = false;
  });
})();
