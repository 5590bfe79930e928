/* How a viewer sees the pages: theme, density, zone of times, keys. It runs before anything is drawn, so that nothing flashes. */
globalThis.settings = (() => {
  const root = document.documentElement;
  /* The first value of each is the usual one. */
  const choices = {
    theme: ["system", "light", "dark"],
    density: ["cosy", "roomy"],
    zone: ["utc", "local"],
    keys: ["on", "off"],
  };
  const themeMedia = { system: "(prefers-color-scheme: dark)", light: "not all", dark: "all" };
  const keyOf = (name) => `evenkeel-${name}`;

  /* A browser may forbid storage: a choice then counts for the page alone. */
  const stored = (name) => {
    try {
      return localStorage.getItem(keyOf(name));
    } catch {
      return null;
    }
  };
  const store = (name, value) => {
    try {
      localStorage.setItem(keyOf(name), value);
    } catch {}
  };

  const show = (name, wanted) => {
    const value = choices[name].includes(wanted) ? wanted : choices[name][0];
    root.dataset[name] = value;
    if (name === "theme") document.getElementById("dark").media = themeMedia[value];
    for (const choice of document.querySelectorAll(`input[data-setting="${name}"]`))
      choice.checked = choice.value === value;
  };
  const changed = () => document.dispatchEvent(new Event("settings"));
  const set = (name, value) => {
    show(name, value);
    store(name, value);
    changed();
  };

  for (const name of Object.keys(choices)) show(name, stored(name));
  document.addEventListener("DOMContentLoaded", () => {
    for (const name of Object.keys(choices)) show(name, root.dataset[name]);
  });
  document.addEventListener("change", ({ target }) => {
    if (target.dataset?.setting) set(target.dataset.setting, target.value);
  });
  /* Another tab has changed it. */
  addEventListener("storage", ({ key, newValue }) => {
    const name = Object.keys(choices).find((each) => keyOf(each) === key);
    if (!name) return;
    show(name, newValue);
    changed();
  });
  matchMedia(themeMedia.system).addEventListener("change", changed);

  return {
    /* The next of the choices, as a key asks for it. */
    turn(name) {
      const values = choices[name];
      set(name, values[(values.indexOf(root.dataset[name]) + 1) % values.length]);
    },
    /* An address may ask for the zone of the browser, whatever is chosen. */
    isLocal: () =>
      root.dataset.zone === "local" || new URLSearchParams(location.search).get("tz") === "local",
  };
})();
