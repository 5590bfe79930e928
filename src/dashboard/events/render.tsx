/** New events on their way into a page that has the older ones. */
/** @jsxImportSource @kitajs/html */

import { eventOf } from "../live.ts";
import { markup } from "../shell.tsx";
import type { EventNews } from "./events-feed.ts";
import { newestFirst } from "./sought.ts";
import { EventItems, TroubleWords } from "./timeline.tsx";

/** Without anything new it is only a sign of life, which the page waits for. */
export function renderFresh({ fresh, last, trouble }: EventNews): string {
  const parts = [
    ...(trouble === undefined ? [] : [markup(<TroublePart words={trouble} />)]),
    ...(fresh.length === 0 ? [] : [markup(<FreshPart fresh={fresh} />)]),
  ];
  return `id: ${last}\n${eventOf(parts.length > 0 ? parts.join("") : "<!-- alive -->")}`;
}

function FreshPart({ fresh }: Pick<EventNews, "fresh">): JSX.Element {
  return (
    <tag of="hx-partial" {...{ "hx-target": "#events", "hx-swap": "afterbegin" }}>
      <EventItems events={newestFirst(fresh)} />
    </tag>
  );
}

function TroublePart({ words }: { readonly words: string }): JSX.Element {
  return (
    <tag of="hx-partial" {...{ "hx-target": "#events-trouble", "hx-swap": "innerHTML" }}>
      <TroubleWords words={words} />
    </tag>
  );
}
