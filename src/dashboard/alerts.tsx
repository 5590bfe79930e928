/** What concerns the balancer as a whole and must not be overlooked: memory, state, configuration. */
/** @jsxImportSource @kitajs/html */

import type { Snapshot } from "../snapshot.ts";
import { notKeptWords, refusedWords, restartWords, sheddingWords } from "./alert-words.ts";
import { formatTime, isoTime } from "./format.ts";

export function Alerts({ snapshot }: { readonly snapshot: Snapshot }): JSX.Element {
  const { memory, notKept, configuration } = snapshot;
  const { refused, needsRestart } = configuration;
  return (
    <>
      {memory.shedding ? (
        <p class="notice shedding" role="status" safe>
          {sheddingWords(memory)}
        </p>
      ) : (
        ""
      )}
      {notKept ? (
        <p class="notice shedding" role="status" safe>
          {notKeptWords(notKept)}
        </p>
      ) : (
        ""
      )}
      {refused ? <RefusedNotice refused={refused} /> : ""}
      {needsRestart.length > 0 ? (
        <p class="notice heed" role="status">
          <span safe>{`${restartWords(needsRestart)} `}</span>
          <a href="/config">See the configuration</a>
        </p>
      ) : (
        ""
      )}
    </>
  );
}

type RefusedProps = { readonly refused: NonNullable<Snapshot["configuration"]["refused"]> };

function RefusedNotice({ refused }: RefusedProps): JSX.Element {
  const [what, outcome] = refusedWords(refused);
  return (
    <p class="notice heed" role="status">
      <span safe>{`${what} `}</span>
      <time datetime={isoTime(refused.at)} safe>
        {formatTime(refused.at)}
      </time>
      <span safe>{` ${outcome} `}</span>
      <a href="/config">See the configuration</a>
    </p>
  );
}
