/* Shows whether the page is live. htmx swaps the fragments; this script only monitors that they keep arriving. */
(() => {
  const root = document.documentElement;
  /* The server sends one message per second: after this much silence the stream is dead, even if TCP is still connected. */
  const silenceMs = 5000;
  /* A stream that reconnects sooner is not reported. */
  const graceMs = 1200;
  let connection;
  let timer;

  const show = (state) => {
    root.dataset.link = state;
  };

  const markLost = () => {
    show("lost");
    connection?.reader?.cancel();
    timer = undefined;
  };

  const expectWithin = (delayMs) => {
    clearTimeout(timer);
    timer = setTimeout(markLost, delayMs);
  };

  const suspect = () => {
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
    if (event.detail.connection.attempt > 0) suspect();
  });
  document.addEventListener("htmx:sse:error", suspect);
  document.addEventListener("htmx:error", suspect);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden || !root.dataset.link) clearTimeout(timer);
    else expectWithin(silenceMs);
  });

  /* Fragments of the live stream are the same for all sessions, so this session's token is added to their forms here. */
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
  /* A page without a stream is static, not disconnected. */
  document.addEventListener("DOMContentLoaded", () => {
    if (document.querySelector(".link")) return;
    clearTimeout(timer);
    delete root.dataset.link;
  });
})();
