/** The frame of every page: document head, navigation, notices, live indicator and footer. */
/** @jsxImportSource @kitajs/html */

import type { Children } from "@kitajs/html";
import { assets } from "../assets.ts";
import { FindLink } from "../keys/key-list.tsx";
import { Navigation, type ShownBalancer } from "./navigation.tsx";
import { ViewMenu } from "./view-menu.tsx";
import { placeholders } from "../login/placeholders.tsx";
import { attribute, fileAddress } from "../responses.ts";
import { formatSpan, formatTime } from "../../wording/format.ts";
import { type DashboardState, urlOrigin } from "../../wording/verdict.ts";

/**
 * Refusals are not swapped in unless they name their own target. The stream reconnects within two seconds: during an
 * incident, an operator cannot wait for a back-off of a minute.
 */
const htmxConfig = JSON.stringify({
  noSwap: [204, 304, "4xx", "5xx"],
  includeIndicatorCSS: false,
  history: false,
  sse: { reconnectDelay: 500, reconnectMaxDelay: 2_000 },
});

interface ShellProps {
  readonly title: string;
  readonly here:
    | "overview"
    | "upstream"
    | "fleet"
    | "alerts"
    | "requests"
    | "routes"
    | "history"
    | "certificates"
    | "events"
    | "audit"
    | "config"
    | "action"
    | "keys"
    | "lost";
  /** The address of the live stream; undefined for a static page. */
  readonly live?: string;
  readonly notice?: string;
  /** The address of the tab's icon, if not the usual one. */
  readonly icon?: string | undefined;
  /** The query of the time shown, which the links to other pages of a time carry on. */
  readonly carried?: string | undefined;
  /** The result of the last action. */
  readonly done?: JSX.Element | undefined;
  /** The balancer: its name in a fleet stands in the header, and pages of what it does not have are left out. */
  readonly snapshot?: ShownBalancer | undefined;
  readonly children?: JSX.Element | JSX.Element[];
}

export function Shell({
  title,
  here,
  live,
  notice = "",
  done = "",
  carried = "",
  snapshot,
  icon,
  children,
}: ShellProps): JSX.Element {
  const fleet = snapshot?.fleet;
  return (
    <HtmlDocument title={title} icon={icon} head={<LiveHead />} body={{ "data-role": placeholders.role }}>
      <a class="skip" href="#content">
        Skip to the content
      </a>
      <header class="top">
        <a class="brand" href="/">
          <Brand />
        </a>
        {fleet ? (
          <a
            class="balancer"
            href="/fleet"
            title={attribute(`A balancer of the fleet ${fleet.group}`)}
            {...(here === "fleet" ? { "aria-current": "page" } : {})}
          >
            <span safe>{fleet.name}</span>
          </a>
        ) : (
          ""
        )}
        <Navigation here={here} carried={carried} snapshot={snapshot} />
        <FindLink />
        <ViewMenu />
        {live === undefined ? "" : <LinkState />}
        {placeholders.who}
      </header>
      <div id="notice">
        <Notice notice={notice} />
      </div>
      <div id="content" tabindex="-1">
        {children}
      </div>
      <div id="done" role="status">
        {done}
      </div>
      <dialog id="panel" aria-labelledby="panel-title"></dialog>
    </HtmlDocument>
  );
}

/**
 * Of the element that a live stream renews. Two triggers, because the extension does not retry if the first connect fails. While the
 * stream is connected, the second one is ignored.
 */
export function liveAttributes(address: string): Readonly<Record<string, string>> {
  return { "hx-sse:connect": attribute(address), "hx-trigger": "load, every 5s", "hx-swap": "innerMorph" };
}

/** The configuration stands before the script: htmx reads it while it loads. */
function LiveHead(): JSX.Element {
  return (
    <>
      <meta name="htmx-config" content={htmxConfig} />
      <meta name="csrf" content={placeholders.csrf} />
      <script src={assets.script.path}></script>
    </>
  );
}

