/** The end of every page that lives: what runs, where it was read, and the same for machines. */
/** @jsxImportSource @kitajs/html */

import { formatSpan, formatTime } from "../wording/format.ts";
import type { DashboardState } from "./picture.ts";
import { urlOrigin } from "../wording/verdict.ts";

export function PageFoot({ picture: state }: { readonly picture: DashboardState }): JSX.Element {
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
    <footer class="foot">
      <ul class="facts">
        {facts.map((fact) => (
          <li safe>{fact}</li>
        ))}
      </ul>
      <ul class="facts">
        <li safe>{`read from ${urlOrigin(adminUrl)}${snapshot ? ` at ${formatTime(readAt)}` : ""}`}</li>
        <li>
          <a href="/api/status">as JSON</a>
        </li>
      </ul>
    </footer>
  );
}
