/** New events on their way into a page that has the older ones. */
/** @jsxImportSource @kitajs/html */

import type { Event } from "../../state/event.ts";
import { eventOf } from "../live.ts";
import { markup } from "../shell.tsx";
import { newestFirst } from "./sought.ts";
import { EventItems } from "./timeline.tsx";

/** Without any it is only a sign of life, which the page waits for. */
export function renderFresh(fresh: readonly Event[], last: number): string {
  const id = `id: ${last}\n`;
  const part = (
    <tag of="hx-partial" {...{ "hx-target": "#events", "hx-swap": "afterbegin" }}>
      <EventItems events={newestFirst(fresh)} />
    </tag>
  );
  return id + eventOf(fresh.length > 0 ? markup(part) : "<!-- alive -->");
}