/**
 * The style sheet shows one of the texts, by the state of the stream, by whether the page moves, which a fixed time does not,
 * and by whether the balancer responds to the dashboard.
 */
function LinkState(): JSX.Element {
  return (
    <p class="link">
      <span class="link-live">Live</span>
      <span class="link-silent">No news</span>
      <span class="link-fixed">Connected</span>
      <span class="link-connecting">Connecting</span>
      <span class="link-lost">
        <span>
          Reconnecting, last update <span id="link-last">earlier</span>
        </span>
      </span>
      <span class="link-still">
        Not live. <a href="">Refresh</a>
      </span>
    </p>
  );
}

export function Notice({ notice }: { readonly notice: string }): JSX.Element {
  return notice === "" ? (
    ""
  ) : (
    <p class="notice" role="alert" safe>
      {notice}
    </p>
  );
}

/** The markup of a synchronous element. */
export function markup(element: JSX.Element): string {
  if (typeof element !== "string") throw new Error("Cannot render: a component is asynchronous");
  return element;
}

interface DocumentProps {
  readonly title: string;
  /** The address of the tab's icon, if not the usual one. */
  readonly icon?: string | undefined;
  /** Additional elements of the head. */
  readonly head?: JSX.Element;
  readonly body: Readonly<Record<string, string>>;
  readonly children: Children;
}

/** The document of every page, including the login page. */
export function HtmlDocument({ title, icon, head = "", body, children }: DocumentProps): JSX.Element {
  return (
    <>
      {"<!doctype html>"}
      <html lang="en">
        <head>
          <meta charset="utf-8" />
          <meta name="viewport" content="width=device-width, initial-scale=1" />
          <meta name="color-scheme" content="light dark" />
          <title safe>{title}</title>
          <link rel="icon" type="image/svg+xml" href={icon ?? assets.icon.path} />
          <link rel="stylesheet" href={assets.style.path} />
          <link rel="stylesheet" href={assets.dark.path} id="dark" media="(prefers-color-scheme: dark)" />
          <script src={assets.settings.path}></script>
          {head}
        </head>
        <body {...body}>{children}</body>
      </html>
    </>
  );
}

export function Brand(): JSX.Element {
  return (
    <>
      <img src={assets.icon.path} alt="" width="28" height="28" />
      <span>Evenkeel</span>
    </>
  );
}

interface FootProps {
  readonly state: DashboardState;
  /** What the rows of the page are, and the address whose CSV and JSON have them. */
  readonly rows?: { readonly name: string; readonly address: string } | undefined;
}

/** The footer of live pages: the balancer's version and engine, the source of the data, and a link to the JSON. */
export function PageFoot({ state, rows }: FootProps): JSX.Element {
  const { snapshot, adminUrl, readAt } = state;
  const facts = snapshot
    ? [
        `Evenkeel ${snapshot.version}`,
        `${snapshot.engine} engine on ${snapshot.runtime}`,
        `listens on ${snapshot.listen}`,
        `up ${formatSpan(snapshot.at - snapshot.startedAt)}`,
      ]
    : [];
  return (
    <footer class="foot" data-outage={state.outage !== undefined}>
      <ul class="facts">
        {facts.map((fact) => (
          <li safe>{fact}</li>
        ))}
      </ul>
      <ul class="facts">
        <li safe>{`read from ${urlOrigin(adminUrl)}${snapshot ? ` at ${formatTime(readAt)}` : ""}`}</li>
        {rows ? (
          <li>
            <span safe>{rows.name}</span> as{" "}
            <a href={attribute(fileAddress(rows.address, "csv"))} download="">
              CSV
            </a>{" "}
            and <a href={attribute(fileAddress(rows.address, "json"))}>JSON</a>
          </li>
        ) : (
          ""
        )}
        <li>
          <a href="/api/status">all as JSON</a>
        </li>
      </ul>
    </footer>
  );
}
