/* Keys for what is done often, as src/dashboard/keys/key-list.tsx lists them. What a key does, an element of the page does too. */
(() => {
  const root = document.documentElement;
  /* Between "g" and the letter of the page. */
  const patienceMs = 1500;
  const places = { o: "/", r: "/requests", h: "/history", c: "/certificates", a: "/alerts", f: "/fleet" };
  const acts = { d: "drain", m: "maintenance", r: "ready", w: "weight" };
  const rowKinds = "main tbody tr, main .requests > .request, main .events > .event";
  const titles = "a.name, a.pool-toggle, th a[href], a[href]";
  /* What is typed between the key of the finder and its field is the beginning of what to find. */
  const loadMs = 2000;
  let leaving = 0;
  let begun;
  let lastPicked;

  /* A letter that is typed, or pressed in a dialog or a menu, is not for the page. */
  const isTyped = (target) =>
    target.matches?.("input:not([type=checkbox]), select, textarea") ||
    target.closest?.("dialog, :popover-open, [contenteditable]") !== null;

  /* Whether the role of the viewer may use it: see public/login.css. */
  const isAllowed = (element) => {
    for (let part = element; part; part = part.parentElement)
      if (part.dataset.needs && getComputedStyle(part).display === "none") return false;
    return !element.disabled;
  };
  /* A form that would change something at once is only shown: the viewer presses its button. */
  const press = (element) => {
    if (!element || !isAllowed(element)) return;
    if (element.form?.method === "post") element.focus();
    else element.click();
  };
  const pressKey = (key) => {
    const link = document.querySelector(`[data-key="${CSS.escape(key)}"]:not([aria-current])`);
    press(link);
    return link !== null;
  };

  const rows = () =>
    [...document.querySelectorAll(rowKinds)].filter(
      (row) => row.checkVisibility() && row.querySelector(titles),
    );
  const currentRow = () => document.activeElement?.closest(rowKinds);
  const move = (step) => {
    const all = rows();
    const current = all.indexOf(currentRow());
    const next = current < 0 ? (step > 0 ? 0 : all.length - 1) : current + step;
    const row = all[Math.min(all.length - 1, Math.max(0, next))];
    row?.querySelector(titles).focus({ preventScroll: true });
    row?.scrollIntoView({ block: "nearest" });
  };

  const pick = (isRange) => {
    const row = currentRow();
    const box = row?.querySelector(".pick");
    if (!box || !isAllowed(box)) return;
    const all = rows();
    const [from, to] = [all.findIndex(({ id }) => id === lastPicked), all.indexOf(row)].sort(
      (one, other) => one - other,
    );
    const boxes =
      isRange && from >= 0
        ? all.slice(from, to + 1).map((each) => each.querySelector(".pick:not(.pick-pool)"))
        : [box];
    const isPicked = isRange || !box.checked;
    for (const each of boxes) {
      if (!each || each.checked === isPicked) continue;
      each.checked = isPicked;
      each.dispatchEvent(new Event("change", { bubbles: true }));
    }
    lastPicked = row.id;
  };

  /* For what is selected, the row in focus, or the upstream of the page: always through the dialog. */
  const act = (name) => {
    const isSelecting = document.querySelector(".pick:checked") !== null;
    const place = isSelecting
      ? document.getElementById("bulk")
      : (currentRow() ?? document.querySelector(".row-actions"));
    press(
      place?.querySelector(
        name === "weight" && !isSelecting ? ".weight-form button" : `[name="act"][value="${name}"]`,
      ),
    );
  };

  const problems = () => [...document.querySelectorAll(".problem-list > .problem")];
  const showProblem = (number) => {
    const problem = problems()[number - 1];
    problem?.querySelector("a")?.focus({ preventScroll: true });
    problem?.scrollIntoView({ block: "nearest" });
  };
  const pressProblem = () => {
    const problem = document.activeElement?.closest(".problem") ?? problems()[0];
    press(problem?.querySelector(".problem-acts .main"));
  };

  const typeTime = () => {
    const field = document.querySelector(".range-form input:not([type=hidden])");
    const closed = field?.closest("details");
    if (closed) closed.open = true;
    field?.focus();
    field?.select();
  };
  const leave = () => {
    const { activeElement } = document;
    if (!activeElement?.closest("dialog, :popover-open")) activeElement?.blur();
  };
  const goTo = (path) => {
    /* Links of the navigation carry the time that is shown. */
    const link = [...document.querySelectorAll("nav.pages a")].find(
      (each) => new URL(each.href).pathname === path,
    );
    location.assign(link?.href ?? path);
  };

  const openFinder = () => {
    begun = { text: "", until: Date.now() + loadMs };
    pressKey("/");
  };
  document.addEventListener("focusin", ({ target }) => {
    if (target.id !== "find-text" || !begun) return;
    const { text } = begun;
    begun = undefined;
    if (text === "") return;
    target.value = text;
    target.dispatchEvent(new Event("input", { bubbles: true }));
  });

  const keyed = {
    "/": openFinder,
    g: () => (leaving = Date.now() + patienceMs),
    j: () => move(1),
    k: () => move(-1),
    x: () => pick(false),
    X: () => pick(true),
    e: () => press(currentRow()?.closest("tbody").querySelector(".pool-toggle")),
    a: pressProblem,
    t: typeTime,
    z: () => globalThis.settings.turn("zone"),
    D: () => globalThis.settings.turn("theme"),
    ...Object.fromEntries([1, 2, 3, 4, 5].map((number) => [number, () => showProblem(number)])),
    ...Object.fromEntries(Object.entries(acts).map(([key, name]) => [key, () => act(name)])),
  };

  document.addEventListener("keydown", (event) => {
    const { key, target } = event;
    if (key === "Escape") return leave();
    if (root.dataset.keys === "off" || event.defaultPrevented || event.isComposing || event.altKey) return;
    if (event.ctrlKey || event.metaKey) {
      if (key !== "k" || event.shiftKey || target.closest?.("dialog")) return;
      event.preventDefault();
      openFinder();
      return;
    }
    if (isTyped(target)) return;
    if (begun && Date.now() < begun.until) {
      if (key.length === 1) begun.text += key;
      event.preventDefault();
      return;
    }
    const place = Date.now() < leaving ? places[key] : undefined;
    leaving = 0;
    /* Scripts of a page may have their own meaning of a key. */
    const asked = new CustomEvent("shortcut", { detail: key, cancelable: true });
    if (place) goTo(place);
    else if (keyed[key]) keyed[key]();
    else if (document.dispatchEvent(asked) && !(key.length === 1 && pressKey(key))) return;
    event.preventDefault();
  });

  /* In the list of what was found: up and down, and the first one with Enter. */
  document.addEventListener("keydown", (event) => {
    const place = event.target.closest?.(".find");
    if (!place) return;
    const links = [...place.querySelectorAll("#found a")];
    const index = links.indexOf(document.activeElement);
    if (event.key === "Enter" && index < 0 && links[0] && event.target.matches("input")) links[0].click();
    else if (event.key === "ArrowDown") links[Math.min(links.length - 1, index + 1)]?.focus();
    else if (event.key === "ArrowUp") (links[index - 1] ?? place.querySelector("input")).focus();
    else return;
    event.preventDefault();
  });
})();
