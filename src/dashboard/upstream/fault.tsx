/** A fault that is played on an upstream, as people see it: the badge on its row, and the banner while any is played. */
/** @jsxImportSource @kitajs/html */

import type { Snapshot, UpstreamSnapshot } from "../../snapshot/snapshot.ts";
import { attribute } from "../escape.ts";
import { PostForm } from "../layout/forms.tsx";
import { leftOf, faultProgress, describeInjectedFault } from "../rehearsal-words.ts";

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
