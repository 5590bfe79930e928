/** New events on their way into a page that has the older ones. */
/** @jsxImportSource @kitajs/html */

import { eventOf } from "../live/sse.ts";
import { markup } from "../layout/shell.tsx";
import type { NewEvents } from "./feed.ts";
import { newestFirst } from "./filter.ts";
import { EventItems, ErrorText } from "./timeline.tsx";

/** Without anything new it is only a sign of life, which the page waits for. */
export function renderFresh({ fresh, last, error }: NewEvents): string {
  const parts = [
    ...(error === undefined ? [] : [markup(<ErrorFragment words={error} />)]),
    ...(fresh.length === 0 ? [] : [markup(<FreshPart fresh={fresh} />)]),
  ];
  return `id: ${last}\n${eventOf(parts.length > 0 ? parts.join("") : "<!-- alive -->")}`;
}

function FreshPart({ fresh }: Pick<NewEvents, "fresh">): JSX.Element {
  return (
    <tag of="hx-partial" {...{ "hx-target": "#events", "hx-swap": "afterbegin" }}>
      <EventItems events={newestFirst(fresh)} />
    </tag>
  );
}

function ErrorFragment({ words: text }: { readonly words: string }): JSX.Element {
  return (
    <tag of="hx-partial" {...{ "hx-target": "#events-error", "hx-swap": "innerHTML" }}>
      <ErrorText words={text} />
    </tag>
  );
}
