/** The views of fault injection: the banners and the form. */
/** @jsxImportSource @kitajs/html */

import { PostForm } from "../layout/forms.tsx";
import { anchorOf, attribute } from "../responses.ts";
import {
  defaultFaultMs,
  describeFault,
  injectedErrors,
  maxFaultLatencyMs,
  maxFaultMs,
} from "../../fault/fault.ts";
import type { Snapshot, UpstreamSnapshot } from "../../snapshot/snapshot.ts";
import { faultProgress, leftOf } from "../../wording/format.ts";

interface FaultProps {
  readonly upstream: UpstreamSnapshot;
  /** Epoch milliseconds by the balancer's clock. */
  readonly now: number;
}

interface FaultBannerProps {
  readonly snapshot: Snapshot | undefined;
  readonly now: number;
}

/** More upstreams than this are only counted. */
const maxListed = 3;

/** The banner of the overview while any fault is injected. */
export function FaultBanner({ snapshot, now }: FaultBannerProps): JSX.Element {
  const upstreams = snapshot?.pools.flatMap((pool) => pool.upstreams).filter(faultProgress) ?? [];
  if (upstreams.length === 0) return <></>;
  return (
    <section class="rehearsal-banner" aria-label="Active fault injections">
      <p>
        <strong>Fault injection.</strong> Some errors and latency below are injected on purpose.
      </p>
      <ul>
        {upstreams.slice(0, maxListed).map((upstream) => (
          <BannerLine upstream={upstream} now={now} />
        ))}
        {upstreams.length > maxListed ? <li safe>{`and ${upstreams.length - maxListed} more`}</li> : ""}
      </ul>
    </section>
  );
}

function BannerLine({ upstream, now }: FaultProps): JSX.Element {
  const fault = faultProgress(upstream);
  if (!fault) return <></>;
  return (
    <li>
      <a href={attribute(`/upstreams/${encodeURIComponent(upstream.id)}`)} safe>
        {upstream.id}
      </a>
      <span safe>{`: ${describeFault(fault)}, by ${fault.by}`}</span>
      <span class="age" aria-hidden="true" safe>
        {`, ${leftOf(fault, now)}`}
      </span>
    </li>
  );
}

/** The banner of an upstream's page: the injected fault, and the button that stops it. */
export function FaultState({ upstream, now }: FaultProps): JSX.Element {
  const fault = faultProgress(upstream);
  if (!fault) return <></>;
  const { by, why } = fault;
  const action = `/upstreams/${encodeURIComponent(upstream.id)}/rehearsal/end`;
  return (
    <section class="rehearsal-banner" aria-label="Active fault injection">
      <p>
        <strong>Fault injection.</strong>{" "}
        <span safe>{`${describeFault(fault)}, started by ${by}${why ? `: ${why}` : ""}`}</span>
        <span class="age" aria-hidden="true" safe>
          {`, ${leftOf(fault, now)}`}
        </span>
      </p>
      <PostForm action={action} target="#done">
        <button type="submit" id="rehearsal-end" class="rehearsal-button">
          Stop the fault injection
        </button>
      </PostForm>
    </section>
  );
}

interface FormProps {
  readonly id: string;
}

/** The form that injects a fault. It works without a script. Excluded from morphing, which would overwrite the input. */
export function FaultForm({ id }: FormProps): JSX.Element {
  const action = `/upstreams/${encodeURIComponent(id)}/rehearsal`;
  return (
    <section
      class="card rehearsal"
      id={anchorOf("rehearsal", id)}
      hx-morph-skip
      aria-labelledby="rehearsal-name"
    >
      <header class="card-head">
        <h2 id="rehearsal-name">Inject a fault</h2>
        <p class="quiet">ends automatically</p>
      </header>
      <PostForm kind="rehearsal-fields" action={action} target="#done">
        <label>
          Added latency per attempt, ms
          <input type="number" name="latencyMs" min="0" max={String(maxFaultLatencyMs)} step="1" value="0" />
        </label>
        <label>
          Failed attempts, %
          <input type="number" name="errorPercent" min="0" max="100" step="any" value="30" />
        </label>
        <label>
          Error
          <select name="error">
            {injectedErrors.map((error) => (
              <option value={error}>{error}</option>
            ))}
          </select>
        </label>
        <label>
          Duration, s
          <input
            type="number"
            name="seconds"
            min="1"
            max={String(maxFaultMs / 1_000)}
            step="1"
            required
            value={String(defaultFaultMs / 1_000)}
          />
        </label>
        <label class="rehearsal-reason">
          Reason, for the audit trail
          <input type="text" name="reason" maxlength="200" autocomplete="off" />
        </label>
        <label class="rehearsal-check">
          <input type="checkbox" name="probes" value="yes" />
          <span>Probes fail too</span>
        </label>
        <label class="rehearsal-check">
          <input type="checkbox" name="confirmed" value="yes" required />
          <span>
            This affects live traffic. Retries hide failures until the retry budget is exhausted; clients see
            the added latency until the upstream is suspected.
          </span>
        </label>
        <button type="submit" class="rehearsal-button">
          Inject the fault
        </button>
      </PostForm>
    </section>
  );
}

/** A placeholder in live fragments: the page keeps its form. */
export function FaultFormStub({ id }: FormProps): JSX.Element {
  return <section id={anchorOf("rehearsal", id)} hx-morph-skip></section>;
}
