/** The page of alerts: who gets them, what was sent, what is silent, what counts, and what a request looks like. */
/** @jsxImportSource @kitajs/html */

import type { AlertsSnapshot, AlertTestResult } from "../../alerts/alerts-snapshot.ts";
import type { Snapshot } from "../../snapshot/snapshot.ts";
import { lastTryText, receiversSentence, receivesText } from "../../wording/alert-words.ts";
import { formatMs, formatDatedTime, isoTime } from "../../wording/format.ts";
import { adminApiErrorSentence } from "../../wording/verdict.ts";
import type { AdminResult } from "../admin-client.ts";
import { PageTools } from "../layout/page-tools.tsx";
import { PostForm } from "../layout/forms.tsx";
import { markup, Shell } from "../layout/shell.tsx";
import { Glyph } from "../layout/widgets.tsx";
import { attribute } from "../responses.ts";
import { KindsCard } from "./kinds.tsx";
import { SentCard } from "./sent.tsx";
import { SilencesCard, type SilenceForm } from "./silences.tsx";

export interface AlertsPageProps {
  readonly result: AdminResult<AlertsSnapshot>;
  /** Names that the form of a silence suggests. */
  readonly pools: readonly string[];
  readonly upstreams: readonly string[];
  /** The balancer; undefined before the first successful read. */
  readonly balancer: Snapshot | undefined;
  /** Epoch milliseconds. */
  readonly now: number;
  readonly test?: AdminResult<AlertTestResult> | undefined;
  /** The form of a silence that was refused, with the reason. */
  readonly refused?: { readonly form: SilenceForm; readonly why: string } | undefined;
  /** Of an order that was refused. */
  readonly problem?: string | undefined;
}

export function renderAlertsPage(props: AlertsPageProps): string {
  const { result, now, balancer, test, problem = "" } = props;
  const snapshot = "value" in result ? result.value : undefined;
  const count = snapshot?.receivers.length ?? 0;
  const title = count === 0 ? "Alerts" : `Alerts go to ${count} ${count === 1 ? "receiver" : "receivers"}`;
  const sentence =
    "value" in result
      ? receiversSentence(result.value.receivers, now)
      : `Cannot read the alerts. ${adminApiErrorSentence(result.error)}`;
  return markup(
    <Shell title={`${title} · Evenkeel`} here="alerts" snapshot={balancer} notice={problem}>
      <main class="alerts-page">
        <header class="plain-head history-head">
          <div>
            <h1 safe>{title}</h1>
            <p class="quiet" safe>
              {sentence}
            </p>
          </div>
          <p class="head-actions">
            <PageTools address="/alerts" />
          </p>
        </header>
        {test ? <TestBand test={test} /> : ""}
        {snapshot ? (
          <div class="alerts-columns">
            <div class="card-stack">
              <ReceiversCard snapshot={snapshot} now={now} />
              <SentCard sent={snapshot.sent} now={now} />
              <KindsCard receivers={snapshot.receivers} />
            </div>
            <div class="card-stack">
              <SilencesCard {...props} silences={snapshot.silences} />
              <RequestCard />
            </div>
          </div>
        ) : (
          ""
        )}
      </main>
    </Shell>,
  );
}

/** What a test brought about. */
function TestBand({ test }: { readonly test: AdminResult<AlertTestResult> }): JSX.Element {
  const isSent = "value" in test && test.value.kind === "sent";
  const text =
    "value" in test ? testText(test.value) : `Cannot send a test. ${adminApiErrorSentence(test.error)}`;
  return (
    <p class="result-band" data-tone={isSent ? "good" : "warn"} role="status" id="test">
      <Glyph shape={isSent ? "check" : "bang"} />
      <span safe>{text}</span>
    </p>
  );
}

function testText({ receiver, kind, answer, tookMs, text }: AlertTestResult): string {
  const taken = kind === "sent" ? "took the test" : "did not take the test";
  return `${receiver} ${taken}: ${answer} in ${formatMs(tookMs)}${text === "" ? "." : `. It answered: ${text}`}`;
}

