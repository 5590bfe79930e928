/** Alerts about the whole balancer (memory, descriptors, state file, certificates, configuration), and the panel of the workers. */
/** @jsxImportSource @kitajs/html */

import { Glyph } from "../layout/widgets.tsx";
import { isOpenProblem, type ServiceProblem } from "../../problems/problem.ts";
import type { CertificateSnapshot, Snapshot, WorkerSnapshot } from "../../snapshot/snapshot.ts";
import {
  certificateText,
  exhaustionText,
  orderText,
  refusedText,
  restartText,
  sheddingText,
  failedUpgradeText,
  unsavedText,
} from "../../wording/alerts.ts";
import { formatBrief, formatCount, formatDatedTime, isoTime } from "../../wording/format.ts";

interface AlertsProps {
  readonly snapshot: Snapshot;
  /** What the list of problems says is not said again. */
  readonly problems?: readonly ServiceProblem[];
}

export function Alerts({ snapshot, problems = [] }: AlertsProps): JSX.Element {
  const said = new Set(problems.filter(isOpenProblem).map(({ kind }) => kind));
  const { memory, exhaustion, notKept, upgrade, certificates = [], orders = [], configuration } = snapshot;
  const { refused, needsRestart } = configuration;
  return (
    <>
      {memory.shedding && !said.has("shedding") ? (
        <p class="notice shedding" role="status" safe>
          {sheddingText(memory)}
        </p>
      ) : (
        ""
      )}
      {exhaustion && !said.has("exhaustion") ? (
        <p class="notice shedding" role="status" safe>
          {exhaustionText(exhaustion, snapshot.at)}
        </p>
      ) : (
        ""
      )}
      {notKept && !said.has("state_not_kept") ? (
        <p class="notice shedding" role="status" safe>
          {unsavedText(notKept, snapshot.at)}
        </p>
      ) : (
        ""
      )}
      {upgrade?.failed ? (
        <p class="notice heed" role="status" safe>
          {failedUpgradeText(upgrade.failed, snapshot.at)}
        </p>
      ) : (
        ""
      )}
      {(said.has("certificate") ? [] : certificates).map((certificate) => (
        <CertificateAlert certificate={certificate} snapshot={snapshot} />
      ))}
      {(said.has("certificate") ? [] : orders).map((order) => (
        <OrderAlert order={order} now={snapshot.at} />
      ))}
      {refused && !said.has("reload_refused") ? <RefusedNotice refused={refused} now={snapshot.at} /> : ""}
      {needsRestart.length > 0 ? (
        <p class="notice heed" role="status">
          <span safe>{`${restartText(needsRestart)} `}</span>
          <a href="/config">See the configuration</a>
        </p>
      ) : (
        ""
      )}
    </>
  );
}

interface RefusedProps {
  readonly refused: NonNullable<Snapshot["configuration"]["refused"]>;
  readonly now: number;
}

function RefusedNotice({ refused, now }: RefusedProps): JSX.Element {
  const [what, outcome] = refusedText(refused);
  return (
    <p class="notice heed" role="status">
      <span safe>{`${what} `}</span>
      <time datetime={isoTime(refused.at)} safe>
        {formatDatedTime(refused.at, now)}
      </time>
      <span safe>{` ${outcome} `}</span>
      <a href="/config">See the configuration</a>
    </p>
  );
}

interface CertificateAlertProps {
  readonly certificate: CertificateSnapshot;
  readonly snapshot: Snapshot;
}

/** An invalid certificate is an outage: clients refuse to connect. */
function CertificateAlert({ certificate, snapshot }: CertificateAlertProps): JSX.Element {
  const text = certificateText(certificate, snapshot);
  if (!text) return <></>;
  const isRefused = certificate.status !== "expiring";
  return (
    <p class={isRefused ? "notice" : "notice heed"} role="status" safe>
      {text.join(" ")}
    </p>
  );
}

interface OrderAlertProps {
  readonly order: NonNullable<Snapshot["orders"]>[number];
  /** Epoch milliseconds by the balancer's clock. */
  readonly now: number;
}

/** Clients reject a self-signed certificate; a renewal has a third of the certificate's life left. */
function OrderAlert({ order, now }: OrderAlertProps): JSX.Element {
  const text = orderText(order, now);
  if (!text) return <></>;
  const isRefused = order.expiresAt === null || order.expiresAt <= now;
  return (
    <p class={isRefused ? "notice" : "notice heed"} role="status" safe>
      {text.join(" ")}
    </p>
  );
}

interface PanelProps {
  readonly workers: readonly WorkerSnapshot[];
}

/** The worker processes with their restarts and load. Shown only with several workers. */
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
