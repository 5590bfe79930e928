/* Opens and shuts the dialog in which acts are confirmed. What stands in it comes from the server, by htmx. */
(() => {
  const start = () => {
    const panel = document.getElementById("panel");
    const done = document.getElementById("done");
    const bulk = document.getElementById("bulk");

    /* Filled is open, empty is shut: whoever fills or empties it needs to know no more. */
    new MutationObserver(() => {
      const isFilled = panel.childElementCount > 0;
      if (isFilled && !panel.open) panel.showModal();
      else if (!isFilled && panel.open) panel.close();
    }).observe(panel, { childList: true });
    panel.addEventListener("close", () => panel.replaceChildren());

    /* What is said to the whole page must not stand behind a dialog. */
    const notice = document.getElementById("notice");
    new MutationObserver(() => {
      if (notice.childElementCount > 0 && panel.open) panel.close();
    }).observe(notice, { childList: true });

    /* What was selected was for what is done now. */
    new MutationObserver(() => {
      if (!bulk || done.childElementCount === 0) return;
      bulk.reset();
      count();
    }).observe(done, { childList: true, subtree: true });

    document.addEventListener("click", (event) => {
      const place = event.target.closest?.("[data-close]");
      const shut = place && document.getElementById(place.dataset.close);
      if (!shut || shut.childElementCount === 0 || !shut.contains(place)) return;
      event.preventDefault();
      shut.replaceChildren();
      if (shut !== done) return;
      const address = new URL(location.href);
      address.searchParams.delete("done");
      history.replaceState(null, "", address);
    });

    const count = () => {
      const words = document.getElementById("bulk-count");
      if (!words) return;
      const selected = document.querySelectorAll(".pick:checked").length;
      words.textContent = selected === 0 ? "Nothing selected" : `${selected} selected`;
    };
    document.addEventListener("change", (event) => {
      if (event.target.matches?.(".pick")) count();
    });
    document.getElementById("bulk-all")?.addEventListener("click", () => {
      for (const box of document.querySelectorAll(".pick")) if (box.checkVisibility()) box.checked = true;
      count();
    });
    bulk?.addEventListener("reset", () => requestAnimationFrame(count));
  };

  /* The stream leaves out what is as it was, and only says that it is still there: see src/dashboard/upstream-row.tsx. */
  htmx.registerExtension("kept", {
    htmx_before_morph_node: (_, { newNode }) => !newNode.hasAttribute?.("data-kept"),
  });

  /* A page that is open for days keeps no more events than anybody scrolls through. */
  const mostEvents = 500;
  document.addEventListener("htmx:sse:after:message", () => {
    const list = document.getElementById("events");
    while (list && list.childElementCount > mostEvents) list.lastElementChild.remove();
  });

  document.addEventListener("DOMContentLoaded", start);
})();
