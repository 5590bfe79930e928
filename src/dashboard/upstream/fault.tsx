/** A fault that is played on an upstream, as people see it: the badge on its row, and the banner while any is played. */
/** @jsxImportSource @kitajs/html */

import { PostForm } from "../layout/forms.tsx";
import { anchorOf, attribute } from "../responses.ts";
import { defaultFaultMs, injectedErrors, maxFaultLatencyMs, maxFaultMs } from "../../fault/fault.ts";
import type { Snapshot, UpstreamSnapshot } from "../../snapshot/snapshot.ts";
import { describeInjectedFault, faultProgress, leftOf } from "../../wording/format.ts";

interface FaultBadgeProps {
  readonly upstream: UpstreamSnapshot;
  /** Epoch milliseconds by the balancer's clock. */
  readonly now: number;
}

export function FaultBadge({ upstream, now }: FaultBadgeProps): JSX.Element {
  const fault = faultProgress(upstream);
  if (!fault) return <></>;
  return (
    <span class="rehearsal-badge" safe>
      {`rehearsal: ${describeInjectedFault(fault)}, ${leftOf(fault, now)}`}
    </span>
  );
}

interface FaultBannerProps {
  readonly snapshot: Snapshot | undefined;
  readonly now: number;
}

/** More than this many are counted instead of told. */
const maxListed = 3;

export function FaultBanner({ snapshot, now }: FaultBannerProps): JSX.Element {
  const upstreams = snapshot?.pools.flatMap((pool) => pool.upstreams).filter(faultProgress) ?? [];
  if (upstreams.length === 0) return <></>;
  return (
    <section class="rehearsal-banner" aria-label="Rehearsals">
      <p>
        <strong>Rehearsal.</strong> Faults are being played on purpose; what is red below may be one of them.
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

function BannerLine({ upstream, now }: FaultBadgeProps): JSX.Element {
  const fault = faultProgress(upstream);
  if (!fault) return <></>;
  return (
    <li>
      <a href={attribute(`/upstreams/${encodeURIComponent(upstream.id)}`)} safe>
        {upstream.id}
      </a>
      <span safe>{`: ${describeInjectedFault(fault)}, by ${fault.by}`}</span>
      <span class="age" aria-hidden="true" safe>
        {`, ${leftOf(fault, now)}`}
      </span>
    </li>
  );
}

/** On the upstream's own page: what is played, and the way to end it. */
export function FaultState({ upstream, now }: FaultBadgeProps): JSX.Element {
  const fault = faultProgress(upstream);
  if (!fault) return <></>;
  const { by, why } = fault;
  const action = `/upstreams/${encodeURIComponent(upstream.id)}/rehearsal/end`;
  return (
    <section class="rehearsal-banner" aria-label="Rehearsal under way">
      <p>
        <strong>Rehearsal.</strong>{" "}
        <span safe>{`${describeInjectedFault(fault)}, begun by ${by}${why ? `: ${why}` : ""}`}</span>
        <span class="age" aria-hidden="true" safe>
          {`, ${leftOf(fault, now)}`}
        </span>
      </p>
      <PostForm action={action} target="#done">
        <button type="submit" id="rehearsal-end" class="rehearsal-button">
          End the rehearsal
        </button>
      </PostForm>
    </section>
  );
}

// The form that plays a fault on one upstream: real without a script, which only makes it quicker.

interface FormProps {
  readonly id: string;
}

/** Morphing leaves it alone: what somebody types must outlive the next picture. */
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
        <h2 id="rehearsal-name">Rehearse a fault</h2>
        <p class="quiet">ends by itself</p>
      </header>
      <PostForm kind="rehearsal-fields" action={action} target="#done">
        <label>
          Latency added, ms
          <input type="number" name="latencyMs" min="0" max={String(maxFaultLatencyMs)} step="1" value="0" />
        </label>
        <label>
          Requests that fail, %
          <input type="number" name="errorPercent" min="0" max="100" step="any" value="30" />
        </label>
        <label>
          How they fail
          <select name="error">
            {injectedErrors.map((error) => (
              <option value={error}>{error}</option>
            ))}
          </select>
        </label>
        <label>
          For, seconds
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
          Reason, for the record
          <input type="text" name="reason" maxlength="200" autocomplete="off" />
        </label>
        <label class="rehearsal-check">
          <input type="checkbox" name="probes" value="yes" />
          <span>Probes fail too</span>
        </label>
        <label class="rehearsal-check">
          <input type="checkbox" name="confirmed" value="yes" required />
          <span>
            This is live traffic: retries hide failures from clients unless the budget is spent; added latency
            they feel until the upstream is suspected.
          </span>
        </label>
        <button type="submit" class="rehearsal-button">
          Begin the rehearsal
        </button>
      </PostForm>
    </section>
  );
}

/** Where the form is in the page already. */
export function FaultFormStub({ id }: FormProps): JSX.Element {
  return <section id={anchorOf("rehearsal", id)} hx-morph-skip></section>;
}
