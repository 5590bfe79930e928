/** The processes that serve clients, where there are several: who runs, and who was started anew. */
/** @jsxImportSource @kitajs/html */

import type { WorkerSnapshot } from "../dataplane/worker-supervisor.ts";
import { Glyph } from "./layout/widgets.tsx";
import { formatBrief, formatCount } from "../wording/format.ts";

interface PanelProps {
  readonly workers: readonly WorkerSnapshot[];
}

export function WorkersPanel({ workers }: PanelProps): JSX.Element {
  const serving = workers.filter(({ ready }) => ready).length;
  const restarts = workers.reduce((sum, worker) => sum + worker.restarts, 0);
  return (
    <section class="pool workers" aria-labelledby="workers-name">
      <header class="pool-head">
        <h2 id="workers-name">Workers</h2>
        <ul class="facts">
          <li safe>{`${formatCount(serving)} of ${formatCount(workers.length)} serve`}</li>
          {restarts > 0 ? <li safe>{workerRestartsText(restarts)}</li> : ""}
        </ul>
      </header>
      <ul class="worker-list">
        {workers.map((worker) => (
          <WorkerItem worker={worker} />
        ))}
      </ul>
    </section>
  );
}

function WorkerItem({ worker }: { readonly worker: WorkerSnapshot }): JSX.Element {
  const { pid, ready, restarts, inFlight, requests } = worker;
  const facts = [
    `${formatCount(inFlight)} in flight`,
    `${formatBrief(requests)} requests`,
    restarts === 0 ? "never restarted" : workerRestartsText(restarts),
  ];
  return (
    <li>
      <span class="badge" data-tone={ready ? "good" : "warn"}>
        <Glyph shape={ready ? "check" : "dots"} />
        {ready ? "Serving" : "Starting"}
      </span>
      <p>
        <strong safe>{pid === 0 ? "no process yet" : `pid ${pid}`}</strong>
        <span class="sub" safe>
          {facts.join(" · ")}
        </span>
      </p>
    </li>
  );
}

function workerRestartsText(restarts: number): string {
  return `${formatCount(restarts)} ${restarts === 1 ? "restart" : "restarts"}`;
}
