/** The whole document, the fragments that are sent alone, and the line that says what an action came to. */
/** @jsxImportSource @kitajs/html */

import { assets } from "./assets.ts";
import { Overview, titleOf } from "./overview.tsx";
import type { Picture } from "./picture.ts";

/**
 * Refusals are not swapped in, except for what names its own target. The stream comes back within five seconds: an
 * operator in an incident does not wait for a back-off of a minute.
 */
const htmxConfig = JSON.stringify({
  noSwap: [204, 304, "4xx", "5xx"],
  includeIndicatorCSS: false,
  history: false,
  sse: { reconnectDelay: 500, reconnectMaxDelay: 5_000 },
});

interface PageProps {
  readonly picture: Picture;
  /** What went wrong with the action that led here. */
  readonly notice?: string;
}

export function renderPage(props: PageProps): string {
  return `<!doctype html>${markup(<Page {...props} />)}`;
}

/** Children of the live region. */
export function renderLive(picture: Picture): string {
  return markup(
    <>
      <title safe>{titleOf(picture)}</title>
      <Overview picture={picture} />
    </>,
  );
}

/** After an action: the live region, and no word of an earlier failure. */
export function renderDone(picture: Picture): string {
  return renderLive(picture) + renderNotice("");
}

/** Replaces the notice and nothing else, also with a status that is not swapped in. */
export function renderNotice(notice: string): string {
  return markup(
    <tag of="hx-partial" {...{ "hx-target": "#notice", "hx-swap": "innerMorph" }}>
      <Notice notice={notice} />
    </tag>,
  );
}

function Page({ picture, notice = "" }: PageProps): JSX.Element {
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta name="htmx-config" content={htmxConfig} />
        <title safe>{titleOf(picture)}</title>
        <link rel="icon" type="image/svg+xml" href={assets.icon.path} />
        <link rel="stylesheet" href={assets.style.path} />
        <script src={assets.script.path}></script>
      </head>
      <body>
        <header class="top">
          <a class="brand" href="/">
            <img src={assets.icon.path} alt="" width="28" height="28" />
            <span>Evenkeel</span>
          </a>
          <LinkState />
        </header>
        <div id="notice">
          <Notice notice={notice} />
        </div>
        <main id="live" {...liveAttributes}>
          <Overview picture={picture} />
        </main>
      </body>
    </html>
  );
}

/** Two triggers, because the extension does not try again if the very first connect fails; while it lives, the second is ignored. */
const liveAttributes = {
  "hx-sse:connect": "/live",
  "hx-trigger": "load, every 5s",
  "hx-swap": "innerMorph",
};

/** Which of the words is seen is decided in the style sheet, by what the script says of the stream. */
function LinkState(): JSX.Element {
  return (
    <p class="link">
      <span class="link-live">Live</span>
      <span class="link-connecting">Connecting</span>
      <span class="link-lost">
        <span>
          Reconnecting, last picture <span id="link-last">from before</span>
        </span>
      </span>
      <span class="link-still">
        Not live. <a href="/">Refresh</a>
      </span>
    </p>
  );
}

function Notice({ notice }: { readonly notice: string }): JSX.Element {
  return notice === "" ? (
    ""
  ) : (
    <p class="notice" role="alert" safe>
      {notice}
    </p>
  );
}

/** Markup of an element that waits for nothing. */
function markup(element: JSX.Element): string {
  if (typeof element !== "string") throw new Error("Cannot render: a component is asynchronous");
  return element;
}