interface ReceiversProps {
  readonly snapshot: AlertsSnapshot;
  readonly now: number;
}

function ReceiversCard({ snapshot: { receivers }, now }: ReceiversProps): JSX.Element {
  return (
    <section class="card" aria-labelledby="receivers-name">
      <header class="card-head">
        <h2 id="receivers-name">Where alerts go</h2>
        <p class="quiet">
          set in the configuration, under <code>alerts</code>
        </p>
      </header>
      {receivers.length === 0 ? (
        <p class="empty">
          No receiver yet. Add one under <code>alerts</code> in the configuration file and reload it: a reload
          applies it at once.
        </p>
      ) : (
        <div class="scroll" tabindex="0" role="group" aria-label="Where alerts go">
          <table class="alerts-table receivers">
            <thead>
              <tr>
                <th scope="col">Name</th>
                <th scope="col">Address</th>
                <th scope="col">Gets</th>
                <th scope="col">Last one</th>
                <th scope="col" class="at">
                  At
                </th>
                <th scope="col">
                  <span class="unseen">Test</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {receivers.map((receiver) => (
                <ReceiverRow receiver={receiver} now={now} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function ReceiverRow({
  receiver,
  now,
}: {
  readonly receiver: AlertsSnapshot["receivers"][number];
  readonly now: number;
}): JSX.Element {
  const { name, address, failing, last, waiting } = receiver;
  return (
    <tr data-tone={failing ? "warn" : "good"}>
      <th scope="row">
        <span class="receiver">
          <Glyph shape={failing ? "bang" : "check"} />
          <span safe>{name}</span>
          <span class="unseen">{failing ? "fails" : "takes alerts"}</span>
        </span>
      </th>
      <td class="mono quiet" safe>
        {address}
      </td>
      <td safe>{receivesText(receiver)}</td>
      <td class={failing ? "failing" : "quiet"}>
        <span safe>{lastTryText(receiver, now)}</span>
        {waiting > 0 ? <span class="waiting" safe>{`${waiting} waiting`}</span> : ""}
      </td>
      <td class="at quiet">
        {last ? (
          <time datetime={isoTime(last.at)} safe>
            {formatDatedTime(last.at, now)}
          </time>
        ) : (
          ""
        )}
      </td>
      <td class="act">
        <PostForm action="/alerts/test" fields={{ receiver: name }}>
          <button type="submit" class="button" aria-label={attribute(`Test ${name}`)}>
            Test
          </button>
        </PostForm>
      </td>
    </tr>
  );
}

const sample = `POST /hook HTTP/1.1
Evenkeel-Event: problem.opened
Evenkeel-Signature: t=1795961554,v1=5c1e…
Idempotency-Key: fra-1/p-k7m2x/1

{
  "event": "problem.opened",
  "id": "p-k7m2x",
  "kind": "upstream_errors",
  "level": "critical",
  "title": "checkout-07 answers 30 % of
            its requests with 500",
  "since": "2026-11-29T14:12:02.000Z",
  "subject": { "pool": "checkout",
               "upstream": "checkout-07" },
  "hits": { "share": 0.025, … },
  "cause": { "words": "Only this upstream …" },
  "do": { "verb": "drain", … },
  "url": "https://lb.example.com/?p=p-k7m2x"
}`;

function RequestCard(): JSX.Element {
  return (
    <section class="card request-card" aria-labelledby="request-name">
      <header class="card-head">
        <h2 id="request-name">What is sent</h2>
        <p class="quiet">opened, worse, closed</p>
      </header>
      <pre class="alert-sample" tabindex="0" aria-label="An example of a request">
        <code safe>{sample}</code>
      </pre>
      <p class="quiet hint">Signed with HMAC-SHA-256. Tried again for 24 hours, in order, once each.</p>
    </section>
  );
}
