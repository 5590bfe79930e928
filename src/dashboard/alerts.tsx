/** What concerns the balancer as a whole and must not be overlooked: memory that runs short, a certificate that ends, a configuration that waits. */
/** @jsxImportSource @kitajs/html */

import { expiryWords } from "../config/expiry.ts";
import type { CertificateSnapshot, Snapshot } from "../snapshot.ts";
import { formatCount, formatTime, isoTime } from "./format.ts";

export function Alerts({ snapshot }: { readonly snapshot: Snapshot }): JSX.Element {
  const { at, memory, certificates = [], configuration } = snapshot;
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
      {certificates.map((certificate) => (
        <CertificateAlert certificate={certificate} needsRestart={needsRestart} now={at} />
      ))}
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

interface CertificateAlertProps {
  readonly certificate: CertificateSnapshot;
  readonly needsRestart: readonly string[];
  /** Epoch milliseconds by the balancer's clock. */
  readonly now: number;
}

/** Clients refuse one that is not valid: that is an outage, whatever the upstreams do. */
function CertificateAlert({ certificate, needsRestart, now }: CertificateAlertProps): JSX.Element {
  const { listener, path, status } = certificate;
  const words = expiryWords(certificate, now);
  if (words === undefined) return <></>;
  const isRefused = status !== "expiring";
  const what = `The certificate that clients see, from ${path}, ${words}${isRefused ? ": they refuse to connect" : ""}.`;
  const deed = needsRestart.includes(`${listener}.tls.cert`)
    ? "Another one was read at the last reload: restart the balancer to show it."
    : "Put a new one there and restart the balancer, which reads it at the start only.";
  return (
    <p class={isRefused ? "notice" : "notice heed"} role="status" safe>
      {`${what} ${deed}`}
    </p>
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
