/** The page of certificates: which names end when, where each comes from, and whether its renewal works. */
/** @jsxImportSource @kitajs/html */

import type { RotationView } from "../../client/decoders.ts";
import type { BalancerEvent } from "../../state/event.ts";
import { certificatesHeadline, validityText } from "../../wording/certificates.ts";
import { countWithNoun, formatTime } from "../../wording/format.ts";
import { adminApiErrorSentence, balancerNow, type DashboardState } from "../../wording/verdict.ts";
import type { AdminResult } from "../admin-client.ts";
import { PostForm } from "../layout/forms.tsx";
import { PageTools } from "../layout/page-tools.tsx";
import { markup, Shell } from "../layout/shell.tsx";
import { ToneMark } from "../layout/tone-mark.tsx";
import { ProblemPanel } from "../overview/problem-panel.tsx";
import { plainView } from "../view.ts";
import { CertificateEvents, RenewalCard } from "./cards.tsx";
import { certificateProblems, type ListedCertificate, listedCertificates } from "./certificate-list.ts";
import { CertificateTable } from "./certificate-table.tsx";
import { Timeline } from "./timeline.tsx";

export interface CertificatesPageProps {
  readonly state: DashboardState;
  /** The last ones about certificates, oldest first. */
  readonly events: AdminResult<readonly BalancerEvent[]>;
  /** What reading the files again has changed. */
  readonly rotation?: AdminResult<RotationView> | undefined;
}

/** Ends and orders change slowly. */
const refresh = "every 10s";

export function renderCertificatesPage(props: CertificatesPageProps): string {
  const { state, rotation } = props;
  return markup(
    <Shell title="Certificates · Evenkeel" here="certificates" snapshot={state.snapshot}>
      <main>
        {rotation ? <RotationBand rotation={rotation} /> : ""}
        <div id="certificates" hx-get="/certificates" hx-trigger={refresh} hx-swap="innerMorph">
          <CertificatesView {...props} />
        </div>
      </main>
    </Shell>,
  );
}

/** The part of the page that is read again and again. */
export function renderCertificatesPart(props: CertificatesPageProps): string {
  return markup(<CertificatesView {...props} />);
}

function CertificatesView({ state, events }: CertificatesPageProps): JSX.Element {
  const { snapshot, outage, readAt } = state;
  const now = balancerNow(state);
  const failure = outage ? adminApiErrorSentence(outage) : "";
  if (!snapshot) return <p class="notice" role="alert" safe>{`Cannot read the certificates. ${failure}`}</p>;
  const certificates = listedCertificates(snapshot);
  const problems = certificateProblems(snapshot);
  return (
    <>
      {outage ? (
        <p class="notice" role="alert" safe>
          {`${failure} What is shown was read at ${formatTime(readAt)}.`}
        </p>
      ) : (
        ""
      )}
      <PageHead certificates={certificates} now={now} readAt={readAt} />
      <ProblemPanel problems={problems} now={now} view={plainView} />
      {certificates.length > 0 ? (
        <>
          <Timeline certificates={certificates} now={now} />
          <CertificateTable certificates={certificates} now={now} />
        </>
      ) : (
        <p class="empty">No listener of this balancer uses TLS.</p>
      )}
      <div class="cards">
        <RenewalCard snapshot={snapshot} />
        <CertificateEvents events={events} />
      </div>
    </>
  );
}

/** Names in the sentence below the headline. */
const maxNamed = 2;

interface HeadProps {
  readonly certificates: readonly ListedCertificate[];
  readonly now: number;
  readonly readAt: number;
}

function PageHead({ certificates, now, readAt }: HeadProps): JSX.Element {
  const troubled = certificates.filter(({ tone }) => tone !== "good");
  const named = troubled.length > 0 ? troubled.slice(0, maxNamed) : certificates.slice(0, 1);
  const sentences = named.map(({ certificate }) => `${validityText(certificate, now)}.`);
  return (
    <header class="plain-head history-head">
      <div>
        <h1 safe>{certificatesHeadline({ all: certificates.length, troubled: troubled.length })}</h1>
        <p class="quiet" safe>
          {`${sentences.join(" ")} Read at ${formatTime(readAt)}.`}
        </p>
      </div>
      <div class="head-actions">
        <PostForm action="/certificates/reload">
          <button type="submit" class="button">
            Read the files again
          </button>
        </PostForm>
        <PageTools address="/certificates" />
      </div>
    </header>
  );
}

/** What became of the files. */
function RotationBand({ rotation }: { readonly rotation: AdminResult<RotationView> }): JSX.Element {
  const isDone = "value" in rotation && rotation.value.refused.length === 0;
  const lines =
    "value" in rotation
      ? rotationLines(rotation.value)
      : [`Cannot read the files again. ${adminApiErrorSentence(rotation.error)}`];
  return (
    <div class="result-band" data-tone={isDone ? "good" : "warn"} role="status">
      <ToneMark tone={isDone ? "good" : "warn"} />
      <div>
        {lines.map((line) => (
          <p safe>{line}</p>
        ))}
      </div>
    </div>
  );
}

/** The rest is counted. */
const maxLines = 8;

function rotationLines({ changed, removed, refused }: RotationView): readonly string[] {
  if (changed.length + removed.length + refused.length === 0)
    return ["The files were read again. Nothing has changed."];
  const lines = [
    ...refused.map(({ path, why }) => `${path} was not taken: ${why}. The present certificate stays.`),
    ...changed.map((file) => `${file} has another certificate, which clients get from now on.`),
    ...removed.map((file) => `${file} is no longer used.`),
  ];
  const rest = lines.length - maxLines;
  return [...lines.slice(0, maxLines), ...(rest > 0 ? [`And ${countWithNoun(rest, "more line")}.`] : [])];
}
