/* Opens and closes the dialog that confirms actions. htmx loads its content from the server. */
(() => {
  const start = () => {
    const panel = document.getElementById("panel");
    const done = document.getElementById("done");
    const bulk = document.getElementById("bulk");

    let menu;
    /* The dialog is open while it has content. */
    new MutationObserver(() => {
      const isFilled = panel.childElementCount > 0;
      if (isFilled && !panel.open) {
        menu = document.activeElement?.closest("[popover]")?.id;
        panel.showModal();
      } else if (!isFilled && panel.open) panel.close();
    }).observe(panel, { childList: true });
    panel.addEventListener("close", () => {
      panel.replaceChildren();
      /* The dialog closes the menu that it was opened from: the focus returns to the button of the menu. */
      if (menu) document.querySelector(`[popovertarget="${menu}"]`)?.focus();
    });

    /* A notice for the whole page must not be hidden behind the dialog. */
    const notice = document.getElementById("notice");
    new MutationObserver(() => {
      if (notice.childElementCount > 0 && panel.open) panel.close();
    }).observe(notice, { childList: true });

    /* The selection belonged to the action that is now done. */
    new MutationObserver(() => {
      if (!bulk || done.childElementCount === 0) return;
      bulk.reset();
      count();
    }).observe(done, { childList: true, subtree: true });

    document.addEventListener("click", (event) => {
      const trigger = event.target.closest?.("[data-close]");
      const target = trigger && document.getElementById(trigger.dataset.close);
      if (!target || target.childElementCount === 0 || !target.contains(trigger)) return;
      event.preventDefault();
      target.replaceChildren();
      if (target !== done) return;
      const address = new URL(location.href);
      address.searchParams.delete("done");
      history.replaceState(null, "", address);
    });

    /* A pool's box also stands for upstreams that the table leaves out. */
    const selectedIn = (body) => {
      const whole = body.querySelector(".pick-pool:checked");
      return whole ? Number(whole.dataset.count) : body.querySelectorAll(".pick:checked").length;
    };
    const count = () => {
      const label = document.getElementById("bulk-count");
      if (!label) return;
      const bodies = [...document.querySelectorAll("tbody:has(.pick)")];
      const selected = bodies.reduce((sum, body) => sum + selectedIn(body), 0);
      label.textContent = selected === 0 ? "Nothing selected" : `${selected} selected`;
    };
    document.addEventListener("change", (event) => {
      if (event.target.matches?.(".pick")) count();
    });
    document.getElementById("bulk-all")?.addEventListener("click", () => {
      for (const box of document.querySelectorAll(".pick:not(.pick-pool)"))
        if (box.checkVisibility()) box.checked = true;
      count();
    });
    bulk?.addEventListener("reset", () => requestAnimationFrame(count));
  };

  /* For an unchanged row or cell the stream sends an empty placeholder: see src/dashboard/overview/upstream-row.tsx. */
  htmx.registerExtension("kept", {
    htmx_before_morph_node: (_, { newNode }) => !newNode.hasAttribute?.("data-kept"),
  });

  /* Bounds the list on a page that stays open for days. */
  const maxEvents = 500;
  document.addEventListener("htmx:sse:after:message", () => {
    const list = document.getElementById("events");
    while (list && list.childElementCount > maxEvents) list.lastElementChild.remove();
  });

  document.addEventListener("DOMContentLoaded", start);
})();
