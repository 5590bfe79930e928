/* Says whether the page is still live. htmx moves the fragments; this file only watches whether they keep coming. */
(() => {
  const root = document.documentElement;
  /* One message a second is promised: this much silence means that the stream is dead, whatever TCP believes. */
  const silenceMs = 5000;
  /* A stream that comes back sooner is not worth a word. */
  const graceMs = 1200;
  let connection;
  let alarm;

  const show = (state) => {
    root.dataset.link = state;
  };

  const lose = () => {
    show("lost");
    connection?.reader?.cancel();
    alarm = undefined;
  };

  const expectWithin = (delayMs) => {
    clearTimeout(alarm);
    alarm = setTimeout(lose, delayMs);
  };

  const doubt = () => {
    if (root.dataset.link !== "lost") expectWithin(graceMs);
  };

  document.addEventListener("htmx:sse:after:connection", (event) => {
    connection = event.detail.connection;
    expectWithin(silenceMs);
  });
  document.addEventListener("htmx:sse:after:message", () => {
    show("live");
    const last = document.getElementById("link-last");
    if (last) last.textContent = `${new Date().toISOString().slice(11, 19)} UTC`;
    expectWithin(silenceMs);
  });
  document.addEventListener("htmx:sse:before:connection", (event) => {
    if (event.detail.connection.attempt > 0) doubt();
  });
  document.addEventListener("htmx:sse:error", doubt);
  document.addEventListener("htmx:error", doubt);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden || !root.dataset.link) clearTimeout(alarm);
    else expectWithin(silenceMs);
  });

  /* Fragments of the live stream are alike for all, so the token of this session is put into their forms here. */
  document.addEventListener("formdata", ({ formData }) => {
    const token = document.querySelector('meta[name="csrf"]')?.content;
    if (formData.has("csrf") && token) formData.set("csrf", token);
  });
  document.addEventListener("loggedout", () => {
    const next = encodeURIComponent(location.pathname + location.search);
    location.assign(`/login?ended&next=${next}`);
  });

  show("connecting");
  expectWithin(silenceMs);
  /* A page without a stream stands still and is not lost for that. */
  document.addEventListener("DOMContentLoaded", () => {
    if (document.querySelector(".link")) return;
    clearTimeout(alarm);
    delete root.dataset.link;
  });
})();
