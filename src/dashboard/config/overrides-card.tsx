/** The card of run-time overrides: what operators set, who, when and why, and the same as a configuration file. */
/** @jsxImportSource @kitajs/html */

import { originOf } from "../../net/address.ts";
import type { Intent } from "../../state/intent.ts";
import type { AdminResult } from "../admin-client.ts";
import { attribute } from "../responses.ts";
import { formatAgo, isoTime } from "../../wording/format.ts";
import { adminApiErrorSentence } from "../../wording/verdict.ts";
import { pageOf } from "../location.ts";

export interface OverridesCardProps {
  readonly intents: AdminResult<readonly Intent[]>;
  readonly exported: AdminResult<string>;
  readonly now: number;
}

export function OverridesCard({ intents, exported, now }: OverridesCardProps): JSX.Element {
  return (
    <section class="card" aria-labelledby="overlay-name">
      <header class="card-head">
        <h2 id="overlay-name">Set at run time (overrides)</h2>
        <p class="quiet">overrides the configuration, even after a restart</p>
      </header>
      {"error" in intents ? (
        <p class="empty" safe>{`Cannot read the overrides. ${adminApiErrorSentence(intents.error)}`}</p>
      ) : intents.value.length === 0 ? (
        <p class="empty">No overrides: every value comes from the configuration.</p>
      ) : (
        <>
          <IntentTable intents={intents.value} now={now} />
          {"value" in exported ? <Exported text={exported.value} /> : ""}
        </>
      )}
    </section>
  );
}

function IntentTable({
  intents,
  now,
}: {
  readonly intents: readonly Intent[];
  readonly now: number;
}): JSX.Element {
  return (
    <div class="scroll" tabindex="0" role="group" aria-label="Set at run time">
      <table class="overrides-table">
        <thead>
          <tr>
            {["Upstream", "Override", "By", "When", "Reason"].map((name) => (
              <th scope="col">{name}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {intents.toReversed().map((intent) => (
            <tr>
              <th scope="row">
                <a href={attribute(pageOf(intent.upstream))} safe>
                  {intent.upstream}
                </a>
              </th>
              <td class="override-value" safe>
                {overrideText(intent)}
              </td>
              <td class="override-by" safe>
                {intent.by}
              </td>
              <td class="override-time">
                <time datetime={isoTime(intent.at)} safe>
                  {formatAgo(now - intent.at)}
                </time>
              </td>
              <td class="why" safe>
                {intent.why}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function overrideText(intent: Intent): string {
  switch (intent.kind) {
    case "mode":
      return `mode ${intent.mode}`;
    case "weight":
      return `weight ${intent.weight}`;
    case "added":
      return `added to ${intent.pool}: ${originOf(intent.spec.address)}`;
    case "removed":
      return `removed from ${intent.pool}`;
    default:
      // A kind of a later version.
      return "set";
  }
}

function Exported({ text }: { readonly text: string }): JSX.Element {
  return (
    <details class="export">
      <summary>As a configuration file</summary>
      <p>
        <a class="button" href="/config/export" download="evenkeel-run-time.yaml">
          Download
        </a>
      </p>
      <pre tabindex="0" aria-label="Configuration file">
        <code safe>{text}</code>
      </pre>
    </details>
  );
}
