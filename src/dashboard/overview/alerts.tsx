/** What concerns the balancer as a whole and must not be overlooked: memory, state, certificates, configuration. */
/** @jsxImportSource @kitajs/html */

import type { CertificateSnapshot, Snapshot } from "../../snapshot/snapshot.ts";
import {
  certificateText,
  unsavedText,
  refusedText,
  restartText,
  sheddingText,
} from "../../wording/alerts.ts";
import { formatTime, isoTime } from "../../wording/format.ts";

export function Alerts({ snapshot }: { readonly snapshot: Snapshot }): JSX.Element {
  const { at, memory, notKept, certificates = [], configuration } = snapshot;
  const { refused, needsRestart } = configuration;
  return (
    <>
      {memory.shedding ? (
        <p class="notice shedding" role="status" safe>
          {sheddingText(memory)}
        </p>
      ) : (
        ""
      )}
      {notKept ? (
        <p class="notice shedding" role="status" safe>
          {unsavedText(notKept)}
        </p>
      ) : (
        ""
      )}
      {certificates.map((certificate) => (
        <CertificateAlert certificate={certificate} needsRestart={needsRestart} now={at} />
      ))}
      {refused ? <RefusedNotice refused={refused} /> : ""}
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

type RefusedProps = { readonly refused: NonNullable<Snapshot["configuration"]["refused"]> };

function RefusedNotice({ refused }: RefusedProps): JSX.Element {
  const [what, outcome] = refusedText(refused);
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

interface CertificateAlertProps {
  readonly certificate: CertificateSnapshot;
  readonly needsRestart: readonly string[];
  /** Epoch milliseconds by the balancer's clock. */
  readonly now: number;
}

/** Clients refuse one that is not valid: that is an outage, whatever the upstreams do. */
function CertificateAlert({ certificate, needsRestart, now }: CertificateAlertProps): JSX.Element {
  const text = certificateText(certificate, needsRestart, now);
  if (!text) return <></>;
  const isRefused = certificate.status !== "expiring";
  return (
    <p class={isRefused ? "notice" : "notice heed"} role="status" safe>
      {text.join(" ")}
    </p>
  );
}
