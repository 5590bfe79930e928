/** What concerns the balancer as a whole and must not be overlooked: memory that runs short, a configuration that waits. */
/** @jsxImportSource @kitajs/html */

import type { Snapshot } from "../snapshot.ts";
import { formatCount, formatTime, isoTime } from "./format.ts";

export function Alerts({ snapshot }: { readonly snapshot: Snapshot }): JSX.Element {
  const { memory, configuration } = snapshot;
  const { refused, needsRestart } = configuration;
  return (
    <>
      {memory.shedding ? (
        <p class="notice shedding" role="status" safe>
          {`LOAD SHEDDING: memory is short, so new requests are refused. ${memoryWords(memory)}.`}
        </p>
      ) : (
        ""
      )}
      {refused ? (
        <p class="notice heed" role="status">
          <span safe>{`The configuration that ${refused.by} asked for at `}</span>
          <time datetime={isoTime(refused.at)} safe>
            {formatTime(refused.at)}
          </time>
          <span
            safe
          >{` was refused (${countOf(refused.problems.length, "problem")}); the old one counts. `}</span>
          <a href="/config">See the configuration</a>
        </p>
      ) : (
        ""
      )}
      {needsRestart.length > 0 ? (
        <p class="notice heed" role="status">
          <span
            safe
          >{`${countOf(needsRestart.length, "changed setting")} will count after a restart. `}</span>
          <a href="/config">See the configuration</a>
        </p>
      ) : (
        ""
      )}
    </>
  );
}

/** In whole MiB, as the event and the log have it. */
function memoryWords({ rssBytes, limitBytes }: Snapshot["memory"]): string {
  const mebibytes = (bytes: number) => formatCount(Math.round(bytes / 2 ** 20));
  const most = limitBytes === null ? "" : ` of ${mebibytes(limitBytes)}`;
  return `${mebibytes(rssBytes)}${most} MiB are taken`;
}

function countOf(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
}
